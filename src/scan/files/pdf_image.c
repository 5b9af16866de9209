/* pdf_image.c: pictures in a PDF (ISO 32000-2, 8.9.5), which carry QR codes as attached ones do; see pdf.h. */
#include "scan/files/pdf.h"

#include "scan/files/picture.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE_MIN = 20, COMPONENTS_MAX = 4 };

struct raster { struct str bytes; uint32_t width, height, bits, components; size_t row_bytes; };

/* Colour spaces are named in many ways; how many components there are is seen from how much there is. */
static bool find_components(struct raster *x)
{
    static const uint32_t usual[] = {3, 1, 4};

    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        x->components = usual[i];
        x->row_bytes = ((size_t)x->width * usual[i] * x->bits + 7) / 8;
        if (x->bytes.len >= x->row_bytes * x->height && x->bytes.len < x->row_bytes * x->height + x->row_bytes + 16)
            return true;
    }
    return false;
}

static uint32_t sample(const struct raster *x, const unsigned char *row, size_t n)
{
    if (x->bits >= 8)
        return row[n * (x->bits / 8)];
    size_t bit = n * x->bits;
    uint32_t most = (1U << x->bits) - 1;
    return (uint32_t)(row[bit / 8] >> (8 - x->bits - bit % 8) & most) * 255 / most;
}

static void to_grey(const struct raster *x, unsigned char *to)
{
    for (uint32_t y = 0; y < x->height; y++) {
        const unsigned char *row = (const unsigned char *)x->bytes.at + y * x->row_bytes;
        for (uint32_t column = 0; column < x->width; column++) {
            uint32_t sum = 0;
            for (uint32_t k = 0; k < x->components; k++)
                sum += sample(x, row, (size_t)column * x->components + k);
            uint32_t mean = sum / x->components;
            *to++ = (unsigned char)(x->components == COMPONENTS_MAX ? 255 - mean : mean);
        }
    }
}

static void look_at_raster(struct reading *r, struct thing *t, const struct pdf_stream *s, struct str bytes)
{
    struct raster x = {bytes, s->width, s->height, s->bits ? s->bits : 1, 0, 0};
    bool fits = x.bits == 1 || x.bits == 2 || x.bits == 4 || x.bits == 8 || x.bits == 16;
    struct picture p = {NULL, s->width, s->height};

    if (fits && find_components(&x))
        p.at = malloc((size_t)p.width * p.height);
    if (!p.at) {
        t->facts |= FACT_PICTURE_UNSEEN;
        return;
    }
    to_grey(&x, p.at);
    picture_look(r, t, &p);
    free(p.at);
}

static void look_at_jpeg(struct reading *r, struct thing *t, struct str bytes)
{
    struct thing inner = {.bytes = bytes, .path = t->path, .name = t->name, .type = FILE_JPEG, .level = t->level};

    image_look(r, &inner);
    t->facts |= inner.facts & (FACT_QR | FACT_PICTURE_UNSEEN | FACT_BOMB);
}

/* Pictures are paid for with pixels: what they unpack to is not what files in archives need. */
static enum unpack_end unpack(struct reading *r, const struct pdf_stream *s, struct buf *out)
{
    const uint64_t budget = r->budget->unpacked_bytes, by_ratio = r->may_unpack;
    const uint64_t most = ((uint64_t)s->width * 2 + 1) * s->height * COMPONENTS_MAX + s->data.len;

    r->budget->unpacked_bytes = r->may_unpack = most;
    enum unpack_end end = pdf_unpack(r, s, out);
    r->budget->unpacked_bytes = budget;
    r->may_unpack = by_ratio;
    return end;
}

void pdf_image_look(struct reading *r, struct thing *t, const struct pdf_stream *s)
{
    struct buf bytes = unpack_buf();
    bool is_jpeg = s->filter_count && s->filter_count <= PDF_FILTERS_MAX && s->filters[s->filter_count - 1] == PDF_JPEG;
    uint64_t pixels = (uint64_t)s->width * s->height;

    if (!r->context->qr || s->width < SIDE_MIN || s->height < SIDE_MIN)
        return;
    if (s->width > PICTURE_SIDE_MAX || s->height > PICTURE_SIDE_MAX || (is_jpeg ? pixels > r->budget->pixels : !picture_allowed(r, t, pixels))) {
        t->facts |= FACT_PICTURE_UNSEEN;
        return;
    }
    enum unpack_end end = unpack(r, s, &bytes);
    if (is_jpeg)
        look_at_jpeg(r, t, buf_str(&bytes));
    else if (end != UNPACK_BOMB && bytes.len)
        look_at_raster(r, t, s, buf_str(&bytes));
    else
        t->facts |= FACT_PICTURE_UNSEEN;
    buf_free(&bytes);
}
