/* input.c: percent-encoding, query and body, checked before an operation sees them. */
#include "admin/parts.h"
#include "admin/schema.h"

#include <stdio.h>
#include <string.h>

enum { MOST_PAIRS = 32, NAME_MOST = 64, QUERY_VALUE_MAX = 8192, REASON_MOST = 500, CURSOR_MOST = 1000 };

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False: malformed, longer than ROOM - 1, no UTF-8, or with control characters (which no name and no filter has). */
static bool decode(struct str raw, bool plus_is_blank, char *to, size_t room)
{
    size_t n = 0;

    for (size_t i = 0; i < raw.len; i++) {
        int c = (unsigned char)raw.at[i];
        if (c == '%') {
            int high = i + 2 < raw.len ? hex_digit(raw.at[i + 1]) : -1, low = i + 2 < raw.len ? hex_digit(raw.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high << 4 | low;
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (c < 0x20 || c == 0x7f || n + 1 >= room)
            return false;
        to[n++] = (char)c;
    }
    to[n] = '\0';
    return utf8_is_valid(str_n(to, n));
}

bool input_parameters(struct call *c, const struct str raw[MOST_PARAMETERS])
{
    for (size_t i = 0; i < MOST_PARAMETERS; i++) {
        if (raw[i].len && !decode(raw[i], false, c->parameter[i], sizeof c->parameter[i])) {
            call_problem(c, 400, "invalid", "The path is malformed.");
            return false;
        }
    }
    return true;
}

static bool is_page(const struct operation *o)
{
    size_t len = strlen(o->response);
    return len > 2 && strcmp(o->response + len - 2, "[]") == 0;
}

/* What any operation, or any page, may be told by its query. 1: taken; 0: not one of these; -1: the problem is said. */
static int take_common(struct call *c, const char *name, const char *value, json_t *keep)
{
    uint64_t number;

    if (c->operation->changes && strcmp(name, "dry_run") == 0) {
        c->dry_run = strcmp(value, "true") == 0;
        if (c->dry_run || strcmp(value, "false") == 0)
            return 1;
        call_wrong_field(c, name, "is neither true nor false");
        return -1;
    }
    if (c->operation->changes && strcmp(name, "reason") == 0 && strlen(value) <= REASON_MOST) {
        json_object_set_new(keep, "reason", json_string(value));
        c->reason = json_string_value(json_object_get(keep, "reason"));
        return 1;
    }
    if (is_page(c->operation) && strcmp(name, "cursor") == 0 && strlen(value) <= CURSOR_MOST) {
        json_object_set_new(keep, "cursor", json_string(value));
        c->cursor = json_string_value(json_object_get(keep, "cursor"));
        return 1;
    }
    if (is_page(c->operation) && strcmp(name, "limit") == 0) {
        if (str_to_u64(str_from(value), PAGE_MOST, &number) && number > 0) {
            c->limit = (int64_t)number;
            return 1;
        }
        call_wrong_field(c, name, "is not within 1 … %d", (int)PAGE_MOST);
        return -1;
    }
    return 0;
}

static bool take_pair(struct call *c, struct str pair, json_t *keep)
{
    char name[NAME_MOST], value[QUERY_VALUE_MAX];
    struct str text = pair, key = str_cut(&text, '=');

    if (!decode(key, true, name, sizeof name) || !decode(text, true, value, sizeof value)) {
        call_problem(c, 400, "invalid", "The query is malformed.");
        return false;
    }
    if (json_object_get(keep, name) || json_object_get(c->in, name)) {
        call_wrong_field(c, name, "stands there twice");
        return false;
    }
    int taken = take_common(c, name, value, keep);
    if (taken)
        return taken > 0;
    const struct field_row *field = c->operation->changes ? NULL : schema_field(c->operation->request, name);
    if (!field) {
        call_wrong_field(c, name, "is not known here");
        return false;
    }
    json_t *typed = schema_from_text(field, str_from(value));
    if (!typed) {
        call_wrong_field(c, name, "is not of the right type");
        return false;
    }
    json_object_set_new(c->in, name, typed);
    return true;
}

/* KEEP lives as long as the call: reason and cursor point into it. */
static bool read_query(struct call *c, json_t *keep)
{
    struct str rest = c->request->query;

    for (int i = 0; rest.len; i++) {
        struct str pair = str_cut(&rest, '&');
        if (i == MOST_PAIRS) {
            call_problem(c, 400, "invalid", "The query has more than %d parts.", (int)MOST_PAIRS);
            return false;
        }
        if (pair.len && !take_pair(c, pair, keep))
            return false;
    }
    return true;
}

static bool is_type(struct str content_type, const char *wanted)
{
    return str_is_case(str_trim(str_cut(&content_type, ';')), wanted);
}

static bool read_json(struct call *c)
{
    json_error_t trouble;

    if (!is_type(c->request->content_type, "application/json")) {
        call_problem(c, 415, "media-type", "The body must be application/json.");
        return false;
    }
    json_t *body = json_loadb(c->request->body.at, c->request->body.len, JSON_REJECT_DUPLICATES, &trouble);
    if (!body) {
        call_problem(c, 400, "json", "The body is no JSON: line %d, column %d: %s", trouble.line, trouble.column, trouble.text);
        return false;
    }
    json_decref(c->in);
    c->in = body;
    return true;
}

static bool take_csv(struct call *c)
{
    if (!is_type(c->request->content_type, "text/csv")) {
        call_problem(c, 415, "media-type", "The body must be text/csv.");
        return false;
    }
    if (!c->request->body.len || !utf8_is_valid(c->request->body)) {
        call_problem(c, 400, "invalid", "The body must be text in UTF-8.");
        return false;
    }
    return true;
}

static bool check(struct call *c)
{
    json_t *errors = json_array();
    bool partial = c->operation->flags & OP_PART;
    bool fine = schema_check(c->operation->request, c->in, partial, errors);

    if (!fine) {
        call_problem(c, 400, "invalid", "What was sent is not as it must be.");
        json_object_set(c->out, "errors", errors);
    }
    json_decref(errors);
    return fine;
}

bool input_read(struct call *c)
{
    const struct operation *o = c->operation;
    bool has_body = c->request->body.len > 0;
    json_t *keep = json_object();

    c->limit = PAGE_DEFAULT;
    c->reason = "";
    bool fine = read_query(c, keep);
    json_decref(c->keep);
    c->keep = keep;
    if (!fine)
        return false;
    if (o->flags & OP_CSV)
        return take_csv(c);
    if (!o->changes || !*o->request) {
        if (has_body) {
            call_problem(c, 400, "invalid", "A body has no place here.");
            return false;
        }
        return !*o->request || check(c);
    }
    return has_body ? read_json(c) && check(c) : check(c);
}
