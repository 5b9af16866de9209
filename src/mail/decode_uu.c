/*
 * decode_uu.c: uuencode as POSIX has it ("begin 644 name" … "end"), with what encoders in the field do differently: blanks cut from the ends of
 * lines, a checksum behind them, '`' or a blank for zero, no mode; and its cousin begin-base64.
 */
#include "mail/decode_parts.h"
#include "mail/line.h"

enum { LINE_MAX_OCTETS = 998, CHECKSUM_OCTETS = 2 };

static bool is_uu_char(char c)
{
    return c >= ' ' && c <= '`';
}

/* Octets that the line says it holds. */
static size_t line_length(struct str line)
{
    return (size_t)(line.at[0] - ' ') & 63;
}

/*
 * Could LINE be one of uuencode: of its alphabet (which has no lower case), and not longer than it says? It may be shorter: a blank stands for
 * zero, and blanks at the ends of lines get cut on the way.
 */
static bool is_uu_line(struct str line)
{
    line = line_trim_end(line);
    if (line.len == 0 || line.len - 1 > (line_length(line) + 2) / 3 * 4 + CHECKSUM_OCTETS)
        return false;
    for (size_t i = 0; i < line.len; i++)
        if (!is_uu_char(line.at[i]))
            return false;
    return true;
}

static unsigned uu_value(struct str line, size_t i)
{
    return i < line.len ? (unsigned)(line.at[i] - ' ') & 63 : 0;
}

static void put_uu_line(struct decode_sink *sink, struct str line)
{
    size_t left = line_length(line);

    for (size_t i = 1; left; i += 4) {
        unsigned group = uu_value(line, i) << 18 | uu_value(line, i + 1) << 12 | uu_value(line, i + 2) << 6 | uu_value(line, i + 3);
        decode_put(sink, group >> 16);
        if (left > 1)
            decode_put(sink, group >> 8);
        if (left > 2)
            decode_put(sink, group);
        left -= left > 3 ? 3 : left;
    }
}

/* "begin", blanks, perhaps three or four octal digits and blanks, a name. Some readers take a line without mode for one too. */
static bool parse_begin(struct str line, struct str *name, bool *is_base64)
{
    *is_base64 = str_starts(line, STR("begin-base64 "));
    if (!*is_base64 && !str_starts(line, STR("begin ")) && !str_starts(line, STR("begin\t")))
        return false;
    struct str rest = str_trim(str_from_index(line, *is_base64 ? 13 : 6));
    size_t digits = 0;
    while (digits < rest.len && rest.at[digits] >= '0' && rest.at[digits] <= '7')
        digits++;
    if (digits >= 3 && digits <= 6 && digits < rest.len && is_blank(rest.at[digits]))
        rest = str_trim(str_from_index(rest, digits));
    *name = rest;
    return rest.len > 0;
}

static bool is_end(struct str line)
{
    return str_is(line_trim_end(line), "end");
}

/* Lines behind the begin line up to `end`, or before the first that is none of the file's. SINK may be NULL: only looks how far they go. */
static void read_uu_lines(struct decode_sink *sink, struct str block, struct str *rest, struct decoded *out)
{
    while (rest->len) {
        struct str before = *rest, line = line_text(line_take(rest));
        size_t offset = (size_t)(line.at - block.at);
        if (is_end(line))
            return;
        if (line_trim_end(line).len == 0 && rest->len)
            continue; /* some add empty lines, some cut the blank that stands for zero */
        if (!is_uu_line(line)) {
            *rest = before;
            break;
        }
        if (line.len > LINE_MAX_OCTETS)
            decode_defect(out, DECODE_LINE_TOO_LONG, offset);
        if (sink)
            put_uu_line(sink, line);
    }
    decode_defect(out, DECODE_NO_END, (size_t)(rest->at - block.at));
}

static bool read_uu(struct arena *arena, struct str in, size_t ceiling, struct str *rest, struct decoded *out)
{
    struct str start = *rest;
    struct decoded ignored = {0};
    struct decode_sink sink;

    read_uu_lines(NULL, in, rest, &ignored);
    if (!decode_sink_open(&sink, arena, (size_t)(rest->at - start.at), ceiling, out))
        return false;
    *rest = start;
    read_uu_lines(&sink, in, rest, out);
    decode_sink_close(&sink, out);
    out->stop = out->bytes.len;
    return true;
}

static bool is_base64_line(struct str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (!ascii_is_alnum(line.at[i]) && line.at[i] != '+' && line.at[i] != '/' && line.at[i] != '=')
            return false;
    return true;
}

/* begin-base64 ends in a line of "====". */
static void read_base64(struct arena *arena, struct str in, size_t ceiling, struct str *rest, struct decoded *out)
{
    const char *start = rest->at;
    bool ended = false;

    while (rest->len && !ended) {
        struct str before = *rest, line = line_trim_end(line_text(line_take(rest)));
        ended = str_is(line, "====");
        if (!ended && !is_base64_line(line)) {
            *rest = before;
            break;
        }
    }
    decode_transfer(arena, ENCODING_BASE64, str_n(start, (size_t)(rest->at - start)), ceiling, out);
    if (!ended)
        decode_defect(out, DECODE_NO_END, (size_t)(rest->at - in.at));
}

bool decode_uu_block(struct arena *arena, struct str in, size_t ceiling, struct embedded_file *file, size_t *used)
{
    struct str rest = in, name;
    bool is_base64;

    struct str first = line_text(line_take(&rest));
    if (!parse_begin(first, &name, &is_base64))
        return false;
    struct str peek = rest, second = line_text(line_take(&peek));
    if (is_base64 ? !is_base64_line(line_trim_end(second)) : !is_end(second) && !is_uu_line(second))
        return false; /* a sentence that begins with "begin" */
    *file = (struct embedded_file){.encoding = ENCODING_UUENCODE, .name = name};
    if (is_base64)
        read_base64(arena, in, ceiling, &rest, &file->content);
    else if (!read_uu(arena, in, ceiling, &rest, &file->content))
        return false;
    *used = in.len - rest.len;
    file->raw = str_sub(in, 0, *used);
    return true;
}
