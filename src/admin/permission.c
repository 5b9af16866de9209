/* permission.c: see permission.h. */
#include "admin/permission.h"

#include "base/bug.h"

static const struct { const char *name, *help; } permissions[] = {
    {"none", ""},
#define PERMISSION(id, name, help) {name, help},
#include "admin/permissions.def"
#undef PERMISSION
};

static const struct { const char *name, *scopes, *permissions, *help; } roles[] = {
    {"none", "", "", ""},
#define ROLE(id, name, scopes, permissions, help) {name, scopes, permissions, help},
#include "admin/permissions.def"
#undef ROLE
};

const char *permission_name(enum permission p)
{
    bug_unless((unsigned)p < PERMISSION_COUNT);
    return permissions[p].name;
}

const char *permission_help(enum permission p)
{
    bug_unless((unsigned)p < PERMISSION_COUNT);
    return permissions[p].help;
}

bool permission_set_parse(struct str names, permission_set *out)
{
    *out = 0;
    for (struct str one = str_word(&names); one.len; one = str_word(&names)) {
        permission_set hit = str_is(one, "*") ? PERMISSION_ALL : 0;
        for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++)
            if (str_is(one, permissions[p].name))
                hit = PERMISSION_BIT(p);
        if (!hit)
            return false;
        *out |= hit;
    }
    return true;
}

void permission_set_write(permission_set set, struct buf *out)
{
    const char *before = "";

    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        if (!(set & PERMISSION_BIT(p)))
            continue;
        buf_addf(out, "%s%s", before, permissions[p].name);
        before = " ";
    }
}

const char *role_name(enum role r)
{
    bug_unless((unsigned)r < ROLE_COUNT);
    return roles[r].name;
}

const char *role_help(enum role r)
{
    bug_unless((unsigned)r < ROLE_COUNT);
    return roles[r].help;
}

enum role role_find(struct str name)
{
    for (enum role r = ROLE_NONE + 1; r < ROLE_COUNT; r++)
        if (str_is(name, roles[r].name))
            return r;
    return ROLE_NONE;
}

permission_set role_permissions(enum role r)
{
    permission_set set = 0;

    bug_unless((unsigned)r < ROLE_COUNT && permission_set_parse(str_from(roles[r].permissions), &set));
    return set;
}

bool role_fits_scope(enum role r, struct str scope)
{
    struct str list = str_from(roles[r].scopes);

    for (struct str one = str_word(&list); one.len; one = str_word(&list))
        if (str_eq(one, scope))
            return true;
    return false;
}
