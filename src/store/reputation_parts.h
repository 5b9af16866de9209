/* reputation_parts.h: what reputation.c and its file share; nobody else includes it. */
#ifndef STORE_REPUTATION_PARTS_H
#define STORE_REPUTATION_PARTS_H

#include "base/hash.h"
#include "base/list.h"
#include "store/reputation.h"

#include <pthread.h>

enum { REPUTATION_LINE_MAX = 400 };

struct reputation_entry {
    struct hash_node node;
    struct list used;        /* in strangers or known, least recently used first */
    struct list changed;     /* waits to be written; else by itself */
    double good, bad;        /* as of last_ms */
    int64_t last_ms;         /* wall clock */
    bool is_known;
    uint8_t kind, len;
    char name[];             /* not NUL-terminated; lower case, without blanks */
};

struct reputation {
    pthread_mutex_t lock;    /* guards all below, but for what only the writer uses */
    struct hash_table table;
    struct list strangers, known, changed;
    size_t stranger_count, most;
    size_t changed_count;
    uint64_t evicted;
    struct buf gone;         /* lines of what was forgotten, for the writer */
    pthread_cond_t wake;
    bool stopping, keeps;    /* keeps: there is a file */
    bool is_due;             /* a line could not be written, or they are too many: the file must be written anew */
    /* the writer's */
    pthread_t thread;
    char *path;              /* owned */
    int fd;                  /* the file, or where it is being written anew */
    bool is_new;             /* the latter: it becomes the file when all has been written */
    uint64_t lines;
    bool has_failed;
};

/* reputation.c; under the lock */
void reputation_changed(struct reputation *r, struct reputation_entry *e); /* it waits to be written */
void reputation_written(struct reputation *r, struct reputation_entry *e); /* and no longer */
void reputation_line(const struct reputation_entry *e, struct buf *out);
/* Puts in what a line of the file says. False when it is no line. */
bool reputation_take_line(struct reputation *r, struct str line);

/* reputation_file.c */
bool reputation_file_open(struct reputation *r, const char *path, struct buf *error);
void reputation_file_close(struct reputation *r);

#endif
