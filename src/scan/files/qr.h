/*
 * scan/files/qr.h: texts of QR codes in a grey picture, by zbar. The library is loaded when the context is made and only by the process that reads
 * messages: it brings X11, D-Bus and Video4Linux with it, which no other process should have mapped.
 */
#ifndef SCAN_FILES_QR_H
#define SCAN_FILES_QR_H

#include "base/str.h"

struct qr;
struct qr *qr_new(void); /* NULL: built without, or no library at hand */
void qr_free(struct qr **q);
/* GREY: width × height octets, 0 black. Calls EACH for at most MOST codes; false when the picture could not be looked at. TEXT is valid during the call. */
bool qr_find(struct qr *q, const unsigned char *grey, uint32_t width, uint32_t height, uint32_t most, void (*each)(struct str text, void *arg), void *arg);

#endif
