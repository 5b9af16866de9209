/*
 * spool_parts.h: what the files of this folder share; nobody else includes it.
 *
 * One thread at a time touches the database: the writer thread, or who has taken its turn (spool_turn.c). Everybody else puts a struct
 * spool_item into the queue: those that are waited for stand on the asking thread's stack, outcomes are allocated and belong to the queue.
 * What is called the writer's here belongs to the thread whose turn it is; the lock hands it on.
 */
#ifndef SPOOL_SPOOL_PARTS_H
#define SPOOL_SPOOL_PARTS_H

#include "base/buf.h"
#include "spool/spool.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

/* Every message stands inside one of these: spool_message_new() is the only maker. */
struct spool_record {
    struct spool_message message;
    bool body_in_file;       /* set before the row is committed, constant afterwards */
    uint64_t body_size;
    /* The writer thread's own: */
    bool has_recipient_rows; /* perhaps: some recipient's state stands outside the envelope */
    size_t live;             /* recipients that are not done */
    bool *done;              /* per recipient; behind the struct */
};

static inline struct spool_record *spool_record_of(struct spool_message *m)
{
    return container_of(m, struct spool_record, message);
}

/* A message on its way in: encoded, and its body file in place, before the writer sees it. */
struct spool_insert {
    struct spool_message *message; /* NULL: none */
    int64_t id;
    struct buf envelope;           /* owned */
    bool needs_file;               /* the body's file is not in place yet */
    int64_t token;                 /* spool_submit_once(); 0: none */
    bool was_there;                /* the writer's: a message with that token came before; this one is not inserted */
};

enum spool_item_kind {
    SPOOL_ITEM_SUBMIT,
    SPOOL_ITEM_OUTCOME,
    SPOOL_ITEM_BODY, /* read one body */
    SPOOL_ITEM_PAGE, /* read some rows */
    SPOOL_ITEM_FLUSH
};

enum { SPOOL_PAGE_ROWS = 128 };

enum spool_finished {
    SPOOL_NOT_YET,
    SPOOL_FINISHED,  /* the writer is through with it */
    SPOOL_WAITED_FOR /* not yet, and somebody sleeps until then */
};

struct spool_item {
    struct list link;
    enum spool_item_kind kind;
    struct spool_insert insert;    /* SUBMIT; OUTCOME: the report, if any (a reference) */
    /* OUTCOME: */
    struct spool_message *subject; /* a reference */
    size_t index;                  /* of the recipient */
    bool is_done;
    struct buf state;              /* encoded, owned */
    bool counted, removes;         /* writer: it took one off `live`; it deleted the rows */
    /* BODY, PAGE: */
    int64_t id;                    /* the body's; the last row already seen */
    struct blob *body;             /* out */
    struct spool_message **page;   /* out: room for SPOOL_PAGE_ROWS */
    size_t page_count;
    bool read_failed;

    enum spool_result result;
    _Atomic uint32_t finished;     /* a futex: enum spool_finished */
};

static inline struct spool_item *spool_item_of(struct list *l)
{
    return container_of(l, struct spool_item, link);
}

/* Somebody waits for it: all but an outcome without a report. */
static inline bool spool_item_is_urgent(const struct spool_item *item)
{
    return item->kind != SPOOL_ITEM_OUTCOME || item->insert.message;
}

/* The database: prepared statements of its one connection. */
struct spool_table {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *rollback, *insert, *insert_state, *remove, *remove_states, *body, *page, *states, *freelist, *insert_token;
    uint64_t page_size;
    int wal_pages; /* as of the last commit */
};

struct spool {
    char *directory; /* owned */
    int directory_fd, bodies_fd;
    void (*accepted)(void *arg, struct spool_message *m);
    void *arg;

    pthread_t writer;
    pthread_mutex_t lock; /* guards what follows, to `stopping` */
    pthread_cond_t wake;
    struct list queue;
    size_t urgent, lazy;  /* items in it */
    size_t wake_at_lazy;  /* so many lazy ones wake the writer */
    bool writer_sleeps;
    bool is_led;          /* a submitting thread has the turn */
    bool has_written;     /* somebody, since the writer thread went to sleep */
    bool house_is_due;    /* for the writer thread: nobody waits for that */
    bool stopping;
    pthread_mutex_t body_lock; /* guards every message's `body` once it is committed */

    struct spool_table table; /* the writer's; the opener's before the writer starts */
    struct list retained;     /* the writer's: outcomes that could not be committed yet */
    bool has_reserve, reserve_failed; /* the writer's */

    _Atomic int64_t next_id;
    int64_t loaded_max; /* the highest id found at opening */
    int64_t counted_to; /* the writer's: rows up to there are in `messages` */
    atomic_bool failed;
    _Atomic int64_t full_said_ms;
    _Atomic uint64_t free_floor, free_bytes, reusable_bytes;
    _Atomic int64_t free_checked_ms;
    _Atomic uint64_t messages, recipients, submitted, commits, committed_items;
};

/* spool_row.c: the envelope and a recipient's state as bytes, versioned and length-prefixed. */
bool spool_envelope_encode(struct spool_record *r, struct buf *out) __attribute__((warn_unused_result));
/* NULL: out of memory or not an envelope (*DAMAGED tells which). Header and body are not part of it. */
struct spool_message *spool_envelope_decode(struct str bytes, bool *damaged);
bool spool_state_encode(const struct spool_recipient *r, struct buf *out) __attribute__((warn_unused_result));
bool spool_state_decode(struct str bytes, struct spool_recipient *out) __attribute__((warn_unused_result));

/* spool_body.c: bodies above BLOB_MEMORY_MAX, each a file of its own. */
bool spool_bodies_open(struct spool *s, struct buf *error) __attribute__((warn_unused_result));
/* Durable under its name when this returns SPOOL_OK. */
enum spool_result spool_body_place(struct spool *s, int64_t id, const struct blob *body) __attribute__((warn_unused_result));
void spool_body_remove(struct spool *s, int64_t id);
/* NULL with errno: EUCLEAN where the file has not the SIZE that its row says; a damaged message is delivered to nobody. */
struct blob *spool_body_open(struct spool *s, int64_t id, uint64_t size);
/* Removes every file whose id KNOWN denies. */
bool spool_bodies_sweep(struct spool *s, bool (*known)(struct spool *s, int64_t id), struct buf *error) __attribute__((warn_unused_result));

/* spool_table.c: every function gives an SQLite result code. */
bool spool_table_open(struct spool *s, struct buf *error) __attribute__((warn_unused_result));
void spool_table_close(struct spool *s);
bool spool_table_has(struct spool *s, int64_t id);
int spool_table_insert(struct spool_table *t, struct spool_insert *in);
int spool_table_state(struct spool_table *t, int64_t id, size_t index, struct str state);
int spool_table_remove(struct spool_table *t, int64_t id, bool with_states);
int spool_table_body(struct spool_table *t, int64_t id, struct blob **out);
/* The rows behind AFTER, up to LAST, at most SPOOL_PAGE_ROWS: ROWS of them, COUNT readable ones; goes on behind *SEEN. */
int spool_table_page(struct spool_table *t, int64_t after, int64_t last, struct spool_message **page, size_t *count, size_t *rows, int64_t *seen);
int spool_table_checkpoint(struct spool_table *t, bool truncate);
int spool_table_run(sqlite3_stmt *statement); /* one that gives no rows */
int spool_table_empty(struct spool_table *t); /* gives the file's pages back when it holds nothing */
uint64_t spool_table_reusable(struct spool_table *t);

/* spool_reserve.c */
void spool_reserve_take(struct spool *s); /* if there is plenty of room */
bool spool_reserve_give_up(struct spool *s); /* true: there is more room now */

/* spool_recover.c */
bool spool_recover_log(const char *directory, struct buf *error) __attribute__((warn_unused_result));

/* spool_turn.c */
void *spool_writer_run(void *spool);
void spool_push(struct spool *s, struct spool_item *item);
enum spool_result spool_ask(struct spool *s, struct spool_item *item); /* pushes and waits */
void spool_item_finish(struct spool_item *item, enum spool_result result);
void spool_move_all(struct list *from, struct list *to);

/* spool_writer.c: for the thread whose turn it is */
void spool_write_batch(struct spool *s, struct list *batch);
bool spool_house_is_due(struct spool *s);
void spool_keep_house(struct spool *s);
void spool_give_up_retained(struct spool *s);

/* spool.c */
void spool_fail(struct spool *s, const char *what, const char *why); /* read-only from now on, said once */
void spool_say_full(struct spool *s, const char *what, int error); /* once a minute */
enum spool_result spool_result_of_errno(struct spool *s, const char *what, int error);

#endif
