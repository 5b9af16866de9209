/*
 * decode_base64.c: base64 (RFC 2045 §6.8) as readers take it: what is outside the alphabet is skipped, and '=' ends a group but not the
 * content. Three octets a step where nothing is odd.
 */
#include "mail/decode_parts.h"

#include <string.h>

enum { KNOWN = 0x40, LINE_MAX_OCTETS = 76 };

/* The value of a letter with KNOWN added, 0 for what is no letter. */
static const uint8_t sextets[256] = {
    ['A'] = 0x40, ['B'] = 0x41, ['C'] = 0x42, ['D'] = 0x43, ['E'] = 0x44, ['F'] = 0x45, ['G'] = 0x46, ['H'] = 0x47, ['I'] = 0x48,
    ['J'] = 0x49, ['K'] = 0x4A, ['L'] = 0x4B, ['M'] = 0x4C, ['N'] = 0x4D, ['O'] = 0x4E, ['P'] = 0x4F, ['Q'] = 0x50, ['R'] = 0x51,
    ['S'] = 0x52, ['T'] = 0x53, ['U'] = 0x54, ['V'] = 0x55, ['W'] = 0x56, ['X'] = 0x57, ['Y'] = 0x58, ['Z'] = 0x59, ['a'] = 0x5A,
    ['b'] = 0x5B, ['c'] = 0x5C, ['d'] = 0x5D, ['e'] = 0x5E, ['f'] = 0x5F, ['g'] = 0x60, ['h'] = 0x61, ['i'] = 0x62, ['j'] = 0x63,
    ['k'] = 0x64, ['l'] = 0x65, ['m'] = 0x66, ['n'] = 0x67, ['o'] = 0x68, ['p'] = 0x69, ['q'] = 0x6A, ['r'] = 0x6B, ['s'] = 0x6C,
    ['t'] = 0x6D, ['u'] = 0x6E, ['v'] = 0x6F, ['w'] = 0x70, ['x'] = 0x71, ['y'] = 0x72, ['z'] = 0x73, ['0'] = 0x74, ['1'] = 0x75,
    ['2'] = 0x76, ['3'] = 0x77, ['4'] = 0x78, ['5'] = 0x79, ['6'] = 0x7A, ['7'] = 0x7B, ['8'] = 0x7C, ['9'] = 0x7D, ['+'] = 0x7E,
    ['/'] = 0x7F,
};

struct base64 {
    struct decode_sink sink;
    struct decoded *out;
    struct str in;
    size_t at;         /* offset of the next octet */
    size_t line_start;
    uint32_t group;    /* letters of the group under way */
    unsigned letters;  /* their number, 0 … 3 */
    bool padded;       /* a group ended in '=' */
    bool owes_padding; /* "QQ=" was seen, its second '=' not yet */
};

static void note_junk(struct base64 *b, unsigned defects, size_t at)
{
    if (!(b->out->defects & DECODE_JUNK))
        b->out->junk_at = at;
    decode_defect(b->out, defects, at);
}

/* Whole groups of four letters, as long as they come. */
static void take_groups(struct base64 *b)
{
    const unsigned char *from = (const unsigned char *)b->in.at + b->at, *end = (const unsigned char *)b->in.at + b->in.len;
    const unsigned char *start = from;
    char *to = b->sink.to;

    while (end - from >= 4 && b->sink.end - to >= 3) {
        uint32_t s0 = sextets[from[0]], s1 = sextets[from[1]], s2 = sextets[from[2]], s3 = sextets[from[3]];
        if (!(s0 & s1 & s2 & s3 & KNOWN))
            break;
        uint32_t group = (s0 << 18) + (s1 << 12) + (s2 << 6) + s3 - ((KNOWN << 18) + (KNOWN << 12) + (KNOWN << 6) + KNOWN);
        to[0] = (char)(group >> 16);
        to[1] = (char)(group >> 8);
        to[2] = (char)group;
        to += 3;
        from += 4;
    }
    if (from != start && b->padded)
        decode_defect(b->out, DECODE_AFTER_PADDING, b->at);
    b->at += (size_t)(from - start);
    b->sink.to = to;
}

/* What an unfinished group gives: one octet of two letters, two of three. One letter alone gives none. */
static void flush_group(struct base64 *b, size_t at)
{
    unsigned letters = b->letters;

    if (letters == 1)
        decode_defect(b->out, DECODE_TRUNCATED, at);
    if (letters >= 2)
        decode_put(&b->sink, b->group >> (letters == 2 ? 4 : 10));
    if (letters == 3)
        decode_put(&b->sink, b->group >> 2);
    if ((letters == 2 && b->group & 0xF) || (letters == 3 && b->group & 3))
        decode_defect(b->out, DECODE_LOOSE_BITS, at);
    b->letters = 0;
    b->group = 0;
}

static void take_padding(struct base64 *b, size_t at)
{
    if (b->letters == 0 && b->sink.to == b->sink.start && !b->padded) {
        note_junk(b, DECODE_JUNK, at); /* before anything that it could end */
        return;
    }
    b->owes_padding = b->letters == 2;
    flush_group(b, at);
    if (!b->padded)
        b->out->stop = (size_t)(b->sink.to - b->sink.start);
    b->padded = true;
}

static void take_letter(struct base64 *b, unsigned sextet, size_t at)
{
    if (b->padded)
        decode_defect(b->out, DECODE_AFTER_PADDING, at);
    b->group = b->group << 6 | (sextet & 0x3F);
    if (++b->letters < 4)
        return;
    decode_put(&b->sink, b->group >> 16);
    decode_put(&b->sink, b->group >> 8);
    decode_put(&b->sink, b->group);
    b->letters = 0;
    b->group = 0;
}

static void line_ends(struct base64 *b, size_t at)
{
    if (at - b->line_start > LINE_MAX_OCTETS + 1) /* and a CR */
        decode_defect(b->out, DECODE_LINE_TOO_LONG, b->line_start);
    b->line_start = at + 1;
}

static void take_octet(struct base64 *b)
{
    size_t at = b->at++;
    unsigned char c = (unsigned char)b->in.at[at];

    if (sextets[c])
        take_letter(b, sextets[c], at);
    else if (c == '\n')
        line_ends(b, at);
    else if (c == '=')
        take_padding(b, at);
    else if (c != '\r' && c != ' ' && c != '\t')
        note_junk(b, c > 127 ? DECODE_JUNK | DECODE_RAW_8BIT : DECODE_JUNK, at);
}

void decode_base64(struct arena *arena, struct str in, size_t ceiling, struct decoded *out)
{
    struct base64 b = {.in = in, .out = out};

    if (!decode_sink_open(&b.sink, arena, in.len / 4 * 3 + 3, ceiling, out))
        return;
    while (b.at < in.len && !b.sink.is_full) {
        if (b.letters == 0)
            take_groups(&b);
        if (b.at < in.len)
            take_octet(&b);
    }
    line_ends(&b, b.at);
    if (b.letters || b.owes_padding)
        decode_defect(out, DECODE_TRUNCATED, in.len);
    flush_group(&b, in.len);
    if (!b.padded)
        out->stop = (size_t)(b.sink.to - b.sink.start);
    decode_sink_close(&b.sink, out);
}
