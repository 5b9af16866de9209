/*
 * actor.h: who asks: a person by a session or an API key, or whoever may open the local socket (the gateway's own user, or root), who is the operator. What he
 * may is his role's permissions (a key: a part of them; acting as another: those that both have), within his scope.
 */
#ifndef ADMIN_ACTOR_H
#define ADMIN_ACTOR_H

#include "admin/permission.h"
#include "net/ip.h"
#include "store/db.h"

#include <jansson.h>

enum scope_kind { SCOPE_NOTHING, SCOPE_ALL, SCOPE_TENANT, SCOPE_DOMAIN, SCOPE_MAILBOX };
enum actor_via { VIA_NOTHING, VIA_LOCAL, VIA_SESSION, VIA_KEY };

struct scope {
    enum scope_kind kind;
    int64_t id; /* of the tenant, domain or mailbox; 0 */
};

enum { ACTOR_NAME_MAX = 320, TOKEN_BYTES = 32, TOKEN_TEXT_MAX = 80, CSRF_TEXT_MAX = 48 };

struct actor {
    enum actor_via via;
    int64_t person;      /* whose rights these are; 0: local */
    int64_t real_person; /* who sits there; differs while acting as another */
    int64_t session, key;
    enum role role;
    permission_set permissions;
    struct scope scope;
    char name[ACTOR_NAME_MAX + 1];      /* for the audit trail */
    char acting_as[ACTOR_NAME_MAX + 1]; /* "" as himself */
    char csrf[CSRF_TEXT_MAX];           /* of the session */
};

enum actor_result {
    ACTOR_OK,
    ACTOR_UNKNOWN,  /* no such session or key, expired, locked, suspended */
    ACTOR_ELSEWHERE, /* a key that is bound to other networks */
    ACTOR_FAILED    /* the store: db_error() */
};

const char *scope_kind_name(enum scope_kind k); /* "all", "tenant", "domain", "mailbox" */
/* May ACTOR do all that SET holds? */
bool actor_has_all(const struct actor *a, permission_set set);

/* Whoever may open the local socket. */
void actor_local(struct actor *out, int64_t uid);
/* TOKEN: what the browser's cookie, or Authorization: Bearer, holds. SESSION_IDLE_MS: a session not seen for longer is over. */
enum actor_result actor_by_session(struct db *d, struct str token, int64_t idle_ms, struct actor *out) __attribute__((warn_unused_result));
enum actor_result actor_by_key(struct db *d, struct str token, const struct ip *client, struct actor *out) __attribute__((warn_unused_result));
/* Role, scope and permissions of a person, whoever asks. ACTOR_UNKNOWN where it is locked, its tenant (or one above) suspended, or it is not there. */
enum actor_result actor_of_person(struct db *d, int64_t person, struct actor *out) __attribute__((warn_unused_result));

/* "pk_" or "ps_" and 43 characters of chance; the store keeps only the hash. */
void token_make(const char *prefix, char text[TOKEN_TEXT_MAX]);
void token_hash(struct str text, unsigned char hash[32]);

#endif
