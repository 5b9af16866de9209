/* blob.c: see blob.h. */
#include "base/blob.h"

#include "base/bug.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct blob {
    atomic_uint refs;
    char *memory; /* owned; NULL once in a file */
    size_t cap;
    int fd; /* owned; -1 while in memory */
    const char *map;
    uint64_t size, ceiling;
    char *directory;
    bool sealed;
};

struct blob *blob_new(uint64_t ceiling, const char *directory)
{
    struct blob *b = calloc(1, sizeof *b);

    if (!b)
        return NULL;
    atomic_init(&b->refs, 1);
    b->fd = -1;
    b->ceiling = ceiling;
    if (directory && !(b->directory = strdup(directory))) {
        free(b);
        return NULL;
    }
    return b;
}

static bool move_to_file(struct blob *b)
{
    int fd = open(b->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        return false;
    if (!file_write_all(fd, b->memory, b->size)) {
        int why = errno;
        close(fd);
        errno = why;
        return false;
    }
    free(b->memory);
    b->memory = NULL;
    b->cap = 0;
    b->fd = fd;
    return true;
}

static bool reserve(struct blob *b, size_t need)
{
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap * 2 : 4096;
    while (cap < need)
        cap *= 2;
    char *memory = realloc(b->memory, cap);
    if (!memory)
        return false;
    b->memory = memory;
    b->cap = cap;
    return true;
}

enum blob_result blob_append(struct blob *b, const char *at, size_t len)
{
    bug_unless(!b->sealed);
    if (len > b->ceiling - b->size)
        return BLOB_TOO_LARGE;
    if (b->fd < 0 && b->directory && b->size + len > BLOB_MEMORY_MAX && !move_to_file(b))
        return BLOB_FAILED;
    if (b->fd >= 0) {
        if (!file_write_all(b->fd, at, len))
            return BLOB_FAILED;
    } else {
        if (!reserve(b, (size_t)b->size + len))
            return BLOB_FAILED;
        if (len)
            memcpy(b->memory + b->size, at, len);
    }
    b->size += len;
    return BLOB_OK;
}

bool blob_seal(struct blob *b)
{
    if (b->fd >= 0 && b->size) {
        void *map = mmap(NULL, (size_t)b->size, PROT_READ, MAP_SHARED, b->fd, 0);
        if (map == MAP_FAILED)
            return false;
        b->map = map;
    }
    b->sealed = true;
    return true;
}

struct blob *blob_from(struct str bytes)
{
    struct blob *b = blob_new(bytes.len, NULL);

    if (!b)
        return NULL;
    b->memory = malloc(bytes.len ? bytes.len : 1); /* no more than it will ever need: a queue holds many */
    b->cap = b->memory ? bytes.len : 0;
    if (!b->memory || blob_append(b, bytes.at, bytes.len) != BLOB_OK || !blob_seal(b)) {
        blob_unref(b);
        return NULL;
    }
    return b;
}

struct blob *blob_open(int fd)
{
    struct stat st;
    struct blob *b = fstat(fd, &st) < 0 ? NULL : blob_new((uint64_t)st.st_size, NULL);

    if (!b) {
        int why = errno;
        close(fd);
        errno = why;
        return NULL;
    }
    b->fd = fd;
    b->size = (uint64_t)st.st_size;
    if (!blob_seal(b)) {
        int why = errno;
        blob_unref(b);
        errno = why;
        return NULL;
    }
    return b;
}

uint64_t blob_size(const struct blob *b)
{
    return b->size;
}

struct str blob_bytes(const struct blob *b)
{
    bug_unless(b->sealed);
    return str_n(b->fd >= 0 ? b->map : b->memory, (size_t)b->size);
}

int blob_file(const struct blob *b)
{
    return b->fd;
}

int blob_readable_fd(const struct blob *b)
{
    char path[64];
    int fd = b->fd;

    bug_unless(b->sealed);
    if (fd < 0) {
        fd = memfd_create("message", MFD_CLOEXEC);
        if (fd < 0)
            return -1;
        if (!file_write_all(fd, b->memory, (size_t)b->size)) {
            int why = errno;
            close(fd);
            errno = why;
            return -1;
        }
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int readable = open(path, O_RDONLY | O_CLOEXEC);
    int why = errno;
    if (fd != b->fd)
        close(fd);
    errno = why;
    return readable;
}

struct blob *blob_ref(struct blob *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void blob_unref(struct blob *b)
{
    if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (b->map)
        munmap((void *)(uintptr_t)b->map, (size_t)b->size);
    if (b->fd >= 0)
        close(b->fd);
    free(b->memory);
    free(b->directory);
    free(b);
}
