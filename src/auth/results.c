/* results.c: see results.h. */
#include "auth/results.h"

static bool is_word(int c)
{
    return c > ' ' && c < 0x7F && c != ';' && c != '=' && c != '"' && c != '(' && c != ')' && c != '/' && c != '\\' && c != ',';
}

/* A token or a quoted string, with the blanks and comments around it. */
static struct str take_word(struct structured *s)
{
    struct str word;

    structured_skip(s);
    if (!structured_take_quoted(s, &word)) {
        size_t n = 0;
        while (n < s->rest.len && is_word((unsigned char)s->rest.at[n]))
            n++;
        word = str_sub(s->rest, 0, n);
        structured_advance(s, n);
    }
    structured_skip(s);
    return word;
}

static bool take_sign(struct structured *s, int sign)
{
    if (structured_peek(s) != sign)
        return false;
    structured_advance(s, 1);
    return true;
}

/* "user@example.net", "example.net" */
static struct str domain_of(struct str value)
{
    ptrdiff_t at = str_find_last(value, '@');
    return at < 0 ? value : str_from_index(value, (size_t)at + 1);
}

/* Behind the next ';', or to the end. */
static void read_properties(struct structured *s, struct results_item *out)
{
    while (structured_peek(s) >= 0 && !take_sign(s, ';')) {
        size_t before = s->rest.len;
        struct str name = take_word(s);
        if (s->rest.len == before) {
            structured_advance(s, 1);
            continue;
        }
        struct str value = take_sign(s, '=') ? take_word(s) : str_n("", 0);
        if (str_is_case(name, "header.from") && !out->header_from.len)
            out->header_from = domain_of(value);
    }
}

/* "i=3;" in front of what RFC 8601 knows. */
static bool take_instance(struct results *r)
{
    uint64_t instance;

    if (!str_is_case(take_word(&r->cursor), "i") || !take_sign(&r->cursor, '=') || !str_to_u64(take_word(&r->cursor), 50, &instance) ||
        !take_sign(&r->cursor, ';'))
        return false;
    r->instance = (unsigned)instance;
    return instance > 0;
}

bool results_open(struct str value, bool is_arc, struct results *out)
{
    *out = (struct results){.cursor = structured_open(value)};
    if (is_arc && !take_instance(out))
        return false;
    out->authserv_id = take_word(&out->cursor);
    if (out->authserv_id.len == 0)
        return false;
    if (structured_peek(&out->cursor) >= '0' && structured_peek(&out->cursor) <= '9')
        take_word(&out->cursor); /* the version */
    return structured_peek(&out->cursor) < 0 || take_sign(&out->cursor, ';');
}

bool results_next(struct results *r, struct results_item *out)
{
    while (structured_peek(&r->cursor) >= 0) {
        out->method = take_word(&r->cursor);
        if (take_sign(&r->cursor, '/'))
            take_word(&r->cursor);
        bool has_result = out->method.len && take_sign(&r->cursor, '=');
        out->result = has_result ? take_word(&r->cursor) : str_n("", 0);
        out->header_from = str_n("", 0);
        read_properties(&r->cursor, out);
        if (out->result.len)
            return true;
    }
    return false;
}

bool results_spf_receiver(struct str value, struct str *receiver)
{
    struct structured s = structured_open(value);
    struct str result = take_word(&s);
    unsigned receivers = 0;

    *receiver = str_n("", 0);
    if (result.len == 0 || structured_peek(&s) == '=')
        return false;
    while (structured_peek(&s) >= 0) {
        struct str key = take_word(&s);
        if (key.len == 0 || !take_sign(&s, '='))
            return false;
        struct str said = take_word(&s);
        if (structured_peek(&s) >= 0 && !take_sign(&s, ';'))
            return false;
        if (str_is_case(key, "receiver")) {
            *receiver = said;
            receivers++;
        }
        structured_skip(&s);
    }
    return receivers == 1 && receiver->len && !(s.defects & (STRUCTURED_COMMENT_OPEN | STRUCTURED_QUOTE_OPEN));
}
