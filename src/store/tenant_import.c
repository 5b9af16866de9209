/* tenant_import.c: a tenant from JSON into the store; see tenant_file.h. It goes on behind what is wrong, so that all of it is said at once. */
#include "store/tenant_parts.h"

#include "base/base64.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES_MAX = 8192, BYTES_MAX = 4096, MOST_TROUBLES = 100 };

struct importing {
    struct db *db;
    struct buf *error;
    struct buf path;     /* "tenant acme, domain acme.test, " */
    json_t *counts;      /* by the table's key */
    int64_t now_ms;
    unsigned troubles;
    bool store_failed;
};

static void trouble(struct importing *in, const struct tenant_table *t, struct str name, const char *what)
{
    in->troubles++;
    if (in->troubles <= MOST_TROUBLES)
        buf_addf(in->error, "%s" STR_FMT "%s " STR_FMT ": %s", in->error->len ? "\n" : "", STR_ARG(buf_str(&in->path)), t->noun, STR_ARG(str_sub(name, 0, 300)), what);
    else if (in->troubles == MOST_TROUBLES + 1)
        buf_add_text(in->error, "\n… and more");
}

static bool goes_on(const struct importing *in)
{
    return !in->store_failed && in->troubles <= MOST_TROUBLES;
}

static struct str text_of(const json_t *value)
{
    return json_is_string(value) ? str_n(json_string_value(value), json_string_length(value)) : STR("");
}

/* A row on its way into the store: what its values look at. */
struct row {
    struct db_value values[TENANT_COLUMNS_MAX + 3];
    size_t count;
    char names[2][TENANT_NAME_MAX + 1]; /* in the store's form */
    size_t name_count;
    char *json;                         /* of the one column that is JSON; malloc'ed */
    struct buf bytes;
};

static bool take_name(struct row *row, enum tenant_column_kind kind, struct str text, struct db_value *value)
{
    if (row->name_count == sizeof row->names / sizeof *row->names)
        return false;
    char *to = row->names[row->name_count++];
    if (!tenant_name_normal(kind, text, to))
        return false;
    *value = DB_T(str_from(to));
    return true;
}

static bool take_value(const struct importing *in, const struct tenant_column *c, const json_t *given, struct row *row, struct db_value *value)
{
    switch (c->kind) {
    case COLUMN_TEXT:
        *value = DB_T(text_of(given));
        return true;
    case COLUMN_NUMBER:
        *value = DB_N(json_integer_value(given));
        return true;
    case COLUMN_TIME:
        *value = DB_N(json_is_integer(given) ? json_integer_value(given) : in->now_ms);
        return true;
    case COLUMN_FLAG:
        *value = DB_N(json_is_true(given));
        return true;
    case COLUMN_JSON:
        row->json = json_dumps(given, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
        *value = DB_T(str_from(row->json));
        return row->json != NULL;
    case COLUMN_BYTES:
        *value = DB_NOTHING;
        if (!json_is_string(given))
            return true;
        bool fine = base64_decode(text_of(given), &row->bytes);
        *value = DB_B(buf_str(&row->bytes));
        return fine;
    default:
        return take_name(row, c->kind, text_of(given), value);
    }
}

/* LEVEL is looked at as long as the row is. */
static bool fill(const struct importing *in, const struct tenant_table *t, int64_t owner, const char *level, const json_t *object, int64_t *id, struct row *row)
{
    *id = t->has_id ? db_new_id() : 0;
    if (t->has_id)
        row->values[row->count++] = DB_N(*id);
    row->values[row->count++] = owner ? DB_N(owner) : DB_NOTHING;
    if (t->by_level)
        row->values[row->count++] = DB_T(str_n(level, 1));
    for (size_t i = 0; i < t->count; i++)
        if (!take_value(in, &t->columns[i], json_object_get(object, t->columns[i].name), row, &row->values[row->count++]))
            return false;
    return true;
}

/* Does a name of another kind stand in the way? */
static bool is_taken(const struct importing *in, const struct tenant_table *t, int64_t owner, const struct row *row)
{
    const struct db_value values[] = {DB_T(str_from(row->names[0])), DB_N(owner)};

    return t->taken && db_ask_number(in->db, t->taken, values, t->taken_within ? 2 : 1, 1) > 0;
}

static bool put(struct importing *in, const struct tenant_table *t, int64_t owner, struct str name, const struct row *row)
{
    int64_t changed = 0;
    enum db_result result = is_taken(in, t, owner, row) ? DB_OK : db_run(in->db, t->insert, row->values, row->count, &changed);

    if (result == DB_OK && changed)
        return true;
    in->store_failed = result != DB_OK && result != DB_CONFLICT;
    trouble(in, t, name, in->store_failed ? db_error(in->db) : "is there already");
    return false;
}

static void count(struct importing *in, const struct tenant_table *t)
{
    json_object_set_new(in->counts, t->key, json_integer(json_integer_value(json_object_get(in->counts, t->key)) + 1));
}

static void take_object(struct importing *in, const struct tenant_table *t, int64_t owner, char level, const json_t *object, int depth, int64_t *id);

static void take_below(struct importing *in, const struct tenant_table *t, int64_t id, struct str name, const json_t *object, int depth)
{
    size_t before = in->path.len, at;
    json_t *one;

    if (!t->below[0])
        return;
    buf_addf(&in->path, "%s " STR_FMT ", ", t->noun, STR_ARG(name));
    for (size_t i = 0; t->below[i]; i++)
        json_array_foreach(json_object_get(object, t->below[i]->key), at, one)
            if (goes_on(in))
                take_object(in, t->below[i], id, t->level, one, depth + 1, NULL);
    buf_truncate(&in->path, before);
}

static void take_object(struct importing *in, const struct tenant_table *t, int64_t owner, char level, const json_t *object, int depth, int64_t *id)
{
    struct row row = {.bytes = buf_make(BYTES_MAX)};
    struct str name = text_of(json_object_get(object, t->columns[0].name));
    struct buf why = buf_make(1000);
    int64_t number = 0;

    if (depth > TENANT_DEPTH_MAX)
        trouble(in, t, name, "lies too deep");
    else if (!tenant_object_is_fine(t, level, object, &why))
        trouble(in, t, name, why.len ? buf_text(&why) : "is not fine");
    else if (!fill(in, t, owner, &level, object, &number, &row))
        trouble(in, t, name, "has a value that cannot be kept");
    else if (put(in, t, owner, name, &row)) {
        count(in, t);
        take_below(in, t, number, name, object, depth);
    }
    if (id)
        *id = number;
    free(row.json);
    buf_free(&row.bytes);
    buf_free(&why);
}

/* 0: it has none; -1: it is not here, which is said. */
static int64_t parent_of(struct importing *in, const json_t *file)
{
    const json_t *name = json_object_get(file, "parent");
    const struct db_value values[] = {DB_T(text_of(name))};

    if (!json_is_string(name))
        return 0;
    int64_t id = db_ask_number(in->db, "SELECT id FROM tenant WHERE name = $1", values, 1, 0);
    if (!id)
        buf_addf(in->error, "its parent " STR_FMT " is not there: make that tenant first, or let \"parent\" be null", STR_ARG(values[0].bytes));
    return id ? id : -1;
}

bool tenant_import(struct db *d, const json_t *file, int64_t *id, json_t **counts, struct buf *error)
{
    struct importing in = {.db = d, .error = error, .path = buf_make(PATH_BYTES_MAX), .counts = json_object(), .now_ms = clock_wall_ms()};

    *counts = in.counts;
    if (!str_is(text_of(json_object_get(file, "format")), TENANT_FILE_FORMAT)) {
        buf_add_text(error, "this is no tenant's file of a format that this program knows (" TENANT_FILE_FORMAT ")");
        return false;
    }
    int64_t parent = parent_of(&in, file);
    if (parent < 0 || !in.counts)
        return false;
    take_object(&in, &tenant_table, parent, 't', json_object_get(file, "tenant"), 0, id);
    buf_free(&in.path);
    return !in.troubles;
}
