/* call.c: what all operations share; see call.h. */
#include "admin/call.h"

#include "admin/parts.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

static const char *status_title(int status)
{
    static const struct { int status; const char *title; } titles[] = {
        {400, "Bad request"}, {401, "Not signed in"}, {403, "Not allowed"}, {404, "Not found"}, {405, "Method not allowed"}, {409, "Conflict"},
        {411, "Length required"}, {413, "Too large"}, {415, "Unsupported media type"}, {422, "Not possible"}, {429, "Too many attempts"}, {500, "Internal error"},
        {503, "Unavailable"}, {507, "No space left"}};

    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Problem";
}

static int set_problem(struct call *c, int status, const char *slug, const char *detail)
{
    char type[120];

    snprintf(type, sizeof type, "urn:postern:problem:%s", slug);
    json_decref(c->out);
    c->out = json_pack("{s:s, s:s, s:i, s:s}", "type", type, "title", status_title(status), "status", status, "detail", detail);
    return status;
}

int call_problem(struct call *c, int status, const char *slug, const char *format, ...)
{
    char detail[1200];
    va_list args;

    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    if (!utf8_is_valid(str_from(detail)))
        snprintf(detail, sizeof detail, "%s", status_title(status));
    return set_problem(c, status, slug, detail);
}

int call_wrong_field(struct call *c, const char *name, const char *format, ...)
{
    char detail[1000], pointer[120];
    va_list args;

    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    if (!utf8_is_valid(str_from(detail)))
        snprintf(detail, sizeof detail, "is not possible");
    snprintf(pointer, sizeof pointer, "/%s", name);
    set_problem(c, 400, "invalid", "What was sent is not as it must be.");
    json_object_set_new(c->out, "errors", json_pack("[{s:s, s:s}]", "pointer", pointer, "detail", detail));
    return 400;
}

int call_store_failed(struct call *c, enum db_result result)
{
    switch (result) {
    case DB_CONFLICT: return call_problem(c, 409, "conflict", "Something of that name is there already, or others still need it.");
    case DB_BUSY:
        c->answer->retry_after_s = 1;
        return call_problem(c, 503, "busy", "The store is busy. Try again.");
    case DB_FULL: return call_problem(c, 507, "full", "The store has no space left.");
    default:
        log_error("%s: the store: %s", c->operation ? c->operation->id : "request", db_error(c->db));
        return call_problem(c, 500, "store", "The store failed; the log of the gateway says more.");
    }
}

int call_not_found(struct call *c, const char *what)
{
    return call_problem(c, 404, "not-found", "There is no such %s, or you may not see it.", what);
}

const char *call_text(const struct call *c, const char *name, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(c->in, name));
    return text ? text : otherwise;
}

struct str call_str(const struct call *c, const char *name)
{
    return str_from(call_text(c, name, ""));
}

bool call_flag(const struct call *c, const char *name)
{
    return json_is_true(json_object_get(c->in, name));
}

int64_t call_number(const struct call *c, const char *name, int64_t otherwise)
{
    const json_t *v = json_object_get(c->in, name);
    return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

bool call_has(const struct call *c, const char *name)
{
    return json_object_get(c->in, name) != NULL;
}

int64_t call_limit(const struct call *c)
{
    return c->limit + 1;
}

bool call_cursor_number(struct call *c, int64_t otherwise, int64_t *out)
{
    uint64_t number = 0;

    *out = otherwise;
    if (!c->cursor)
        return true;
    if (!str_to_u64(str_from(c->cursor), INT64_MAX, &number)) {
        call_wrong_field(c, "cursor", "is none that this list has given");
        return false;
    }
    *out = (int64_t)number;
    return true;
}

int call_page(struct call *c, struct db_rows *rows, json_t *(*one)(struct db_rows *), int key)
{
    json_t *items = json_array(), *next = NULL;
    bool more = false;
    char text[1024] = "";

    while (db_next(rows)) {
        more = (int64_t)json_array_size(items) == c->limit;
        if (more)
            break;
        json_array_append_new(items, one(rows));
        str_copy(text, sizeof text, db_text(rows, key));
    }
    enum db_result result = db_done(&rows);
    if (result != DB_OK) {
        json_decref(items);
        return call_store_failed(c, result);
    }
    next = more ? json_string(text) : json_null();
    c->out = json_pack("{s:o, s:o}", "items", items, "next", next);
    return 200;
}

int call_row(struct call *c, struct db_rows *rows, json_t *(*one)(struct db_rows *), int status)
{
    bool there = db_next(rows);

    if (there)
        c->out = one(rows);
    enum db_result result = db_done(&rows);
    if (result != DB_OK)
        return call_store_failed(c, result);
    return there ? status : call_not_found(c, "thing");
}

json_t *json_id(int64_t id)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)id);
    return json_string(text);
}

json_t *json_id_or_null(int64_t id)
{
    return id ? json_id(id) : json_null();
}

/* What mail brought may be no UTF-8: such octets are shown as U+FFFD. */
json_t *json_str(struct str s)
{
    json_t *text = json_stringn(s.len ? s.at : "", s.len);

    if (text)
        return text;
    struct buf clean = buf_make(s.len * 3 + 1);
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.at[i] < 0x80)
            buf_add_char(&clean, s.at[i]);
        else
            buf_add_text(&clean, "\xEF\xBF\xBD");
    }
    text = json_stringn(clean.at ? clean.at : "", clean.len);
    buf_free(&clean);
    return text;
}

json_t *json_time(int64_t wall_ms)
{
    char text[32];

    return wall_ms ? json_string(clock_format_iso(wall_ms, text)) : json_null();
}

void call_object(struct call *c, const char *kind, int64_t id, struct str name)
{
    if (id)
        snprintf(c->object, sizeof c->object, "%s %lld " STR_FMT, kind, (long long)id, STR_ARG(name));
    else
        snprintf(c->object, sizeof c->object, "%s " STR_FMT, kind, STR_ARG(name));
}

json_t *call_relay(struct call *c, json_t *take_request)
{
    return relay_ask(c->settings, take_request);
}

int call_relay_answer(struct call *c, json_t *take_request)
{
    json_t *answer = call_relay(c, take_request);
    const char *why = json_string_value(json_object_get(answer, "error"));

    if (!answer) {
        c->answer->retry_after_s = 5;
        return call_problem(c, 503, "relay", "The relay cannot be reached.");
    }
    if (!json_is_true(json_object_get(answer, "ok"))) {
        int status = call_problem(c, 422, "refused", "%s", why ? why : "The relay refused.");
        json_decref(answer);
        return status;
    }
    json_object_del(answer, "ok");
    c->out = answer;
    return 200;
}
