/*
 * header.c: see header.h. Finds where fields begin and end, and what is odd about them; understands no field. Whoever reads a message
 * (scan, dsn, trace) starts here, so that all of them agree about where the header ends.
 */
#include "mail/header.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Octets of the first line, its LF included; all of S when there is none. */
static size_t line_size(struct str s)
{
    const char *lf = s.len ? memchr(s.at, '\n', s.len) : NULL;
    return lf ? (size_t)(lf - s.at) + 1 : s.len;
}

/* Octets of the line ending at the end of S: 2, 1, or 0. */
static size_t ending_size(struct str s)
{
    if (s.len == 0 || s.at[s.len - 1] != '\n')
        return 0;
    return s.len >= 2 && s.at[s.len - 2] == '\r' ? 2 : 1;
}

static bool is_empty_line(struct str line)
{
    return line.len > 0 && line.len == ending_size(line);
}

static bool has_8bit(struct str s)
{
    size_t i = 0;
    uint64_t word;

    for (; i + sizeof word <= s.len; i += sizeof word) {
        memcpy(&word, s.at + i, sizeof word);
        if (word & 0x8080808080808080u)
            return true;
    }
    for (; i < s.len; i++)
        if ((unsigned char)s.at[i] > 127)
            return true;
    return false;
}

/* A CR without LF; and in a message of CR LF lines an LF without CR. */
static bool has_bare_cr_lf(struct str s, bool crlf)
{
    const char *end = s.at + s.len;

    for (const char *p = s.at; p < end && (p = memchr(p, '\r', (size_t)(end - p))); p++)
        if (p + 1 == end || p[1] != '\n')
            return true;
    if (!crlf)
        return false;
    for (const char *p = s.at; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
        if (p == s.at || p[-1] != '\r')
            return true;
    return false;
}

struct header_walk header_walk(struct str message)
{
    size_t first = line_size(message);

    return (struct header_walk){.rest = message, .line = 1, .crlf = ending_size(str_sub(message, 0, first)) == 2};
}

static void advance(struct header_walk *walk, size_t octets)
{
    walk->rest = str_from_index(walk->rest, octets);
    walk->offset += octets;
}

static bool end_header(struct header_walk *walk, size_t separator, unsigned defects)
{
    advance(walk, separator);
    walk->body = walk->offset;
    walk->defects |= defects;
    walk->done = true;
    return false;
}

/* The field's octets: its first line and those behind it that begin with a blank. *LINES gets their number. */
static size_t field_size(struct str rest, size_t *lines)
{
    size_t size = line_size(rest);

    *lines = 1;
    while (size < rest.len && is_blank(rest.at[size])) {
        size += line_size(str_from_index(rest, size));
        (*lines)++;
    }
    return size;
}

static unsigned name_defects(struct str *name)
{
    unsigned defects = 0;

    while (name->len && is_blank(name->at[name->len - 1])) {
        name->len--;
        defects |= HEADER_SPACE_BEFORE_COLON;
    }
    if (name->len == 0)
        defects |= HEADER_BAD_NAME;
    for (size_t i = 0; i < name->len; i++)
        if ((unsigned char)name->at[i] < 33 || (unsigned char)name->at[i] > 126)
            defects |= HEADER_BAD_NAME;
    return defects;
}

bool header_next(struct header_walk *walk, struct header_field *out)
{
    size_t lines, first = line_size(walk->rest);
    struct str line = str_sub(walk->rest, 0, first);

    if (walk->done)
        return false;
    if (line.len == 0 || is_empty_line(line))
        return end_header(walk, line.len, HEADER_FINE);
    *out = (struct header_field){.line = walk->line, .raw = str_sub(walk->rest, 0, field_size(walk->rest, &lines))};
    out->value = str_sub(out->raw, 0, out->raw.len - ending_size(out->raw));
    if (is_blank(line.at[0])) {
        /* only the first line can get here: no name, so nobody takes it for a field that he knows */
        out->defects = HEADER_FOLDED_FIRST;
    } else {
        ptrdiff_t colon = str_find(line, ':');
        if (colon < 0)
            return end_header(walk, 0, HEADER_NO_COLON);
        out->name = str_sub(line, 0, (size_t)colon);
        out->value = str_from_index(out->value, (size_t)colon + 1);
        out->defects = name_defects(&out->name);
    }
    if (has_8bit(out->value))
        out->defects |= HEADER_8BIT;
    if (memchr(out->raw.at, '\0', out->raw.len))
        out->defects |= HEADER_NUL;
    if (has_bare_cr_lf(out->raw, walk->crlf))
        out->defects |= HEADER_BARE_CR_LF;
    walk->defects |= out->defects;
    walk->line += lines;
    advance(walk, out->raw.len);
    return true;
}

void header_unfold(struct buf *out, struct str value)
{
    value = str_trim(value);
    while (value.len) {
        struct str line = str_sub(value, 0, line_size(value));
        buf_add(out, line.at, line.len - ending_size(line));
        value = str_from_index(value, line.len);
    }
}

size_t header_unfolded_len(struct str value)
{
    size_t len = 0;

    while (value.len) {
        struct str line = str_sub(value, 0, line_size(value));
        len += line.len - ending_size(line);
        value = str_from_index(value, line.len);
    }
    return len;
}
