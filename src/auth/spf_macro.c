/* spf_macro.c: macros of RFC 7208 §7. */
#include "auth/spf_parts.h"

#include <stdio.h>
#include <string.h>

enum { EXPANDED_MAX = 65536, MOST_PIECES = 256 };

struct macro {
    char letter;       /* lower case */
    bool is_escaped;   /* written as a capital: the value is URL-escaped */
    bool is_reversed;
    unsigned keep;     /* right-hand pieces; 0: all */
    char delimiters[8];
};

static bool is_delimiter(char c)
{
    return c && strchr(".-+,/_=", c);
}

/* What stands between "%{" and "}". */
static bool parse(struct str inside, bool in_explanation, struct macro *out)
{
    size_t i = 1, delimiters = 0;

    *out = (struct macro){.letter = 0};
    if (inside.len == 0)
        return false;
    out->letter = (char)ascii_lower((unsigned char)inside.at[0]);
    out->is_escaped = out->letter != inside.at[0];
    if (!strchr(in_explanation ? "slodiphcrtv" : "slodiphv", out->letter))
        return false;
    size_t digits = i;
    while (i < inside.len && ascii_is_digit((unsigned char)inside.at[i])) {
        out->keep = out->keep < 1000 ? out->keep * 10 + (unsigned)(inside.at[i] - '0') : out->keep;
        i++;
    }
    if (i > digits && out->keep == 0)
        return false;
    if (i < inside.len && ascii_lower((unsigned char)inside.at[i]) == 'r') {
        out->is_reversed = true;
        i++;
    }
    for (; i < inside.len; i++) {
        if (!is_delimiter(inside.at[i]))
            return false;
        if (delimiters < sizeof out->delimiters - 1 && !strchr(out->delimiters, inside.at[i]))
            out->delimiters[delimiters++] = inside.at[i];
    }
    if (delimiters == 0)
        out->delimiters[0] = '.';
    return true;
}

/* The macro at S.at[I], which is '%'. Its length; 0 when it is none. LITERAL: what %% %_ %- stand for. */
static size_t take(struct str s, size_t i, bool in_explanation, struct macro *m, const char **literal)
{
    *literal = NULL;
    if (i + 1 >= s.len)
        return 0;
    switch (s.at[i + 1]) {
    case '%': *literal = "%"; return 2;
    case '_': *literal = " "; return 2;
    case '-': *literal = "%20"; return 2;
    case '{': break;
    default: return 0;
    }
    ptrdiff_t end = str_find(str_from_index(s, i), '}');
    if (end < 0 || !parse(str_sub(s, i + 2, (size_t)end - 2), in_explanation, m))
        return 0;
    return (size_t)end + 1;
}

bool spf_macro_is_valid(struct str s, bool in_explanation)
{
    struct macro m;
    const char *literal;

    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.at[i];
        if (c != '%') {
            if (c < (in_explanation ? 0x20 : 0x21) || c > 0x7E)
                return false;
            i++;
            continue;
        }
        size_t n = take(s, i, in_explanation, &m, &literal);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

bool spf_has_macro(struct str s)
{
    return str_find(s, '%') >= 0;
}

/* Dotted: an IPv6 address as its 32 nibbles (§7.3). */
static void format_dotted(const struct ip *ip, char to[80])
{
    if (ip->family == 4) {
        ip_format(ip, to);
        return;
    }
    for (size_t i = 0; i < 16; i++)
        snprintf(to + i * 4, 5, "%X.%X.", ip->bytes[i] >> 4, ip->bytes[i] & 15U);
    to[63] = '\0';
}

static struct str value_of(struct arena *arena, char letter, const struct spf_macro_values *v)
{
    const struct spf_query *q = v->query;
    char text[80];

    switch (letter) {
    case 's': return str_from(arena_printf(arena, STR_FMT "@" STR_FMT, STR_ARG(v->local), STR_ARG(v->sender_domain)));
    case 'l': return v->local;
    case 'o': return v->sender_domain;
    case 'd': return v->domain;
    case 'p': return v->validated(v->arg);
    case 'h': return q->helo;
    case 'r': return q->receiver.len ? q->receiver : STR("unknown");
    case 'v': return q->ip.family == 4 ? STR("in-addr") : STR("ip6");
    case 't': return str_from(arena_printf(arena, "%lld", (long long)(q->now_ms / 1000)));
    case 'i': format_dotted(&q->ip, text); break;
    default: ip_format(&q->ip, text); break; /* c */
    }
    return arena_str(arena, str_from(text));
}

static void add_piece(struct buf *out, struct str piece, bool is_escaped)
{
    for (size_t i = 0; i < piece.len; i++) {
        unsigned char c = (unsigned char)piece.at[i];
        if (!is_escaped || ascii_is_alnum(c) || strchr("-._~", c))
            buf_add_char(out, (char)c);
        else
            buf_addf(out, "%%%02X", c);
    }
}

/* Splits at the delimiters, turns round, keeps the right-hand pieces, joins with dots. */
static void transform(struct buf *out, struct str value, const struct macro *m)
{
    struct str pieces[MOST_PIECES];
    size_t count = 1;

    pieces[0] = str_n(value.at, 0);
    for (size_t i = 0; i < value.len; i++) {
        if (strchr(m->delimiters, value.at[i]) && value.at[i] && count < MOST_PIECES)
            pieces[count++] = str_n(value.at + i + 1, 0);
        else
            pieces[count - 1].len++;
    }
    size_t keep = m->keep && m->keep < count ? m->keep : count;
    for (size_t i = count - keep; i < count; i++) {
        if (i > count - keep)
            buf_add_char(out, '.');
        add_piece(out, pieces[m->is_reversed ? count - 1 - i : i], m->is_escaped);
    }
}

struct str spf_macro_expand(struct arena *arena, struct str s, const struct spf_macro_values *values)
{
    struct buf out = buf_make(EXPANDED_MAX);
    struct macro m;
    const char *literal;

    for (size_t i = 0; i < s.len;) {
        if (s.at[i] != '%') {
            buf_add_char(&out, s.at[i++]);
            continue;
        }
        size_t n = take(s, i, true, &m, &literal);
        if (n == 0)
            break; /* not valid: the caller has been warned */
        if (literal)
            buf_add_text(&out, literal);
        else
            transform(&out, value_of(arena, m.letter, values), &m);
        i += n;
    }
    struct str result = out.failed ? str_n(NULL, 0) : arena_str(arena, buf_str(&out));
    buf_free(&out);
    return result;
}
