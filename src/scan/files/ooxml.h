/* scan/files/ooxml.h: office files that are zips (ECMA-376, ODF 1.3): macros, what they load from elsewhere, what is embedded. */
#ifndef SCAN_FILES_OOXML_H
#define SCAN_FILES_OOXML_H

#include "scan/files/reading.h"
#include "scan/files/zip.h"

void ooxml_look(struct reading *r, struct thing *t, const struct zip *z);

#endif
