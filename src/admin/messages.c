/* messages.c: the message log, as far as the actor's scope reaches: a row for each recipient of each message, never what the message says. */
#include "admin/parts.h"

#include "base/clock.h"
#include "store/message_search.h"

#include <string.h>

enum { WHY_MAX = 500, COLUMNS_TEXT_MAX = 2048 };

static struct str text_at(const struct message_row *m, enum message_column column)
{
    return m->at[column].type == DB_TEXT ? m->at[column].bytes : STR("");
}

static int64_t number_at(const struct message_row *m, enum message_column column)
{
    return m->at[column].type == DB_NUMBER ? m->at[column].number : 0;
}

static json_t *message_json(const struct message_row *m)
{
    static const struct { const char *name; enum message_column column; } texts[] = {
        {"reference", MESSAGE_reference}, {"direction", MESSAGE_direction}, {"sender", MESSAGE_sender}, {"recipient", MESSAGE_recipient},
        {"header_from", MESSAGE_header_from}, {"subject", MESSAGE_subject}, {"client_ip", MESSAGE_client_ip}, {"main_class", MESSAGE_main_class},
        {"reason", MESSAGE_reason}, {"action", MESSAGE_action}, {"status", MESSAGE_status}};
    json_t *one = json_object();

    json_object_set_new(one, "id", json_id(number_at(m, MESSAGE_id)));
    json_object_set_new(one, "time", json_time(db_id_ms(number_at(m, MESSAGE_id))));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        json_object_set_new(one, texts[i].name, json_str(text_at(m, texts[i].column)));
    json_object_set_new(one, "size", json_integer((json_int_t)number_at(m, MESSAGE_size)));
    json_object_set_new(one, "score", json_real(m->at[MESSAGE_score].type == DB_REAL ? m->at[MESSAGE_score].real : 0));
    json_object_set_new(one, "changed", json_time(number_at(m, MESSAGE_changed_ms)));
    json_object_set_new(one, "domain", json_id_or_null(number_at(m, MESSAGE_domain)));
    return one;
}

static struct message_scope scope_of(const struct scope *s)
{
    switch (s->kind) {
    case SCOPE_ALL: return (struct message_scope){MESSAGES_OF_ALL, 0};
    case SCOPE_TENANT: return (struct message_scope){MESSAGES_OF_TENANT, s->id};
    case SCOPE_DOMAIN: return (struct message_scope){MESSAGES_OF_DOMAIN, s->id};
    default: return (struct message_scope){MESSAGES_OF_MAILBOX, s->id}; /* of SCOPE_NOTHING: mailbox 0, which nobody has */
    }
}

static int answer(struct call *c, const struct filter *f, int64_t before)
{
    const struct message_scope scope = scope_of(&c->actor.scope);
    struct message_page page;
    enum db_result result = message_search(c->db, &scope, f, before, (size_t)c->limit, MESSAGE_SEARCH_MS, &page);
    json_t *items = json_array();

    if (result == DB_OK) {
        for (size_t i = 0; i < page.count; i++)
            json_array_append_new(items, message_json(&page.rows[i]));
        c->out = json_pack("{s:O, s:o}", "items", items, "next", json_id_or_null(page.next));
    }
    message_page_clear(&page);
    json_decref(items);
    return result == DB_OK ? 200 : call_store_failed(c, result);
}

int op_message_list(struct call *c)
{
    struct buf why = buf_make(WHY_MAX);
    struct filter *f = filter_parse(call_str(c, "filter"), clock_wall_ms(), &why);
    int64_t before;
    int status = 400;

    if (!f)
        call_wrong_field(c, "filter", STR_FMT, STR_ARG(buf_str(&why)));
    else if (call_cursor_number(c, 0, &before))
        status = answer(c, f, before);
    filter_free(&f);
    buf_free(&why);
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

static json_t *whole_json(const struct message_row *m)
{
    static const struct { const char *name; enum message_column column; } texts[] = {
        {"login", MESSAGE_login}, {"identity", MESSAGE_identity}, {"client_name", MESSAGE_client_name}, {"helo", MESSAGE_helo}, {"tls", MESSAGE_tls},
        {"header_to", MESSAGE_header_to}, {"header_cc", MESSAGE_header_cc}, {"message_id", MESSAGE_message_id}, {"attachments", MESSAGE_attachments},
        {"sub_class", MESSAGE_sub_class}, {"extra_class", MESSAGE_extra_class}, {"reply", MESSAGE_reply}, {"host", MESSAGE_host}, {"host_tls", MESSAGE_host_tls},
        {"tls_policy", MESSAGE_tls_policy}, {"remote_reply", MESSAGE_remote_reply}, {"dsn", MESSAGE_dsn}, {"node", MESSAGE_node}};
    json_t *one = message_json(m);

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        json_object_set_new(one, texts[i].name, json_str(text_at(m, texts[i].column)));
    json_object_set_new(one, "findings", kept_json(text_at(m, MESSAGE_findings), json_array()));
    json_object_set_new(one, "results", kept_json(text_at(m, MESSAGE_results), json_object()));
    json_object_set_new(one, "attempts", json_integer((json_int_t)number_at(m, MESSAGE_attempts)));
    json_object_set_new(one, "next_try", json_time(number_at(m, MESSAGE_next_try_ms)));
    json_object_set_new(one, "account", json_id_or_null(number_at(m, MESSAGE_account)));
    return one;
}

/* Every column of the table, in its order; texts are the statement's until it goes on. */
static void take_row(struct db_rows *r, struct message_row *m)
{
    message_row_init(m);
    for (int i = 0; i < MESSAGE_COLUMNS; i++) {
        if (message_columns[i].type == MESSAGE_TEXT)
            m->at[i] = DB_T(db_text(r, i));
        else
            m->at[i] = message_columns[i].type == MESSAGE_REAL ? DB_R(db_real(r, i)) : DB_N(db_number(r, i));
    }
}

static json_t *row_json(struct db_rows *r)
{
    struct message_row m;

    take_row(r, &m);
    return whole_json(&m);
}

int op_message_show(struct call *c)
{
    struct buf sql = buf_make(COLUMNS_TEXT_MAX);
    const struct db_value values[] = {DB_N(c->place.id)};

    buf_add_text(&sql, "SELECT ");
    for (int i = 0; i < MESSAGE_COLUMNS; i++)
        buf_addf(&sql, "%s%s", i ? ", " : "", message_columns[i].name);
    buf_add_text(&sql, " FROM message WHERE id = $1");
    int status = sql.failed || !buf_text(&sql) ? call_store_failed(c, DB_FAILED) : call_row(c, db_query_once(c->db, buf_text(&sql), values, 1), row_json, 200);
    buf_free(&sql);
    return status;
}
