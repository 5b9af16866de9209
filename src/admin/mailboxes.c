/* mailboxes.c: mailboxes of a domain, their other local parts, and all of them as CSV. */
#include "admin/parts.h"

#include "base/clock.h"
#include "mail/address.h"
#include "store/mailboxes.h"

#include <stdio.h>
#include <string.h>

enum { MOST_ERRORS = 100 };

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

    if (!mailbox_local_normal(call_str(c, "local_part"), local))
        return call_wrong_field(c, "local_part", "is no local part of an address");
    enum db_result result = insert_mailbox(c, c->place.id, local, "hand", &id);
    if (result != DB_OK)
        return call_store_failed(c, result);
    forget_callouts(c, local);
    json_array_foreach(json_object_get(c->in, "aliases"), i, alias) {
        if (!mailbox_local_normal(str_from(json_string_value(alias)), local))
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
    enum db_result result = mailbox_remove(c->db, c->place.id);

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

    if (!mailbox_local_normal(call_str(c, "local_part"), local))
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

    if (!mailbox_local_normal(str_from(c->parameter[1]), local))
        return call_not_found(c, "alias");
    const struct db_value values[] = {DB_T(str_from(local)), DB_N(c->place.id)};
    enum db_result result = db_run(c->db, "DELETE FROM mailbox_alias WHERE local_part = $1 AND mailbox = $2", values, 2, &changed);
    if (result != DB_OK)
        return call_store_failed(c, result);
    c->before = json_pack("{s:s}", "local_part", local);
    return changed ? 204 : call_not_found(c, "alias");
}

static void add_local(struct buf *out, struct str local)
{
    struct buf written = buf_make(LOCAL_PART_MAX * 2 + 2);

    mailbox_local_write(local, &written);
    csv_field(out, buf_str(&written), false);
    buf_free(&written);
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
            add_local(out, db_text(r, 1));
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

/* What is wrong with the file, up to a page of it. */
static void wrong_line(void *arg, size_t line, const char *local, const char *what)
{
    json_t *errors = arg;
    char pointer[40];

    if (json_array_size(errors) == MOST_ERRORS)
        return;
    snprintf(pointer, sizeof pointer, "/line %zu", line);
    json_t *detail = json_sprintf("%.200s%s%s", local, *local ? " " : "", what);
    json_array_append_new(errors, json_pack("{s:s, s:o}", "pointer", pointer, "detail", detail ? detail : json_string(what)));
}

static int follow(struct call *c, struct mailbox_set *set, json_t *errors)
{
    struct mailbox_changes n;
    bool fits = mailboxes_read_csv(c->db, c->place.id, c->request->body, set, wrong_line, errors);

    if (!fits && !json_array_size(errors))
        return call_problem(c, 413, "csv", "More than %d addresses, or no memory for them.", (int)MAILBOXES_MOST);
    if (fits && !mailbox_set_mailboxes(set) && !json_array_size(errors))
        return call_problem(c, 400, "csv", "No mailbox stands in the file. Remove the domain's mailboxes one by one if that is meant.");
    enum db_result result = mailboxes_follow(c->db, c->place.id, "csv", set, true, &n, wrong_line, errors);
    if (result != DB_OK)
        return call_store_failed(c, result);
    if (json_array_size(errors)) {
        int status = call_problem(c, 400, "csv", "Lines of the file are not as they must be; nothing was changed.");
        json_object_set(c->out, "errors", errors);
        return status;
    }
    c->out = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "added", (json_int_t)n.added, "removed", (json_int_t)n.removed, "kept", (json_int_t)n.kept, "aliases_added",
                       (json_int_t)n.aliases_added, "aliases_removed", (json_int_t)n.aliases_removed, "aliases_kept", (json_int_t)n.aliases_kept);
    c->after = json_incref(c->out);
    if (n.added || n.aliases_added)
        c->afterwards = json_pack("{s:s, s:s, s:s}", "noun", "callout", "verb", "clear", "what", c->place.name);
    return 200;
}

int op_mailbox_import(struct call *c)
{
    struct mailbox_set *set = mailbox_set_new();
    json_t *errors = json_array();
    int status = set && errors ? follow(c, set, errors) : call_problem(c, 503, "memory", "There is not enough memory for it now. Try again.");

    json_decref(errors);
    mailbox_set_free(&set);
    return status;
}
