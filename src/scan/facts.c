/*
 * facts.c: scan_message(): what can be read off the bytes of one message, hostile as they may be. Linear in their number, without
 * memory of its own, and nothing here decides anything: policy does, by the report.
 */
#include "mail/date.h"
#include "mail/header.h"
#include "scan/report.h"

#include <string.h>

enum { BLOCK = 16 * 1024 }; /* small enough to be still in the cache when its lines are looked for */

static uint32_t cut_to_u32(size_t n)
{
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* Without an early way out: thirty-two octets a step are faster than looking at each of them in time. */
static bool has_8bit(const char *at, size_t len)
{
    uint64_t all = 0, word[4];
    size_t i = 0;

    for (; len - i >= sizeof word; i += sizeof word) {
        memcpy(word, at + i, sizeof word);
        all |= word[0] | word[1] | word[2] | word[3];
    }
    for (; i < len; i++)
        all |= (unsigned char)at[i];
    return (all & UINT64_C(0x8080808080808080)) != 0;
}

struct line_watch {
    size_t start;  /* offset of the line under way */
    size_t number; /* its number */
    size_t longest, longest_number;
};

static void line_ends(struct line_watch *w, size_t end)
{
    if (end - w->start > w->longest || w->longest_number == 0) {
        w->longest = end - w->start;
        w->longest_number = w->number;
    }
}

/* Finds the line ends between FROM and TO. */
static void watch_lines(struct line_watch *w, struct str message, size_t from, size_t to)
{
    const char *at = message.at + from, *end = message.at + to, *lf;

    for (; at < end && (lf = memchr(at, '\n', (size_t)(end - at))); at = lf + 1) {
        size_t offset = (size_t)(lf - message.at);
        line_ends(w, offset > w->start && lf[-1] == '\r' ? offset - 1 : offset);
        w->start = offset + 1;
        w->number++;
    }
}

static void read_lines(struct str message, struct scan_report *out)
{
    struct line_watch w = {.number = 1};

    for (size_t from = 0; from < message.len; from += BLOCK) {
        size_t to = message.len - from > BLOCK ? from + BLOCK : message.len;
        if (!out->has_8bit)
            out->has_8bit = has_8bit(message.at + from, to - from);
        watch_lines(&w, message, from, to);
    }
    if (w.start < message.len) /* the last line has no ending */
        line_ends(&w, message.len);
    out->longest_line = cut_to_u32(w.longest);
    out->longest_line_number = cut_to_u32(w.longest_number);
}

/* Length of the well-formed UTF-8 sequence at the start of S, 0 when there is none. */
static size_t sequence_length(struct str s)
{
    for (size_t len = 2; len <= 4 && len <= s.len; len++)
        if (utf8_is_valid(str_sub(s, 0, len)))
            return len;
    return 0;
}

/*
 * Unfolds VALUE into TO (SIZE bytes, NUL-terminated): blanks at both ends and line endings vanish, control characters and what is
 * not UTF-8 become '?', and a cut falls between characters.
 */
static void copy_text(char *to, size_t size, struct str value)
{
    size_t len = 0;

    value = str_trim(value);
    while (value.len) {
        unsigned char c = (unsigned char)value.at[0];
        size_t step = c > 127 ? sequence_length(value) : 1;
        size_t add = step ? step : 1;
        if (c == '\r' || c == '\n') {
            value = str_from_index(value, 1);
            continue;
        }
        if (len + add >= size)
            break;
        if (c == '\t')
            to[len] = ' ';
        else if (step == 0 || c < 0x20 || c == 0x7F)
            to[len] = '?';
        else
            memcpy(to + len, value.at, step);
        len += add;
        value = str_from_index(value, add);
    }
    to[len] = '\0';
}

static void note_longest(const struct header_field *f, struct scan_report *out)
{
    size_t len = f->value.at ? (size_t)(f->value.at - f->raw.at) + header_unfolded_len(f->value) : f->raw.len;

    if (len <= out->longest_field)
        return;
    out->longest_field = cut_to_u32(len);
    out->longest_field_line = cut_to_u32(f->line);
    copy_text(out->longest_field_name, sizeof out->longest_field_name, f->name);
}

static void note_date(const struct header_field *f, struct scan_report *out)
{
    int64_t ms;

    out->has_date = true;
    out->date_line = cut_to_u32(f->line);
    out->date_is_valid = date_parse(f->value, &ms) && ms >= REPORT_DATE_MIN_MS && ms <= REPORT_DATE_MAX_MS;
    out->date_ms = out->date_is_valid ? ms : 0;
}

static void note_subject_octets(const struct header_field *f, struct scan_report *out)
{
    if (!(f->defects & HEADER_8BIT) || out->subject_8bit_line)
        return;
    out->subject_8bit_line = cut_to_u32(f->line);
    out->subject_is_utf8 = utf8_is_valid(f->value);
}

/* Of fields that stand more than once, the first one speaks; Subjects are all looked at. */
static void note_once_field(enum once_field which, const struct header_field *f, struct scan_report *out)
{
    if (which == ONCE_SUBJECT)
        note_subject_octets(f, out);
    if (out->count[which] < UINT16_MAX)
        out->count[which]++;
    if (out->count[which] == 2 && out->second_line[which] == 0)
        out->second_line[which] = cut_to_u32(f->line);
    if (out->count[which] != 1)
        return;
    if (which == ONCE_DATE)
        note_date(f, out);
    else if (which == ONCE_SUBJECT)
        copy_text(out->subject, sizeof out->subject, f->value);
    else if (which == ONCE_FROM)
        copy_text(out->from, sizeof out->from, f->value);
    else if (which == ONCE_MESSAGE_ID)
        copy_text(out->message_id, sizeof out->message_id, f->value);
}

static void note_field(const struct header_field *f, struct scan_report *out)
{
    out->header_fields++;
    note_longest(f, out);
    if (f->defects && !out->defects)
        out->defect_line = cut_to_u32(f->line);
    out->defects |= f->defects;
    if (str_is_case(f->name, "Received"))
        out->received_count++;
    else if (str_is_case(f->name, "Delivered-To"))
        out->delivered_to_count++;
    for (int which = 0; which < ONCE_COUNT; which++)
        if (str_is_case(f->name, once_field_name((enum once_field)which))) {
            note_once_field((enum once_field)which, f, out);
            return;
        }
}

static void read_header(struct str message, struct scan_report *out)
{
    struct header_walk walk = header_walk(message);
    struct header_field field;

    while (header_next(&walk, &field)) {
        note_field(&field, out);
        out->header_bytes = cut_to_u32((size_t)(field.raw.at - message.at) + field.raw.len);
    }
    if (walk.defects & ~out->defects && out->defect_line == 0)
        out->defect_line = cut_to_u32(walk.line);
    out->defects |= walk.defects;
    out->body_offset = walk.body;
    struct str header = str_sub(message, 0, out->header_bytes);
    out->header_is_utf8 = has_8bit(header.at, header.len) && utf8_is_valid(header);
}

void scan_message(struct str message, struct scan_report *out)
{
    memset(out, 0, sizeof *out); /* padding too: it crosses a socket */
    out->version = REPORT_VERSION;
    out->size = message.len;
    read_lines(message, out);
    read_header(message, out);
}
