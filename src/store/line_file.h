/*
 * line_file.h: an append log of text lines that a structure in memory is read from at a start (greylist, reputation): the first line says whose it is. A torn last line, which a crash leaves,
 * is cut off; a file that is none of ours is moved aside, and a new one begun.
 */
#ifndef STORE_LINE_FILE_H
#define STORE_LINE_FILE_H

#include "base/str.h"

#include <stdint.h>

struct line_file {
    const char *path;
    const char *head;   /* the first line, its LF included */
    const char *name;   /* for the log: "a greylist" */
    const char *owner;  /* likewise: "the greylist's" */
    bool (*take)(void *arg, struct str line); /* false: it is none of ours */
    void *arg;
};

/* Reads all lines and leaves the file open for appending. Its descriptor, or -1 with errno; *LINES gets how many it holds, the head not counted. */
int line_file_open(const struct line_file *f, uint64_t *lines) __attribute__((warn_unused_result));

#endif
