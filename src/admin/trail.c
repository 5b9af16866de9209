/* trail.c: the audit trail, as far as the actor's scope reaches. */
#include "admin/parts.h"

#include "store/audit.h"

static json_t *audit_json(struct db_rows *r)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", json_id(db_number(r, 0)), "time", json_time(db_id_ms(db_number(r, 0))),
                     "actor", json_str(db_text(r, 1)), "acting_as", json_str(db_text(r, 2)), "client", json_str(db_text(r, 3)), "action",
                     json_str(db_text(r, 4)), "object", json_str(db_text(r, 5)), "before", json_str(db_text(r, 6)), "after", json_str(db_text(r, 7)),
                     "reason", json_str(db_text(r, 8)));
}

int op_audit_list(struct call *c)
{
    int64_t before;

    if (!call_cursor_number(c, INT64_MAX, &before))
        return 400;
    return call_page(c, DB_QUERY(c->db, "SELECT id, actor, acting_as, client, action, object, before_value, after_value, reason FROM audit WHERE "
                                        SQL_IN_SCOPE("tenant", "domain", "NULL")
                                        " AND id < $3 AND substr(object, 1, length($4)) = $4 AND ($5 = '' OR actor = $5) AND ($6 = '' OR action = $6) "
                                        "ORDER BY id DESC LIMIT $7",
                                 DB_SCOPE(&c->actor.scope), DB_N(before), DB_T(call_str(c, "object")), DB_T(call_str(c, "actor")), DB_T(call_str(c, "action")),
                                 DB_N(call_limit(c))), audit_json, 0);
}

int op_audit_check(struct call *c)
{
    struct audit_verdict verdict;
    enum db_result result = audit_verify(c->db, &verdict);

    if (result != DB_OK)
        return call_store_failed(c, result);
    c->out = json_pack("{s:b, s:I, s:o, s:s}", "intact", verdict.intact, "rows", (json_int_t)verdict.rows, "broken", json_id_or_null(verdict.broken_id), "hash",
                       verdict.hash);
    return 200;
}
