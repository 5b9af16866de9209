/* structured.c: see structured.h. */
#include "mail/structured.h"

#include <string.h>

struct structured structured_open(struct str value)
{
    return (struct structured){.rest = value};
}

bool structured_is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int structured_peek(const struct structured *s)
{
    return s->rest.len ? (unsigned char)s->rest.at[0] : -1;
}

void structured_advance(struct structured *s, size_t octets)
{
    s->rest = str_from_index(s->rest, octets);
}

/* Octets of the comment at the start of S, both parentheses included; 0 when it does not end within the depth ceiling. */
static size_t comment_size(struct str s)
{
    size_t depth = 0;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (c == '\\')
            i++;
        else if (c == '(' && ++depth > STRUCTURED_COMMENT_DEPTH_MAX)
            return 0;
        else if (c == ')' && --depth == 0)
            return i + 1;
    }
    return 0;
}

bool structured_take_comment(struct structured *s, struct str *inside)
{
    if (structured_peek(s) != '(' || s->parentheses_are_text)
        return false;
    size_t size = comment_size(s->rest);
    if (size == 0) {
        s->parentheses_are_text = true;
        s->defects |= STRUCTURED_COMMENT_OPEN;
        return false;
    }
    if (inside)
        *inside = str_sub(s->rest, 1, size - 2);
    s->defects |= STRUCTURED_COMMENT;
    structured_advance(s, size);
    return true;
}

size_t structured_skip(struct structured *s)
{
    size_t before = s->rest.len;

    do {
        while (structured_is_blank(structured_peek(s)))
            structured_advance(s, 1);
    } while (structured_take_comment(s, NULL));
    return before - s->rest.len;
}

bool structured_take_quoted(struct structured *s, struct str *inside)
{
    if (structured_peek(s) != '"' || s->quotes_are_text)
        return false;
    for (size_t i = 1; i < s->rest.len; i++) {
        if (s->rest.at[i] == '\\') {
            i++;
        } else if (s->rest.at[i] == '"') {
            *inside = str_sub(s->rest, 1, i - 1);
            structured_advance(s, i + 1);
            return true;
        }
    }
    s->quotes_are_text = true;
    s->defects |= STRUCTURED_QUOTE_OPEN;
    return false;
}

static struct str clean(struct arena *arena, struct str raw, bool has_quoted_pairs)
{
    size_t i = 0, len = 0;

    while (i < raw.len && raw.at[i] != '\r' && raw.at[i] != '\n' && !(has_quoted_pairs && raw.at[i] == '\\'))
        i++;
    if (i == raw.len)
        return raw;
    char *text = arena_alloc(arena, raw.len);
    if (!text)
        return (struct str){NULL, 0};
    for (i = 0; i < raw.len; i++) {
        if (has_quoted_pairs && raw.at[i] == '\\' && i + 1 < raw.len)
            i++;
        if (raw.at[i] != '\r' && raw.at[i] != '\n')
            text[len++] = raw.at[i];
    }
    return str_n(text, len);
}

struct str structured_unquote(struct arena *arena, struct str raw)
{
    return clean(arena, raw, true);
}

struct str structured_unfold(struct arena *arena, struct str raw)
{
    return clean(arena, raw, false);
}
