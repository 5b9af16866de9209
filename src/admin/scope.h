/* scope.h: where a thing stands (tenant, domain, mailbox), and whether that is within an actor's scope. */
#ifndef ADMIN_SCOPE_H
#define ADMIN_SCOPE_H

#include "admin/actor.h"
#include "admin/operation.h"

enum { PLACE_NAME_MAX = 640 };

struct place {
    int64_t id;                      /* of the thing itself; 0: the gateway as a whole, or nothing */
    char level;                      /* as the store writes it: s t d m u; where its settings, lists and rules hang */
    int64_t owner;                   /* of that level */
    int64_t tenant, domain, mailbox; /* that it belongs to; 0 none */
    char name[PLACE_NAME_MAX];       /* as people know it */
};

/* NAME: a number of the store, or what the thing is called: a tenant's name, a domain, an address, a login. False: there is none, or (RESULT) the store failed. */
bool place_find(struct db *d, enum object kind, struct str name, struct place *out, enum db_result *result) __attribute__((warn_unused_result));
bool scope_covers(struct db *d, const struct scope *s, const struct place *p);
/* Does the actor stand above the thing, not just in it? */
bool scope_is_above(const struct scope *s, const struct place *p);

/* For statements that list: true for rows of the scope that $1 (scope_kind_name()) and $2 (its id) tell. TENANT, DOMAIN, MAILBOX: columns, or NULL. */
#define SQL_BELOW(number) "(WITH RECURSIVE below(id) AS (SELECT CAST(" number " AS BIGINT) UNION SELECT tenant.id FROM tenant " \
                          "JOIN below ON tenant.parent = below.id) SELECT id FROM below)"
#define SQL_IN_SCOPE(tenant, domain, mailbox) \
    "($1 = 'all' OR ($1 = 'tenant' AND " tenant " IN " SQL_BELOW("$2") ") OR ($1 = 'domain' AND " domain " = $2) OR ($1 = 'mailbox' AND " mailbox " = $2))"
/* The same for rows that have an address instead of a mailbox. */
#define SQL_IN_SCOPE_BY_ADDRESS(tenant, domain, address) \
    "($1 = 'all' OR ($1 = 'tenant' AND " tenant " IN " SQL_BELOW("$2") ") OR ($1 = 'domain' AND " domain " = $2) OR ($1 = 'mailbox' AND " address " IN " \
    "(SELECT m.local_part || '@' || d.name FROM mailbox m JOIN domain d ON d.id = m.domain WHERE m.id = $2 " \
    "UNION SELECT a.local_part || '@' || d.name FROM mailbox_alias a JOIN domain d ON d.id = a.domain WHERE a.mailbox = $2)))"
#define DB_SCOPE(s) DB_T(str_from(scope_kind_name((s)->kind))), DB_N((s)->id)

#endif
