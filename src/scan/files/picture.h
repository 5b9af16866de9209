/* scan/files/picture.h: pictures as shades of grey, for who looks for a QR code in them. What they would take is known before anything is decoded. */
#ifndef SCAN_FILES_PICTURE_H
#define SCAN_FILES_PICTURE_H

#include "scan/files/reading.h"

struct picture {
    unsigned char *at;       /* malloc'ed by whoever makes it: width × height, 0 black */
    uint32_t width, height;
};

enum { PICTURE_SIDE_MAX = 65535 };

/* As the file says it is; false when it does not say. BITS: of one pixel. */
struct picture_size { uint32_t width, height, bits; };
bool picture_measure(struct str bytes, enum file_type type, struct picture_size *out);
/* PNG, JPEG (which may come out smaller by 2, 4 or 8), the first frame of a GIF. False when damaged, larger than MOST_PIXELS, or out of memory. */
bool picture_decode(struct str bytes, enum file_type type, uint64_t most_pixels, struct picture *out);

/* Looks for QR codes: facts of T, links, words. P is made smaller, larger and framed as the reader of codes likes it; paid for. */
void picture_look(struct reading *r, struct thing *t, const struct picture *p);
/* May a picture of so many pixels be looked at? Takes it from the budget; says so in T's facts where not. */
bool picture_allowed(struct reading *r, struct thing *t, uint64_t pixels);

#endif
