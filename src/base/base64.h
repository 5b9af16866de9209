/* base64.h: RFC 4648 §4 by the letter, for protocols: no octet outside the alphabet, padding complete, unused bits zero. Mail bodies are read by mail/decode.h. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

/* Appends; false when OUT is full. */
bool base64_encode(struct str in, struct buf *out);
/* Appends what IN stands for. False: it is not base64, or OUT is full (out->failed); nothing is appended then. */
bool base64_decode(struct str in, struct buf *out) __attribute__((warn_unused_result));

#endif
