/* no_qr.c: for builds without QR codes (-Dqr=false): pictures are not looked at. See qr.h. */
#include "scan/files/picture.h"
#include "scan/files/qr.h"

struct qr *qr_new(void)
{
    return NULL;
}

void qr_free(struct qr **q)
{
    *q = NULL;
}

bool qr_find(struct qr *q, const unsigned char *grey, uint32_t width, uint32_t height, uint32_t most, void (*each)(struct str text, void *arg), void *arg)
{
    (void)q, (void)grey, (void)width, (void)height, (void)most, (void)each, (void)arg;
    return false;
}

bool picture_decode(struct str bytes, enum file_type type, uint64_t most_pixels, struct picture *out)
{
    (void)bytes, (void)type, (void)most_pixels, (void)out;
    return false;
}
