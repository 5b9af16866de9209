/* settings_store.c: see settings_store.h. Owners are found by their numbers in sorted arrays: a few thousand tenants, ten thousands of domains. */
#include "store/settings_store.h"

#include "base/clock.h"
#include "base/log.h"
#include "catalog/settings_check.h"
#include "smtp/next_hop.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ENTRIES = 100000 };

struct owner {
    int64_t id;
    struct domain *domain;
};

struct loading {
    struct db *db;
    struct settings *settings;
    struct buf *error;
    struct owner *domains; /* by id */
    size_t count, room;
};

static bool failed(struct loading *in)
{
    if (!in->error->len)
        buf_addf(in->error, "the store: %s", db_error(in->db));
    return false;
}

static bool out_of_memory(struct loading *in)
{
    buf_add_text(in->error, "out of memory");
    return false;
}

/* Parents come before their children, since numbers grow; one moved below a younger one is found in a later round. */
static bool load_tenants(struct loading *in)
{
    size_t found = 1, left = 1;

    while (found && left) {
        found = left = 0;
        struct db_rows *r = db_query(in->db, "SELECT id, parent FROM tenant ORDER BY id", NULL, 0);
        while (db_next(r)) {
            int64_t id = db_number(r, 0), parent = db_number(r, 1);
            const struct tenant *above = parent ? settings_tenant(in->settings, parent) : NULL;
            if (settings_tenant(in->settings, id))
                continue;
            if (parent && !above)
                left++;
            else if (settings_add_tenant(in->settings, id, above))
                found++;
        }
        if (db_done(&r) != DB_OK)
            return failed(in);
    }
    if (left)
        log_warning("the store: %zu tenants lie below each other in a circle, and are left out", left);
    return true;
}

static bool note_domain(struct loading *in, struct domain *d)
{
    if (in->count == in->room) {
        size_t room = in->room ? in->room * 2 : 256;
        struct owner *more = realloc(in->domains, room * sizeof *more);
        if (!more)
            return false;
        in->domains = more;
        in->room = room;
    }
    in->domains[in->count++] = (struct owner){d->id, d};
    return true;
}

static struct domain *domain_of(const struct loading *in, int64_t id)
{
    size_t low = 0, high = in->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (in->domains[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < in->count && in->domains[low].id == id ? in->domains[low].domain : NULL;
}

/* Of the domain's own row; a setting of that name at the same level wins, since it is read later. */
static void take_time_zone(struct domain *d, struct str name)
{
    char text[64];
    const char *entry = text;
    struct setting_value v;
    struct buf why = buf_make(200);

    if (name.len && str_copy(text, sizeof text, name) && setting_parse(SETTING_time_zone, &entry, 1, &v, &why))
        policy_set(&d->policy, SETTING_time_zone, &v);
    buf_free(&why);
}

static bool load_domains(struct loading *in)
{
    struct db_rows *r = db_query(in->db, "SELECT id, name, tenant, time_zone FROM domain ORDER BY id", NULL, 0);
    bool ok = true;

    while (ok && db_next(r)) {
        const struct tenant *tenant = db_is_null(r, 2) ? NULL : settings_tenant(in->settings, db_number(r, 2));
        struct domain *d = (struct domain *)(uintptr_t)settings_domain(in->settings, db_text(r, 1)); /* still being built: not const yet */
        if (!d)
            d = settings_add_domain_of(in->settings, db_text(r, 1), tenant);
        ok = d != NULL;
        if (d) {
            d->id = db_number(r, 0);
            d->tenant = tenant;
            ok = note_domain(in, d);
            take_time_zone(d, db_text(r, 3));
        }
    }
    if (db_done(&r) != DB_OK)
        return failed(in);
    return ok || out_of_memory(in);
}

static bool load_aliases(struct loading *in)
{
    struct db_rows *r = db_query(in->db, "SELECT name, domain FROM domain_alias", NULL, 0);

    while (db_next(r)) {
        const struct domain *d = domain_of(in, db_number(r, 1));
        if (!d || !settings_add_alias(in->settings, db_text(r, 0), d))
            log_warning("the store: the alias " STR_FMT " is left out: there is a domain of that name", STR_ARG(db_text(r, 0)));
    }
    return db_done(&r) == DB_OK || failed(in);
}

static bool load_recipients(struct loading *in)
{
    struct db_rows *r = db_query(in->db, "SELECT domain, local_part FROM mailbox UNION ALL SELECT domain, local_part FROM mailbox_alias ORDER BY domain", NULL, 0);
    const struct domain *d = NULL;
    bool ok = true;

    while (ok && db_next(r)) {
        int64_t id = db_number(r, 0);
        if (!d || d->id != id)
            d = domain_of(in, id);
        ok = !d || settings_know_recipient(in->settings, d, db_text(r, 1));
    }
    if (db_done(&r) != DB_OK)
        return failed(in);
    return ok || out_of_memory(in);
}

/* What one value must be to hold, beyond its type: one that would make the whole snapshot fail is left out instead. */
static bool is_fit(const struct loading *in, enum setting id, const struct setting_value *v, struct buf *why)
{
    struct route route;

    for (size_t i = 0; id == SETTING_routes && i < v->list.count; i++) {
        if (route_parse(str_from(v->list.at[i]), STR("example.test"), &route))
            continue;
        buf_addf(why, "\"%s\" is no route", v->list.at[i]);
        return false;
    }
    if (id == SETTING_srs_domain && *v->text && !settings_domain(in->settings, str_from(v->text))) {
        buf_addf(why, "\"%s\" is no domain of this gateway", v->text);
        return false;
    }
    return setting_value_check(id, v, why);
}

/* JSON of a setting row: a text, or an array of them. */
static bool take_value(const struct loading *in, struct policy *p, enum setting id, struct str json, struct buf *why)
{
    json_t *value = json_loadb(json.at, json.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    const char **entries = value && count <= MOST_ENTRIES ? calloc(count ? count : 1, sizeof *entries) : NULL;
    bool ok = entries != NULL;
    struct setting_value parsed;

    for (size_t i = 0; ok && i < count; i++) {
        entries[i] = json_string_value(json_is_array(value) ? json_array_get(value, i) : value);
        ok = entries[i] != NULL;
    }
    if (!ok)
        buf_add_text(why, "neither a text nor a list of texts");
    ok = ok && setting_parse(id, entries, count, &parsed, why);
    if (ok && !is_fit(in, id, &parsed, why)) {
        setting_value_free(&parsed);
        ok = false;
    }
    if (ok && !policy_set(p, id, &parsed)) {
        buf_add_text(why, "not a setting of this level");
        ok = false;
    }
    free(entries);
    json_decref(value);
    return ok;
}

static void put(const struct loading *in, struct policy *p, struct db_rows *r, const char *whose)
{
    struct str name = db_text(r, 1);
    int id = setting_find(name);
    struct buf why = buf_make(500);

    if (!p)
        buf_add_text(&why, "its owner is not there");
    else if (id < 0)
        buf_add_text(&why, "no such setting");
    else if (setting_row((enum setting)id)->levels == LEVEL_P)
        buf_add_text(&why, "it belongs into the configuration file");
    else
        take_value(in, p, (enum setting)id, db_text(r, 2), &why);
    if (why.len)
        log_warning("the store: " STR_FMT " of %s (%lld) does not count: " STR_FMT, STR_ARG(name), whose, (long long)db_number(r, 0), STR_ARG(buf_str(&why)));
    buf_free(&why);
}

static bool load_values(struct loading *in)
{
    struct db_rows *r = db_query(in->db, "SELECT owner, name, value, level FROM setting WHERE level IN ('s', 't', 'd')", NULL, 0);

    while (db_next(r)) {
        int64_t owner = db_number(r, 0);
        struct str level = db_text(r, 3);
        struct domain *d = str_is(level, "d") ? domain_of(in, owner) : NULL;
        struct tenant *t = str_is(level, "t") ? settings_tenant(in->settings, owner) : NULL;
        put(in, str_is(level, "s") ? settings_system_policy(in->settings) : d ? &d->policy : t ? &t->policy : NULL, r, d ? "a domain" : t ? "a tenant" : "the operator");
    }
    return db_done(&r) == DB_OK || failed(in);
}

static bool load_mailboxes(struct loading *in)
{
    struct db_rows *r = db_query(in->db, "SELECT s.owner, s.name, s.value, m.domain, m.local_part FROM setting s JOIN mailbox m ON m.id = s.owner "
                                         "WHERE s.level = 'm' ORDER BY s.owner", NULL, 0);
    struct policy *p = NULL;
    int64_t owner = 0;

    while (db_next(r)) {
        const struct domain *d = domain_of(in, db_number(r, 3));
        if (!d)
            continue;
        if (!p || owner != db_number(r, 0))
            p = settings_add_mailbox(in->settings, d, db_text(r, 4));
        owner = db_number(r, 0);
        put(in, p, r, "a mailbox");
    }
    return db_done(&r) == DB_OK || failed(in);
}

/* What is set for a mailbox is set for its other local parts. */
static bool load_mailbox_aliases(struct loading *in)
{
    struct db_rows *r = db_query(in->db, "SELECT a.domain, a.local_part, m.local_part FROM mailbox_alias a JOIN mailbox m ON m.id = a.mailbox "
                                         "WHERE EXISTS (SELECT 1 FROM setting s WHERE s.level = 'm' AND s.owner = m.id)", NULL, 0);

    while (db_next(r)) {
        const struct domain *d = domain_of(in, db_number(r, 0));
        if (d && !settings_add_mailbox_alias(in->settings, d, db_text(r, 1), db_text(r, 2)))
            log_warning("the store: the alias " STR_FMT "@" STR_FMT " has not the settings of its mailbox", STR_ARG(db_text(r, 1)), STR_ARG(d->name));
    }
    return db_done(&r) == DB_OK || failed(in);
}

bool settings_store_load(struct db *d, struct settings *s, struct buf *error)
{
    struct loading in = {.db = d, .settings = s, .error = error};
    bool ok = load_tenants(&in) && load_domains(&in) && load_aliases(&in) && load_recipients(&in) && load_values(&in) && load_mailboxes(&in) && load_mailbox_aliases(&in);

    free(in.domains);
    return ok;
}

static const char *const matches[] = {"envelope", "from", "both"};

/* OWNER's text as the entry's place, for the evidence. False: the owner is gone. */
static bool owner_of(struct db_rows *r, struct list_entry *e, char *where, size_t size)
{
    struct str level = db_text(r, 0), domain = db_text(r, 7), local_part = db_text(r, 8);
    const char *kind = list_kind_name((enum list_kind)list_kind_find(db_text(r, 2)));
    int len = 0;

    if (str_is(level, "s")) {
        e->owner = (struct list_owner){.level = LEVEL_S};
        len = snprintf(where, size, "%s of the operator", kind);
    } else if (str_is(level, "t")) {
        e->owner = (struct list_owner){.level = LEVEL_T, .tenant = db_number(r, 1)};
        len = snprintf(where, size, "%s of the provider", kind);
    } else if (str_is(level, "d") && domain.len) {
        e->owner = (struct list_owner){.level = LEVEL_D, .domain = domain};
        len = snprintf(where, size, "%s of " STR_FMT, kind, STR_ARG(domain));
    } else if (str_is(level, "m") && domain.len) {
        e->owner = (struct list_owner){.level = LEVEL_M, .domain = domain, .local_part = local_part};
        len = snprintf(where, size, "%s of the recipient", kind);
    }
    e->where = str_n(where, len > 0 ? (size_t)len < size ? (size_t)len : size - 1 : 0);
    return len > 0;
}

static bool take_entry(struct db_rows *r, struct lists *l)
{
    char where[400];
    int kind = list_kind_find(db_text(r, 2));
    struct str match = db_text(r, 4);
    struct list_entry e = {.pattern = db_text(r, 3), .envelope = !str_is(match, matches[1]), .author = !str_is(match, matches[0]), .authenticated_only = db_number(r, 5) != 0};

    if (kind == LIST_IP_ALLOW && !list_skips_parse(db_text(r, 6), &e.skips))
        return false;
    return kind >= 0 && owner_of(r, &e, where, sizeof where) && lists_add(l, (enum list_kind)kind, &e);
}

bool lists_store_load(struct db *d, struct lists *l, int64_t *until_ms, struct buf *error)
{
    int64_t now_ms = clock_wall_ms();
    struct db_rows *r = db_query(d, "SELECT e.level, e.owner, e.list, e.pattern, e.match, e.is_authenticated, e.skip, COALESCE(d.name, o.name), m.local_part, e.expires_ms "
                                    "FROM list_entry e LEFT JOIN mailbox m ON e.level = 'm' AND m.id = e.owner LEFT JOIN domain o ON o.id = m.domain "
                                    "LEFT JOIN domain d ON e.level = 'd' AND d.id = e.owner", NULL, 0);

    *until_ms = INT64_MAX;
    while (db_next(r)) {
        int64_t expires_ms = db_number(r, 9);
        if (expires_ms && expires_ms <= now_ms)
            continue;
        if (expires_ms && expires_ms < *until_ms)
            *until_ms = expires_ms;
        if (!take_entry(r, l))
            log_warning("the store: the entry " STR_FMT " of list " STR_FMT " does not count", STR_ARG(db_text(r, 3)), STR_ARG(db_text(r, 2)));
    }
    if (db_done(&r) == DB_OK)
        return true;
    buf_addf(error, "the store: %s", db_error(d));
    return false;
}

/* Whose rule it is, in the store and in words. False: the owner is gone. */
static bool rule_owner(struct db_rows *r, struct list_owner *owner, char *where, size_t size)
{
    struct str level = db_text(r, 0), domain = db_text(r, 4);

    if (str_is(level, "s"))
        *owner = (struct list_owner){.level = LEVEL_S};
    else if (str_is(level, "t"))
        *owner = (struct list_owner){.level = LEVEL_T, .tenant = db_number(r, 1)};
    else if (str_is(level, "d") && domain.len)
        *owner = (struct list_owner){.level = LEVEL_D, .domain = domain};
    else
        return false;
    snprintf(where, size, "of " STR_FMT, STR_ARG(owner->level == LEVEL_S ? STR("the operator") : owner->level == LEVEL_T ? STR("the provider") : domain));
    return true;
}

static void take_rule(struct db_rows *r, struct rules *rules)
{
    struct buf why = buf_make(500);
    struct list_owner owner;
    char where[300];

    if (!rule_owner(r, &owner, where, sizeof where))
        buf_add_text(&why, "its owner is not there");
    if (why.len || !rules_add(rules, &owner, str_from(where), db_text(r, 2), db_text(r, 3), &why))
        log_warning("the store: the rule \"" STR_FMT "\" (%lld) does not count: " STR_FMT, STR_ARG(str_sub(db_text(r, 2), 0, RULE_NAME_MAX)), (long long)db_number(r, 5),
                    STR_ARG(buf_str(&why)));
    buf_free(&why);
}

bool rules_store_load(struct db *d, struct rules *rules, struct buf *error)
{
    struct db_rows *r = db_query(d, "SELECT r.level, r.owner, r.name, r.definition, d.name, r.id FROM rule r LEFT JOIN domain d ON r.level = 'd' AND d.id = r.owner "
                                    "WHERE r.is_on <> 0 ORDER BY r.level, r.owner, r.position, r.id", NULL, 0);

    while (db_next(r))
        take_rule(r, rules);
    if (db_done(&r) == DB_OK)
        return true;
    buf_addf(error, "the store: %s", db_error(d));
    return false;
}
