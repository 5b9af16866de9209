/*
 * dot.h: the DATA stream. Decoding: dots unstuffed, and only CR LF . CR LF ends it (RFC 5321 §4.1.1.4, §2.3.8); whatever
 * another reader could take for an end (bare CR, bare LF, NUL) is found and counted. Encoding: the reverse; it never
 * emits a bare CR or LF. Both are fed in pieces of any size and keep their state in a small struct.
 */
#ifndef SMTP_DOT_H
#define SMTP_DOT_H

#include "base/str.h"

enum dot_defect { DOT_BARE_CR = 1, DOT_BARE_LF = 2, DOT_NUL = 4 };

struct dot_decoder {
    uint8_t state;
    bool normalize;       /* bare CR and bare LF become CR LF, and are still noted */
    unsigned defects;     /* enum dot_defect flags seen so far */
    size_t line;          /* 1-based, the line being read */
    size_t defect_line;   /* of the first defect; 0: none */
    size_t line_len;      /* octets of the line so far, ending not counted */
    size_t longest;       /* longest line so far, octets without ending, dot-unstuffed */
    size_t longest_line;  /* its number */
};

/* Receives decoded octets; false stops the decoder (message too large, out of memory). */
typedef bool dot_sink(void *arg, const char *at, size_t len);

enum dot_result { DOT_MORE, DOT_END, DOT_STOPPED };

void dot_decoder_init(struct dot_decoder *d, bool normalize);
/* Decodes INPUT. *USED: octets consumed, up to and including the final CR LF . CR LF on DOT_END (what follows is
 * the next command). On DOT_STOPPED the caller goes on with a sink that drops, or closes. */
enum dot_result dot_decode(struct dot_decoder *d, struct str input, size_t *used, dot_sink *sink, void *arg);
/* The same checks for BDAT, which has no dots and no end (RFC 3030): defects, lines and lengths are only noted. */
void dot_inspect(struct dot_decoder *d, struct str input);

struct dot_encoder {
    uint8_t state;
};
void dot_encoder_init(struct dot_encoder *e);
/* Stuffs dots; a bare CR or bare LF becomes CR LF, a NUL is left out (readers drop it, and then see what stood behind it).
 * False when SINK said so. */
bool dot_encode(struct dot_encoder *e, struct str input, dot_sink *sink, void *arg) __attribute__((warn_unused_result));
/* Closes an open last line and emits ". CR LF". */
bool dot_encode_end(struct dot_encoder *e, dot_sink *sink, void *arg) __attribute__((warn_unused_result));

#endif
