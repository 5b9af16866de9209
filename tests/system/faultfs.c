/*
 * faultfs.c: a disk that fails on demand. Loaded with LD_PRELOAD before a process of the gateway, or linked into a unit test.
 *
 *   FAULT_FSYNC=/path/of/flag   while that file exists, fsync and fdatasync fail with EIO
 *   FAULT_WRITE=/path/of/flag   while that file exists, writes to regular files and links fail with ENOSPC
 *
 * What the flag file holds (one line, without LF) is an end that the name of the file written must have: "spool.db" spares
 * spool.db-wal, " (deleted)" strikes files that have no name. An empty one means all files. Sockets, pipes and terminals never fail; a
 * scan process, whose sandbox forbids to look for flags, is left alone.
 */
#undef _FILE_OFFSET_BITS /* pwrite and pwrite64 are to be two functions here */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(type, name) ((type)(uintptr_t)dlsym(RTLD_NEXT, name))

static bool is_sandboxed; /* set before main, then only read */
static const char nameless[] = " (deleted)";

__attribute__((constructor)) static void look_at_command_line(void)
{
    char line[4096];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof line);

    if (fd >= 0)
        close(fd);
    is_sandboxed = n > 0 && memmem(line, (size_t)n, "\0@scan", 6);
}

/* The end that names must have, into END; false: this fault is off. */
static bool is_on(const char *variable, char *end, size_t size)
{
    const char *flag = is_sandboxed ? NULL : getenv(variable);
    int fd = flag ? open(flag, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return false;
    ssize_t n = read(fd, end, size - 1);
    end[n > 0 ? n : 0] = '\0';
    close(fd);
    return true;
}

static bool strikes(const char *variable, int fd)
{
    char end[256], link[64], path[PATH_MAX];
    int before = errno;
    struct stat st;

    bool on = is_on(variable, end, sizeof end) && fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
    if (on && end[0]) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, path, sizeof path - 1);
        path[n > 0 ? n : 0] = '\0';
        size_t len = strlen(end), have = strlen(path), mark = strlen(nameless);
        if (st.st_nlink && have >= mark && strcmp(path + have - mark, nameless) == 0)
            path[have -= mark] = '\0'; /* it was made without a name and has one now, which the kernel does not tell here */
        on = have >= len && strcmp(path + have - len, end) == 0;
    }
    errno = before;
    return on;
}

static bool fails(const char *variable, int fd, int error)
{
    if (!strikes(variable, fd))
        return false;
    errno = error;
    return true;
}

int fsync(int fd)
{
    return fails("FAULT_FSYNC", fd, EIO) ? -1 : REAL(int (*)(int), "fsync")(fd);
}

int fdatasync(int fd)
{
    return fails("FAULT_FSYNC", fd, EIO) ? -1 : REAL(int (*)(int), "fdatasync")(fd);
}

ssize_t write(int fd, const void *at, size_t len)
{
    return fails("FAULT_WRITE", fd, ENOSPC) ? -1 : REAL(ssize_t (*)(int, const void *, size_t), "write")(fd, at, len);
}

ssize_t pwrite(int fd, const void *at, size_t len, off_t where)
{
    return fails("FAULT_WRITE", fd, ENOSPC) ? -1 : REAL(ssize_t (*)(int, const void *, size_t, off_t), "pwrite")(fd, at, len, where);
}

ssize_t pwrite64(int fd, const void *at, size_t len, off64_t where)
{
    return fails("FAULT_WRITE", fd, ENOSPC) ? -1 : REAL(ssize_t (*)(int, const void *, size_t, off64_t), "pwrite64")(fd, at, len, where);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    return fails("FAULT_WRITE", fd, ENOSPC) ? -1 : REAL(ssize_t (*)(int, const struct iovec *, int), "writev")(fd, pieces, count);
}

int linkat(int from, const char *name, int to, const char *new_name, int flags)
{
    return fails("FAULT_WRITE", to, ENOSPC)
               ? -1
               : REAL(int (*)(int, const char *, int, const char *, int), "linkat")(from, name, to, new_name, flags);
}
