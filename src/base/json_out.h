/*
 * json_out.h: writes JSON text straight into a buffer, for what is written thousands of times a second. Commas and nesting are the
 * caller's. What a string holds that is no valid UTF-8 becomes U+FFFD, so that the output is always valid JSON (RFC 8259).
 */
#ifndef BASE_JSON_OUT_H
#define BASE_JSON_OUT_H

#include "base/buf.h"

void json_out_string(struct buf *out, struct str s); /* with its quotes */

#endif
