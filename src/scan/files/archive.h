/* scan/files/archive.h: archives that libarchive reads, from memory; formats and filters are enabled one by one, never an external program. */
#ifndef SCAN_FILES_ARCHIVE_H
#define SCAN_FILES_ARCHIVE_H

#include "scan/files/reading.h"

/* Those items of a zip whose method is neither stored nor deflated. */
void archive_read_rare_zip(struct reading *r, struct thing *t);

#endif
