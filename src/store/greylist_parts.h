/* greylist_parts.h: what greylist.c and its file share; nobody else includes it. */
#ifndef STORE_GREYLIST_PARTS_H
#define STORE_GREYLIST_PARTS_H

#include "base/hash.h"
#include "base/list.h"
#include "store/greylist.h"

#include <pthread.h>

enum { GREYLIST_KEY_MAX = 700, GREYLIST_LINE_MAX = 800, GREYLIST_PENDING_MAX = 16 * 1024 * 1024 };

struct greylist_entry {
    struct hash_node node;
    struct list used;            /* least recently used first */
    int64_t first_ms, last_ms;   /* wall clock */
    int64_t saved_ms;            /* last_ms as the file has it */
    uint32_t count;
    char kind;                   /* t p n c */
    uint8_t snapshot;            /* number of the snapshot that has it already */
    uint16_t len;
    char key[];                  /* not NUL-terminated: "NETWORK SENDER DOMAIN" */
};

struct greylist {
    pthread_mutex_t lock;        /* guards all below, but for what only the writer uses */
    struct hash_table table;
    struct list grey, known;
    size_t grey_count, most;
    struct greylist_stats stats;
    struct buf pending;          /* lines that wait for the writer */
    struct list cursor;          /* of a snapshot, in one of the lists */
    pthread_cond_t wake;
    bool stopping, keeps;        /* keeps: there is a file */
    bool needs_snapshot;         /* lines were lost */
    /* the writer's */
    pthread_t thread;
    char *path;                  /* owned */
    int fd;
    uint64_t lines;
    uint8_t snapshot;
    int64_t complain_from_ms, try_from_ms;
};

/* greylist.c; under the lock */
bool greylist_is_known(const struct greylist_entry *e);
void greylist_line(const struct greylist_entry *e, char sign, struct buf *out);
/* Puts in what a line of the file says. False when it is no line. */
bool greylist_take_line(struct greylist *g, struct str line);

/* greylist_file.c */
bool greylist_file_open(struct greylist *g, const char *path, struct buf *error);
void greylist_file_close(struct greylist *g);

#endif
