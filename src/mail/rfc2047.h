/*
 * rfc2047.h: encoded words in header text (RFC 2047, RFC 2231 §5), correct ones and the broken ones that readers show all the same: blanks inside, no
 * blank between or around, cut, a character split over two, in quoted strings. Text out is what a person sees.
 */
#ifndef MAIL_RFC2047_H
#define MAIL_RFC2047_H

#include "base/arena.h"

struct charset_context;

enum words_defect {
    WORDS_BROKEN = 1,          /* not as RFC 2047 wants it: some readers decode it (as is done here), others show it raw */
    WORDS_UNKNOWN_CHARSET = 2, /* or octets that the charset does not have */
    WORDS_NESTED = 4,          /* decoding gives an encoded word again: decoded once only */
    WORDS_CONTROL = 8,         /* CR, LF, NUL or other controls, encoded or raw: a blank stands for each */
    WORDS_RAW_8BIT = 16,       /* octets above 127 outside an encoding; UTF-8 where it is valid (RFC 6532), else guessed */
    WORDS_TOO_LONG = 32,       /* an encoded word over 75 octets (RFC 2047 §2) */
    WORDS_FOUND = 64           /* not a defect: at least one was decoded */
};

/*
 * VALUE raw and folded; out: unfolded, decoded, trimmed, valid UTF-8 without control characters, in the arena or VALUE itself. A fold with the blanks
 * around it becomes one blank, as readers show it. Linear. DEFECTS (may be NULL) gets enum words_defect flags. Empty when the arena is used up.
 */
struct str words_decode(struct arena *arena, struct charset_context *charsets, struct str value, unsigned *defects);
/* The same for what a machine acts on, a file's name: control characters stay as they are. */
struct str words_decode_exact(struct arena *arena, struct charset_context *charsets, struct str value, unsigned *defects);

#endif
