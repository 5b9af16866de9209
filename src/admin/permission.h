/* permission.h: permissions and roles, from permissions.def. */
#ifndef ADMIN_PERMISSION_H
#define ADMIN_PERMISSION_H

#include "base/buf.h"

enum permission {
    PERMISSION_NONE, /* whoever is signed in */
#define PERMISSION(id, ...) PERMISSION_##id,
#include "admin/permissions.def"
#undef PERMISSION
    PERMISSION_COUNT
};

enum role {
    ROLE_NONE,
#define ROLE(id, ...) ROLE_##id,
#include "admin/permissions.def"
#undef ROLE
    ROLE_COUNT
};

/* A bit for each permission: 1 << PERMISSION_x. */
typedef uint32_t permission_set;
#define PERMISSION_BIT(p) ((permission_set)1 << (p))
#define PERMISSION_ALL ((PERMISSION_BIT(PERMISSION_COUNT) - 1) & ~PERMISSION_BIT(PERMISSION_NONE))

const char *permission_name(enum permission p);
const char *permission_help(enum permission p);
/* Names separated by blanks, "*" for all. False where one is no permission. */
bool permission_set_parse(struct str names, permission_set *out) __attribute__((warn_unused_result));
void permission_set_write(permission_set set, struct buf *out); /* the same way, in the order of the table */

const char *role_name(enum role r);
const char *role_help(enum role r);
enum role role_find(struct str name); /* ROLE_NONE: there is none of that name */
permission_set role_permissions(enum role r);
/* May a person of that role stand at SCOPE ("all", "tenant", "domain", "mailbox")? */
bool role_fits_scope(enum role r, struct str scope);

#endif
