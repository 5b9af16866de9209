/* rules.c: custom rules, kept in their order. One that the filter would not take is not kept (policy/rules.h). */
#include "admin/parts.h"

#include "base/clock.h"
#include "policy/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_RULES = RULES_PER_OWNER_MAX };

#define RULE_COLUMNS "id, name, position, is_on, definition, created_ms, changed_ms"

static json_t *rule_json(struct db_rows *r)
{
    struct str text = db_text(r, 4);
    json_t *definition = json_loadb(text.at, text.len, 0, NULL);

    return json_pack("{s:o, s:o, s:I, s:b, s:o, s:o, s:o}", "id", json_id(db_number(r, 0)), "name", json_str(db_text(r, 1)), "position",
                     (json_int_t)db_number(r, 2), "is_on", db_number(r, 3) != 0, "definition", definition ? definition : json_object(), "created",
                     json_time(db_number(r, 5)), "changed", json_time(db_number(r, 6)));
}

static int show(struct call *c, int64_t id, int status)
{
    return call_row(c, DB_QUERY(c->db, "SELECT " RULE_COLUMNS " FROM rule WHERE id = $1", DB_N(id)), rule_json, status);
}

/* All of a level fit one page: they are few, and their order is what matters. */
static int rules_at(struct call *c)
{
    c->limit = MOST_RULES;
    return call_page(c, DB_QUERY(c->db, "SELECT " RULE_COLUMNS " FROM rule WHERE level = $1 AND owner = $2 ORDER BY position, id LIMIT $3",
                                 DB_T(str_n(&c->place.level, 1)), DB_N(c->place.owner), DB_N(call_limit(c))), rule_json, 0);
}

/* The definition as it is kept; NULL, with the problem said. The caller frees it. */
static char *definition_text(struct call *c)
{
    char *text = json_dumps(json_object_get(c->in, "definition"), JSON_COMPACT | JSON_SORT_KEYS);
    struct buf why = buf_make(500);
    struct rule *rule = rule_compile(str_from(text), &why);

    if (!rule) {
        call_wrong_field(c, "definition", STR_FMT, STR_ARG(buf_str(&why)));
        free(text);
        text = NULL;
    }
    rule_free(&rule);
    buf_free(&why);
    return text;
}

static int rule_add_at(struct call *c)
{
    const struct db_value owner[] = {DB_T(str_n(&c->place.level, 1)), DB_N(c->place.owner)};
    int64_t id = db_new_id(), now_ms = clock_wall_ms();
    int64_t last = db_ask_number(c->db, "SELECT COALESCE(MAX(position), 0) FROM rule WHERE level = $1 AND owner = $2", owner, 2, 0);
    const json_t *on = json_object_get(c->in, "is_on");

    if (db_ask_number(c->db, "SELECT count(*) FROM rule WHERE level = $1 AND owner = $2", owner, 2, 0) >= MOST_RULES)
        return call_problem(c, 409, "too-many", "There are %d rules already.", (int)MOST_RULES);
    char *definition = definition_text(c);
    if (!definition)
        return 400;
    enum db_result result = DB_RUN(c->db, "INSERT INTO rule(id, level, owner, position, name, is_on, definition, created_ms, changed_ms) "
                                          "VALUES($1, $2, $3, $4, $5, $6, $7, $8, $8)",
                                   DB_N(id), owner[0], owner[1], DB_N(call_number(c, "position", last + 10)), DB_T(call_str(c, "name")),
                                   DB_N(!on || json_is_true(on)), DB_T(str_from(definition)), DB_N(now_ms));
    free(definition);
    if (result != DB_OK)
        return call_store_failed(c, result);
    snprintf(c->object + strlen(c->object), sizeof c->object - strlen(c->object), "%srule %lld", *c->object ? " " : "", (long long)id);
    return show(c, id, 201);
}

#define AT_LEVEL(level) \
    int op_##level##_rules(struct call *c) { return rules_at(c); } \
    int op_##level##_rule_add(struct call *c) { return rule_add_at(c); }
AT_LEVEL(system)
AT_LEVEL(tenant)
AT_LEVEL(domain)

int op_rule_show(struct call *c)
{
    return show(c, c->place.id, 200);
}

int op_rule_change(struct call *c)
{
    int status = show(c, c->place.id, 200);
    const json_t *on = json_object_get(c->in, "is_on");

    if (status != 200)
        return status;
    c->before = c->out;
    c->out = NULL;
    char *definition = call_has(c, "definition") ? definition_text(c) : NULL;
    if (call_has(c, "definition") && !definition)
        return 400;
    enum db_result result = DB_RUN(c->db, "UPDATE rule SET name = CASE WHEN $2 = '' THEN name ELSE $2 END, position = CASE WHEN $3 < 0 THEN position ELSE $3 END, "
                                          "is_on = CASE WHEN $4 < 0 THEN is_on ELSE $4 END, definition = CASE WHEN $5 = '' THEN definition ELSE $5 END, "
                                          "changed_ms = $6 WHERE id = $1",
                                   DB_N(c->place.id), DB_T(call_str(c, "name")), DB_N(call_number(c, "position", -1)), DB_N(on ? json_is_true(on) : -1),
                                   DB_T(str_from(definition ? definition : "")), DB_N(clock_wall_ms()));
    free(definition);
    return result == DB_OK ? show(c, c->place.id, 200) : call_store_failed(c, result);
}

int op_rule_remove(struct call *c)
{
    int status = show(c, c->place.id, 200);

    if (status != 200)
        return status;
    c->before = c->out;
    c->out = NULL;
    enum db_result result = DB_RUN(c->db, "DELETE FROM rule WHERE id = $1", DB_N(c->place.id));
    return result == DB_OK ? 204 : call_store_failed(c, result);
}
