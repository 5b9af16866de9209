/*
 * decode.h: content-transfer-encodings and their old cousins, as hostile mail has them: base64, quoted-printable (RFC 2045 §6), uuencode, yEnc.
 * Bytes in, bytes out, never an error: what the widest-used readers make of broken input, and the defects that another reader could read differently.
 * Linear; the output is in the arena and never longer than the ceiling.
 */
#ifndef MAIL_DECODE_H
#define MAIL_DECODE_H

#include "base/arena.h"

enum transfer_encoding { ENCODING_7BIT, ENCODING_8BIT, ENCODING_BINARY, ENCODING_QUOTED_PRINTABLE, ENCODING_BASE64, ENCODING_UUENCODE, ENCODING_YENC, ENCODING_BINHEX, ENCODING_UNKNOWN };
const char *transfer_encoding_name(enum transfer_encoding e);
/* The token of Content-Transfer-Encoding, any case, with the x- forms (x-uuencode, x-uue, uue, x-yencode). */
enum transfer_encoding transfer_encoding_parse(struct str token);

enum decode_defect {
    DECODE_JUNK = 1,            /* octets outside the alphabet, skipped */
    DECODE_AFTER_PADDING = 2,   /* base64 goes on behind '=': decoded as MUAs do that go on; the other reading stops there (stop) */
    DECODE_TRUNCATED = 4,       /* the last group or line is not whole */
    DECODE_BAD_ESCAPE = 8,      /* quoted-printable: '=' without two hex digits or line end */
    DECODE_LOWER_HEX = 16,      /* quoted-printable: =c3, which RFC 2045 §6.7 forbids; harmless */
    DECODE_LINE_TOO_LONG = 32,  /* encoded line over 76 octets (998 for uu/yEnc) */
    DECODE_BAD_LENGTH = 64,     /* uu: length byte and line disagree; yEnc: size or CRC disagree */
    DECODE_NO_END = 128,        /* uu without `end`, yEnc without =yend */
    DECODE_RAW_8BIT = 256,      /* octets above 127 in an encoding that has none */
    DECODE_CEILING = 512,       /* cut at the ceiling */
    DECODE_LOOSE_BITS = 1024    /* base64: the unused bits before padding are not zero (RFC 4648 §3.5) */
};

struct decoded {
    struct str bytes;     /* in the arena, or the input itself where nothing had to be done */
    unsigned defects;     /* enum decode_defect flags */
    size_t defect_at;     /* offset in the input of the first one */
    size_t stop;          /* base64: length of `bytes` up to the first padding; a reader that stops there sees no more. Otherwise bytes.len */
    size_t junk_at;       /* base64 with DECODE_JUNK: offset in the input of the first such octet */
};

/* CEILING in octets of output. */
void decode_transfer(struct arena *arena, enum transfer_encoding e, struct str in, size_t ceiling, struct decoded *out);

/* Finds uuencoded, yEnc and BinHex files inside plain text (begin 644 name … end; =ybegin … =yend; (This file must be converted with BinHex …). Iterates: *REST is advanced behind what was found. */
struct embedded_file { enum transfer_encoding encoding; struct str name; struct str raw; struct decoded content; };
bool decode_next_embedded(struct arena *arena, struct str *rest, size_t ceiling, struct embedded_file *out);
#endif
