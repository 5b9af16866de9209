/* account_limits_parts.h: what the files behind account_limits.h share; nobody else includes it. */
#ifndef STORE_ACCOUNT_LIMITS_PARTS_H
#define STORE_ACCOUNT_LIMITS_PARTS_H

#include "base/hash.h"
#include "base/list.h"
#include "store/account_limits.h"

#include <pthread.h>

struct limit_entry {
    int64_t when_ms;
    struct limit_counts counts;
};

struct limited { /* one key */
    struct hash_node node;
    struct list used;             /* least recently used first */
    struct limit_entry *at;       /* owned; oldest first */
    size_t count, room;
    size_t len;
    char key[];
};

struct limits {
    pthread_mutex_t lock;         /* guards all below */
    struct hash_table table;
    struct list used;
    size_t most, entries;         /* entries: of all keys */
    char *path;                   /* owned; NULL: no file */
    int fd;                       /* -1: cannot be written */
    uint64_t lines;               /* in the file */
    int64_t complain_from_ms;
};

/* All under the lock. */
/* Counts MORE for KEY at WHEN_MS; false when there is no memory. */
bool limits_add(struct limits *l, struct str key, const struct limit_counts *more, int64_t when_ms);
void limits_remove(struct limits *l, struct str key, const struct limit_counts *less, int64_t when_ms);
/* account_limits_file.c: reads PATH and keeps it open; false with the reason in ERROR. */
bool limits_file_open(struct limits *l, int64_t now_ms, struct buf *error);
/* One more line: SIGN is '+' or '-'. What cannot be written is said, and tried anew with the whole later. */
void limits_file_note(struct limits *l, char sign, struct str key, const struct limit_counts *counts, int64_t when_ms);

#endif
