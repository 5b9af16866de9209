/* report_pack.h: what our reports to other domains are wrapped in: gzip (RFC 1952) and base64 in lines (RFC 2045 §6.8). */
#ifndef COURIER_REPORT_PACK_H
#define COURIER_REPORT_PACK_H

#include "base/buf.h"

/* False: out of memory, or more than OUT may hold. */
bool report_gzip(struct str in, struct buf *out) __attribute__((warn_unused_result));
/* Lines of 72 characters, each ended. */
void report_base64(struct str in, struct buf *out);

#endif
