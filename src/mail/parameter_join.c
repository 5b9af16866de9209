/*
 * parameter_join.c: from segments to values (RFC 2231): pieces in order, percent signs, charset, language; which of several forms of one
 * name counts.
 */
#include "mail/charset.h"
#include "mail/parameter_parts.h"
#include "mail/rfc2047.h"

#include <string.h>

/* Which form of a name counts, best first (RFC 6266 §4.3; Thunderbird and Gmail have the same order). */
enum form { FORM_EXTENDED, FORM_CONTINUED, FORM_PLAIN, FORM_COUNT };

struct list {
    struct parameter *first, **end;
};

static enum form form_of(const struct segment *segment)
{
    return segment->has_section ? FORM_CONTINUED : segment->is_extended ? FORM_EXTENDED : FORM_PLAIN;
}

static bool has_8bit(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] > 127)
            return true;
    return false;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (((unsigned char)s.at[i] < ' ' && s.at[i] != '\t') || s.at[i] == 127)
            return true;
    return false;
}

/* ISO-2022-JP, whose octets are all below 128: old Japanese mailers write it as it is. */
static bool is_japanese(struct str s)
{
    return str_find_str(s, STR("\x1B$")) >= 0;
}

struct str parameter_text(struct segments *list, struct str text)
{
    struct charset_result out;

    if (!has_8bit(text) && is_japanese(text)) {
        list->defects |= PARAMETER_8BIT; /* raw text where none may be, whatever its highest bit */
        charset_decode(list->charsets, list->arena, STR("iso-2022-jp"), text, text.len * 4 + 4, &out);
        text = out.text;
    }
    if (has_control(text))
        list->defects |= PARAMETER_CONTROL;
    if (!has_8bit(text))
        return text;
    list->defects |= PARAMETER_8BIT;
    if (utf8_is_valid(text))
        return text;
    charset_decode(list->charsets, list->arena, str_n(NULL, 0), text, text.len * 4 + 4, &out);
    return out.text;
}

/* charset'language'text. Without both quotes all of it is text (RFC 2231 §4 wants them even where both are empty). */
static struct str take_charset(struct segments *list, struct str text, struct parameter *to)
{
    ptrdiff_t first = str_find(text, '\'');
    ptrdiff_t second = first < 0 ? -1 : str_find(str_from_index(text, (size_t)first + 1), '\'');

    if (second < 0) {
        list->defects |= PARAMETER_BAD_CHARSET;
        return text;
    }
    to->charset = str_sub(text, 0, (size_t)first);
    to->language = str_sub(text, (size_t)first + 1, (size_t)second);
    return str_from_index(text, (size_t)(first + second) + 2);
}

static int hex_digit(int c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t decode_percent(struct segments *list, struct str text, char *to)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        int high = text.at[i] == '%' && i + 2 < text.len ? hex_digit(text.at[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.at[i + 2]) : -1;
        if (text.at[i] == '%' && low < 0)
            list->defects |= PARAMETER_BAD_PERCENT;
        to[len++] = low < 0 ? text.at[i] : (char)(high * 16 + low);
        if (low >= 0)
            i += 2;
    }
    return len;
}

/* The octets of PIECES in a row. The charset is decoded behind this, since a character may be split over two pieces. */
static struct str join_octets(struct segments *list, struct segment **pieces, size_t count, struct parameter *to)
{
    size_t total = 0, len = 0;

    for (size_t i = 0; i < count; i++)
        total += pieces[i]->text.len;
    char *octets = arena_alloc(list->arena, total + 1);
    if (!octets)
        return (struct str){NULL, 0};
    for (size_t i = 0; i < count; i++) {
        struct str text = pieces[i]->text;
        if (pieces[i]->is_extended && pieces[i]->is_quoted)
            list->defects |= PARAMETER_QUOTED_EXTENDED;
        if (pieces[i]->is_extended && i == 0)
            text = take_charset(list, text, to);
        if (pieces[i]->is_extended) {
            len += decode_percent(list, text, octets + len);
        } else if (text.len) {
            memcpy(octets + len, text.at, text.len);
            len += text.len;
        }
    }
    return str_n(octets, len);
}

static struct str decode_extended(struct segments *list, struct str octets, const struct parameter *to)
{
    struct charset_result out;

    charset_decode(list->charsets, list->arena, to->charset, octets, octets.len * 4 + 4, &out);
    if (out.defects & (CHARSET_UNKNOWN | CHARSET_ILL_FORMED | CHARSET_LIES | CHARSET_MISSING_8BIT))
        list->defects |= PARAMETER_BAD_CHARSET;
    return out.text;
}

static struct str decode_plain(struct segments *list, struct str text)
{
    unsigned words = 0;

    if (str_find_str(text, STR("=?")) >= 0) {
        struct str decoded = words_decode_exact(list->arena, list->charsets, text, &words);
        if (words & WORDS_FOUND) {
            list->defects |= PARAMETER_ENCODED_WORD;
            if (words & WORDS_CONTROL)
                list->defects |= PARAMETER_CONTROL;
            if (words & WORDS_RAW_8BIT)
                list->defects |= PARAMETER_8BIT;
            if (words & WORDS_UNKNOWN_CHARSET)
                list->defects |= PARAMETER_BAD_CHARSET;
            return decoded;
        }
    }
    return parameter_text(list, text);
}

static struct parameter *decode(struct segments *list, struct segment **pieces, size_t count)
{
    struct parameter *to = arena_alloc(list->arena, sizeof *to);
    bool is_extended = false;

    if (!to)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        is_extended |= pieces[i]->is_extended;
        if (has_8bit(pieces[i]->text))
            list->defects |= PARAMETER_8BIT;
    }
    to->name = pieces[0]->name;
    to->raw = pieces[0]->raw;
    struct str octets = count == 1 && !is_extended ? pieces[0]->text : join_octets(list, pieces, count, to);
    if (octets.len > PARAMETER_VALUE_MAX) {
        octets.len = PARAMETER_VALUE_MAX;
        list->defects |= PARAMETER_JUNK | PARAMETER_CUT;
    }
    to->value = is_extended ? decode_extended(list, octets, to) : decode_plain(list, octets);
    if (has_control(to->value))
        list->defects |= PARAMETER_CONTROL;
    return to;
}

/*
 * The pieces of a continued name by number; of two with one number the first, and in LAST the last, as some readers have it. Returns their count.
 */
static size_t gather_pieces(struct segments *list, size_t from, struct segment **pieces, struct segment **last)
{
    size_t count = 0;

    for (size_t i = from; i < list->count; i++) {
        struct segment *piece = &list->at[i];
        if (piece->is_joined || form_of(piece) != FORM_CONTINUED || !str_eq(piece->name, list->at[from].name))
            continue;
        size_t at = count;
        while (at > 0 && pieces[at - 1]->section > piece->section)
            at--;
        if (at < count)
            list->defects |= PARAMETER_CONTINUATION_GAP;
        piece->is_joined = true;
        if (at > 0 && pieces[at - 1]->section == piece->section) {
            list->defects |= PARAMETER_TWICE;
            last[at - 1] = piece;
            continue;
        }
        memmove(pieces + at + 1, pieces + at, (count - at) * sizeof *pieces);
        memmove(last + at + 1, last + at, (count - at) * sizeof *last);
        pieces[at] = last[at] = piece;
        count++;
    }
    for (size_t i = 0; i < count; i++)
        if (pieces[i]->section != i)
            list->defects |= PARAMETER_CONTINUATION_GAP;
    return count;
}

/* Behind the one that counts, only what says something else. */
static void append(struct segments *list, struct list *to, struct parameter *counts, struct parameter *other, unsigned defect)
{
    if (!other || (counts && str_eq(counts->value, other->value)))
        return;
    if (counts)
        list->defects |= defect;
    *to->end = other;
    to->end = &other->next;
}

/* All forms of the name of segment FROM. */
static void join_name(struct segments *list, size_t from, struct list *to)
{
    struct segment *pieces[PARAMETERS_MAX], *last[PARAMETERS_MAX];
    struct parameter *counts = NULL;
    enum form form_that_counts = FORM_PLAIN;
    struct str name = list->at[from].name;

    for (int form = FORM_EXTENDED; form < FORM_COUNT; form++) {
        for (size_t i = from; i < list->count; i++) {
            struct segment *segment = &list->at[i];
            if (segment->is_joined || (int)form_of(segment) != form || !str_eq(segment->name, name))
                continue;
            size_t count = 1;
            pieces[0] = last[0] = segment;
            if (form == FORM_CONTINUED)
                count = gather_pieces(list, i, pieces, last);
            segment->is_joined = true;
            struct parameter *one = decode(list, pieces, count);
            append(list, to, counts, one, (int)form_that_counts == form ? PARAMETER_TWICE : PARAMETER_BOTH_FORMS);
            if (!counts && one) {
                counts = one;
                form_that_counts = (enum form)form;
            }
            if (memcmp(pieces, last, count * sizeof *pieces) != 0)
                append(list, to, counts, decode(list, last, count), PARAMETER_TWICE);
        }
    }
}

struct parameter *parameter_join(struct segments *list)
{
    struct list to = {.end = &to.first};

    for (size_t i = 0; i < list->count; i++)
        if (!list->at[i].is_joined)
            join_name(list, i, &to);
    return to.first;
}
