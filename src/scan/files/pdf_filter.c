/* pdf_filter.c: streams of a PDF through their filters (ISO 32000-2, 7.4); see pdf.h. Every octet that comes out of any of them is paid for. */
#include "scan/files/pdf.h"

#include <string.h>

enum { LZW_CLEAR = 256, LZW_END = 257, LZW_CODES = 4096, COLUMNS_MAX = 1 << 20, PNG_FIRST = 10 };

enum pdf_filter pdf_filter_by_name(struct str name)
{
    static const struct { const char *name, *short_name; enum pdf_filter filter; } filters[] = {
        {"FlateDecode", "Fl", PDF_FLATE}, {"ASCIIHexDecode", "AHx", PDF_HEX}, {"ASCII85Decode", "A85", PDF_85},
        {"LZWDecode", "LZW", PDF_LZW},    {"RunLengthDecode", "RL", PDF_RUNS}, {"DCTDecode", "DCT", PDF_JPEG}};

    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (str_is(name, filters[i].name) || str_is(name, filters[i].short_name))
            return filters[i].filter;
    return PDF_OTHER_FILTER;
}

/* False at the ceiling. */
static bool put(struct reading *r, struct buf *out, const void *bytes, size_t len)
{
    return len <= unpack_room(r) - (out->len < unpack_room(r) ? out->len : unpack_room(r)) && buf_add(out, bytes, len);
}

static enum unpack_end from_hex(struct reading *r, struct str in, struct buf *out)
{
    int half = -1;

    for (size_t i = 0; i < in.len && in.at[i] != '>'; i++) {
        int c = ascii_lower((unsigned char)in.at[i]), digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            continue;
        if (half < 0) {
            half = digit;
            continue;
        }
        char octet = (char)(half << 4 | digit);
        if (!put(r, out, &octet, 1))
            return UNPACK_BOMB;
        half = -1;
    }
    return UNPACK_DONE;
}

static enum unpack_end from_85(struct reading *r, struct str in, struct buf *out)
{
    uint64_t value = 0;
    unsigned n = 0;
    char four[4];

    for (size_t i = 0; i < in.len && in.at[i] != '~'; i++) {
        char c = in.at[i];
        if (c == 'z' && n == 0) {
            if (!put(r, out, "\0\0\0\0", 4))
                return UNPACK_BOMB;
            continue;
        }
        if (c < '!' || c > 'u')
            continue;
        value = value * 85 + (uint64_t)(c - '!');
        if (++n < 5)
            continue;
        for (int k = 0; k < 4; k++)
            four[k] = (char)(value >> (24 - 8 * k));
        if (!put(r, out, four, 4))
            return UNPACK_BOMB;
        value = n = 0;
    }
    if (n < 2)
        return n ? UNPACK_DAMAGED : UNPACK_DONE;
    for (unsigned k = n; k < 5; k++)
        value = value * 85 + 84;
    for (int k = 0; k < 4; k++)
        four[k] = (char)(value >> (24 - 8 * k));
    return put(r, out, four, n - 1) ? UNPACK_DONE : UNPACK_BOMB;
}

static enum unpack_end from_runs(struct reading *r, struct str in, struct buf *out)
{
    char run[128];

    for (size_t i = 0; i < in.len;) {
        unsigned len = (unsigned char)in.at[i++];
        if (len == 128)
            return UNPACK_DONE;
        struct str plain = str_sub(in, i, len < 128 ? len + 1 : 1);
        if (plain.len == 0)
            return UNPACK_DAMAGED;
        if (len < 128) {
            if (!put(r, out, plain.at, plain.len))
                return UNPACK_BOMB;
        } else {
            memset(run, plain.at[0], sizeof run);
            if (!put(r, out, run, 257 - len))
                return UNPACK_BOMB;
        }
        i += plain.len;
    }
    return UNPACK_DONE;
}

/* Each code's text is the text of the one before it and one octet more, which stands in the output: only its place and length are kept. */
struct lzw { size_t at[LZW_CODES]; uint16_t len[LZW_CODES]; unsigned next, bits; };

static bool lzw_code(struct str in, size_t *bit, unsigned bits, unsigned *code)
{
    if (*bit + bits > in.len * 8)
        return false;
    *code = 0;
    for (unsigned i = 0; i < bits; i++, ++*bit)
        *code = *code << 1 | ((unsigned char)in.at[*bit / 8] >> (7 - *bit % 8) & 1);
    return true;
}

static enum unpack_end from_lzw(struct reading *r, struct str in, struct buf *out)
{
    struct lzw z = {.next = 258, .bits = 9};
    size_t bit = 0, before_at = 0;
    unsigned code, before_len = 0;

    while (lzw_code(in, &bit, z.bits, &code) && code != LZW_END) {
        size_t at = out->len;
        if (code == LZW_CLEAR) {
            z.next = 258;
            z.bits = 9;
            before_len = 0;
            continue;
        }
        if (code > z.next || (code == z.next && before_len == 0))
            return UNPACK_DAMAGED;
        size_t len = code < 256 ? 1 : code == z.next ? before_len + 1U : z.len[code];
        size_t from = code < 256 ? 0 : code == z.next ? before_at : z.at[code];
        if (len > unpack_room(r) || out->len > unpack_room(r) - len || !buf_reserve(out, len))
            return UNPACK_BOMB;
        for (size_t i = 0; i < len; i++) /* one by one: it may reach into itself */
            out->at[at + i] = code < 256 ? (char)code : out->at[from + i];
        out->len += len;
        if (before_len && z.next < LZW_CODES) {
            z.at[z.next] = before_at;
            z.len[z.next++] = (uint16_t)(before_len + 1);
        }
        z.bits = z.next >= 2047 ? 12 : z.next >= 1023 ? 11 : z.next >= 511 ? 10 : 9; /* one code early, as is the default */
        before_at = at;
        before_len = (unsigned)len;
    }
    return UNPACK_DONE;
}

static unsigned char paeth(int a, int b, int c)
{
    int p = a + b - c, pa = p > a ? p - a : a - p, pb = p > b ? p - b : b - p, pc = p > c ? p - c : c - p;
    return (unsigned char)(pa <= pb && pa <= pc ? a : pb <= pc ? b : c);
}

/* PNG predictors (7.4.4.4): each row has its kind in front. In place, since rows only get shorter. */
static void unpredict(const struct pdf_stream *s, struct buf *out)
{
    uint64_t columns = s->columns ? s->columns : 1, pixel_bits = (uint64_t)(s->colours ? s->colours : 1) * (s->bits ? s->bits : 8);

    if (s->predictor < PNG_FIRST || columns > COLUMNS_MAX || pixel_bits > 64)
        return;
    size_t row = (size_t)((columns * pixel_bits + 7) / 8), step = (size_t)((pixel_bits + 7) / 8), to = 0;
    for (size_t from = 0; from + 1 < out->len; from += row + 1) {
        unsigned char kind = (unsigned char)out->at[from];
        size_t len = out->len - from - 1 < row ? out->len - from - 1 : row;
        unsigned char *now = (unsigned char *)out->at + to;
        memmove(now, out->at + from + 1, len);
        for (size_t i = 0; i < len; i++) {
            int a = i >= step ? now[i - step] : 0, b = to ? now[(ptrdiff_t)i - (ptrdiff_t)row] : 0;
            int c = to && i >= step ? now[(ptrdiff_t)i - (ptrdiff_t)row - (ptrdiff_t)step] : 0;
            int add = kind == 1 ? a : kind == 2 ? b : kind == 3 ? (a + b) / 2 : kind == 4 ? paeth(a, b, c) : 0;
            now[i] = (unsigned char)(now[i] + add);
        }
        to += len;
    }
    buf_truncate(out, to);
}

static enum unpack_end one_filter(struct reading *r, uint8_t filter, struct str in, struct buf *out)
{
    enum unpack_end end = UNPACK_DAMAGED;

    if (filter == PDF_FLATE)
        return inflate_zlib(r, in, out);
    buf_clear(out);
    switch (filter) {
    case PDF_HEX:
        end = from_hex(r, in, out);
        break;
    case PDF_85:
        end = from_85(r, in, out);
        break;
    case PDF_LZW:
        end = from_lzw(r, in, out);
        break;
    case PDF_RUNS:
        end = from_runs(r, in, out);
        break;
    default:
        break;
    }
    unpack_pay(r, out->len);
    return end;
}

enum unpack_end pdf_unpack(struct reading *r, const struct pdf_stream *s, struct buf *out)
{
    struct buf before = unpack_buf();
    enum unpack_end end = UNPACK_DONE;

    buf_clear(out);
    if (s->filter_count > PDF_FILTERS_MAX)
        return UNPACK_DAMAGED;
    if (s->filter_count == 0) {
        if (!put(r, out, s->data.at, s->data.len))
            return UNPACK_BOMB;
        unpack_pay(r, s->data.len);
    }
    for (unsigned i = 0; i < s->filter_count && end == UNPACK_DONE; i++) {
        struct str in = i ? buf_str(&before) : s->data;
        if (s->filters[i] == PDF_JPEG) {
            buf_clear(out);
            end = put(r, out, in.at, in.len) ? UNPACK_DONE : UNPACK_BOMB;
            break;
        }
        end = one_filter(r, s->filters[i], in, out);
        if (i + 1 < s->filter_count && end == UNPACK_DONE) { /* what came out goes in again */
            struct buf swap = before;
            before = *out;
            *out = swap;
        }
    }
    buf_free(&before);
    unpredict(s, out);
    return end;
}
