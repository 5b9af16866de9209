/* scope.c: see scope.h. */
#include "admin/scope.h"

#include "base/bug.h"
#include "mail/address.h"

#include <string.h>

enum { MOST_NESTED = 16 };

/* The mailbox that an address of a row is one of, by its own name or another. */
#define SQL_MAILBOX_OF(domain_column, address) \
    "(SELECT m.id FROM mailbox m JOIN domain d ON d.id = m.domain WHERE m.domain = " domain_column " AND m.local_part || '@' || d.name = " address \
    " UNION SELECT a.mailbox FROM mailbox_alias a JOIN domain d ON d.id = a.domain WHERE a.domain = " domain_column \
    " AND a.local_part || '@' || d.name = " address " LIMIT 1)"

/* Columns: id, level, owner, tenant, domain, mailbox, name. $1 is the number (0: by name), $2 the name. A number is never a name: names hold a letter. */
static const struct finder {
    enum object kind;
    const char *sql;
} finders[] = {
    {OBJECT_TENANT, "SELECT id, 't', id, id, 0, 0, name FROM tenant WHERE id = $1 OR name = $2"},
    {OBJECT_DOMAIN, "SELECT id, 'd', id, tenant, id, 0, name FROM domain WHERE id = $1 OR name = $2"},
    {OBJECT_MAILBOX, "SELECT m.id, 'm', m.id, d.tenant, d.id, m.id, m.local_part || '@' || d.name FROM mailbox m JOIN domain d ON d.id = m.domain WHERE m.id = $1"},
    {OBJECT_ACCOUNT, "SELECT a.id, 'u', a.id, d.tenant, d.id, 0, a.login FROM account a JOIN domain d ON d.id = a.domain WHERE a.id = $1 OR a.login = $2"},
    {OBJECT_PERSON, "SELECT p.id, '', 0, COALESCE(p.tenant, d.tenant, e.tenant), COALESCE(p.domain, e.id), p.mailbox, p.login FROM person p "
                    "LEFT JOIN domain d ON d.id = p.domain LEFT JOIN mailbox m ON m.id = p.mailbox LEFT JOIN domain e ON e.id = m.domain "
                    "WHERE p.id = $1 OR p.login = $2"},
    {OBJECT_ENTRY, "SELECT id, level, owner, 0, 0, 0, list || ' ' || pattern FROM list_entry WHERE id = $1"},
    {OBJECT_RULE, "SELECT id, level, owner, 0, 0, 0, name FROM rule WHERE id = $1"},
    {OBJECT_MESSAGE, "SELECT l.id, '', 0, l.tenant, l.domain, " SQL_MAILBOX_OF("l.domain", "l.recipient") ", l.reference FROM message l WHERE l.id = $1"},
    {OBJECT_QUARANTINED, "SELECT q.id, '', 0, q.tenant, q.domain, " SQL_MAILBOX_OF("q.domain", "q.recipient") ", q.reference FROM quarantine q WHERE q.id = $1"},
};

static bool take_row(struct db *d, const char *sql, int64_t number, struct str name, struct place *out, enum db_result *result)
{
    struct db_rows *r = DB_QUERY(d, sql, DB_N(number), DB_T(name));
    bool there = db_next(r);

    if (there) {
        struct str level = db_text(r, 1);
        *out = (struct place){.id = db_number(r, 0), .level = level.len ? level.at[0] : '\0', .owner = db_number(r, 2), .tenant = db_number(r, 3),
                              .domain = db_number(r, 4), .mailbox = db_number(r, 5)};
        str_copy(out->name, sizeof out->name, db_text(r, 6));
    }
    *result = db_done(&r);
    return there && *result == DB_OK;
}

/* Entries and rules hang at a level; where that stands is asked of its owner. */
static bool take_owner(struct db *d, struct place *p, enum db_result *result)
{
    static const struct { char level; enum object kind; } owners[] = {
        {'t', OBJECT_TENANT}, {'d', OBJECT_DOMAIN}, {'m', OBJECT_MAILBOX}, {'u', OBJECT_ACCOUNT}};

    if (p->level == 's')
        return true;
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
        struct place owner;
        if (owners[i].level != p->level)
            continue;
        for (size_t k = 0; k < sizeof finders / sizeof *finders; k++) {
            if (finders[k].kind != owners[i].kind)
                continue;
            if (!take_row(d, finders[k].sql, p->owner, STR(""), &owner, result))
                return false;
            p->tenant = owner.tenant;
            p->domain = owner.domain;
            p->mailbox = owner.mailbox;
            return true;
        }
    }
    return false;
}

/* ann@acme.test, with the domain in any form. */
static int64_t mailbox_number(struct db *d, struct str address)
{
    ptrdiff_t at = str_find_last(address, '@');
    char domain[256], local[LOCAL_PART_MAX + 1];

    if (at <= 0 || !str_copy(local, sizeof local, str_sub(address, 0, (size_t)at)) ||
        !domain_to_ascii(str_from_index(address, (size_t)at + 1), domain, sizeof domain))
        return 0;
    str_lower(local, strlen(local));
    const struct db_value values[] = {DB_T(str_from(local)), DB_T(str_from(domain))};
    return db_ask_number(d, "SELECT m.id FROM mailbox m JOIN domain d ON d.id = m.domain WHERE m.local_part = $1 AND d.name = $2", values, 2, 0);
}

bool place_find(struct db *d, enum object kind, struct str name, struct place *out, enum db_result *result)
{
    uint64_t number = 0;
    char domain[256], login[ACTOR_NAME_MAX + 1];
    bool is_number = str_to_u64(name, INT64_MAX, &number);

    *out = (struct place){.id = 0};
    *result = DB_OK;
    if (!is_number && kind == OBJECT_MAILBOX)
        number = (uint64_t)mailbox_number(d, name);
    if (!is_number && kind == OBJECT_DOMAIN)
        name = domain_to_ascii(name, domain, sizeof domain) ? str_from(domain) : STR("");
    if (kind == OBJECT_PERSON || kind == OBJECT_ACCOUNT) { /* logins are kept in lower case */
        if (!str_copy(login, sizeof login, name))
            return false;
        str_lower(login, strlen(login));
        name = str_from(login);
    }
    if (is_number || kind == OBJECT_MAILBOX)
        name = STR("");
    if (!number && !name.len)
        return false;
    for (size_t i = 0; i < sizeof finders / sizeof *finders; i++) {
        if (finders[i].kind != kind)
            continue;
        bool found = take_row(d, finders[i].sql, (int64_t)number, name, out, result);
        bool hangs = kind == OBJECT_ENTRY || kind == OBJECT_RULE;
        return found && (!hangs || take_owner(d, out, result));
    }
    bug("no finder for objects of kind %d", (int)kind);
}

static bool tenant_is_below(struct db *d, int64_t tenant, int64_t top)
{
    for (int depth = 0; tenant && depth < MOST_NESTED; depth++) {
        if (tenant == top)
            return true;
        const struct db_value values[] = {DB_N(tenant)};
        tenant = db_ask_number(d, "SELECT COALESCE(parent, 0) FROM tenant WHERE id = $1", values, 1, 0);
    }
    return false;
}

bool scope_covers(struct db *d, const struct scope *s, const struct place *p)
{
    switch (s->kind) {
    case SCOPE_ALL: return true;
    case SCOPE_TENANT: return tenant_is_below(d, p->tenant, s->id);
    case SCOPE_DOMAIN: return p->domain && p->domain == s->id;
    case SCOPE_MAILBOX: return p->mailbox && p->mailbox == s->id;
    case SCOPE_NOTHING: break;
    }
    return false;
}

bool scope_is_above(const struct scope *s, const struct place *p)
{
    switch (s->kind) {
    case SCOPE_ALL: return true;
    case SCOPE_TENANT: return p->level != 't' || p->id != s->id;
    case SCOPE_DOMAIN: return p->level == 'm' || p->level == 'u';
    case SCOPE_MAILBOX:
    case SCOPE_NOTHING: break;
    }
    return false;
}
