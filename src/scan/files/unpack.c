/* unpack.c: inflating within the budget, and the context that is made before the sandbox; see reading.h. */
#include "scan/files/reading.h"

#include "scan/files/qr.h"

#include <stdlib.h>
#include <string.h>

enum { STEP_MIN = 16 << 10, STEP_MAX = 1 << 20, SLACK = 64 };

struct file_context *file_context_new(void)
{
    struct file_context *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    c->digest = EVP_MD_CTX_new();
    /* without a UTF-8 locale libarchive would ask iconv for converters, which come from files */
    c->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    c->has_deflated = inflateInit2(&c->deflated, -MAX_WBITS) == Z_OK;
    c->has_wrapped = inflateInit2(&c->wrapped, MAX_WBITS) == Z_OK;
    if (!c->sha256 || !c->digest || !c->utf8 || !c->has_deflated || !c->has_wrapped) {
        file_context_free(&c);
        return NULL;
    }
    c->qr = qr_new();
    return c;
}

void file_context_free(struct file_context **context)
{
    struct file_context *c = *context;

    *context = NULL;
    if (!c)
        return;
    qr_free(&c->qr);
    if (c->has_deflated)
        inflateEnd(&c->deflated);
    if (c->has_wrapped)
        inflateEnd(&c->wrapped);
    if (c->utf8)
        freelocale(c->utf8);
    EVP_MD_CTX_free(c->digest);
    EVP_MD_free(c->sha256);
    free(c);
}

bool file_context_has_qr(const struct file_context *c)
{
    return c->qr != NULL;
}

size_t unpack_room(const struct reading *r)
{
    uint64_t room = r->budget->unpacked_bytes < r->may_unpack ? r->budget->unpacked_bytes : r->may_unpack;
    return room > SIZE_MAX / 4 ? SIZE_MAX / 4 : (size_t)room;
}

void unpack_pay(struct reading *r, uint64_t bytes)
{
    r->budget->unpacked_bytes -= bytes < r->budget->unpacked_bytes ? bytes : r->budget->unpacked_bytes;
    r->may_unpack -= bytes < r->may_unpack ? bytes : r->may_unpack;
}

bool ratio_is_bomb(const struct reading *r, uint64_t packed, uint64_t unpacked)
{
    return unpacked > RATIO_FROM_BYTES && unpacked / r->budget->ratio > packed;
}

struct buf unpack_buf(void)
{
    return buf_make(SIZE_MAX / 2);
}

void unpack_fact(struct thing *t, enum unpack_end end)
{
    if (end == UNPACK_BOMB)
        t->facts |= FACT_BOMB;
    if (end == UNPACK_DAMAGED)
        t->facts |= FACT_DAMAGED;
}

static size_t step_of(size_t so_far)
{
    size_t step = so_far ? so_far : STEP_MIN;
    return step > STEP_MAX ? STEP_MAX : step;
}

static enum unpack_end run(struct reading *r, z_stream *z, struct str packed, struct buf *out)
{
    const size_t room = unpack_room(r);
    int result = Z_OK;

    z->next_in = (Bytef *)(uintptr_t)packed.at;
    z->avail_in = packed.len > UINT32_MAX ? UINT32_MAX : (uInt)packed.len;
    while (result == Z_OK) {
        size_t step = step_of(out->len);
        if (step > room - out->len)
            step = room - out->len;
        /* one octet of slack, so that a stream that fits exactly can say its end */
        if (!buf_reserve(out, step + SLACK))
            return UNPACK_BOMB;
        z->next_out = (Bytef *)out->at + out->len;
        z->avail_out = (uInt)(step ? step : SLACK);
        size_t asked = z->avail_out;
        result = inflate(z, Z_NO_FLUSH);
        size_t got = asked - z->avail_out;
        if (got > room - out->len)
            return UNPACK_BOMB;
        out->len += got;
        if (ratio_is_bomb(r, packed.len - z->avail_in, out->len))
            return UNPACK_BOMB;
        if (result == Z_BUF_ERROR || (result == Z_OK && z->avail_in == 0 && z->avail_out > 0))
            return UNPACK_DAMAGED; /* cut short */
    }
    return result == Z_STREAM_END ? UNPACK_DONE : UNPACK_DAMAGED;
}

static enum unpack_end inflate_with(struct reading *r, z_stream *z, struct str packed, struct buf *out, size_t *used)
{
    buf_clear(out);
    if (inflateReset(z) != Z_OK)
        return UNPACK_DAMAGED;
    enum unpack_end end = run(r, z, packed, out);
    unpack_pay(r, out->len);
    if (used)
        *used = packed.len - z->avail_in;
    z->next_in = NULL;
    z->next_out = NULL;
    return end;
}

enum unpack_end inflate_raw(struct reading *r, struct str packed, struct buf *out, size_t *used)
{
    return inflate_with(r, &r->context->deflated, packed, out, used);
}

enum unpack_end inflate_zlib(struct reading *r, struct str packed, struct buf *out)
{
    return inflate_with(r, &r->context->wrapped, packed, out, NULL);
}
