/*
 * link_nested.c: links that a link carries to where it leads on: plain, percent-encoded up to three times, in base64. A URL has 2,048 octets at most and
 * eight of them are reported, so that working them out anew for each step of the cursor stays small.
 */
#include "mail/link_parts.h"

#include <string.h>

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef", *found = c ? strchr(digits, ascii_lower((unsigned char)c)) : NULL;

    return found ? (int)(found - digits) : -1;
}

static size_t percent_decode(char *at, size_t length)
{
    size_t n = 0;

    for (size_t i = 0; i < length; n++) {
        bool coded = at[i] == '%' && i + 2 < length && hex_value(at[i + 1]) >= 0 && hex_value(at[i + 2]) >= 0;
        at[n] = coded ? (char)(hex_value(at[i + 1]) * 16 + hex_value(at[i + 2])) : at[i];
        i += coded ? 3 : 1;
    }
    return n;
}

static int base64_value(char c)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c ? strchr(alphabet, c == '-' ? '+' : c == '_' ? '/' : c) : NULL;

    return found ? (int)(found - alphabet) : -1;
}

/* Base64 (RFC 4648, both alphabets) from the start of S to the first octet that is none. */
static size_t base64_decode(struct str s, char *to)
{
    uint32_t bits = 0;
    size_t n = 0;

    for (size_t i = 0; i < s.len && base64_value(s.at[i]) >= 0; i++) {
        bits = bits << 6 | (uint32_t)base64_value(s.at[i]);
        if (i % 4)
            to[n++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    return n;
}

struct search {
    struct link_context *context;
    struct arena arena; /* of this search alone */
    struct link found[LINK_NESTED_MAX];
    size_t count, wanted;
};

static void keep(struct search *s, const struct link *l, struct str raw)
{
    struct link *to = &s->found[s->count];

    for (size_t i = 0; i < s->count; i++)
        if (str_eq(s->found[i].host, l->host))
            return;
    if (l->tricks & LINK_NO_SCHEME ? link_parse_bare(&s->arena, s->context, raw, to) : link_parse(&s->arena, s->context, raw, to))
        s->count++;
}

static void look(struct search *s, struct str text)
{
    struct find f = {.rest = text, .flags = LINK_FIND_HOSTS};
    struct link l;

    for (int tries = 0; tries < 2 * LINK_NESTED_MAX && s->count < s->wanted && link_find(&s->arena, s->context, &f, &l); tries++)
        keep(s, &l, f.raw);
}

/* A link as old and lazy redirectors take it: "//host", "http:/host", "http:host", "host/path", the whole value of a parameter. */
static void look_at_value(struct search *s, struct str text)
{
    ptrdiff_t equals = str_find(text, '=');
    struct str value = str_from_index(text, (size_t)(equals + 1));
    struct find f = {.rest = value, .flags = LINK_FIND_BARE | LINK_FIND_ALONE};
    struct link l;
    bool is_lazy = str_starts_case(value, STR("http:")) || str_starts_case(value, STR("https:")) || str_starts(value, STR("//")) ||
                   str_starts(value, STR("/\\")) || str_starts(value, STR("\\\\"));

    if (equals < 0 || s->count == s->wanted)
        return;
    if (is_lazy) {
        value = str_sub(value, 0, link_url_length(value));
        if (link_parse(&s->arena, s->context, value, &l))
            keep(s, &l, value);
    } else if (link_find(&s->arena, s->context, &f, &l) && f.raw.at == value.at && f.raw.len == value.len) {
        keep(s, &l, value);
    }
}

/* Proofpoint's rewriting, version 2: "http-3A__host_path" for "http://host/path". */
static void look_rewritten(struct search *s, struct str text)
{
    char plain[LINK_URL_MAX];
    size_t n = 0;

    if (str_find_str(text, STR("-3A__")) < 0)
        return;
    for (size_t i = 0; i < text.len && n < sizeof plain; n++) {
        char c = text.at[i];
        bool coded = c == '-' && i + 2 < text.len && hex_value(text.at[i + 1]) >= 0 && hex_value(text.at[i + 2]) >= 0;
        plain[n] = coded ? (char)(hex_value(text.at[i + 1]) * 16 + hex_value(text.at[i + 2])) : c == '_' ? '/' : c;
        i += coded ? 3 : 1;
    }
    look(s, str_n(plain, n));
}

static void look_decoded(struct search *s, struct str coded)
{
    char plain[LINK_URL_MAX];
    size_t length = base64_decode(coded, plain);

    for (int round = 0; round <= LINK_DECODE_ROUNDS && length; round++) {
        struct str text = str_n(plain, length);
        if (str_find_str(text, STR(":/")) >= 0 || str_find_str(text, STR(":\\/")) >= 0 || str_starts_case(text, STR("www.")))
            look(s, text);
        size_t shorter = percent_decode(plain, length);
        if (shorter == length)
            return;
        length = shorter;
    }
}

/* Where "http", "HTTP" or "www." begins in base64, even in the middle of a word. */
static void look_for_starts(struct search *s, struct str text)
{
    static const struct str starts[] = {{"aHR0c", 5}, {"d3d3L", 5}, {"SFRUU", 5}};

    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        struct str rest = text;
        for (int tries = 0; tries < LINK_NESTED_MAX && s->count < s->wanted; tries++) {
            ptrdiff_t at = str_find_str(rest, starts[i]);
            if (at < 0)
                break;
            rest = str_from_index(rest, (size_t)at);
            look_decoded(s, rest);
            rest = str_from_index(rest, starts[i].len);
        }
    }
}

/* Words of base64 that hold more than a link: JSON, several parameters. */
static void look_in_words(struct search *s, struct str text)
{
    while (text.len && s->count < s->wanted) {
        size_t n = 0;
        while (n < text.len && text.at[n] != '/' && base64_value(text.at[n]) >= 0)
            n++;
        if (n >= 16)
            look_decoded(s, str_sub(text, 0, n));
        text = str_from_index(text, n ? n : 1);
    }
}

/* One parameter, or the path. */
static void look_in_part(struct search *s, struct str part)
{
    char text[LINK_URL_MAX];
    size_t length = part.len < sizeof text ? part.len : sizeof text;

    memcpy(text, part.at, length);
    look_rewritten(s, part);
    for (int round = 0; round <= LINK_DECODE_ROUNDS && s->count < s->wanted; round++) {
        struct str now = str_n(text, length);
        look(s, now);
        look_at_value(s, now);
        look_for_starts(s, now);
        look_in_words(s, now);
        size_t shorter = percent_decode(text, length);
        if (shorter == length)
            return;
        length = shorter;
    }
}

/* The path, or one parameter. A second question mark belongs to what a parameter holds. */
static struct str take_part(struct str *rest, bool is_path)
{
    size_t end = 0;

    while (end < rest->len && rest->at[end] != '&' && rest->at[end] != '#' && !(is_path && rest->at[end] == '?'))
        end++;
    struct str part = str_sub(*rest, 0, end);
    *rest = str_from_index(*rest, end + 1);
    return part;
}

bool link_next_nested(struct arena *arena, struct link_context *c, const struct link *outer, size_t *cursor, struct link *out)
{
    struct search s = {.context = c, .arena = arena_make(1 << 18), .wanted = *cursor + 1};
    struct str rest = outer->path;

    if (*cursor >= LINK_NESTED_MAX)
        return false;
    for (bool is_path = true; rest.len && s.count < s.wanted; is_path = false)
        look_in_part(&s, take_part(&rest, is_path));
    bool more = s.count == s.wanted && link_parse(arena, c, s.found[*cursor].url, out);
    if (more) {
        out->tricks |= s.found[*cursor].tricks | LINK_NESTED;
        ++*cursor;
    }
    arena_free(&s.arena);
    return more;
}
