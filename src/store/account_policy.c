/* account_policy.c: what is set for one outgoing account; see accounts.h. */
#include "base/log.h"
#include "store/accounts.h"

#include <jansson.h>
#include <stdlib.h>

/* A text, or an array of texts. */
static bool parse_json(enum setting s, const json_t *json, struct setting_value *out, struct buf *error)
{
    size_t count = json_is_array(json) ? json_array_size(json) : 1;
    const char **entries = calloc(count ? count : 1, sizeof *entries);
    bool ok = entries != NULL;

    for (size_t i = 0; ok && i < count; i++) {
        entries[i] = json_string_value(json_is_array(json) ? json_array_get(json, i) : json);
        ok = entries[i] != NULL;
    }
    ok = ok && setting_parse(s, entries, count, out, error);
    free(entries);
    return ok;
}

static void take_row(struct policy *p, struct str name, struct str text, int64_t account)
{
    int id = setting_find(name);
    struct buf error = buf_make(500);
    struct setting_value value;
    json_t *json = json_loadb(text.at, text.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

    if (id < 0 || !json || !parse_json((enum setting)id, json, &value, &error) || !policy_set(p, (enum setting)id, &value))
        log_warning("account %lld: " STR_FMT " is left out%s" STR_FMT, (long long)account, STR_ARG(name), error.len ? ": " : "", STR_ARG(buf_str(&error)));
    json_decref(json);
    buf_free(&error);
}

struct policy *account_policy(struct db *d, int64_t id, const struct policy *parent)
{
    struct policy *p = policy_new(LEVEL_U);
    struct buf error = buf_make(500);

    if (!p)
        return NULL;
    struct db_rows *rows = DB_QUERY(d, "SELECT name, value FROM setting WHERE level = 'u' AND owner = $1", DB_N(id));
    while (db_next(rows))
        take_row(p, db_text(rows, 0), db_text(rows, 1), id);
    if (db_done(&rows) != DB_OK || !policy_finish(p, parent, &error))
        policy_free(&p);
    buf_free(&error);
    return p;
}
