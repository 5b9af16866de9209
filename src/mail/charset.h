/*
 * charset.h: bytes of a declared (missing, lying) charset to UTF-8, as the widest-used readers do it: labels after the WHATWG encoding standard,
 * conversion by ICU, which finds its data in its library and opens no file. ASCII and valid UTF-8 do not go through ICU and are not copied.
 */
#ifndef MAIL_CHARSET_H
#define MAIL_CHARSET_H

#include "base/arena.h"

struct charset_context; /* converters kept open (eight at most); one per thread */

struct charset_context *charset_context_new(void); /* NULL: out of memory, or ICU without data. Call it before the sandbox is entered */
void charset_context_free(struct charset_context **c);

enum charset_defect {
    CHARSET_UNKNOWN = 1,      /* name not known: guessed */
    CHARSET_MISSING_8BIT = 2, /* none declared, but octets above 127: guessed */
    CHARSET_ILL_FORMED = 4,   /* octets that the charset does not have: U+FFFD */
    CHARSET_LIES = 8,         /* the declared one cannot be (us-ascii with 8 bit, utf-8 that is none): read as what readers fall back to */
    CHARSET_UTF7 = 16,        /* UTF-7, which can hide markup */
    CHARSET_STATEFUL = 32,    /* ISO-2022, HZ: what a byte means depends on those before it */
    CHARSET_NUL = 64,         /* U+0000 in the text */
    CHARSET_BOM = 128,        /* a byte order mark contradicts the declaration; it wins */
    CHARSET_CEILING = 256     /* cut at the ceiling */
};

struct charset_result {
    struct str text; /* valid UTF-8 without byte order mark; in the arena, or the input itself. May hold NUL. Empty when the arena is used up */
    unsigned defects;
    char used[32];   /* canonical name, lower case */
};

/* DECLARED may be "". C belongs to this thread. CEILING in octets of output; the text is cut between characters. Linear in BYTES. */
void charset_decode(struct charset_context *c, struct arena *arena, struct str declared, struct str bytes, size_t ceiling,
                    struct charset_result *out);

#endif
