/* mailboxes.c: mailboxes of a domain, their other local parts, and all of them as CSV. */
#include "admin/parts.h"

#include "base/clock.h"
#include "mail/address.h"

#include <stdio.h>
#include <string.h>

enum { MOST_ROWS = 200000 };

#define MAILBOX_COLUMNS "m.id, m.local_part || '@' || d.name, m.local_part, m.domain, m.source, m.created_ms"
#define FROM_MAILBOX " FROM mailbox m JOIN domain d ON d.id = m.domain "

static json_t *mailbox_json(struct db_rows *r)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "id", json_id(db_number(r, 0)), "address", json_str(db_text(r, 1)), "local_part",
                     json_str(db_text(r, 2)), "domain", json_id(db_number(r, 3)), "source", json_str(db_text(r, 4)), "created", json_time(db_number(r, 5)));
}

static int show(struct call *c, int64_t id, int status)
{
    return call_row(c, DB_QUERY(c->db, "SELECT " MAILBOX_COLUMNS FROM_MAILBOX "WHERE m.id = $1", DB_N(id)), mailbox_json, status);
}

int op_mailbox_list(struct call *c)
{
    return call_page(c, DB_QUERY(c->db, "SELECT " MAILBOX_COLUMNS FROM_MAILBOX "WHERE m.domain = $1 AND m.local_part > $2 "
                                        "AND substr(m.local_part, 1, length($3)) = $3 ORDER BY m.local_part LIMIT $4",
                                 DB_N(c->place.id), DB_T(str_from(c->cursor ? c->cursor : "")), DB_T(call_str(c, "local_part")), DB_N(call_limit(c))),
                     mailbox_json, 2);
}

int op_mailbox_show(struct call *c)
{
    return show(c, c->place.id, 200);
}

/* As the store keeps it: without quotes, lower case. */
static bool local_normal(struct str text, char to[LOCAL_PART_MAX + 1])
{
    char whole[LOCAL_PART_MAX * 2 + 32];
    struct address a;
    int n = snprintf(whole, sizeof whole, STR_FMT "@example.test", STR_ARG(text));

    if (n < 0 || (size_t)n >= sizeof whole || address_parse(str_n(whole, (size_t)n), true, &a, NULL) != ADDRESS_OK)
        return false;
    size_t len = address_local_unquoted(&a, to);
    to[len] = '\0';
    str_lower(to, len);
    return len > 0 && !memchr(to, '\0', len);
}

static bool is_taken(struct db *d, int64_t domain, const char *local)
{
    const struct db_value values[] = {DB_N(domain), DB_T(str_from(local))};

    return db_ask_number(d, "SELECT (SELECT count(*) FROM mailbox WHERE domain = $1 AND local_part = $2) + "
                            "(SELECT count(*) FROM mailbox_alias WHERE domain = $1 AND local_part = $2)", values, 2, 1) > 0;
}

static enum db_result insert_alias(struct call *c, int64_t domain, int64_t mailbox, const char *local, const char *source)
{
    if (is_taken(c->db, domain, local))
        return DB_CONFLICT;
    return DB_RUN(c->db, "INSERT INTO mailbox_alias(domain, local_part, mailbox, source) VALUES($1, $2, $3, $4)", DB_N(domain), DB_T(str_from(local)),
                  DB_N(mailbox), DB_T(str_from(source)));
}

static enum db_result insert_mailbox(struct call *c, int64_t domain, const char *local, const char *source, int64_t *id)
{
    if (is_taken(c->db, domain, local))
        return DB_CONFLICT;
    *id = db_new_id();
    return DB_RUN(c->db, "INSERT INTO mailbox(id, domain, local_part, source, created_ms) VALUES($1, $2, $3, $4, $5)", DB_N(*id), DB_N(domain),
                  DB_T(str_from(local)), DB_T(str_from(source)), DB_N(clock_wall_ms()));
}

/* The destination is asked again at once about what was not there yet (product.md §3). */
static void forget_callouts(struct call *c, const char *local)
{
    char address[LOCAL_PART_MAX + PLACE_NAME_MAX + 2];

    snprintf(address, sizeof address, "%s@%s", local, c->place.name);
    json_decref(c->afterwards);
    c->afterwards = json_pack("{s:s, s:s, s:s}", "noun", "callout", "verb", "clear", "what", address);
}

int op_mailbox_add(struct call *c)
{
    char local[LOCAL_PART_MAX + 1];
    json_t *alias;
    size_t i;
    int64_t id;

    if (!local_normal(call_str(c, "local_part"), local))
        return call_wrong_field(c, "local_part", "is no local part of an address");
    enum db_result result = insert_mailbox(c, c->place.id, local, "hand", &id);
    if (result != DB_OK)
        return call_store_failed(c, result);
    forget_callouts(c, local);
    json_array_foreach(json_object_get(c->in, "aliases"), i, alias) {
        if (!local_normal(str_from(json_string_value(alias)), local))
            return call_wrong_field(c, "aliases", "entry %zu is no local part of an address", i + 1);
        result = insert_alias(c, c->place.id, id, local, "hand");
        if (result != DB_OK)
            return call_store_failed(c, result);
    }
    c->about = (struct place){.id = id, .tenant = c->place.tenant, .domain = c->place.domain, .mailbox = id};
    call_object(c, "mailbox", id, call_str(c, "local_part"));
    return show(c, id, 201);
}

int op_mailbox_remove(struct call *c)
{
    enum db_result result = level_clear(c->db, 'm', c->place.id);

    if (result == DB_OK)
        result = DB_RUN(c->db, "DELETE FROM mailbox WHERE id = $1", DB_N(c->place.id));
    return result == DB_OK ? 204 : call_store_failed(c, result);
}

static json_t *local_json(struct db_rows *r)
{
    return json_pack("{s:o, s:o}", "local_part", json_str(db_text(r, 0)), "source", json_str(db_text(r, 1)));
}

int op_local_list(struct call *c)
{
    return call_page(c, DB_QUERY(c->db, "SELECT local_part, source FROM mailbox_alias WHERE mailbox = $1 AND local_part > $2 ORDER BY local_part LIMIT $3",
                                 DB_N(c->place.id), DB_T(str_from(c->cursor ? c->cursor : "")), DB_N(call_limit(c))), local_json, 0);
}

int op_local_add(struct call *c)
{
    char local[LOCAL_PART_MAX + 1];

    if (!local_normal(call_str(c, "local_part"), local))
        return call_wrong_field(c, "local_part", "is no local part of an address");
    enum db_result result = insert_alias(c, c->place.domain, c->place.id, local, "hand");
    if (result != DB_OK)
        return call_store_failed(c, result);
    c->out = json_pack("{s:s, s:s}", "local_part", local, "source", "hand");
    return 201;
}

int op_local_remove(struct call *c)
{
    char local[LOCAL_PART_MAX + 1];
    int64_t changed = 0;

    if (!local_normal(str_from(c->parameter[1]), local))
        return call_not_found(c, "alias");
    const struct db_value values[] = {DB_T(str_from(local)), DB_N(c->place.id)};
    enum db_result result = db_run(c->db, "DELETE FROM mailbox_alias WHERE local_part = $1 AND mailbox = $2", values, 2, &changed);
    if (result != DB_OK)
        return call_store_failed(c, result);
    c->before = json_pack("{s:s}", "local_part", local);
    return changed ? 204 : call_not_found(c, "alias");
}

int op_mailbox_export(struct call *c)
{
    struct buf *out = &c->answer->body;
    int64_t before = 0;
    struct db_rows *r = DB_QUERY(c->db, "SELECT m.id, m.local_part, a.local_part FROM mailbox m LEFT JOIN mailbox_alias a ON a.mailbox = m.id "
                                        "WHERE m.domain = $1 ORDER BY m.local_part, m.id, a.local_part", DB_N(c->place.id));

    buf_add_text(out, "local_part,aliases\r\n");
    while (db_next(r)) {
        bool same = db_number(r, 0) == before;
        if (before && !same)
            buf_add_text(out, "\r\n");
        if (!same)
            csv_field(out, db_text(r, 1), false);
        if (db_text(r, 2).len) {
            if (same)
                buf_add_char(out, ' ');
            buf_add_str(out, db_text(r, 2));
        }
        before = db_number(r, 0);
    }
    if (before)
        buf_add_text(out, "\r\n");
    enum db_result result = db_done(&r);
    if (result != DB_OK || out->failed)
        return call_store_failed(c, result == DB_OK ? DB_FULL : result);
    c->answer->type = "text/csv; charset=utf-8; header=present";
    c->answer->is_download = true;
    return 200;
}

/* 0: taken; else the problem said. */
static int import_row(struct call *c, const struct csv_row *row, json_int_t *added, json_int_t *present)
{
    char local[LOCAL_PART_MAX + 1];
    struct str rest = row->count > 1 ? str_from(row->field[1]) : STR("");
    bool fine = row->count <= 2 && local_normal(str_from(row->field[0]), local);

    if (!fine)
        return call_problem(c, 400, "csv", "Line %zu: wanted are a local part and, behind a comma, others separated by blanks.", row->line);
    const struct db_value values[] = {DB_N(c->place.id), DB_T(str_from(local))};
    int64_t id = db_ask_number(c->db, "SELECT id FROM mailbox WHERE domain = $1 AND local_part = $2", values, 2, 0);
    *present += id != 0;
    *added += id == 0;
    enum db_result result = id ? DB_OK : insert_mailbox(c, c->place.id, local, "csv", &id);
    for (struct str one = str_word(&rest); one.len && result == DB_OK; one = str_word(&rest)) {
        if (!local_normal(one, local))
            return call_problem(c, 400, "csv", "Line %zu: \"" STR_FMT "\" is no local part of an address.", row->line, STR_ARG(str_sub(one, 0, 100)));
        const struct db_value mine[] = {DB_N(c->place.id), DB_T(str_from(local)), DB_N(id)};
        if (!db_ask_number(c->db, "SELECT count(*) FROM mailbox_alias WHERE domain = $1 AND local_part = $2 AND mailbox = $3", mine, 3, 0))
            result = insert_alias(c, c->place.id, id, local, "csv");
    }
    if (result == DB_CONFLICT)
        return call_problem(c, 409, "conflict", "Line %zu: a local part of it is another mailbox's already.", row->line);
    return result == DB_OK ? 0 : call_store_failed(c, result);
}

int op_mailbox_import(struct call *c)
{
    struct str rest = c->request->body;
    struct csv_row row;
    size_t line = 1;
    json_int_t added = 0, present = 0;
    int got, status;

    while ((got = csv_next(&rest, &line, &row)) > 0) {
        if (row.line == 1 && strcmp(row.field[0], "local_part") == 0)
            continue;
        if (added + present == MOST_ROWS)
            return call_problem(c, 413, "csv", "More than %d rows.", (int)MOST_ROWS);
        status = import_row(c, &row, &added, &present);
        if (status)
            return status;
    }
    if (got < 0)
        return call_problem(c, 400, "csv", "Line %zu is malformed.", row.line);
    c->out = json_pack("{s:I, s:I}", "added", added, "present", present);
    c->after = json_incref(c->out);
    return 200;
}
