/* domains.c: domains and their other names. */
#include "admin/parts.h"

#include "base/clock.h"
#include "mail/address.h"

#include <string.h>

#define DOMAIN_COLUMNS "d.id, d.name, d.tenant, d.contact, d.language, d.time_zone, d.created_ms"

static json_t *domain_json(struct db_rows *r)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", json_id(db_number(r, 0)), "name", json_str(db_text(r, 1)), "tenant",
                     json_id_or_null(db_number(r, 2)), "contact", json_str(db_text(r, 3)), "language", json_str(db_text(r, 4)), "time_zone",
                     json_str(db_text(r, 5)), "created", json_time(db_number(r, 6)));
}

static int show(struct call *c, int64_t id, int status)
{
    return call_row(c, DB_QUERY(c->db, "SELECT " DOMAIN_COLUMNS " FROM domain d WHERE d.id = $1", DB_N(id)), domain_json, status);
}

int op_domain_list(struct call *c)
{
    struct place tenant = {.id = 0};
    int status = call_has(c, "tenant") ? call_reference(c, "tenant", OBJECT_TENANT, &tenant) : 0;

    if (status)
        return status;
    return call_page(c, DB_QUERY(c->db, "SELECT " DOMAIN_COLUMNS " FROM domain d WHERE " SQL_IN_SCOPE("d.tenant", "d.id", "0")
                                        " AND d.name > $3 AND ($4 = 0 OR d.tenant = $4) AND substr(d.name, 1, length($5)) = $5 ORDER BY d.name LIMIT $6",
                                 DB_SCOPE(&c->actor.scope), DB_T(str_from(c->cursor ? c->cursor : "")), DB_N(tenant.id), DB_T(call_str(c, "name")),
                                 DB_N(call_limit(c))), domain_json, 1);
}

int op_domain_show(struct call *c)
{
    return show(c, c->place.id, 200);
}

/* The field name as the store has it; it must be no other domain's name or alias. 0, or the problem said. */
static int new_name(struct call *c, char to[256])
{
    if (!domain_to_ascii(call_str(c, "name"), to, 256) || !domain_is_full(str_from(to)))
        return call_wrong_field(c, "name", "is no full domain name");
    const struct db_value values[] = {DB_T(str_from(to))};
    if (db_ask_number(c->db, "SELECT (SELECT count(*) FROM domain WHERE name = $1) + (SELECT count(*) FROM domain_alias WHERE name = $1)", values, 1, 1))
        return call_problem(c, 409, "conflict", "%s is there already, as a domain or as another name of one.", to);
    return 0;
}

static int put_settings(struct call *c, int64_t id)
{
    int status = call_has(c, "routes") ? setting_put(c, 'd', id, SETTING_routes, json_object_get(c->in, "routes")) : 0;

    if (!status && call_has(c, "observe"))
        status = setting_put(c, 'd', id, SETTING_observe, json_object_get(c->in, "observe"));
    return status;
}

int op_domain_add(struct call *c)
{
    char name[256];
    int64_t tenant, id = db_new_id();
    int status = call_tenant(c, "tenant", &tenant);

    if (!status)
        status = new_name(c, name);
    if (status)
        return status;
    enum db_result result = DB_RUN(c->db, "INSERT INTO domain(id, tenant, name, contact, language, time_zone, created_ms) VALUES($1, $2, $3, $4, $5, $6, $7)",
                                   DB_N(id), tenant ? DB_N(tenant) : DB_NOTHING, DB_T(str_from(name)), DB_T(call_str(c, "contact")),
                                   DB_T(call_str(c, "language")), DB_T(call_str(c, "time_zone")), DB_N(clock_wall_ms()));
    if (result != DB_OK)
        return call_store_failed(c, result);
    c->about = (struct place){.id = id, .tenant = tenant, .domain = id};
    call_object(c, "domain", id, str_from(name));
    status = put_settings(c, id);
    return status ? status : show(c, id, 201);
}

int op_domain_change(struct call *c)
{
    struct place tenant = {.id = 0};
    int status = show(c, c->place.id, 200);

    if (status != 200)
        return status;
    c->before = c->out;
    c->out = NULL;
    if (call_has(c, "tenant")) { /* from one tenant of the scope to another: nobody gives away the domain that he stands at */
        if (c->actor.scope.kind == SCOPE_DOMAIN)
            return call_problem(c, 403, "scope", "Only who stands above the domain may move it.");
        status = call_reference(c, "tenant", OBJECT_TENANT, &tenant);
        if (status)
            return status;
    }
    enum db_result result = DB_RUN(c->db, "UPDATE domain SET tenant = CASE WHEN $2 > 0 THEN $2 ELSE tenant END, contact = CASE WHEN $3 = 1 THEN $4 ELSE contact END, "
                                          "language = CASE WHEN $5 = 1 THEN $6 ELSE language END, time_zone = CASE WHEN $7 = 1 THEN $8 ELSE time_zone END WHERE id = $1",
                                   DB_N(c->place.id), DB_N(tenant.id), DB_N(call_has(c, "contact")), DB_T(call_str(c, "contact")), DB_N(call_has(c, "language")),
                                   DB_T(call_str(c, "language")), DB_N(call_has(c, "time_zone")), DB_T(call_str(c, "time_zone")));
    return result == DB_OK ? show(c, c->place.id, 200) : call_store_failed(c, result);
}

/* What hangs at its mailboxes and accounts goes with it; those themselves go by the schema. */
static enum db_result clear_below(struct call *c)
{
    static const char *const sql[] = {
        "DELETE FROM setting WHERE level = 'm' AND owner IN (SELECT id FROM mailbox WHERE domain = $1)",
        "DELETE FROM list_entry WHERE level = 'm' AND owner IN (SELECT id FROM mailbox WHERE domain = $1)",
        "DELETE FROM setting WHERE level = 'u' AND owner IN (SELECT id FROM account WHERE domain = $1)"};
    const struct db_value values[] = {DB_N(c->place.id)};
    enum db_result result = level_clear(c->db, 'd', c->place.id);

    for (size_t i = 0; i < sizeof sql / sizeof *sql && result == DB_OK; i++)
        result = db_run(c->db, sql[i], values, 1, NULL);
    return result;
}

int op_domain_remove(struct call *c)
{
    enum db_result result = clear_below(c);

    if (result == DB_OK)
        result = DB_RUN(c->db, "DELETE FROM domain WHERE id = $1", DB_N(c->place.id));
    return result == DB_OK ? 204 : call_store_failed(c, result);
}

static json_t *alias_json(struct db_rows *r)
{
    return json_pack("{s:o}", "name", json_str(db_text(r, 0)));
}

int op_alias_list(struct call *c)
{
    return call_page(c, DB_QUERY(c->db, "SELECT name FROM domain_alias WHERE domain = $1 AND name > $2 ORDER BY name LIMIT $3", DB_N(c->place.id),
                                 DB_T(str_from(c->cursor ? c->cursor : "")), DB_N(call_limit(c))), alias_json, 0);
}

int op_alias_add(struct call *c)
{
    char name[256];
    int status = new_name(c, name);

    if (status)
        return status;
    enum db_result result = DB_RUN(c->db, "INSERT INTO domain_alias(name, domain) VALUES($1, $2)", DB_T(str_from(name)), DB_N(c->place.id));
    if (result != DB_OK)
        return call_store_failed(c, result);
    c->out = json_pack("{s:s}", "name", name);
    return 201;
}

int op_alias_remove(struct call *c)
{
    char name[256];
    int64_t changed = 0;

    if (!domain_to_ascii(str_from(c->parameter[1]), name, sizeof name))
        return call_not_found(c, "alias");
    const struct db_value values[] = {DB_T(str_from(name)), DB_N(c->place.id)};
    enum db_result result = db_run(c->db, "DELETE FROM domain_alias WHERE name = $1 AND domain = $2", values, 2, &changed);
    if (result != DB_OK)
        return call_store_failed(c, result);
    c->before = json_pack("{s:s}", "name", name);
    return changed ? 204 : call_not_found(c, "alias");
}
