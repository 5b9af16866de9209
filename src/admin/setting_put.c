/* setting_put.c: a value for a setting: checked by its row, and by what makes sense only together, before it is kept. */
#include "admin/parts.h"

#include "base/clock.h"
#include "smtp/next_hop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHY_MAX = 1000 };

/* Texts of what was sent; those of numbers live in NUMBER. */
struct entries {
    const char **at;
    size_t count;
    char number[24];
};

static bool take_entries(const json_t *value, struct entries *e)
{
    size_t i;
    json_t *one;

    e->count = json_is_array(value) ? json_array_size(value) : 1;
    e->at = calloc(e->count ? e->count : 1, sizeof *e->at);
    if (!e->at)
        return false;
    if (json_is_array(value)) {
        json_array_foreach(value, i, one)
            e->at[i] = json_string_value(one);
    } else if (json_is_string(value)) {
        e->at[0] = json_string_value(value);
    } else if (json_is_boolean(value)) {
        e->at[0] = json_is_true(value) ? "yes" : "no";
    } else {
        snprintf(e->number, sizeof e->number, "%lld", (long long)json_integer_value(value));
        e->at[0] = e->number;
    }
    return true;
}

static bool routes_are_fine(const struct entries *e, struct buf *why)
{
    struct route route;

    for (size_t i = 0; i < e->count; i++) {
        if (route_parse(str_from(e->at[i]), STR("example.test"), &route))
            continue;
        buf_addf(why, "\"%s\" is not host:port, lmtp:host:port, lmtp:/path, mx or mx:other.domain", e->at[i]);
        return false;
    }
    return true;
}

static bool is_ours(struct call *c, const char *domain)
{
    const struct db_value values[] = {DB_T(str_from(domain))};

    return !*domain || settings_domain(c->settings, str_from(domain)) ||
           db_ask_number(c->db, "SELECT count(*) FROM domain WHERE name = $1", values, 1, 0) > 0;
}

/* What a whole configuration with this value would be told (settings_check.c). */
static bool fits_together(enum setting id, const struct entries *e, char level, struct buf *why)
{
    const char *host = "mx.example.test";
    struct settings *s = settings_new();
    struct setting_value value;
    bool in_domain = level != 's' && setting_row(id)->levels & LEVEL_D;

    if (!s || (!in_domain && !(setting_row(id)->levels & LEVEL_S))) {
        settings_unref(s);
        return true;
    }
    struct domain *domain = settings_add_domain(s, STR("example.test"));
    bool built = domain && setting_parse(SETTING_host_name, &host, 1, &value, why) && settings_set(s, NULL, SETTING_host_name, &value) &&
                 setting_parse(id, e->at, e->count, &value, why) && settings_set(s, in_domain ? domain : NULL, id, &value);
    bool fine = built && settings_finish(s, why);
    settings_unref(s);
    return fine;
}

static bool is_possible(struct call *c, enum setting id, const struct entries *e, char level, struct buf *why)
{
    struct setting_value value;

    if (!setting_parse(id, e->at, e->count, &value, why))
        return false;
    setting_value_free(&value);
    if (id == SETTING_routes && !routes_are_fine(e, why))
        return false;
    if (id == SETTING_srs_domain) {
        if (is_ours(c, e->at[0]))
            return true;
        buf_addf(why, "%s is no domain of this gateway", e->at[0]);
        return false;
    }
    return fits_together(id, e, level, why);
}

static json_t *as_kept(const struct entries *e, bool many)
{
    json_t *list;

    if (!many)
        return json_string(e->at[0]);
    list = json_array();
    for (size_t i = 0; i < e->count; i++)
        json_array_append_new(list, json_string(e->at[i]));
    return list;
}

static enum db_result keep(struct call *c, char level, int64_t owner, enum setting id, const struct entries *e)
{
    bool many = setting_row(id)->type == SETTING_LIST || setting_row(id)->type == SETTING_NETWORKS;
    json_t *value = as_kept(e, many);
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    enum db_result result = text ? DB_RUN(c->db, "INSERT INTO setting(level, owner, name, value, changed_ms) VALUES($1, $2, $3, $4, $5) "
                                                 "ON CONFLICT(level, owner, name) DO UPDATE SET value = excluded.value, changed_ms = excluded.changed_ms",
                                          DB_T(str_n(&level, 1)), DB_N(owner), DB_T(str_from(setting_row(id)->name)), DB_T(str_from(text)), DB_N(clock_wall_ms()))
                                 : DB_FAILED;
    free(text);
    json_decref(value);
    return result;
}

int setting_put(struct call *c, char level, int64_t owner, enum setting id, const json_t *value)
{
    struct entries e;
    struct buf why = buf_make(WHY_MAX);
    int status = 0;

    if (!take_entries(value, &e))
        return call_store_failed(c, DB_FAILED);
    if (!is_possible(c, id, &e, level, &why)) {
        status = call_wrong_field(c, "value", STR_FMT, STR_ARG(buf_str(&why)));
    } else {
        enum db_result result = keep(c, level, owner, id, &e);
        status = result == DB_OK ? 0 : call_store_failed(c, result);
    }
    free(e.at);
    buf_free(&why);
    return status;
}
