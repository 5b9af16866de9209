/*
 * decode_yenc.c: yEnc 1.3 ("=ybegin line= size= name=" … "=yend"): each octet plus 42, '=' before the four that must not stand for themselves.
 */
#include "mail/decode_parts.h"
#include "mail/line.h"

enum { LINE_MAX_OCTETS = 998 };

/* CRC-32 (ISO 3309) by half octets. */
static uint32_t crc32_of(struct str bytes)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    uint32_t crc = 0xFFFFFFFF;

    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned char)bytes.at[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/* The word behind KEY ("size="), which stands behind a blank; empty when there is none. */
static struct str keyword(struct str line, const char *key)
{
    while (line.len) {
        struct str word = str_word(&line);
        if (str_starts(word, str_from(key)))
            return str_from_index(word, str_from(key).len);
    }
    return (struct str){0};
}

/* The name is the last keyword and may hold blanks. */
static struct str file_name(struct str line)
{
    ptrdiff_t at = str_find_str(line, STR(" name="));
    return at < 0 ? (struct str){0} : str_trim(str_from_index(line, (size_t)at + 6));
}

static bool parse_crc(struct str text, uint32_t *out)
{
    *out = 0;
    if (text.len == 0 || text.len > 8)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = (char)ascii_lower(text.at[i]);
        if (!ascii_is_digit(c) && (c < 'a' || c > 'f'))
            return false;
        *out = *out << 4 | (uint32_t)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    return true;
}

static void check_end(struct str line, struct decoded *out, size_t offset)
{
    uint64_t size;
    uint32_t crc;
    struct str said = keyword(line, "pcrc32=");

    if (str_to_u64(keyword(line, "size="), UINT64_MAX, &size) && size != out->bytes.len)
        decode_defect(out, DECODE_BAD_LENGTH, offset);
    if (said.len == 0)
        said = keyword(line, "crc32=");
    if (parse_crc(said, &crc) && crc != crc32_of(out->bytes))
        decode_defect(out, DECODE_BAD_LENGTH, offset);
}

static void put_line(struct decode_sink *sink, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned c = (unsigned char)text.at[i];
        if (c == '=' && i + 1 < text.len)
            c = (unsigned char)text.at[++i] - 64u;
        decode_put(sink, (c - 42) & 255);
    }
}

/* Does another file begin here? Then the one under way has no end. */
static bool is_begin(struct str line)
{
    return str_starts(line, STR("=ybegin ")) || str_starts(line, STR("begin ")) || str_starts(line, STR("begin-base64 "));
}

/* Octets of the lines behind the first one, up to the end line, which LAST gets; its len is 0 when there is none. */
static size_t block_size(struct str rest, struct str *last)
{
    struct str start = rest;

    *last = (struct str){0};
    while (rest.len) {
        struct str before = rest, line = line_text(line_take(&rest));
        if (is_begin(line))
            return (size_t)(before.at - start.at);
        if (str_starts(line, STR("=yend"))) {
            *last = line;
            break;
        }
    }
    return (size_t)(rest.at - start.at);
}

bool decode_yenc_block(struct arena *arena, struct str in, size_t ceiling, struct embedded_file *file, size_t *used)
{
    struct str rest = in, line = line_text(line_take(&rest)), end;
    struct decode_sink sink;

    if (!str_starts(line, STR("=ybegin ")) || keyword(line, "line=").len == 0)
        return false;
    *file = (struct embedded_file){.encoding = ENCODING_YENC, .name = file_name(line)};
    struct decoded *out = &file->content;
    struct str data = str_sub(rest, 0, block_size(rest, &end));
    *used = (size_t)(data.at + data.len - in.at);
    file->raw = str_sub(in, 0, *used);
    if (!decode_sink_open(&sink, arena, data.len, ceiling, out))
        return false;
    while (data.len) {
        line = line_text(line_take(&data));
        if (line.len > LINE_MAX_OCTETS)
            decode_defect(out, DECODE_LINE_TOO_LONG, (size_t)(line.at - in.at));
        if (!str_starts(line, STR("=yend")) && !str_starts(line, STR("=ypart ")))
            put_line(&sink, line);
    }
    decode_sink_close(&sink, out);
    out->stop = out->bytes.len;
    if (end.len)
        check_end(end, out, (size_t)(end.at - in.at));
    else
        decode_defect(out, DECODE_NO_END, *used);
    return true;
}
