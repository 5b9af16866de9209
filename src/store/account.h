/*
 * account.h: outgoing accounts (table account): users of a submission service, whole domains behind a smarthost, and clients that are known by their
 * address. Passwords are kept as argon2id and as keys for SCRAM, made together; neither leaves the store but for a verification.
 *
 * Who changes something does it within a transaction of his own (db_begin … db_commit), with schema_touch() and an audit row in the same one.
 */
#ifndef STORE_ACCOUNT_H
#define STORE_ACCOUNT_H

#include "auth/password.h"
#include "auth/scram.h"
#include "net/ip.h"
#include "store/db.h"

enum account_kind { ACCOUNT_USER /* user@domain */, ACCOUNT_DOMAIN /* the domain's name, for a smarthost */, ACCOUNT_NETWORK /* no password */ };
enum { ACCOUNT_LOGIN_MAX = SCRAM_LOGIN_MAX, ACCOUNT_REASON_MAX = 200, ACCOUNT_NETWORKS_MAX = 64 };

struct account {
    int64_t id, domain;                     /* rows of account and domain */
    char domain_name[254];
    enum account_kind kind;
    char login[ACCOUNT_LOGIN_MAX + 1];      /* lower case */
    char password[PASSWORD_HASH_MAX];       /* "": none */
    char scram[SCRAM_TEXT_MAX];             /* "": none */
    struct networks networks;               /* user, domain: from where only, empty is anywhere; network: who it is */
    bool is_locked;
    char lock_reason[ACCOUNT_REASON_MAX + 1];
    int64_t locked_until_ms;                /* wall clock; 0: until somebody unlocks it */
    int64_t unlocks;                        /* automatic ones since the last by hand */
    int64_t created_ms, used_ms;
};

enum account_result {
    ACCOUNT_OK,
    ACCOUNT_NONE,    /* there is no such account, or domain */
    ACCOUNT_TAKEN,   /* the login is in use */
    ACCOUNT_INVALID, /* the login, the password or a network is none */
    ACCOUNT_FAILED   /* the store does not answer: nobody knows */
};

const char *account_kind_name(enum account_kind k);
bool account_kind_find(struct str name, enum account_kind *out) __attribute__((warn_unused_result));

/* By its login, any case; or by its number. OUT is for account_clear() where the answer is OK. */
enum account_result account_find(struct db *d, struct str login, struct account *out) __attribute__((warn_unused_result));
enum account_result account_get(struct db *d, int64_t id, struct account *out) __attribute__((warn_unused_result));
void account_clear(struct account *a);

/* Calls EACH for accounts whose login is behind AFTER, in the order of their logins, MOST of them; DOMAIN 0: of all domains. */
enum account_result account_each(struct db *d, int64_t domain, struct str after, size_t most, void (*each)(const struct account *a, void *arg), void *arg)
    __attribute__((warn_unused_result));

struct account_new {
    enum account_kind kind;
    struct str login;        /* user: an address of DOMAIN; domain: DOMAIN itself or ""; network: any name */
    struct str domain;
    struct str password;     /* none for a network */
    const struct str *networks;
    size_t network_count;
};
/* INVALID with the reason in ERROR. ID gets its number. The domain must be in the store. */
enum account_result account_create(struct db *d, const struct account_new *new, int64_t *id, struct buf *error) __attribute__((warn_unused_result));
/* A user whose password is kept elsewhere: none here. OK also where it is there already. DOMAIN gets its row, too. */
enum account_result account_adopt(struct db *d, struct str login, struct str domain) __attribute__((warn_unused_result));
enum account_result account_set_password(struct db *d, int64_t id, struct str password, struct buf *error) __attribute__((warn_unused_result));
enum account_result account_delete(struct db *d, int64_t id) __attribute__((warn_unused_result));
/* UNTIL_MS 0: until somebody unlocks it. */
enum account_result account_lock(struct db *d, int64_t id, struct str reason, int64_t until_ms) __attribute__((warn_unused_result));
/* BY_HAND forgets the automatic ones; otherwise this is one more of them. */
enum account_result account_unlock(struct db *d, int64_t id, bool by_hand) __attribute__((warn_unused_result));

#endif
