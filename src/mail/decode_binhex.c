/*
 * decode_binhex.c: BinHex 4.0 (RFC 1741), in which old Macintosh mailers send a file with its name: six bits a character, runs of octets made
 * short, two forks. The data fork is the file.
 */
#include "mail/decode_parts.h"
#include "mail/line.h"

#include <string.h>

enum { RUN_MARK = 0x90, LINES_BEFORE_MAX = 5, NAME_MAX_OCTETS = 63, BEHIND_NAME = 1 + 4 + 4 + 2 /* version, type, creator, flags */ };

static const char alphabet[] = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";

/* Octets one after the other, their runs undone. */
struct binhex {
    struct str in;
    size_t at;
    uint32_t bits;
    unsigned bit_count, repeat;
    int last;
};

/* Without runs undone; -1 at the colon, the end, or what is no BinHex. */
static int packed_octet(struct binhex *b)
{
    while (b->bit_count < 8) {
        if (b->at == b->in.len || b->in.at[b->at] == ':')
            return -1;
        char c = b->in.at[b->at++];
        const char *digit = c ? memchr(alphabet, c, 64) : NULL;
        if (!digit && !is_blank(c) && c != '\r' && c != '\n')
            return -1;
        if (!digit)
            continue;
        b->bits = b->bits << 6 | (uint32_t)(digit - alphabet);
        b->bit_count += 6;
    }
    b->bit_count -= 8;
    return (int)(b->bits >> b->bit_count & 0xFF);
}

static int next_octet(struct binhex *b)
{
    int c, times;

    while (!b->repeat) {
        c = packed_octet(b);
        if (c != RUN_MARK)
            return b->last = c;
        times = packed_octet(b);
        if (times <= 0) /* 0: the mark itself */
            return b->last = times < 0 ? -1 : RUN_MARK;
        b->repeat = (unsigned)times - 1; /* it was given once already */
    }
    b->repeat--;
    return b->last;
}

static uint32_t number(struct binhex *b)
{
    uint32_t n = 0;

    for (int i = 0; i < 4; i++)
        n = n << 8 | (uint32_t)(next_octet(b) & 0xFF);
    return n;
}

/* To the colon that begins the data: on the line behind the notice, or a few below. */
static bool find_start(struct str *rest)
{
    for (int i = 0; i < LINES_BEFORE_MAX && rest->len; i++) {
        if (rest->at[0] == ':') {
            *rest = str_from_index(*rest, 1);
            return true;
        }
        line_take(rest);
    }
    return false;
}

static bool read_name(struct arena *arena, struct binhex *b, struct str *name)
{
    int len = next_octet(b);
    char *to = len > 0 && len <= NAME_MAX_OCTETS ? arena_bytes(arena, (size_t)len) : NULL;

    if (!to)
        return false;
    for (int i = 0; i < len; i++)
        to[i] = (char)next_octet(b);
    for (int i = 0; i < BEHIND_NAME; i++)
        if (next_octet(b) < 0)
            return false;
    *name = str_n(to, (size_t)len);
    return true;
}

/* How many of LEN octets there are. A copy of B: nothing is kept. */
static size_t count_octets(struct binhex b, size_t len)
{
    size_t n = 0;

    while (n < len && next_octet(&b) >= 0)
        n++;
    return n;
}

bool decode_binhex_block(struct arena *arena, struct str in, size_t ceiling, struct embedded_file *file, size_t *used)
{
    struct str rest = in;
    struct binhex b = {.last = -1};
    struct decode_sink sink;

    if (!str_starts(in, STR("(This file must be converted with BinHex")))
        return false;
    line_take(&rest);
    if (!find_start(&rest))
        return false;
    b.in = rest;
    *file = (struct embedded_file){.encoding = ENCODING_BINHEX};
    if (!read_name(arena, &b, &file->name))
        return false;
    size_t said = number(&b);
    for (int i = 0; i < 4 + 2; i++) /* the other fork's length, a check sum */
        next_octet(&b);
    size_t most = count_octets(b, said < ceiling ? said : ceiling);
    if (!decode_sink_open(&sink, arena, most, ceiling, &file->content))
        return false;
    for (size_t i = 0; i < most; i++)
        decode_put(&sink, (unsigned)next_octet(&b));
    decode_sink_close(&sink, &file->content);
    if (most < said)
        decode_defect(&file->content, most == ceiling ? DECODE_CEILING : DECODE_NO_END, b.at);
    file->content.stop = file->content.bytes.len;
    *used = (size_t)(rest.at - in.at) + b.at;
    file->raw = str_sub(in, 0, *used);
    return true;
}
