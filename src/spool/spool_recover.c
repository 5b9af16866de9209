/*
 * spool_recover.c: what a run that was cut off left in SQLite's log.
 *
 * When an fsync fails the kernel keeps the pages as if they were written, so a log read back through the page cache may look whole
 * while its end is not on disk. If we went on writing behind that end, a power cut would cut off what we acknowledged since.
 * So before SQLite sees a log, its bytes are written once more to where they stand, which makes the kernel write them, and synced.
 * In place: it needs no room on a full disk, and a crash meanwhile leaves nothing worse than there was.
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

static bool write_at(int fd, const char *at, size_t len, off_t where)
{
    while (len) {
        ssize_t n = pwrite(fd, at, len, where);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
        where += n;
    }
    return true;
}

static bool write_again(int fd)
{
    char *piece = malloc(PIECE);
    ssize_t got = piece ? 1 : -1;

    for (off_t where = 0; got > 0; where += got) {
        got = pread(fd, piece, PIECE, where);
        if (got > 0 && !write_at(fd, piece, (size_t)got, where))
            got = -1;
    }
    int why = errno;
    free(piece);
    errno = why;
    return got == 0 && fsync(fd) == 0;
}

bool spool_recover_log(const char *directory, struct buf *error)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/spool.db-wal", directory) >= (int)sizeof path) {
        buf_addf(error, "%s: name too long", directory);
        return false;
    }
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return true;
    bool done = fd >= 0 && write_again(fd);
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (!done)
        buf_addf(error, "%s: %s", path, strerror(why));
    return done;
}
