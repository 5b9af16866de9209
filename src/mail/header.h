/*
 * header.h: header fields with their exact bytes (RFC 5322 §2.2, RFC 6532). Lines may end in CR LF or LF.
 * Pure, no allocation: an iterator over bytes that somebody else owns.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "base/buf.h"
#include "base/str.h"

enum header_defect {
    HEADER_FINE = 0,
    HEADER_NO_COLON = 1,          /* a line that is neither field nor continuation: the header ends before it */
    HEADER_SPACE_BEFORE_COLON = 2,
    HEADER_BAD_NAME = 4,          /* octets outside 33…126 in the name */
    HEADER_8BIT = 8,              /* raw octets above 127 in the value */
    HEADER_NUL = 16,
    HEADER_BARE_CR_LF = 32,
    HEADER_FOLDED_FIRST = 64      /* the very first line begins with a blank: given out as a field with an empty name */
};

struct header_field {
    struct str raw;   /* name to final line ending, all of it */
    struct str name;  /* without blanks */
    struct str value; /* behind the colon, line endings inside it kept, the final one not */
    size_t line;      /* 1-based number of its first line */
    unsigned defects; /* enum header_defect flags */
};

struct header_walk {
    struct str rest; /* what is not read yet */
    size_t line;
    size_t body;     /* when done: offset of the body's first octet from the start */
    size_t offset;
    unsigned defects; /* of the fields so far, and of the header's end */
    bool crlf;        /* the first line ends in CR LF: then a lone LF is HEADER_BARE_CR_LF */
    bool done;
};

struct header_walk header_walk(struct str message);
/* False at the end of the header (empty line, end of bytes, or a line that is no field). */
bool header_next(struct header_walk *walk, struct header_field *out);
/* Unfolds into OUT: line endings vanish, the blank behind them stays (RFC 5322 §2.2.3); trimmed at both ends. */
void header_unfold(struct buf *out, struct str value);
size_t header_unfolded_len(struct str value); /* octets, not trimmed */

#endif
