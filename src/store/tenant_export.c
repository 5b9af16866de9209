/* tenant_export.c: a tenant from the store into JSON; see tenant_file.h. */
#include "store/tenant_parts.h"

#include "base/base64.h"
#include "base/clock.h"

#include <string.h>

enum { BYTES_MAX = 4096, NUMBERS_BYTES_MAX = 1 << 30 };

static json_t *text_json(struct str text)
{
    json_t *value = json_stringn(text.at ? text.at : "", text.len);

    return value ? value : json_string(""); /* no UTF-8: the store holds none such */
}

static json_t *bytes_json(struct str bytes)
{
    struct buf text = buf_make(BYTES_MAX);
    json_t *value = base64_encode(bytes, &text) ? text_json(buf_str(&text)) : NULL;

    buf_free(&text);
    return value;
}

static json_t *value_json(struct db_rows *r, int column, enum tenant_column_kind kind)
{
    switch (kind) {
    case COLUMN_NUMBER:
    case COLUMN_TIME:
        return json_integer(db_number(r, column));
    case COLUMN_FLAG:
        return json_boolean(db_number(r, column) != 0);
    case COLUMN_BYTES:
        return db_is_null(r, column) ? json_null() : bytes_json(db_bytes(r, column));
    case COLUMN_JSON: {
        struct str text = db_text(r, column);
        json_t *value = json_loadb(text.at, text.len, JSON_DECODE_ANY, NULL);
        return value ? value : text_json(text);
    }
    default:
        return text_json(db_text(r, column));
    }
}

static json_t *object_json(const struct tenant_table *t, struct db_rows *r)
{
    json_t *object = json_object();

    for (size_t i = 0; object && i < t->count; i++)
        if (json_object_set_new(object, t->columns[i].name, value_json(r, (int)i + 1, t->columns[i].kind)) < 0) {
            json_decref(object);
            object = NULL;
        }
    return object;
}

struct found {
    json_t *object;
    int64_t id;
};

static bool add_below(struct db *d, const struct tenant_table *t, const struct found *above, int depth);

/* All of one kind that belong to OWNER, and their NUMBERS. They are read before what belongs to them: a statement is free again for the next level. */
static json_t *list_json(struct db *d, const struct tenant_table *t, int64_t owner, char level, struct buf *numbers)
{
    const struct db_value values[] = {DB_N(owner), DB_T(str_n(&level, 1))};
    struct db_rows *r = db_query(d, t->select, values, t->by_level ? 2 : 1);
    json_t *list = json_array();
    bool fine = list != NULL;

    while (fine && db_next(r)) {
        int64_t id = db_number(r, 0);
        fine = json_array_append_new(list, object_json(t, r)) == 0 && buf_add(numbers, &id, sizeof id);
    }
    if (db_done(&r) == DB_OK && fine)
        return list;
    json_decref(list);
    return NULL;
}

static bool add_list(struct db *d, const struct tenant_table *t, const struct found *above, char level, int depth)
{
    struct buf numbers = buf_make(NUMBERS_BYTES_MAX);
    json_t *list = list_json(d, t, above->id, level, &numbers);
    bool fine = list != NULL;

    for (size_t i = 0; fine && t->below[0] && i < json_array_size(list); i++) {
        struct found one = {.object = json_array_get(list, i)};
        memcpy(&one.id, numbers.at + i * sizeof one.id, sizeof one.id);
        fine = add_below(d, t, &one, depth + 1);
    }
    buf_free(&numbers);
    if (fine && json_array_size(list))
        return json_object_set_new(above->object, t->key, list) == 0;
    json_decref(list);
    return fine;
}

static bool add_below(struct db *d, const struct tenant_table *t, const struct found *above, int depth)
{
    bool fine = depth <= TENANT_DEPTH_MAX;

    for (size_t i = 0; fine && t->below[i]; i++)
        fine = add_list(d, t->below[i], above, t->level, depth);
    return fine;
}

/* NULL: there is none, or the store failed. */
static json_t *top(struct db *d, struct str name, int64_t *id, json_t **parent)
{
    struct db_rows *r = DB_QUERY(d, "SELECT t.id, t.name, t.note, t.is_suspended, t.created_ms, p.name FROM tenant t LEFT JOIN tenant p ON p.id = t.parent "
                                    "WHERE t.name = $1", DB_T(name));
    json_t *object = NULL;

    if (db_next(r)) {
        object = object_json(&tenant_table, r);
        *id = db_number(r, 0);
        *parent = db_is_null(r, 5) ? json_null() : text_json(db_text(r, 5));
    }
    if (db_done(&r) == DB_OK)
        return object;
    json_decref(object);
    return NULL;
}

json_t *tenant_export(struct db *d, struct str name, struct buf *error)
{
    json_t *parent = NULL, *file = NULL;
    struct found tenant = {0};
    char now[32];

    if (db_begin_reading(d) == DB_OK)
        tenant.object = top(d, name, &tenant.id, &parent);
    if (tenant.object && add_below(d, &tenant_table, &tenant, 0))
        file = json_pack("{s:s, s:s, s:O, s:O}", "format", TENANT_FILE_FORMAT, "exported", clock_format_iso(clock_wall_ms(), now), "parent", parent, "tenant",
                         tenant.object);
    if (!file)
        buf_addf(error, STR_FMT ": %s", STR_ARG(name), tenant.object ? "it could not be read whole" : "there is no tenant of this name");
    db_rollback(d);
    json_decref(tenant.object);
    json_decref(parent);
    return file;
}
