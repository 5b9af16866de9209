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

static void keep(struct search *s, const struct link *l)
{
    for (size_t i = 0; i < s->count; i++)
        if (str_eq(s->found[i].host, l->host))
            return;
    s->found[s->count++] = *l;
}

static void look(struct search *s, struct str text)
{
    struct link l;

    for (int tries = 0; tries < 2 * LINK_NESTED_MAX && s->count < s->wanted; tries++) {
        if (!link_find(&s->arena, s->context, &text, LINK_FIND_INSIDE, &l))
            return;
        keep(s, &l);
    }
}

static void look_in_base64(struct search *s, struct str text)
{
    static const struct str starts[] = {{"aHR0c", 5}, {"d3d3L", 5}, {"SFRUU", 5}};
    char plain[LINK_URL_MAX];

    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        ptrdiff_t at = str_find_str(text, starts[i]);
        if (at >= 0)
            look(s, str_n(plain, base64_decode(str_from_index(text, (size_t)at), plain)));
    }
}

/* One parameter, or the path. */
static void look_in_part(struct search *s, struct str part)
{
    char text[LINK_URL_MAX];
    size_t length = part.len < sizeof text ? part.len : sizeof text;

    memcpy(text, part.at, length);
    for (int round = 0; round <= LINK_DECODE_ROUNDS && s->count < s->wanted; round++) {
        look(s, str_n(text, length));
        look_in_base64(s, str_n(text, length));
        size_t shorter = percent_decode(text, length);
        if (shorter == length)
            return;
        length = shorter;
    }
}

bool link_next_nested(struct arena *arena, struct link_context *c, const struct link *outer, size_t *cursor, struct link *out)
{
    struct search s = {.context = c, .arena = arena_make(1 << 18), .wanted = *cursor + 1};
    struct str rest = outer->path;

    if (*cursor >= LINK_NESTED_MAX)
        return false;
    while (rest.len && s.count < s.wanted) {
        size_t end = 0;
        while (end < rest.len && rest.at[end] != '&' && rest.at[end] != '#')
            end++;
        look_in_part(&s, str_sub(rest, 0, end));
        rest = str_from_index(rest, end + 1);
    }
    bool more = s.count == s.wanted && link_parse(arena, c, s.found[*cursor].url, out);
    if (more) {
        out->tricks |= s.found[*cursor].tricks | LINK_NESTED;
        ++*cursor;
    }
    arena_free(&s.arena);
    return more;
}
