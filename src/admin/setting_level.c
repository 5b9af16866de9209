/*
 * setting_level.c: what holds at a level and where it comes from: the level itself, then what is above it in the store, with the configuration file's sections at
 * their places, then the defaults. An explicit value differs from an inherited one, even when equal.
 */
#include "admin/parts.h"

#include "base/clock.h"
#include "smtp/next_hop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STEPS = 24, VALUE_ENTRIES_MOST = 100000 };

struct step {
    char level;        /* of the store; 'F' for a section of the file, 'f' for the file itself, '0' the defaults */
    int64_t owner;
    json_t *values;    /* of the store: name to text; owned */
};

struct chain {
    struct step at[MOST_STEPS];
    size_t count;
    const struct policy *section; /* of the file: the domain's; NULL none */
};

unsigned setting_level_of(char level)
{
    return level == 's' ? LEVEL_S : level == 't' ? LEVEL_T : level == 'd' ? LEVEL_D : level == 'm' ? LEVEL_M : level == 'u' ? LEVEL_U : 0;
}

static void add(struct chain *k, char level, int64_t owner)
{
    if (k->count < MOST_STEPS)
        k->at[k->count++] = (struct step){.level = level, .owner = owner};
}

static const struct policy *section_of(struct call *c, int64_t domain)
{
    const struct policy *found = NULL;
    struct db_rows *r = DB_QUERY(c->db, "SELECT name FROM domain WHERE id = $1", DB_N(domain));

    if (db_next(r)) {
        const struct domain *d = settings_domain(c->settings, db_text(r, 0));
        found = d ? &d->policy : NULL;
    }
    return db_done(&r) == DB_OK ? found : NULL;
}

static void build(struct call *c, struct chain *k)
{
    const struct place *p = &c->place;

    *k = (struct chain){.count = 0};
    if (p->level == 'u' || p->level == 'm')
        add(k, p->level, p->owner);
    if (p->domain) {
        add(k, 'd', p->domain);
        k->section = section_of(c, p->domain);
        if (k->section)
            add(k, 'F', p->domain);
    }
    for (int64_t tenant = p->tenant, depth = 0; tenant && depth < MOST_STEPS; depth++) {
        const struct db_value values[] = {DB_N(tenant)};
        add(k, 't', tenant);
        tenant = db_ask_number(c->db, "SELECT COALESCE(parent, 0) FROM tenant WHERE id = $1", values, 1, 0);
    }
    add(k, 's', 0);
    add(k, 'f', 0);
    add(k, '0', 0);
}

static enum db_result read_values(struct db *d, struct step *s)
{
    struct db_rows *r = DB_QUERY(d, "SELECT name, value FROM setting WHERE level = $1 AND owner = $2", DB_T(str_n(&s->level, 1)), DB_N(s->owner));

    s->values = json_object();
    while (db_next(r)) {
        struct str name = db_text(r, 0), text = db_text(r, 1);
        char key[128];
        json_t *value = json_loadb(text.at, text.len, JSON_DECODE_ANY, NULL);
        if (value && str_copy(key, sizeof key, name))
            json_object_set(s->values, key, value);
        json_decref(value);
    }
    return db_done(&r);
}

static enum db_result read_chain(struct call *c, struct chain *k)
{
    enum db_result result = DB_OK;

    build(c, k);
    for (size_t i = 0; i < k->count && result == DB_OK; i++)
        if (strchr("stdmu", k->at[i].level))
            result = read_values(c->db, &k->at[i]);
    return result;
}

static void forget_chain(struct chain *k)
{
    for (size_t i = 0; i < k->count; i++)
        json_decref(k->at[i].values);
}

static json_t *words_json(const char *text)
{
    struct str rest = str_from(text);
    json_t *list = json_array();

    for (struct str one = str_word(&rest); one.len; one = str_word(&rest))
        json_array_append_new(list, json_str(one));
    return list;
}

static json_t *duration_json(int64_t ms)
{
    static const struct { const char *unit; int64_t ms; } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    char text[40];

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (ms % units[i].ms || (!ms && units[i].ms != 1000))
            continue;
        snprintf(text, sizeof text, "%lld%s", (long long)(ms / units[i].ms), units[i].unit);
        return json_string(text);
    }
    return json_string("0s");
}

/* As it could stand in the file again. */
static json_t *file_json(const struct policy *p, enum setting id)
{
    const struct setting_value *v = setting_value(p, id);
    json_t *list;

    switch (setting_row(id)->type) {
    case SETTING_BOOL: return json_string(v->number ? "yes" : "no");
    case SETTING_DURATION: return duration_json(v->number);
    case SETTING_INT:
    case SETTING_SIZE: return json_id(v->number);
    case SETTING_LIMIT: return v->number == NO_LIMIT ? json_string("") : json_id(v->number);
    case SETTING_ACTION: return json_string(action_name((enum action)v->number));
    case SETTING_TEXT:
    case SETTING_CHOICE: return json_str(str_from(v->text));
    case SETTING_LIST:
    case SETTING_NETWORKS: break;
    }
    list = json_array();
    for (size_t i = 0; i < v->list.count; i++)
        json_array_append_new(list, json_str(str_from(v->list.at[i])));
    return list;
}

static json_t *default_json(enum setting id)
{
    const struct setting_row *row = setting_row(id);
    bool many = row->type == SETTING_LIST || row->type == SETTING_NETWORKS;

    return many ? words_json(row->default_text) : json_string(row->default_text);
}

/* A new value where the step sets it; NULL where it does not. */
static json_t *value_at(struct call *c, const struct chain *k, const struct step *s, enum setting id)
{
    const struct policy *system = settings_system(c->settings);

    switch (s->level) {
    case '0': return default_json(id);
    case 'f': return setting_is_set(system, id) ? file_json(system, id) : NULL;
    case 'F': return setting_is_set(k->section, id) ? file_json(k->section, id) : NULL;
    default: return json_incref(json_object_get(s->values, setting_row(id)->name));
    }
}

static const char *level_word(char level)
{
    static const char letters[] = "stdmuFf0";
    static const char *const words[] = {"system", "tenant", "domain", "mailbox", "account", "file", "file", "default"};

    return words[strchr(letters, level) - letters];
}

static bool owner_is_visible(struct call *c, const struct step *s)
{
    struct place p = {.id = s->owner};

    if (s->level == 'm' || s->level == 'u')
        return true; /* the very thing that was asked about */
    if (s->level != 't' && s->level != 'd')
        return false;
    p.tenant = s->level == 't' ? s->owner : c->place.tenant;
    p.domain = s->level == 'd' ? s->owner : 0;
    return scope_covers(c->db, &c->actor.scope, &p);
}

static json_t *setting_json(struct call *c, const struct chain *k, enum setting id)
{
    for (size_t i = 0; i < k->count; i++) {
        const struct step *s = &k->at[i];
        json_t *value = value_at(c, k, s, id);
        if (!value)
            continue;
        bool here = s->level == c->place.level && s->owner == c->place.owner;
        return json_pack("{s:s, s:o, s:s, s:o, s:b, s:s, s:s}", "name", setting_row(id)->name, "value", value, "from", level_word(s->level), "from_id",
                         owner_is_visible(c, s) ? json_id(s->owner) : json_null(), "is_set", here, "type", setting_type_name(setting_row(id)->type), "help",
                         setting_row(id)->help);
    }
    return NULL;
}

/* All settings that this level may have; process settings belong to the file and are shown by the configuration. */
static int settings_at(struct call *c)
{
    struct chain k;
    enum db_result result = read_chain(c, &k);
    json_t *items = json_array();

    for (int id = 0; id < SETTING_COUNT && result == DB_OK; id++)
        if (setting_row((enum setting)id)->levels & setting_level_of(c->place.level))
            json_array_append_new(items, setting_json(c, &k, (enum setting)id));
    forget_chain(&k);
    if (result != DB_OK) {
        json_decref(items);
        return call_store_failed(c, result);
    }
    c->out = json_pack("{s:o, s:n}", "items", items, "next");
    return 200;
}

static int show_setting(struct call *c, enum setting id)
{
    struct chain k;
    enum db_result result = read_chain(c, &k);

    json_decref(c->out);
    c->out = result == DB_OK ? setting_json(c, &k, id) : NULL;
    forget_chain(&k);
    return result == DB_OK ? 200 : call_store_failed(c, result);
}

/* The setting of the path, at a level that may have it. -1, with the problem said. */
static int setting_asked(struct call *c)
{
    int id = setting_find(str_from(c->parameter[c->place.level == 's' ? 0 : 1]));

    if (id < 0) {
        call_not_found(c, "setting");
        return -1;
    }
    if (setting_row((enum setting)id)->levels & setting_level_of(c->place.level))
        return id;
    call_problem(c, 404, "level", "%s is no setting of a %s.", setting_row((enum setting)id)->name, level_word(c->place.level));
    return -1;
}

static int said(const struct call *c)
{
    return (int)json_integer_value(json_object_get(c->out, "status"));
}

static int setting_show_at(struct call *c)
{
    int id = setting_asked(c);
    return id < 0 ? said(c) : show_setting(c, (enum setting)id);
}

static int setting_put_at(struct call *c)
{
    int id = setting_asked(c);

    if (id < 0 || show_setting(c, (enum setting)id) != 200)
        return said(c);
    c->before = json_incref(json_object_get(c->out, "value"));
    int status = setting_put(c, c->place.level, c->place.owner, (enum setting)id, json_object_get(c->in, "value"));
    if (status)
        return status;
    snprintf(c->object + strlen(c->object), sizeof c->object - strlen(c->object), "%ssetting %s", *c->object ? " " : "", setting_row((enum setting)id)->name);
    return show_setting(c, (enum setting)id);
}

static int setting_unset_at(struct call *c)
{
    int id = setting_asked(c);

    if (id < 0 || show_setting(c, (enum setting)id) != 200)
        return said(c);
    c->no_audit = !json_is_true(json_object_get(c->out, "is_set"));
    c->before = json_incref(json_object_get(c->out, "value"));
    enum db_result result = DB_RUN(c->db, "DELETE FROM setting WHERE level = $1 AND owner = $2 AND name = $3", DB_T(str_n(&c->place.level, 1)),
                                   DB_N(c->place.owner), DB_T(str_from(setting_row((enum setting)id)->name)));
    if (result != DB_OK)
        return call_store_failed(c, result);
    snprintf(c->object + strlen(c->object), sizeof c->object - strlen(c->object), "%ssetting %s", *c->object ? " " : "", setting_row((enum setting)id)->name);
    return show_setting(c, (enum setting)id);
}

#define AT_LEVEL(level) \
    int op_##level##_settings(struct call *c) { return settings_at(c); } \
    int op_##level##_setting_show(struct call *c) { return setting_show_at(c); } \
    int op_##level##_setting_put(struct call *c) { return setting_put_at(c); } \
    int op_##level##_setting_unset(struct call *c) { return setting_unset_at(c); }
AT_LEVEL(system)
AT_LEVEL(tenant)
AT_LEVEL(domain)
AT_LEVEL(mailbox)
AT_LEVEL(account)

/* As the file says it, at its own two levels: what the store sets is shown by the levels themselves. */
int op_config_show(struct call *c)
{
    const struct policy *system = settings_system(c->settings);
    json_t *rows = json_array();

    for (int id = 0; id < SETTING_COUNT; id++) {
        bool in_file = setting_is_set(system, (enum setting)id);
        if (setting_row((enum setting)id)->levels & (LEVEL_P | LEVEL_S))
            json_array_append_new(rows, json_pack("{s:s, s:o, s:s}", "name", setting_row((enum setting)id)->name, "value",
                                                  in_file ? file_json(system, (enum setting)id) : default_json((enum setting)id), "from",
                                                  in_file ? "file" : "default"));
    }
    c->out = json_pack("{s:o}", "settings", rows);
    return 200;
}
