/* list_entries.c: allow and block lists at each level, and as CSV. Patterns are kept as policy/lists.h has them. */
#include "admin/parts.h"

#include "base/clock.h"
#include "policy/lists.h"

#include <stdio.h>
#include <string.h>

enum { DAY_MS = 24 * 3600 * 1000, MOST_ROWS = 200000, SKIP_TEXT_MAX = 200 };

#define ENTRY_COLUMNS "id, list, pattern, match, is_authenticated, skip, note, created_ms, created_by, expires_ms"

static json_t *skips_json(struct str skip)
{
    json_t *list = json_array();

    while (skip.len)
        json_array_append_new(list, json_str(str_cut(&skip, ',')));
    return list;
}

static json_t *entry_json(struct db_rows *r)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o}", "id", json_id(db_number(r, 0)), "list", json_str(db_text(r, 1)), "pattern",
                     json_str(db_text(r, 2)), "match", json_str(db_text(r, 3)), "only_authenticated", db_number(r, 4) != 0, "skip", skips_json(db_text(r, 5)),
                     "note", json_str(db_text(r, 6)), "created", json_time(db_number(r, 7)), "created_by", json_str(db_text(r, 8)), "expires",
                     json_time(db_number(r, 9)));
}

/* The list of the path, where this level may have it. -1, with the problem said. */
static int list_asked(struct call *c)
{
    int kind = list_kind_find(str_from(c->parameter[c->place.level == 's' ? 0 : 1]));
    bool of_a_mailbox = kind == LIST_SENDER_ALLOW || kind == LIST_SENDER_BLOCK;

    if (kind >= 0 && (c->place.level != 'm' || of_a_mailbox))
        return kind;
    call_not_found(c, "list");
    return -1;
}

static int said(const struct call *c)
{
    return (int)json_integer_value(json_object_get(c->out, "status"));
}

static int list_at(struct call *c)
{
    int64_t after;
    int kind = list_asked(c);

    if (kind < 0 || !call_cursor_number(c, 0, &after))
        return said(c);
    return call_page(c, DB_QUERY(c->db, "SELECT " ENTRY_COLUMNS " FROM list_entry WHERE level = $1 AND owner = $2 AND list = $3 AND id > $4 "
                                        "AND substr(pattern, 1, length($5)) = $5 ORDER BY id LIMIT $6",
                                 DB_T(str_n(&c->place.level, 1)), DB_N(c->place.owner), DB_T(str_from(list_kind_name((enum list_kind)kind))), DB_N(after),
                                 DB_T(call_str(c, "pattern")), DB_N(call_limit(c))), entry_json, 0);
}

struct entry {
    enum list_kind kind;
    char pattern[LIST_PATTERN_MAX + 1];
    struct str match, note;
    bool only_authenticated;
    char skip[SKIP_TEXT_MAX];
    int64_t expires_ms;
};

static enum db_result insert(struct call *c, const struct entry *e, int64_t id)
{
    return DB_RUN(c->db, "INSERT INTO list_entry(id, level, owner, list, pattern, match, is_authenticated, skip, note, created_ms, created_by, expires_ms) "
                         "VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                  DB_N(id), DB_T(str_n(&c->place.level, 1)), DB_N(c->place.owner), DB_T(str_from(list_kind_name(e->kind))), DB_T(str_from(e->pattern)),
                  DB_T(e->match), DB_N(e->only_authenticated), DB_T(str_from(e->skip)), DB_T(e->note), DB_N(clock_wall_ms()), DB_T(str_from(c->actor.name)),
                  DB_N(e->expires_ms));
}

/* What is wrong with the entry, fit for a person; NULL where nothing is. Its pattern becomes as it is kept. */
static const char *complete(struct entry *e, struct str pattern)
{
    unsigned skips = 0;

    if (!list_pattern_normal(e->kind, pattern, e->pattern))
        return e->kind == LIST_IP_ALLOW || e->kind == LIST_IP_BLOCK ? "is no network such as 192.0.2.0/24" : "is none of user@domain, *@domain, domain, *.domain";
    if (e->kind == LIST_IP_ALLOW && !list_skips_parse(str_from(e->skip), &skips))
        return "skips nothing: skip must name some of connections, greylisting, greeting, dns, ptr, dnsbl, rate, content";
    if (e->kind != LIST_IP_ALLOW && *e->skip)
        return "has skip, which only entries of ip-allow have";
    return NULL;
}

static bool join_skips(const json_t *list, char to[SKIP_TEXT_MAX])
{
    struct buf text = buf_make(SKIP_TEXT_MAX - 1);
    json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
        buf_addf(&text, "%s%s", i ? "," : "", json_string_value(one));
    bool fine = !text.failed && str_copy(to, SKIP_TEXT_MAX, buf_str(&text));
    buf_free(&text);
    return fine;
}

static int list_add_at(struct call *c)
{
    int kind = list_asked(c);
    int64_t days = call_number(c, "expires_days", 0), id = db_new_id();
    const json_t *only = json_object_get(c->in, "only_authenticated");

    if (kind < 0)
        return said(c);
    struct entry e = {.kind = (enum list_kind)kind, .match = str_from(call_text(c, "match", "envelope")), .note = call_str(c, "note"),
                      .only_authenticated = !only || json_is_true(only), .expires_ms = days ? clock_wall_ms() + days * DAY_MS : 0};
    if (!join_skips(json_object_get(c->in, "skip"), e.skip))
        return call_wrong_field(c, "skip", "is too long");
    const char *wrong = complete(&e, call_str(c, "pattern"));
    if (wrong)
        return call_wrong_field(c, "pattern", "%s", wrong);
    enum db_result result = insert(c, &e, id);
    if (result != DB_OK)
        return call_store_failed(c, result);
    snprintf(c->object + strlen(c->object), sizeof c->object - strlen(c->object), "%s%s entry %lld", *c->object ? " " : "", list_kind_name(e.kind), (long long)id);
    return call_row(c, DB_QUERY(c->db, "SELECT " ENTRY_COLUMNS " FROM list_entry WHERE id = $1", DB_N(id)), entry_json, 201);
}

static int list_export_at(struct call *c)
{
    struct buf *out = &c->answer->body;
    int kind = list_asked(c);

    if (kind < 0)
        return said(c);
    struct db_rows *r = DB_QUERY(c->db, "SELECT pattern, match, is_authenticated, skip, note FROM list_entry WHERE level = $1 AND owner = $2 AND list = $3 ORDER BY id",
                                 DB_T(str_n(&c->place.level, 1)), DB_N(c->place.owner), DB_T(str_from(list_kind_name((enum list_kind)kind))));
    buf_add_text(out, "pattern,match,only_authenticated,skip,note\r\n");
    while (db_next(r)) {
        csv_field(out, db_text(r, 0), false);
        csv_field(out, db_text(r, 1), false);
        csv_field(out, db_number(r, 2) ? STR("yes") : STR("no"), false);
        csv_field(out, db_text(r, 3), false);
        csv_field(out, db_text(r, 4), true);
    }
    enum db_result result = db_done(&r);
    if (result != DB_OK || out->failed)
        return call_store_failed(c, result == DB_OK ? DB_FULL : result);
    c->answer->type = "text/csv; charset=utf-8; header=present";
    c->answer->is_download = true;
    return 200;
}

static const char *take_row(struct entry *e, const struct csv_row *row)
{
    struct str match = row->count > 1 && *row->field[1] ? str_from(row->field[1]) : STR("envelope");
    struct str only = row->count > 2 ? str_from(row->field[2]) : STR("");

    e->match = match;
    e->only_authenticated = !str_is_case(only, "no") && !str_is_case(only, "false") && !str_is(only, "0");
    e->note = row->count > 4 ? str_from(row->field[4]) : STR("");
    if (!str_is(match, "envelope") && !str_is(match, "from") && !str_is(match, "both"))
        return "matches neither envelope, from nor both";
    if (!str_copy(e->skip, sizeof e->skip, row->count > 3 ? str_from(row->field[3]) : STR("")))
        return "has too many things to skip";
    if (row->count > 5 || e->note.len > 500)
        return "has more than pattern, match, only_authenticated, skip and a short note";
    return complete(e, str_from(row->field[0]));
}

static bool is_there(struct call *c, const struct entry *e)
{
    const struct db_value values[] = {DB_T(str_n(&c->place.level, 1)), DB_N(c->place.owner), DB_T(str_from(list_kind_name(e->kind))),
                                      DB_T(str_from(e->pattern)), DB_T(e->match)};

    return db_ask_number(c->db, "SELECT count(*) FROM list_entry WHERE level = $1 AND owner = $2 AND list = $3 AND pattern = $4 AND match = $5", values, 5, 0) > 0;
}

static int list_import_at(struct call *c)
{
    struct str rest = c->request->body;
    struct csv_row row;
    struct entry e = {0};
    size_t line = 1;
    json_int_t added = 0, present = 0;
    int kind = list_asked(c), got;

    if (kind < 0)
        return said(c);
    e.kind = (enum list_kind)kind;
    while ((got = csv_next(&rest, &line, &row)) > 0) {
        if (row.line == 1 && strcmp(row.field[0], "pattern") == 0)
            continue;
        const char *wrong = added + present == MOST_ROWS ? "is one more than may be taken at once" : take_row(&e, &row);
        if (wrong)
            return call_problem(c, 400, "csv", "Line %zu: \"%.100s\" %s.", row.line, row.field[0], wrong);
        bool there = is_there(c, &e);
        enum db_result result = there ? DB_OK : insert(c, &e, db_new_id());
        if (result != DB_OK)
            return call_store_failed(c, result);
        present += there;
        added += !there;
    }
    if (got < 0)
        return call_problem(c, 400, "csv", "Line %zu is malformed.", row.line);
    c->out = json_pack("{s:I, s:I}", "added", added, "present", present);
    c->after = json_incref(c->out);
    c->no_audit = added == 0;
    snprintf(c->object + strlen(c->object), sizeof c->object - strlen(c->object), "%s%s", *c->object ? " " : "", list_kind_name(e.kind));
    return 200;
}

#define AT_LEVEL(level) \
    int op_##level##_listed(struct call *c) { return list_at(c); } \
    int op_##level##_list_add(struct call *c) { return list_add_at(c); } \
    int op_##level##_list_export(struct call *c) { return list_export_at(c); } \
    int op_##level##_list_import(struct call *c) { return list_import_at(c); }
AT_LEVEL(system)
AT_LEVEL(tenant)
AT_LEVEL(domain)
AT_LEVEL(mailbox)

int op_entry_show(struct call *c)
{
    return call_row(c, DB_QUERY(c->db, "SELECT " ENTRY_COLUMNS " FROM list_entry WHERE id = $1", DB_N(c->place.id)), entry_json, 200);
}

int op_entry_remove(struct call *c)
{
    int status = op_entry_show(c);

    if (status != 200)
        return status;
    c->before = c->out;
    c->out = NULL;
    enum db_result result = DB_RUN(c->db, "DELETE FROM list_entry WHERE id = $1", DB_N(c->place.id));
    return result == DB_OK ? 204 : call_store_failed(c, result);
}
