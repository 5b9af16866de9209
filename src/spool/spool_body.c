/*
 * spool_body.c: bodies above BLOB_MEMORY_MAX, each a file <directory>/body/<two hex digits>/<id>, in one of 256 folders. A body
 * comes as an unlinked temporary file of this file system and is linked into place, so its bytes are written once. File and
 * folder are synced before the row that names them is committed; the file goes after the commit that removes the row. So
 * a crash leaves at worst a file without a row, which the sweep at opening removes.
 */
#include "base/log.h"
#include "spool/spool_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDERS = 256, NAME_SIZE = 32, FOLDER_SIZE = 4 };

static void folder_of(int64_t id, char folder[FOLDER_SIZE])
{
    snprintf(folder, FOLDER_SIZE, "%02x", (unsigned)(id % FOLDERS) & 0xFFU);
}

static void name_of(int64_t id, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "%02x/%" PRId64, (unsigned)(id % FOLDERS) & 0xFFU, id);
}

bool spool_bodies_open(struct spool *s, struct buf *error)
{
    if (mkdirat(s->directory_fd, "body", 0700) != 0 && errno != EEXIST)
        goto trouble;
    s->bodies_fd = openat(s->directory_fd, "body", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->bodies_fd < 0)
        goto trouble;
    bool made = false;
    for (int i = 0; i < FOLDERS; i++) {
        char folder[FOLDER_SIZE];
        folder_of(i, folder);
        if (mkdirat(s->bodies_fd, folder, 0700) == 0)
            made = true;
        else if (errno != EEXIST)
            goto trouble;
    }
    if (made && (fsync(s->bodies_fd) != 0 || fsync(s->directory_fd) != 0))
        goto trouble;
    return true;

trouble:
    buf_addf(error, "%s/body: %s", s->directory, strerror(errno));
    return false;
}

static bool sync_folder(struct spool *s, int64_t id)
{
    char folder[FOLDER_SIZE];

    folder_of(id, folder);
    int fd = openat(s->bodies_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool synced = fsync(fd) == 0;
    int why = errno;
    close(fd);
    errno = why;
    return synced;
}

/* The descriptor's file gets our name too. A leftover of that name belongs to no row: ids are given once. */
static bool link_into_place(struct spool *s, int fd, const char *name)
{
    char from[64];

    snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, from, s->bodies_fd, name, AT_SYMLINK_FOLLOW) == 0)
        return true;
    return errno == EEXIST && unlinkat(s->bodies_fd, name, 0) == 0 &&
           linkat(AT_FDCWD, from, s->bodies_fd, name, AT_SYMLINK_FOLLOW) == 0;
}

static bool write_all(int fd, struct str bytes)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.at, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = str_from_index(bytes, (size_t)n);
    }
    return true;
}

static bool copy_into_place(struct spool *s, const struct blob *body, const char *name)
{
    int fd = openat(s->bodies_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return false;
    bool written = write_all(fd, blob_bytes(body)) && fsync(fd) == 0;
    int why = errno;
    close(fd);
    errno = why;
    return written;
}

static bool put_into_place(struct spool *s, const struct blob *body, const char *name)
{
    int fd = blob_file(body);

    if (fd < 0)
        return copy_into_place(s, body, name);
    if (link_into_place(s, fd, name)) /* first: a file system may pass over the sync of a file that has no name yet (Btrfs does) */
        return fsync(fd) == 0;
    /* another file system, or no /proc: then its bytes are written again */
    return errno != ENOSPC && errno != EDQUOT && errno != EIO && copy_into_place(s, body, name);
}

enum spool_result spool_body_place(struct spool *s, int64_t id, const struct blob *body)
{
    char name[NAME_SIZE];

    name_of(id, name);
    if (put_into_place(s, body, name) && sync_folder(s, id))
        return SPOOL_OK;
    int why = errno;
    unlinkat(s->bodies_fd, name, 0);
    return spool_result_of_errno(s, "writing a message body", why);
}

void spool_body_remove(struct spool *s, int64_t id)
{
    char name[NAME_SIZE];

    name_of(id, name);
    if (unlinkat(s->bodies_fd, name, 0) != 0)
        log_warning("spool: removing %s/body/%s: %s; the next start tries again", s->directory, name, strerror(errno));
}

struct blob *spool_body_open(struct spool *s, int64_t id, uint64_t size)
{
    char name[NAME_SIZE];

    name_of(id, name);
    int fd = openat(s->bodies_fd, name, O_RDONLY | O_CLOEXEC);
    struct blob *body = fd < 0 ? NULL : blob_open(fd);
    if (!body || blob_size(body) == size)
        return body;
    blob_unref(body);
    errno = EUCLEAN;
    return NULL;
}

static bool sweep_folder(struct spool *s, DIR *folder, int64_t number, bool (*known)(struct spool *s, int64_t id))
{
    struct dirent *entry;

    while ((errno = 0, entry = readdir(folder))) {
        uint64_t id;
        if (entry->d_name[0] == '.')
            continue;
        if (!str_to_u64(str_from(entry->d_name), INT64_MAX, &id) || (int64_t)(id % FOLDERS) != number) {
            log_warning("spool: %s/body/%02x/%s is not ours and stays", s->directory, (unsigned)number, entry->d_name);
            continue;
        }
        if (!known(s, (int64_t)id))
            spool_body_remove(s, (int64_t)id);
    }
    return errno == 0;
}

bool spool_bodies_sweep(struct spool *s, bool (*known)(struct spool *s, int64_t id), struct buf *error)
{
    for (int64_t i = 0; i < FOLDERS; i++) {
        char name[FOLDER_SIZE];
        folder_of(i, name);
        int fd = openat(s->bodies_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = fd < 0 ? NULL : fdopendir(fd);
        bool swept = folder && sweep_folder(s, folder, i, known);
        int why = errno;
        if (folder)
            closedir(folder);
        else if (fd >= 0)
            close(fd);
        if (!swept) {
            buf_addf(error, "%s/body/%s: %s", s->directory, name, strerror(why));
            return false;
        }
    }
    return true;
}
