/*
 * account_lock.h: one user of an outgoing account locked by itself (table identity_lock), and the links that let an owner unlock what a rule has locked
 * (table token). Accounts themselves are locked in account.h.
 */
#ifndef STORE_ACCOUNT_LOCK_H
#define STORE_ACCOUNT_LOCK_H

#include "store/account.h"

struct identity_lock {
    char reason[ACCOUNT_REASON_MAX + 1];
    int64_t until_ms;  /* wall clock; 0: until somebody unlocks it. A time that is over: it was locked once, and is not now */
    int64_t unlocks;   /* how often it ended by itself so far, this one not counted */
};

/* NONE: it never was locked since somebody unlocked it last. */
enum account_result identity_lock_get(struct db *d, int64_t account, struct str identity, struct identity_lock *out) __attribute__((warn_unused_result));
enum account_result identity_lock_set(struct db *d, int64_t account, struct str identity, struct str reason, int64_t until_ms, int64_t unlocks)
    __attribute__((warn_unused_result));
enum account_result identity_unlock(struct db *d, int64_t account, struct str identity) __attribute__((warn_unused_result));
void identity_lock_each(struct db *d, int64_t account, void (*each)(struct str identity, const struct identity_lock *lock, void *arg), void *arg);

enum { UNLOCK_TOKEN_SIZE = 44, UNLOCK_IDENTITY_MAX = 250, UNLOCK_DAYS = 7 };

/* Who a link unlocks. */
struct unlock_target {
    int64_t account;
    char login[ACCOUNT_LOGIN_MAX + 1];
    char identity[UNLOCK_IDENTITY_MAX + 1]; /* "": the account itself */
};
/* A new link's text for TO; the store keeps its hash alone. Earlier links for the same target end. */
enum account_result unlock_token_make(struct db *d, int64_t account, struct str identity, char to[UNLOCK_TOKEN_SIZE]) __attribute__((warn_unused_result));
/* Whom it would unlock. NONE: there is no such link, it was used, or it is too old. */
enum account_result unlock_token_look(struct db *d, struct str token, struct unlock_target *out) __attribute__((warn_unused_result));
/* Unlocks, once. Within a transaction of the caller's. */
enum account_result unlock_token_use(struct db *d, struct str token, struct unlock_target *out) __attribute__((warn_unused_result));

#endif
