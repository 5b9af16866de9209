/* line_file.c: see line_file.h. */
#include "store/line_file.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Every whole line; what stands behind the last of them was torn off by a crash. */
static bool read_lines(const struct line_file *f, FILE *in, off_t *end, uint64_t *lines)
{
    char *line = NULL;
    size_t room = 0, bad = 0, head = strlen(f->head);
    ssize_t n = getline(&line, &room, in);
    bool ours = n == (ssize_t)head && memcmp(line, f->head, head) == 0;

    *end = ours ? n : 0;
    while (ours && (n = getline(&line, &room, in)) > 0 && line[n - 1] == '\n') {
        bad += !f->take(f->arg, str_n(line, (size_t)n - 1));
        (*lines)++;
        *end += n;
    }
    free(line);
    if (bad)
        log_warning("%s: %zu lines are none of %s and were left out", f->path, bad, f->owner);
    return ours;
}

/* A file that is none of ours is kept for the operator to look at; mail goes on. */
static int begin_anew(const struct line_file *f, int fd)
{
    char aside[PATH_MAX];

    snprintf(aside, sizeof aside, "%s.bad", f->path);
    log_error("%s is not %s: it is moved to %s, and all is learned anew", f->path, f->name, aside);
    close(fd);
    if (rename(f->path, aside) < 0)
        return -1;
    return open(f->path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
}

static int fail(int fd)
{
    int trouble = errno;

    close(fd);
    errno = trouble;
    return -1;
}

int line_file_open(const struct line_file *f, uint64_t *lines)
{
    int fd = open(f->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640), copy = fd < 0 ? -1 : dup(fd);
    FILE *in = copy < 0 ? NULL : fdopen(copy, "r");
    off_t end = 0;

    *lines = 0;
    if (!in) {
        if (copy >= 0)
            close(copy);
        return fd < 0 ? -1 : fail(fd);
    }
    off_t size = lseek(fd, 0, SEEK_END);
    rewind(in);
    bool ours = read_lines(f, in, &end, lines) || size < (off_t)strlen(f->head);
    fclose(in);
    if (!ours && (fd = begin_anew(f, fd)) < 0)
        return -1;
    if (end < size && ours)
        log_warning("%s: its last line was torn off by a crash and is left out", f->path);
    return ftruncate(fd, ours ? end : 0) == 0 && (end > 0 || file_write_all(fd, f->head, strlen(f->head))) ? fd : fail(fd);
}
