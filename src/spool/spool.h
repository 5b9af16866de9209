/*
 * spool.h: the durable queue. A SQLite database (WAL, synchronous=FULL); who writes, one thread at a time, takes everything that waits
 * (new messages, outcomes) into one transaction: one fsync for all. spool_submit() returns after the commit, so that 250 may be said.
 * Bodies up to BLOB_MEMORY_MAX stand in the database, larger ones are files that are fsynced (file and folder) before their row.
 * An fsync error is never retried on the same data: the spool goes read-only with an alarm and answers SPOOL_FAILED until it is opened again.
 * Messages are immutable and reference counted; recipients' states are changed only through spool_outcome() and the verbs below.
 */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include "base/blob.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/random.h"
#include "smtp/command.h"

struct spool;

enum spool_recipient_state {
    SPOOL_QUEUED,   /* to be tried at next_try_ms */
    SPOOL_HELD,     /* by an operator */
    SPOOL_FROZEN,   /* an undeliverable bounce: waits for the operator */
    SPOOL_DONE      /* delivered, bounced, removed: the row goes away */
};

struct spool_recipient {
    struct rcpt_args args;
    enum spool_recipient_state state;
    int64_t next_try_ms;        /* wall clock */
    uint32_t attempts;
    bool delay_told;            /* a delay notice was sent */
    char last_reply[512];       /* remote's words, or ours, of the last attempt; "" */
    char last_host[300];        /* "mx.example.net[192.0.2.1]:25" */
};

struct spool_message {
    int64_t id;                 /* > 0 once committed */
    char reference[REFERENCE_LEN + 1];
    int64_t received_ms;        /* wall clock */
    struct mail_args mail;      /* envelope: sender, BODY, SMTPUTF8, REQUIRETLS, RET, ENVID */
    bool is_outgoing;           /* came over a submission port or is our own report */
    bool is_8bit;               /* body holds octets above 127 */
    char client[ENDPOINT_TEXT_MAX]; /* who brought it; "" for our own */
    char helo[128];
    struct blob *header;        /* our trace fields (Return-Path excluded), sealed, owned: go before the body; may be NULL */
    struct blob *body;          /* sealed, owned */
    size_t recipient_count;
    struct spool_recipient *recipients; /* owned array; courier changes its own recipients in memory between attempts, one thread at a time */
    /* spool's own */
    _Atomic unsigned refs;
};

/* A message with room for COUNT recipients and one reference (the caller's); NULL out of memory. */
struct spool_message *spool_message_new(size_t recipient_count);
struct spool_message *spool_message_ref(struct spool_message *m);
void spool_message_unref(struct spool_message *m); /* the last one frees blobs and recipients */

enum spool_result { SPOOL_OK, SPOOL_FULL /* below the free-space floor, ENOSPC, SQLITE_FULL */, SPOOL_FAILED /* I/O error: read-only now */ };

/* Opens or creates; recovers after a crash (removes body files without a row). NULL with the reason in ERROR.
 * ACCEPTED is called for each committed message, by the writer thread or within anybody's spool_submit() (in-memory hand-off; it must not
 * block, and takes its own reference);
 * it is called for none that spool_load() brings. */
struct spool *spool_open(const char *directory, uint64_t free_floor, void (*accepted)(void *arg, struct spool_message *m), void *arg, struct buf *error);
void spool_close(struct spool **s); /* commits what waits first */
void spool_set_free_floor(struct spool *s, uint64_t bytes);

/* Is there room for a message of SIZE bytes above the floor? Cheap (statvfs at most every second), never blocks. */
bool spool_has_room(struct spool *s, uint64_t size);
bool spool_is_failed(const struct spool *s);

/* Blocks until M is durable. On SPOOL_OK M->id is set and ACCEPTED was called. M's reference stays the caller's. */
enum spool_result spool_submit(struct spool *s, struct spool_message *m) __attribute__((warn_unused_result));

/* The same, unless a message was submitted with this TOKEN (> 0) before, also by a process that was killed: then it returns SPOOL_OK, *WAS_THERE is set, and M is not taken.
 * Tokens are remembered for 90 days. */
enum spool_result spool_submit_once(struct spool *s, struct spool_message *m, int64_t token, bool *was_there) __attribute__((warn_unused_result));

/* An envelope as bytes, as the spool keeps it, for who keeps messages elsewhere; and a message of them, without header and body (NULL: not such bytes, or out of memory). */
bool spool_message_write(struct spool_message *m, struct buf *out) __attribute__((warn_unused_result));
struct spool_message *spool_message_read(struct str bytes);

/* A recipient's new state after an attempt or a verb; joins the next commit and returns at once. REPORT (may be NULL, its reference is taken) is a DSN
 * that is committed in the same transaction as the outcome that causes it: neither without the other; it is handed to ACCEPTED like any message. When all recipients of M are
 * SPOOL_DONE, its rows and body go away. An outcome without a report waits up to 5 ms for something to commit with. A report whose body is
 * large is synced on the calling thread first. The caller owns recipient I of M at that time; the values are copied from it. */
void spool_outcome(struct spool *s, struct spool_message *m, size_t i, struct spool_message *report_or_null);
/* Waits until everything handed in so far is committed. */
enum spool_result spool_flush(struct spool *s) __attribute__((warn_unused_result));

/* At start: all queued messages, oldest first, through EACH (takes its own reference). Bodies are opened on demand: see spool_message_body(). */
bool spool_load(struct spool *s, void (*each)(void *arg, struct spool_message *m), void *arg, struct buf *error);
/* Deferred messages may drop their body from memory and get it back: NULL when it cannot be read. The reading is the writer thread's,
 * so no lock that ACCEPTED takes may be held, nor in spool_submit(). Forgetting never blocks. */
struct blob *spool_message_body(struct spool *s, struct spool_message *m);   /* a reference for the caller */
void spool_message_forget_body(struct spool *s, struct spool_message *m);

struct spool_stats {
    uint64_t messages, recipients;     /* in the queue now; older ones count once spool_load() has given them */
    uint64_t submitted, commits, committed_items;
    uint64_t bytes_free;
    bool failed;
};
void spool_stats(struct spool *s, struct spool_stats *out);

#endif
