/*
 * audit.h: who changed what. Rows are only appended; each row's hash (SHA-256) covers the row and the hash before it, and the store remembers how many there are and
 * the last hash: a row that was changed, taken out, put between or cut off at the end is noticed by audit_verify(). Whoever can rewrite the whole chain
 * is not: copy the last hash elsewhere (`postern audit verify` prints it) to be safe from that, too.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "store/db.h"

enum { AUDIT_HASH_BYTES = 32, AUDIT_VALUE_MAX = 64 * 1024 };

struct audit_row {
    int64_t tenant, domain;    /* whom it concerns; 0: the gateway as a whole */
    struct str actor;          /* who did it */
    struct str acting_as;      /* as whom; "" as himself */
    struct str client;         /* from where */
    struct str action, object; /* "setting-put", "domain 123 acme.test" */
    struct str before, after;  /* JSON; never a secret. Cut at AUDIT_VALUE_MAX */
    struct str reason;         /* as given */
};

/* Inside the transaction of the change itself (db_begin()): both are there, or neither. ID (may be NULL) gets the row's number. */
enum db_result audit_add(struct db *d, const struct audit_row *row, int64_t *id) __attribute__((warn_unused_result));

struct audit_verdict {
    bool intact;
    int64_t rows;          /* that fit, from the first */
    int64_t broken_id;     /* the first row that does not fit; 0: none, or those at the end are missing */
    char hash[AUDIT_HASH_BYTES * 2 + 1]; /* of the last row that fits, in hex; "" none */
};
/* Walks the whole chain, in a time linear in it. Outside of any transaction. */
enum db_result audit_verify(struct db *d, struct audit_verdict *out) __attribute__((warn_unused_result));

#endif
