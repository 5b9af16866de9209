/*
 * parameter.c: see parameter.h. Reads the field into segments, "name*2*=text" as they stand; parameter_join.c makes values of them.
 */
#include "mail/parameter.h"

#include "mail/parameter_parts.h"
#include "mail/structured.h"

#include <string.h>

enum { LOOK_AHEAD_MAX = 64, SECTION_DIGITS_MAX = 5 };

static bool is_token(int c)
{
    return c > ' ' && c < 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

struct str parameter_lower(struct segments *list, struct str s)
{
    size_t i = 0;

    while (i < s.len && ascii_lower((unsigned char)s.at[i]) == (unsigned char)s.at[i])
        i++;
    if (i == s.len)
        return s;
    struct str copy = arena_str(list->arena, s);
    for (i = 0; i < copy.len; i++)
        *((char *)(uintptr_t)copy.at + i) = (char)ascii_lower((unsigned char)copy.at[i]);
    return copy;
}

/* "name =", as what follows a blank where a semicolon was forgotten. Looks no further than LOOK_AHEAD_MAX. */
static bool looks_like_parameter(struct str s)
{
    size_t i = 0, name;

    while (i < s.len && i < LOOK_AHEAD_MAX && is_token((unsigned char)s.at[i]))
        i++;
    name = i;
    while (i < s.len && i < LOOK_AHEAD_MAX && (s.at[i] == ' ' || s.at[i] == '\t'))
        i++;
    return name > 0 && i < s.len && s.at[i] == '=';
}

static bool at_end(const struct structured *s)
{
    int c = structured_peek(s);
    return c < 0 || c == ';';
}

/*
 * To the semicolon, to the end, or to a blank with a new parameter behind it. A comment behind the value is no part of it; one with more
 * text behind
 * ("report(1).pdf") is, as readers have it that know no comments.
 */
static struct str take_unquoted(struct segments *list, struct structured *s)
{
    const char *start = s->rest.at, *end = start;

    while (!at_end(s)) {
        while (!at_end(s) && !structured_is_blank(structured_peek(s)) && (structured_peek(s) != '(' || s->parentheses_are_text))
            structured_advance(s, 1);
        end = s->rest.at;
        structured_skip(s);
        if (at_end(s))
            break;
        if (s->rest.at != end && looks_like_parameter(s->rest)) {
            list->defects |= PARAMETER_NO_SEMICOLON;
            break;
        }
        if (s->rest.at != end)
            list->defects |= PARAMETER_UNQUOTED;
    }
    return str_n(start, (size_t)(end - start));
}

/* What stands behind a value or a type that is whole already. False when there is nothing. */
static bool skip_junk(struct segments *list, struct structured *s)
{
    structured_skip(s);
    if (at_end(s))
        return false;
    if (looks_like_parameter(s->rest)) {
        list->defects |= PARAMETER_NO_SEMICOLON;
        return false;
    }
    unsigned defects = list->defects | PARAMETER_JUNK;
    take_unquoted(list, s);
    list->defects = defects | (list->defects & PARAMETER_NO_SEMICOLON);
    return true;
}

static void take_value(struct segments *list, struct structured *s, struct segment *segment)
{
    const char *start = s->rest.at;

    if (structured_take_quoted(s, &segment->text)) {
        segment->is_quoted = true;
        segment->raw = str_n(start, (size_t)(s->rest.at - start));
        if (skip_junk(list, s))
            segment->whole = str_n(start, (size_t)(s->rest.at - start));
    } else if (structured_peek(s) == '"') {
        /* no end: all the rest, as most readers have it; others stop at the semicolon or show the quote */
        segment->is_quoted = true;
        segment->raw = s->rest;
        segment->text = str_from_index(s->rest, 1);
        structured_advance(s, s->rest.len);
    } else {
        segment->text = segment->raw = take_unquoted(list, s);
        for (size_t i = 0; i < segment->text.len; i++)
            if (!is_token((unsigned char)segment->text.at[i]) && (unsigned char)segment->text.at[i] < 128)
                list->defects |= PARAMETER_UNQUOTED;
    }
}

/* "name", "name*", "name*0", "name*0*" (RFC 2231 §7) into its pieces; what is not of that form is read as far as it goes. */
static void split_name(struct segments *list, struct str written, struct segment *segment)
{
    ptrdiff_t star = str_find(written, '*');

    segment->name = star < 0 ? written : str_sub(written, 0, (size_t)star);
    if (star < 0)
        return;
    struct str rest = str_from_index(written, (size_t)star + 1);
    size_t digits = 0;
    while (digits < rest.len && ascii_is_digit((unsigned char)rest.at[digits])) {
        if (digits < SECTION_DIGITS_MAX)
            segment->section = segment->section * 10 + (uint32_t)(rest.at[digits] - '0');
        digits++;
    }
    segment->has_section = digits > 0;
    if (digits > SECTION_DIGITS_MAX || (digits > 1 && rest.at[0] == '0'))
        list->defects |= PARAMETER_CONTINUATION_GAP;
    rest = str_from_index(rest, digits);
    segment->is_extended = rest.len > 0 && rest.at[rest.len - 1] == '*';
    if (!segment->has_section && rest.len == 0)
        segment->is_extended = true;
    else if (rest.len > 1 || (rest.len == 1 && !segment->is_extended) || (!segment->has_section && rest.len))
        list->defects |= PARAMETER_JUNK;
}

static struct str take_name(struct structured *s)
{
    const char *start = s->rest.at;

    while (!at_end(s) && structured_peek(s) != '=' && !structured_is_blank(structured_peek(s)) &&
           (structured_peek(s) != '(' || s->parentheses_are_text))
        structured_advance(s, 1);
    return str_n(start, (size_t)(s->rest.at - start));
}

/* Lower case and valid UTF-8. */
static struct str word_text(struct segments *list, struct str word)
{
    return parameter_lower(list, parameter_text(list, word));
}

static bool name_is_odd(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_token((unsigned char)name.at[i]))
            return true;
    return false;
}

/* A CR or LF that ends no line of a fold. */
static bool has_bare_line_end(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char next = i + 1 < s.len ? s.at[i + 1] : ' ';
        if ((s.at[i] == '\r' && next != '\n') || (s.at[i] == '\n' && next != ' ' && next != '\t'))
            return true;
    }
    return false;
}

static void add_segment(struct segments *list, struct segment *segment)
{
    if (list->count == PARAMETERS_MAX) {
        list->defects |= PARAMETER_JUNK | PARAMETER_CUT;
        return;
    }
    if (has_bare_line_end(segment->text))
        list->defects |= PARAMETER_CONTROL;
    if (segment->is_quoted)
        segment->text = structured_unquote(list->arena, segment->text);
    else
        segment->text = structured_unfold(list->arena, segment->text);
    if (segment->text.len > PARAMETER_VALUE_MAX) {
        segment->text.len = PARAMETER_VALUE_MAX;
        list->defects |= PARAMETER_JUNK | PARAMETER_CUT;
    }
    segment->name = word_text(list, segment->name);
    list->at[list->count++] = *segment;
}

/* "a.txt".exe: some end the value at the quote, some go on to the semicolon and leave the quotes out. */
static void add_whole(struct segments *list, const struct segment *segment)
{
    struct segment other = *segment;
    char *to = arena_bytes(list->arena, segment->whole.len);
    size_t len = 0;

    for (size_t i = 0; to && i < segment->whole.len; i++)
        if (segment->whole.at[i] != '"')
            to[len++] = segment->whole.at[i];
    other.text = other.raw = str_n(to, len);
    other.is_quoted = false;
    if (len)
        add_segment(list, &other);
}

static void take_parameter(struct segments *list, struct structured *s)
{
    struct segment segment = {0};
    struct str name = take_name(s);

    structured_skip(s);
    if (structured_peek(s) != '=') {
        list->defects |= PARAMETER_NO_VALUE;
        return;
    }
    structured_advance(s, 1);
    structured_skip(s);
    take_value(list, s, &segment);
    split_name(list, name, &segment);
    if (segment.name.len == 0 || name_is_odd(segment.name))
        list->defects |= PARAMETER_JUNK;
    if (segment.raw.len == 0)
        list->defects |= PARAMETER_NO_VALUE;
    if (!segment.name.len || !segment.raw.len)
        return;
    add_segment(list, &segment);
    if (segment.whole.len)
        add_whole(list, &segment);
}

/* Everything behind the type or the kind. */
static struct parameter *take_parameters(struct segments *list, struct structured *s)
{
    for (structured_skip(s); s->rest.len; structured_skip(s)) {
        if (structured_peek(s) == ';')
            structured_advance(s, 1);
        else
            take_parameter(list, s);
    }
    if (s->defects & STRUCTURED_COMMENT)
        list->defects |= PARAMETER_COMMENT;
    if (s->defects & STRUCTURED_COMMENT_OPEN)
        list->defects |= PARAMETER_COMMENT | PARAMETER_JUNK;
    if (s->defects & STRUCTURED_QUOTE_OPEN)
        list->defects |= PARAMETER_QUOTE_OPEN;
    return parameter_join(list);
}

/* The word before the parameters, or one half of it: ends at a blank, comment, semicolon, comma, or at a slash where SLASH_ENDS it. */
static struct str take_word(struct structured *s, bool slash_ends)
{
    const char *start = s->rest.at;

    while (!at_end(s) && !structured_is_blank(structured_peek(s)) && structured_peek(s) != ',' &&
           (structured_peek(s) != '(' || s->parentheses_are_text) && !(slash_ends && structured_peek(s) == '/'))
        structured_advance(s, 1);
    return str_n(start, (size_t)(s->rest.at - start));
}

void content_type_parse(struct arena *arena, struct charset_context *charsets, struct str value, struct content_type *out)
{
    struct structured s = structured_open(str_trim(value));
    struct segments list = {.arena = arena, .charsets = charsets};

    *out = (struct content_type){0};
    structured_skip(&s);
    if (looks_like_parameter(s.rest)) {
        /* "charset=utf-8" and no type: the type cannot be read, the parameter can */
        list.defects |= PARAMETER_JUNK | PARAMETER_SLASH;
    } else {
        struct str type = take_word(&s, true), subtype = {NULL, 0};
        structured_skip(&s);
        if (structured_peek(&s) == '/') {
            structured_advance(&s, 1);
            structured_skip(&s);
            subtype = take_word(&s, false);
        }
        if (subtype.len == 0 || type.len == 0 || str_find(subtype, '/') >= 0)
            list.defects |= PARAMETER_SLASH;
        if (name_is_odd(type) || name_is_odd(subtype))
            list.defects |= PARAMETER_JUNK;
        if (type.len) {
            out->type = word_text(&list, type);
            out->subtype = word_text(&list, subtype);
        }
        skip_junk(&list, &s);
    }
    out->parameters = take_parameters(&list, &s);
    out->defects = list.defects;
}

void disposition_parse(struct arena *arena, struct charset_context *charsets, struct str value, struct disposition *out)
{
    struct structured s = structured_open(str_trim(value));
    struct segments list = {.arena = arena, .charsets = charsets};

    *out = (struct disposition){0};
    structured_skip(&s);
    if (looks_like_parameter(s.rest)) {
        list.defects |= PARAMETER_JUNK;
    } else {
        struct str kind = take_word(&s, false);
        if (kind.len == 0 || name_is_odd(kind))
            list.defects |= PARAMETER_JUNK;
        out->kind = word_text(&list, kind);
        skip_junk(&list, &s);
    }
    out->parameters = take_parameters(&list, &s);
    out->defects = list.defects;
}

const struct parameter *parameter_find(const struct parameter *list, const char *name)
{
    for (; list; list = list->next)
        if (str_is_case(list->name, name))
            return list;
    return NULL;
}

bool content_type_is(const struct content_type *t, const char *type, const char *subtype)
{
    return str_is_case(t->type, type) && (!subtype || str_is_case(t->subtype, subtype));
}
