/*
 * messages.c: the message log, as far as the actor's scope reaches: a row for each recipient of each message, never what the message says. The statement is put
 * together from constants, so that each question finds its index; values are parameters only.
 */
#include "admin/parts.h"

#include "base/clock.h"
#include "catalog/reason.h"

#include <stdio.h>
#include <string.h>

enum { SQL_MOST = 4096, MOST_VALUES = 16, DAY_MS = 24 * 3600 * 1000 };

#define MESSAGE_COLUMNS "id, reference, direction, sender, recipient, header_from, subject, size, client_ip, main_class, reason, score, action, status, changed_ms, domain"
#define MORE_COLUMNS ", tenant, account, login, identity, client_name, helo, tls, header_to, header_cc, message_id, attachments, sub_class, extra_class, " \
                     "findings, results, reply, host, host_tls, tls_policy, remote_reply, dsn, attempts, next_try_ms, node"

struct query {
    struct buf sql;
    struct db_value values[MOST_VALUES];
    size_t count;
};

/* PIECE holds one %zu, the number of the parameter. */
static void add(struct query *q, const char *before, const char *after, struct db_value value)
{
    if (q->count == MOST_VALUES) {
        q->sql.failed = true;
        return;
    }
    q->values[q->count++] = value;
    buf_addf(&q->sql, "%s$%zu%s", before, q->count, after);
}

static void add_scope(struct query *q, const struct scope *s)
{
    switch (s->kind) {
    case SCOPE_ALL: return;
    case SCOPE_TENANT:
        add(q, " AND tenant IN (WITH RECURSIVE below(id) AS (SELECT CAST(", " AS BIGINT) UNION SELECT tenant.id FROM tenant JOIN below ON tenant.parent = below.id) "
               "SELECT id FROM below)", DB_N(s->id));
        return;
    case SCOPE_DOMAIN: add(q, " AND domain = ", "", DB_N(s->id)); return;
    case SCOPE_MAILBOX:
        add(q, " AND recipient IN (SELECT m.local_part || '@' || d.name FROM mailbox m JOIN domain d ON d.id = m.domain WHERE m.id = ", "", DB_N(s->id));
        add(q, " UNION SELECT a.local_part || '@' || d.name FROM mailbox_alias a JOIN domain d ON d.id = a.domain WHERE a.mailbox = ", ")", DB_N(s->id));
        return;
    case SCOPE_NOTHING: break;
    }
    buf_add_text(&q->sql, " AND 1 = 0");
}

static void add_fields(struct call *c, struct query *q)
{
    static const char *const fields[] = {"reference", "sender", "recipient", "sender_domain", "recipient_domain", "status", "direction", "client_ip", "message_id"};
    char before[64];
    enum reason reason = reason_find(call_str(c, "reason"));

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (!call_has(c, fields[i]))
            continue;
        snprintf(before, sizeof before, " AND %s = ", fields[i]); /* one of those above */
        add(q, before, "", DB_T(call_str(c, fields[i])));
    }
    if (call_has(c, "reason"))
        add(q, " AND reason = ", "", DB_T(reason == REASON_NONE ? call_str(c, "reason") : str_from(reason_row(reason)->id)));
    if (call_has(c, "days"))
        add(q, " AND id >= ", "", DB_N(db_id_at(clock_wall_ms() - call_number(c, "days", 0) * DAY_MS)));
}

static json_t *message_json(struct db_rows *r)
{
    json_t *one = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "id", json_id(db_number(r, 0)), "time", json_time(db_id_ms(db_number(r, 0))),
                            "reference", json_str(db_text(r, 1)), "direction", json_str(db_text(r, 2)), "sender", json_str(db_text(r, 3)), "recipient",
                            json_str(db_text(r, 4)), "header_from", json_str(db_text(r, 5)), "subject", json_str(db_text(r, 6)), "size", (json_int_t)db_number(r, 7));
    json_t *rest = json_pack("{s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:o}", "client_ip", json_str(db_text(r, 8)), "main_class", json_str(db_text(r, 9)), "reason",
                             json_str(db_text(r, 10)), "score", db_real(r, 11), "action", json_str(db_text(r, 12)), "status", json_str(db_text(r, 13)),
                             "changed", json_time(db_number(r, 14)), "domain", json_id_or_null(db_number(r, 15)));

    json_object_update_new(one, rest);
    return one;
}

int op_message_list(struct call *c)
{
    struct query q = {.sql = buf_make(SQL_MOST)};
    int64_t before;
    int status = 400;

    if (call_cursor_number(c, INT64_MAX, &before)) {
        buf_add_text(&q.sql, "SELECT " MESSAGE_COLUMNS " FROM message WHERE 1 = 1");
        add_scope(&q, &c->actor.scope);
        add_fields(c, &q);
        add(&q, " AND id < ", "", DB_N(before));
        add(&q, " ORDER BY id DESC LIMIT ", "", DB_N(call_limit(c)));
        status = q.sql.failed || !buf_text(&q.sql) ? call_store_failed(c, DB_FAILED)
                                                   : call_page(c, db_query_once(c->db, buf_text(&q.sql), q.values, q.count), message_json, 0);
    }
    buf_free(&q.sql);
    return status;
}

/* What the log keeps as JSON; OTHERWISE (a new value) where it is none. */
static json_t *kept_json(struct str text, json_t *otherwise)
{
    json_t *value = json_loadb(text.len ? text.at : "", text.len, JSON_DECODE_ANY, NULL);

    if (!value)
        return otherwise;
    json_decref(otherwise);
    return value;
}

static json_t *whole_json(struct db_rows *r)
{
    static const struct { const char *name; int column; } texts[] = {
        {"login", 18}, {"identity", 19}, {"client_name", 20}, {"helo", 21}, {"tls", 22}, {"header_to", 23}, {"header_cc", 24}, {"message_id", 25},
        {"attachments", 26}, {"sub_class", 27}, {"extra_class", 28}, {"reply", 31}, {"host", 32}, {"host_tls", 33}, {"tls_policy", 34}, {"remote_reply", 35},
        {"dsn", 36}, {"node", 39}};
    json_t *one = message_json(r);

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        json_object_set_new(one, texts[i].name, json_str(db_text(r, texts[i].column)));
    json_object_set_new(one, "findings", kept_json(db_text(r, 29), json_array()));
    json_object_set_new(one, "results", kept_json(db_text(r, 30), json_object()));
    json_object_set_new(one, "attempts", json_integer((json_int_t)db_number(r, 37)));
    json_object_set_new(one, "next_try", json_time(db_number(r, 38)));
    json_object_set_new(one, "account", json_id_or_null(db_number(r, 17)));
    return one;
}

int op_message_show(struct call *c)
{
    return call_row(c, DB_QUERY(c->db, "SELECT " MESSAGE_COLUMNS MORE_COLUMNS " FROM message WHERE id = $1", DB_N(c->place.id)), whole_json, 200);
}
