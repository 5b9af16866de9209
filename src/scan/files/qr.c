/* qr.c: see qr.h. */
#include "scan/files/qr.h"

#include "base/log.h"

#include <dlfcn.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <zbar.h>

enum { CHARSETS = 20, ISO_PARTS = 16 };
static const unsigned long grey_format = 0x30303859; /* "Y800" */

struct zbar {
    __typeof__(zbar_image_scanner_create) *scanner_create;
    __typeof__(zbar_image_scanner_destroy) *scanner_destroy;
    __typeof__(zbar_image_scanner_set_config) *set_config;
    __typeof__(zbar_scan_image) *scan;
    __typeof__(zbar_image_create) *image_create;
    __typeof__(zbar_image_destroy) *image_destroy;
    __typeof__(zbar_image_set_format) *set_format;
    __typeof__(zbar_image_set_size) *set_size;
    __typeof__(zbar_image_set_data) *set_data;
    __typeof__(zbar_image_first_symbol) *first_symbol;
    __typeof__(zbar_symbol_next) *next_symbol;
    __typeof__(zbar_symbol_get_type) *type;
    __typeof__(zbar_symbol_get_data) *data;
    __typeof__(zbar_symbol_get_data_length) *data_length;
};

struct qr {
    void *library;
    struct zbar z;
    zbar_image_scanner_t *scanner;
    iconv_t charsets[CHARSETS];
    size_t charset_count;
};

static bool find_functions(struct qr *q)
{
#define FIND(field, name) {(void **)(void *)&q->z.field, name}
    const struct { void **to; const char *name; } wanted[] = {
        FIND(scanner_create, "zbar_image_scanner_create"), FIND(scanner_destroy, "zbar_image_scanner_destroy"),
        FIND(set_config, "zbar_image_scanner_set_config"), FIND(scan, "zbar_scan_image"), FIND(image_create, "zbar_image_create"),
        FIND(image_destroy, "zbar_image_destroy"), FIND(set_format, "zbar_image_set_format"), FIND(set_size, "zbar_image_set_size"),
        FIND(set_data, "zbar_image_set_data"), FIND(first_symbol, "zbar_image_first_symbol"), FIND(next_symbol, "zbar_symbol_next"),
        FIND(type, "zbar_symbol_get_type"), FIND(data, "zbar_symbol_get_data"), FIND(data_length, "zbar_symbol_get_data_length")};
#undef FIND

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!(*wanted[i].to = dlsym(q->library, wanted[i].name)))
            return false;
    return true;
}

/*
 * zbar opens a converter for each of these while it reads a code, as the code demands. The C library keeps in memory what is open, and would
 * fetch the rest from files, which ends the process in its sandbox; so they are all held open.
 */
static void hold_charsets(struct qr *q)
{
    static const char *const names[] = {"UTF-8", "SJIS", "BIG-5", "CP437"};
    char name[16];

    for (size_t i = 0; i < ISO_PARTS + sizeof names / sizeof *names; i++) {
        snprintf(name, sizeof name, "ISO8859-%zu", i + 1);
        iconv_t one = iconv_open("UTF-8", i < ISO_PARTS ? name : names[i - ISO_PARTS]);
        if (one != (iconv_t)-1) /* there is no part 12, and not every system has all others */
            q->charsets[q->charset_count++] = one;
    }
}

struct qr *qr_new(void)
{
    struct qr *q = calloc(1, sizeof *q);

    if (!q)
        return NULL;
    q->library = dlopen("libzbar.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!q->library)
        log_warning("QR codes are not read: %s", dlerror());
    if (q->library && find_functions(q))
        q->scanner = q->z.scanner_create();
    if (!q->scanner || q->z.set_config(q->scanner, ZBAR_NONE, ZBAR_CFG_ENABLE, 0) != 0 ||
        q->z.set_config(q->scanner, ZBAR_QRCODE, ZBAR_CFG_ENABLE, 1) != 0) {
        qr_free(&q);
        return NULL;
    }
    q->z.set_config(q->scanner, ZBAR_NONE, ZBAR_CFG_TEST_INVERTED, 1);
    hold_charsets(q);
    return q;
}

void qr_free(struct qr **qr)
{
    struct qr *q = *qr;

    *qr = NULL;
    if (!q)
        return;
    for (size_t i = 0; i < q->charset_count; i++)
        iconv_close(q->charsets[i]);
    if (q->scanner)
        q->z.scanner_destroy(q->scanner);
    free(q); /* the library stays: it has handlers for the end of the process */
}

bool qr_find(struct qr *q, const unsigned char *grey, uint32_t width, uint32_t height, uint32_t most, void (*each)(struct str text, void *arg), void *arg)
{
    zbar_image_t *image = q->z.image_create();

    if (!image)
        return false;
    q->z.set_format(image, grey_format);
    q->z.set_size(image, width, height);
    q->z.set_data(image, grey, (size_t)width * height, NULL);
    bool ok = q->z.scan(q->scanner, image) >= 0;
    for (const zbar_symbol_t *s = ok ? q->z.first_symbol(image) : NULL; s && most; s = q->z.next_symbol(s)) {
        if (q->z.type(s) != ZBAR_QRCODE)
            continue;
        each(str_n(q->z.data(s), q->z.data_length(s)), arg);
        most--;
    }
    q->z.image_destroy(image);
    return ok;
}
