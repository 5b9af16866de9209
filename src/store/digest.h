/*
 * digest.h: what a mailbox's digest tells of (product.md §8): messages kept back since the last one, and links that may be used once each, for seven days. A link's
 * secret stands in the mail only; the store has its SHA-256 (table token: kind digest, verb, object the quarantine row, recipient).
 */
#ifndef STORE_DIGEST_H
#define STORE_DIGEST_H

#include "base/buf.h"
#include "store/db.h"

enum { DIGEST_ROWS_MAX = 100, DIGEST_SECRET_LEN = 43 /* 256 bits in base64url */ };

struct digest_row {
    int64_t id;
    int64_t time_ms;
    struct str from, subject, reason, evidence; /* in the digest's arena */
    int64_t size;
    char release[DIGEST_SECRET_LEN + 1], allow[DIGEST_SECRET_LEN + 1]; /* "" where none may be released by a link */
};

struct digest {
    struct arena *arena;
    struct digest_row rows[DIGEST_ROWS_MAX]; /* newest first */
    size_t count;
    int64_t total;     /* kept since the last one, those beyond ROWS included */
    int64_t up_to;     /* number of the newest row */
};

/* Calls EACH for every recipient of incoming mail with something kept that is newer than its last digest: RECIPIENT in lower case, SENT_MS of the last one (0: never). */
bool digest_recipients(struct db *d, void (*each)(void *arg, struct str recipient, int64_t sent_ms), void *arg);
/* Fills OUT (arena set by the caller) with what is new for RECIPIENT, and makes the links, in one transaction. */
enum db_result digest_collect(struct db *d, struct str recipient, int64_t now_ms, struct digest *out) __attribute__((warn_unused_result));
/* It is on its way: the next one begins behind it. */
enum db_result digest_sent(struct db *d, struct str recipient, int64_t up_to, int64_t now_ms) __attribute__((warn_unused_result));
/* A number for the digest of RECIPIENT on that day, the same whoever asks: the spool takes it once (spool_submit_once()). */
int64_t digest_number(struct str recipient, int64_t day);

/* The quarantine row that SECRET is for, and VERB (16 bytes) what it may do, where it is neither used nor too old: 0 otherwise. */
int64_t digest_link(struct db *d, struct str secret, int64_t now_ms, char verb[16]);
/* The same, and it is used from now on; in the caller's transaction. */
int64_t digest_use_link(struct db *d, struct str secret, int64_t now_ms, char verb[16]);

/* Links that can no longer be used go. */
enum db_result digest_forget_links(struct db *d, int64_t now_ms) __attribute__((warn_unused_result));

#endif
