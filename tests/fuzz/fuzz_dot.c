/*
 * fuzz_dot.c: the DATA and BDAT readers. However the octets are cut, the reading is the same; an end is seen only where CR LF . CR LF stands;
 * and what the encoder makes of any octets decodes to them again, with proper line endings.
 */
#include "base/buf.h"
#include "smtp/dot.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool keep(void *arg, const char *at, size_t len)
{
    return buf_add(arg, at, len);
}

struct reading {
    struct buf out;
    enum dot_result result;
    size_t used;
    struct dot_decoder d;
};

static void decode(struct str input, size_t piece, bool normalize, struct reading *r)
{
    *r = (struct reading){.out = buf_make(1 << 22), .result = DOT_MORE};
    dot_decoder_init(&r->d, normalize);
    while (r->result == DOT_MORE && r->used < input.len) {
        size_t used;
        struct str here = str_sub(input, r->used, piece);
        r->result = dot_decode(&r->d, here, &used, keep, &r->out);
        if (used > here.len || (r->result == DOT_MORE && used == 0 && here.len == 0))
            abort();
        r->used += used;
        if (used == 0)
            break;
    }
}

static bool ends_properly(struct str input, size_t used)
{
    struct str read = str_sub(input, 0, used);

    return str_is(read, ".\r\n") || (read.len >= 5 && str_is(str_from_index(read, read.len - 5), "\r\n.\r\n"));
}

static void check_pieces(struct str input, bool normalize)
{
    struct reading whole, pieces;

    decode(input, input.len ? input.len : 1, normalize, &whole);
    decode(input, 3, normalize, &pieces);
    if (whole.result != pieces.result || whole.used != pieces.used || whole.d.defects != pieces.d.defects ||
        whole.d.longest != pieces.d.longest || !str_eq(buf_str(&whole.out), buf_str(&pieces.out)))
        abort();
    if (whole.result == DOT_END && !ends_properly(input, whole.used))
        abort();
    buf_free(&whole.out);
    buf_free(&pieces.out);
}

static void check_round_trip(struct str input)
{
    struct buf wire = buf_make(1 << 22);
    struct dot_encoder e;
    struct reading back;

    dot_encoder_init(&e);
    if (!dot_encode(&e, str_sub(input, 0, input.len / 2), keep, &wire) || !dot_encode(&e, str_from_index(input, input.len / 2), keep, &wire) ||
        !dot_encode_end(&e, keep, &wire))
        abort();
    decode(buf_str(&wire), wire.len, false, &back);
    if (back.result != DOT_END || back.used != wire.len || (back.d.defects & (DOT_BARE_CR | DOT_BARE_LF)))
        abort();
    buf_free(&back.out);
    buf_free(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = str_n((const char *)data, size);
    struct dot_decoder whole, pieces;

    check_pieces(input, false);
    check_pieces(input, true);
    check_round_trip(input);
    dot_decoder_init(&whole, false);
    dot_decoder_init(&pieces, false);
    dot_inspect(&whole, input);
    for (size_t i = 0; i < size; i += 5)
        dot_inspect(&pieces, str_sub(input, i, 5));
    if (whole.defects != pieces.defects || whole.longest != pieces.longest)
        abort();
    return 0;
}
