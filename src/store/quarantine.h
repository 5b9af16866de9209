/*
 * quarantine.h: messages kept back for their recipients (product.md §8). A row for each recipient, one body for all of a message, packed by zlib.
 * What is kept is durable before quarantine_keep() returns; several threads' messages share a transaction.
 *
 * kept -> releasing (somebody wants it; quarantine_release()) -> released (the relay has put it into the queue, exactly once)
 * kept -> removed, expired: the body goes once no row needs it any more.
 */
#ifndef STORE_QUARANTINE_H
#define STORE_QUARANTINE_H

#include "catalog/reason.h"
#include "store/db.h"

struct quarantine;

/* PATH of the store. NULL with the reason in ERROR. */
struct quarantine *quarantine_open(const char *path, struct buf *error);
void quarantine_close(struct quarantine **q);

struct quarantine_item {
    int64_t id;           /* db_new_id() */
    int64_t tenant, domain, account; /* 0: none */
    bool is_outgoing, is_refused;
    struct str reference, sender, recipient, header_from, subject, client_ip;
    struct str reason, evidence;
    double score;
    struct str envelope;  /* for one recipient: spool_message_write() */
    int64_t expires_ms;   /* wall clock */
};

/* Keeps BODY with its trace fields HEADER for each of ITEMS. DB_OK: all of it is durable; else nothing of it is there. From any thread. */
enum db_result quarantine_keep(struct quarantine *q, const struct quarantine_item *items, size_t count, struct str header, struct str body) __attribute__((warn_unused_result));
/* Takes back what quarantine_keep() kept, when the rest of its message could not be taken. */
void quarantine_drop(struct quarantine *q, const struct quarantine_item *items, size_t count);

/* Malware and phishing, as far as it was found: nothing that anybody should let in by one careless click. */
bool quarantine_is_risky(enum reason r);

/* Header and body of row ID, unpacked; false where there are none any more, or they cannot be read. */
bool quarantine_body(struct db *d, int64_t id, struct buf *header, struct buf *body);

/* For who administers, within a transaction of his own: *CHANGED says whether ID was in a state that allows it (kept). BY is for the row. */
enum db_result quarantine_release(struct db *d, int64_t id, struct str by, int64_t *changed) __attribute__((warn_unused_result));
enum db_result quarantine_remove(struct db *d, int64_t id, struct str by, int64_t *changed) __attribute__((warn_unused_result));

/* The relay's: one row that waits for its release; false: none. ENVELOPE as it was kept. */
bool quarantine_next_release(struct db *d, int64_t *id, struct buf *envelope, struct buf *header, struct buf *body);
enum db_result quarantine_released(struct db *d, int64_t id) __attribute__((warn_unused_result));
/* Ends what is too old, and takes away bodies that nobody needs and rows that ended before FORGET_MS; a part at a time. Returns how many rows it ended or took away. */
int64_t quarantine_expire(struct db *d, int64_t now_ms, int64_t forget_ms);

#endif
