/* scan/files/vba.h: VBA source as documents keep it (MS-OVBA §2.4.1), and which of its names run by themselves. */
#ifndef SCAN_FILES_VBA_H
#define SCAN_FILES_VBA_H

#include "base/buf.h"

/* The compressed container that BYTES begin with; at most OUT's ceiling. False when it is damaged; what came before is in OUT. */
bool vba_decompress(struct str bytes, struct buf *out);
/* The source in a module's stream, which begins somewhere behind compiled code; false when there is none. */
bool vba_module_source(struct str module, struct buf *out);
/* The first name in SOURCE that an application runs by itself, or NULL. */
const char *vba_auto_name(struct str source);

#endif
