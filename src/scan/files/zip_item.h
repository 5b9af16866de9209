/* scan/files/zip_item.h: one item of a zip, unpacked. */
#ifndef SCAN_FILES_ZIP_ITEM_H
#define SCAN_FILES_ZIP_ITEM_H

#include "scan/files/reading.h"
#include "scan/files/zip.h"

/* *OUT: the file's own bytes where it is stored, else SCRATCH's. What came before a damage or a ceiling is in *OUT all the same. */
enum unpack_end zip_unpack(struct reading *r, const struct zip_item *item, struct buf *scratch, struct str *out);
/* As an entry of T. */
void zip_item_read(struct reading *r, struct thing *t, const struct zip_item *item);

#endif
