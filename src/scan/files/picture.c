/* picture.c: pictures in which a QR code may be; see picture.h. */
#include "scan/files/picture.h"

#include "scan/files/qr.h"

#include <stdlib.h>
#include <string.h>

enum { FINDERS_MAX = 30000, SIDE_WANTED = 2000, SIDE_SMALL = 400, MARGIN = 24, CODES_MAX = 16, TEXT_MAX = 4096, SMALL_PIXELS = 1 << 20 /* that a GIF's frame may have beside its screen */ };
static const uint64_t bomb_bytes = (uint64_t)256 << 20; /* what a reader would need at least to show it */

static uint32_t be32(struct str s, size_t at)
{
    uint32_t n = le32(s, at);
    return n >> 24 | (n >> 8 & 0xFF00) | (n << 8 & 0xFF0000) | n << 24;
}

static uint32_t be16(struct str s, size_t at)
{
    uint32_t n = le16(s, at);
    return n >> 8 | (n << 8 & 0xFF00);
}

static bool measure_png(struct str b, struct picture_size *out)
{
    static const uint8_t channels[] = {1, 0, 3, 1, 2, 0, 4};
    unsigned depth = b.len > 25 ? (unsigned char)b.at[24] : 0, colour = b.len > 25 ? (unsigned char)b.at[25] : 0;

    if (!has_at(b, 12, STR("IHDR")) || depth > 16 || colour >= sizeof channels)
        return false;
    *out = (struct picture_size){be32(b, 16), be32(b, 20), depth * channels[colour]};
    return true;
}

/* The frame's header comes behind other segments, each with its length (ITU-T T.81 B.2.2). */
static bool measure_jpeg(struct str b, struct picture_size *out)
{
    for (size_t at = 2; at + 9 < b.len;) {
        unsigned mark = (unsigned char)b.at[at + 1];
        if ((unsigned char)b.at[at] != 0xFF)
            return false;
        if (mark == 0xFF || mark == 0x01 || (mark >= 0xD0 && mark <= 0xD8)) { /* fill, or marks without a length */
            at += mark == 0xFF ? 1 : 2;
            continue;
        }
        if (mark >= 0xC0 && mark <= 0xCF && mark != 0xC4 && mark != 0xC8 && mark != 0xCC) {
            *out = (struct picture_size){be16(b, at + 7), be16(b, at + 5), 8U * (unsigned char)b.at[at + 9]};
            return true;
        }
        at += 2 + (be16(b, at + 2) < 2 ? 2 : be16(b, at + 2));
    }
    return false;
}

bool picture_measure(struct str b, enum file_type type, struct picture_size *out)
{
    bool ok = false;

    if (type == FILE_PNG)
        ok = measure_png(b, out);
    else if (type == FILE_JPEG)
        ok = measure_jpeg(b, out);
    else if (type == FILE_GIF && b.len > 10) {
        *out = (struct picture_size){le16(b, 6), le16(b, 8), 8};
        ok = true;
    }
    return ok && out->width && out->height;
}

bool picture_allowed(struct reading *r, struct thing *t, uint64_t pixels)
{
    if (r->budget->images == 0 || pixels > r->budget->pixels) {
        t->facts |= FACT_PICTURE_UNSEEN;
        return false;
    }
    r->budget->images--;
    r->budget->pixels -= pixels;
    return true;
}

struct found { struct reading *r; struct thing *t; };

static void code_found(struct str text, void *arg)
{
    struct found *f = arg;
    char clean[TEXT_MAX];
    size_t n = 0;

    for (size_t i = 0; i < text.len && n < sizeof clean; i++)
        if (text.at[i]) /* every other octet of UTF-16 */
            clean[n++] = (unsigned char)text.at[i] < ' ' ? ' ' : text.at[i];
    f->t->facts |= FACT_QR;
    detail_add(f->r, "QR code: %.*s", STR_ARG(printable(f->r->arena, str_n(clean, n), 200)));
    url_add(f->r, str_n(clean, n), "qr");
}

/* One pixel of the frame's inside: the mean of BY × BY of them, or a part of one. */
static unsigned char shade(const struct picture *p, uint32_t x, uint32_t y, uint32_t smaller, uint32_t larger)
{
    uint32_t sum = 0;

    if (smaller == 1)
        return p->at[(size_t)(y / larger) * p->width + x / larger];
    for (uint32_t dy = 0; dy < smaller; dy++)
        for (uint32_t dx = 0; dx < smaller; dx++)
            sum += p->at[((size_t)y * smaller + dy) * p->width + (size_t)x * smaller + dx];
    return (unsigned char)(sum / (smaller * smaller));
}

/* Runs of dark and light as 1:1:3:1:1, give or take a half, where the last of five has just ended. */
static bool is_finder(const uint32_t *runs, uint32_t latest)
{
    static const uint8_t wanted[] = {1, 1, 3, 1, 1};
    uint32_t total = 0;

    for (uint32_t i = 0; i < 5; i++)
        total += runs[(latest + 4 - i) % 5];
    for (uint32_t i = 0; i < 5; i++) {
        uint32_t run = runs[(latest + 1 + i) % 5] * 14; /* a half of one part is total / 14 */
        if (run + total < 2 * total * wanted[i] || run > 2 * total * wanted[i] + total)
            return false;
    }
    return total >= 7;
}

/* Lines through what could be a corner of a code. */
static uint32_t count_finders(const unsigned char *canvas, uint32_t width, uint32_t height)
{
    uint32_t count = 0;

    for (uint32_t y = 0; y < height; y++) {
        const unsigned char *row = canvas + (size_t)y * width;
        uint32_t runs[5] = {0}, now = 0, begin = 0;
        for (uint32_t x = 1; x < width; x++) {
            if ((row[x] < 128) == (row[x - 1] < 128))
                continue;
            runs[now] = x - begin;
            begin = x;
            count += is_finder(runs, now);
            now = (now + 1) % 5;
        }
    }
    return count;
}

void picture_look(struct reading *r, struct thing *t, const struct picture *p)
{
    uint32_t side = p->width > p->height ? p->width : p->height;
    uint32_t smaller = (side + SIDE_WANTED - 1) / SIDE_WANTED, larger = side * 2 <= SIDE_SMALL ? 4 : side <= SIDE_SMALL ? 2 : 1;
    uint32_t width = p->width / smaller * larger, height = p->height / smaller * larger;
    uint32_t full_width = width + 2 * MARGIN, full_height = height + 2 * MARGIN;
    struct found f = {r, t};

    if (!r->context->qr || width == 0 || height == 0)
        return;
    unsigned char *canvas = malloc((size_t)full_width * full_height);
    if (!canvas) {
        t->facts |= FACT_PICTURE_UNSEEN;
        return;
    }
    memset(canvas, 0xFF, (size_t)full_width * full_height); /* codes need a white edge, which senders leave away */
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            canvas[(size_t)(y + MARGIN) * full_width + x + MARGIN] = shade(p, x, y, smaller, larger);
    /* zbar compares each with each: a picture made of corners would keep it busy for seconds */
    if (count_finders(canvas, full_width, full_height) > FINDERS_MAX || !qr_find(r->context->qr, canvas, full_width, full_height, CODES_MAX, code_found, &f))
        t->facts |= FACT_PICTURE_UNSEEN;
    free(canvas);
}

void image_look(struct reading *r, struct thing *t)
{
    struct picture_size size;
    struct picture p;

    if (!r->context->qr)
        return;
    if (!picture_measure(t->bytes, t->type, &size)) {
        t->facts |= FACT_DAMAGED;
        return;
    }
    uint64_t pixels = (uint64_t)size.width * size.height, shown_bytes = pixels / 8 * size.bits;
    if (shown_bytes > bomb_bytes && shown_bytes / r->budget->ratio > t->bytes.len) {
        t->facts |= FACT_BOMB;
        detail_add(r, "%s of %u x %u pixels", file_type_name(t->type), size.width, size.height);
        return;
    }
    if (!picture_allowed(r, t, pixels))
        return;
    if (!picture_decode(t->bytes, t->type, pixels > SMALL_PIXELS ? pixels : SMALL_PIXELS, &p)) {
        t->facts |= FACT_DAMAGED;
        return;
    }
    picture_look(r, t, &p);
    free(p.at);
}
