/* tenants.c: customers, nested; and whom something new belongs to. */
#include "admin/parts.h"

#include "base/clock.h"

#include <string.h>

enum { MOST_LEVELS = 8 };

#define TENANT_COLUMNS "t.id, t.parent, t.name, t.note, t.is_suspended, (SELECT count(*) FROM domain WHERE domain.tenant = t.id), t.created_ms"

static json_t *tenant_json(struct db_rows *r)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:b, s:I, s:o}", "id", json_id(db_number(r, 0)), "parent", json_id_or_null(db_number(r, 1)), "name",
                     json_str(db_text(r, 2)), "note", json_str(db_text(r, 3)), "is_suspended", db_number(r, 4) != 0, "domains",
                     (json_int_t)db_number(r, 5), "created", json_time(db_number(r, 6)));
}

int call_reference(struct call *c, const char *field, enum object kind, struct place *out)
{
    enum db_result result;

    if (!place_find(c->db, kind, call_str(c, field), out, &result))
        return result == DB_OK ? call_wrong_field(c, field, "is not known") : call_store_failed(c, result);
    return scope_covers(c->db, &c->actor.scope, out) ? 0 : call_wrong_field(c, field, "is not known");
}

int call_tenant(struct call *c, const char *field, int64_t *out)
{
    struct place tenant;

    *out = 0;
    if (call_has(c, field)) {
        int status = call_reference(c, field, OBJECT_TENANT, &tenant);
        *out = tenant.id;
        return status;
    }
    if (c->actor.scope.kind == SCOPE_TENANT)
        *out = c->actor.scope.id;
    else if (c->actor.scope.kind != SCOPE_ALL)
        return call_problem(c, 403, "scope", "Only who stands at a tenant, or above all, may do that.");
    return 0;
}

static bool is_too_deep(struct call *c, int64_t tenant)
{
    for (int level = 1; tenant; level++) {
        const struct db_value values[] = {DB_N(tenant)};
        if (level >= MOST_LEVELS)
            return true;
        tenant = db_ask_number(c->db, "SELECT COALESCE(parent, 0) FROM tenant WHERE id = $1", values, 1, 0);
    }
    return false;
}

/* A name that is all digits could be a number of the store. */
bool name_is_fine(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_digit((unsigned char)name.at[i]))
            return true;
    return false;
}

static int show(struct call *c, int64_t id, int status)
{
    return call_row(c, DB_QUERY(c->db, "SELECT " TENANT_COLUMNS " FROM tenant t WHERE t.id = $1", DB_N(id)), tenant_json, status);
}

int op_tenant_list(struct call *c)
{
    struct place parent = {.id = 0};
    int status = call_has(c, "parent") ? call_reference(c, "parent", OBJECT_TENANT, &parent) : 0;

    if (status)
        return status;
    return call_page(c, DB_QUERY(c->db, "SELECT " TENANT_COLUMNS " FROM tenant t WHERE " SQL_IN_SCOPE("t.id", "0", "0")
                                        " AND t.name > $3 AND ($4 = 0 OR t.parent = $4) AND substr(t.name, 1, length($5)) = $5 ORDER BY t.name LIMIT $6",
                                 DB_SCOPE(&c->actor.scope), DB_T(str_from(c->cursor ? c->cursor : "")), DB_N(parent.id), DB_T(call_str(c, "name")),
                                 DB_N(call_limit(c))), tenant_json, 2);
}

int op_tenant_show(struct call *c)
{
    return show(c, c->place.id, 200);
}

int op_tenant_add(struct call *c)
{
    int64_t parent, id = db_new_id();
    int status = call_tenant(c, "parent", &parent);

    if (status)
        return status;
    if (!name_is_fine(call_str(c, "name")))
        return call_wrong_field(c, "name", "must not be a number");
    if (is_too_deep(c, parent))
        return call_wrong_field(c, "parent", "is %d levels deep already: no more are possible", (int)MOST_LEVELS);
    enum db_result result = DB_RUN(c->db, "INSERT INTO tenant(id, parent, name, note, created_ms) VALUES($1, $2, $3, $4, $5)", DB_N(id),
                                   parent ? DB_N(parent) : DB_NOTHING, DB_T(call_str(c, "name")), DB_T(call_str(c, "note")), DB_N(clock_wall_ms()));
    if (result != DB_OK)
        return call_store_failed(c, result);
    c->about = (struct place){.id = id, .tenant = id};
    call_object(c, "tenant", id, call_str(c, "name"));
    return show(c, id, 201);
}

int op_tenant_change(struct call *c)
{
    int status = show(c, c->place.id, 200);

    if (status != 200)
        return status;
    c->before = c->out;
    c->out = NULL;
    if (call_has(c, "name") && !name_is_fine(call_str(c, "name")))
        return call_wrong_field(c, "name", "must not be empty or a number");
    enum db_result result = DB_RUN(c->db, "UPDATE tenant SET name = CASE WHEN $2 = 1 THEN $3 ELSE name END, note = CASE WHEN $4 = 1 THEN $5 ELSE note END, "
                                          "is_suspended = CASE WHEN $6 = 1 THEN $7 ELSE is_suspended END WHERE id = $1",
                                   DB_N(c->place.id), DB_N(call_has(c, "name")), DB_T(call_str(c, "name")), DB_N(call_has(c, "note")),
                                   DB_T(call_str(c, "note")), DB_N(call_has(c, "is_suspended")), DB_N(call_flag(c, "is_suspended")));
    return result == DB_OK ? show(c, c->place.id, 200) : call_store_failed(c, result);
}

enum db_result level_clear(struct db *d, char level, int64_t owner)
{
    struct str name = str_n(&level, 1);
    enum db_result result = DB_RUN(d, "DELETE FROM setting WHERE level = $1 AND owner = $2", DB_T(name), DB_N(owner));

    if (result == DB_OK)
        result = DB_RUN(d, "DELETE FROM list_entry WHERE level = $1 AND owner = $2", DB_T(name), DB_N(owner));
    if (result == DB_OK)
        result = DB_RUN(d, "DELETE FROM rule WHERE level = $1 AND owner = $2", DB_T(name), DB_N(owner));
    return result;
}

int op_tenant_remove(struct call *c)
{
    enum db_result result = level_clear(c->db, 't', c->place.id);

    if (result == DB_OK)
        result = DB_RUN(c->db, "DELETE FROM tenant WHERE id = $1", DB_N(c->place.id));
    if (result == DB_CONFLICT)
        return call_problem(c, 409, "in-use", "The tenant still has domains, tenants or persons.");
    return result == DB_OK ? 204 : call_store_failed(c, result);
}
