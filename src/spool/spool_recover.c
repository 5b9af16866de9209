/*
 * spool_recover.c: what a run that was cut off left in SQLite's log.
 *
 * When an fsync fails the kernel keeps the pages as if they were written, so a log read back through the page cache may look whole
 * while its end is not on disk. If we went on writing behind that end, a power cut would cut off what we acknowledged since.
 * So before SQLite sees a log it is written anew and synced; then SQLite checks it and carries it over into the database.
 */
#include "spool/spool_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 256 * 1024 };

static bool copy_all(int from, int to)
{
    char *piece = malloc(PIECE);
    ssize_t got = 0;

    if (!piece)
        return false;
    while ((got = read(from, piece, PIECE)) > 0) {
        for (ssize_t put = 0; put < got;) {
            ssize_t n = write(to, piece + put, (size_t)(got - put));
            if (n <= 0) {
                free(piece);
                return false;
            }
            put += n;
        }
    }
    free(piece);
    return got == 0 && fsync(to) == 0;
}

static bool sync_directory(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return false;
    bool synced = fsync(fd) == 0;
    int why = errno;
    close(fd);
    errno = why;
    return synced;
}

static bool rewrite(const char *directory, int from, const char *path, const char *fresh)
{
    int to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (to < 0)
        return false;
    bool copied = copy_all(from, to);
    int why = errno;
    close(to);
    if (copied && rename(fresh, path) == 0)
        return sync_directory(directory);
    if (copied)
        why = errno;
    unlink(fresh);
    errno = why;
    return false;
}

bool spool_recover_log(const char *directory, struct buf *error)
{
    char path[PATH_MAX], fresh[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/spool.db-wal", directory) >= (int)sizeof path ||
        snprintf(fresh, sizeof fresh, "%s/spool.db-wal.new", directory) >= (int)sizeof fresh) {
        buf_addf(error, "%s: name too long", directory);
        return false;
    }
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0 && errno == ENOENT)
        return true;
    bool done = from >= 0 && rewrite(directory, from, path, fresh);
    int why = errno;
    if (from >= 0)
        close(from);
    if (!done)
        buf_addf(error, "%s: %s", path, strerror(why));
    return done;
}
