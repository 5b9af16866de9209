/*
 * decode.c: names of encodings, quoted-printable (RFC 2045 §6.7), and where files hide in plain text. See decode.h; base64, uuencode and yEnc
 * have files of their own.
 */
#include "mail/decode_parts.h"
#include "mail/line.h"

#include <string.h>

enum { QUOTED_LINE_MAX_OCTETS = 76 };

static const struct {
    const char *token;
    enum transfer_encoding encoding;
} tokens[] = {
    {"7bit", ENCODING_7BIT}, {"8bit", ENCODING_8BIT}, {"binary", ENCODING_BINARY}, {"quoted-printable", ENCODING_QUOTED_PRINTABLE},
    {"base64", ENCODING_BASE64}, {"x-uuencode", ENCODING_UUENCODE}, {"x-yencode", ENCODING_YENC}, {"x-binhex40", ENCODING_BINHEX}, {"unknown", ENCODING_UNKNOWN},
    /* the first of each is its name */
    {"7-bit", ENCODING_7BIT}, {"8-bit", ENCODING_8BIT}, {"x-uue", ENCODING_UUENCODE}, {"uue", ENCODING_UUENCODE},
    {"uuencode", ENCODING_UUENCODE}, {"x-uu", ENCODING_UUENCODE}, {"yencode", ENCODING_YENC}, {"x-yenc", ENCODING_YENC},
    {"yenc", ENCODING_YENC}, {"x-binhex", ENCODING_BINHEX}, {"mac-binhex40", ENCODING_BINHEX},
};

const char *transfer_encoding_name(enum transfer_encoding e)
{
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        if (tokens[i].encoding == e)
            return tokens[i].token;
    return "unknown";
}

enum transfer_encoding transfer_encoding_parse(struct str token)
{
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        if (str_is_case(token, tokens[i].token))
            return tokens[i].encoding;
    return ENCODING_UNKNOWN;
}

bool decode_sink_open(struct decode_sink *sink, struct arena *arena, size_t most, size_t ceiling, struct decoded *out)
{
    size_t room = most < ceiling ? most : ceiling;

    *sink = (struct decode_sink){.start = arena_bytes(arena, room)};
    sink->to = sink->start;
    if (!sink->start) {
        decode_defect(out, DECODE_CEILING, 0);
        return false;
    }
    sink->end = sink->start + room;
    return true;
}

void decode_sink_close(const struct decode_sink *sink, struct decoded *out)
{
    out->bytes = str_n(sink->start, (size_t)(sink->to - sink->start));
    if (sink->is_full)
        decode_defect(out, DECODE_CEILING, 0);
}

void decode_defect(struct decoded *out, unsigned defect, size_t at)
{
    if (!out->defects)
        out->defect_at = at;
    out->defects |= defect;
}

void decode_put_bytes(struct decode_sink *sink, const char *at, size_t len)
{
    size_t room = (size_t)(sink->end - sink->to);
    size_t fit = len < room ? len : room;

    if (fit)
        memcpy(sink->to, at, fit);
    sink->to += fit;
    if (fit < len)
        sink->is_full = true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool has_8bit(struct str s)
{
    unsigned all = 0;

    for (size_t i = 0; i < s.len; i++)
        all |= (unsigned char)s.at[i];
    return all > 127;
}

/* The text of one line, blanks at its end already gone. False: it ends in '=', so that its line ending does not count. */
static bool put_quoted_line(struct decode_sink *sink, struct str text, size_t offset, struct decoded *out)
{
    const char *at = text.at, *end = text.at + text.len, *equals;

    while (at < end && (equals = memchr(at, '=', (size_t)(end - at)))) {
        decode_put_bytes(sink, at, (size_t)(equals - at));
        at = equals + 1;
        if (at == end)
            return false;
        int high = hex_value(at[0]), low = end - at >= 2 ? hex_value(at[1]) : -1;
        if (high < 0 || low < 0) {
            decode_put(sink, '=');
            decode_defect(out, DECODE_BAD_ESCAPE, offset + (size_t)(equals - text.at));
            continue;
        }
        if (at[0] >= 'a' || at[1] >= 'a')
            decode_defect(out, DECODE_LOWER_HEX, offset + (size_t)(equals - text.at));
        decode_put(sink, (unsigned)(high << 4 | low));
        at += 2;
    }
    decode_put_bytes(sink, at, (size_t)(end - at));
    return true;
}

/* Line endings stay as they are: CR LF in, CR LF out. Blanks at a line's end were added on the way and go (rule 3). */
void decode_quoted_printable(struct arena *arena, struct str in, size_t ceiling, struct decoded *out)
{
    struct decode_sink sink;
    struct str rest = in;

    if (!decode_sink_open(&sink, arena, in.len, ceiling, out))
        return;
    while (rest.len && !sink.is_full) {
        size_t offset = in.len - rest.len;
        struct str line = line_take(&rest), text = line_text(line), trimmed = text;
        while (trimmed.len && is_blank(trimmed.at[trimmed.len - 1]))
            trimmed.len--;
        if (text.len > QUOTED_LINE_MAX_OCTETS)
            decode_defect(out, DECODE_LINE_TOO_LONG, offset);
        if (has_8bit(text))
            decode_defect(out, DECODE_RAW_8BIT, offset);
        if (put_quoted_line(&sink, trimmed, offset, out))
            decode_put_bytes(&sink, text.at + text.len, line.len - text.len);
    }
    decode_sink_close(&sink, out);
    out->stop = out->bytes.len;
}

/* Nothing to undo: the input itself, cut at the ceiling. */
static void decode_identity(struct str in, size_t ceiling, struct decoded *out)
{
    if (in.len > ceiling)
        decode_defect(out, DECODE_CEILING, ceiling);
    out->bytes = str_sub(in, 0, ceiling);
    out->stop = out->bytes.len;
}

/* uuencode or yEnc as transfer encoding: the first file of that kind inside; without one, what stands there. */
static void decode_file(struct arena *arena, enum transfer_encoding e, struct str in, size_t ceiling, struct decoded *out)
{
    struct embedded_file file;
    struct str rest = in;

    while (decode_next_embedded(arena, &rest, ceiling, &file))
        if (file.encoding == e) {
            *out = file.content;
            out->defect_at += (size_t)(file.raw.at - in.at);
            return;
        }
    decode_identity(in, ceiling, out);
    decode_defect(out, DECODE_BAD_LENGTH, 0);
}

void decode_transfer(struct arena *arena, enum transfer_encoding e, struct str in, size_t ceiling, struct decoded *out)
{
    *out = (struct decoded){0};
    if (in.len == 0)
        return;
    switch (e) {
    case ENCODING_QUOTED_PRINTABLE: decode_quoted_printable(arena, in, ceiling, out); return;
    case ENCODING_BASE64: decode_base64(arena, in, ceiling, out); return;
    case ENCODING_UUENCODE:
    case ENCODING_BINHEX:
    case ENCODING_YENC: decode_file(arena, e, in, ceiling, out); return;
    case ENCODING_7BIT:
    case ENCODING_8BIT:
    case ENCODING_BINARY:
    case ENCODING_UNKNOWN: decode_identity(in, ceiling, out); return;
    }
}

bool decode_next_embedded(struct arena *arena, struct str *rest, size_t ceiling, struct embedded_file *out)
{
    while (rest->len) {
        size_t used = 0;
        bool found = (rest->at[0] == 'b' && decode_uu_block(arena, *rest, ceiling, out, &used))
                     || (rest->at[0] == '(' && decode_binhex_block(arena, *rest, ceiling, out, &used))
                     || (rest->at[0] == '=' && decode_yenc_block(arena, *rest, ceiling, out, &used));
        if (found) {
            *rest = str_from_index(*rest, used);
            return true;
        }
        line_take(rest);
    }
    return false;
}
