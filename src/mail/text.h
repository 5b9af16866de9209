/*
 * text.h: tricks played with Unicode in text that a person sees. TEXT is valid UTF-8 everywhere (charset_decode() makes it so). All linear; what is
 * returned lives in the arena or is a part of TEXT, and is empty when there is no memory.
 */
#ifndef MAIL_TEXT_H
#define MAIL_TEXT_H

#include "base/arena.h"

enum text_trick {
    TEXT_ZERO_WIDTH = 1,     /* inside words of Latin, Greek or Cyrillic, where no joiner, selector or mark of direction means anything */
    TEXT_BIDI_OVERRIDE = 2,  /* U+202A–202E, U+2066–2069 */
    TEXT_TAGS = 4,           /* U+E0000 block outside of flags; variation selectors in a row */
    TEXT_MIXED_SCRIPT = 8,   /* words of Latin and Cyrillic, Greek and the like in which one script only stands in for the other; counts words */
    TEXT_SOFT_HYPHEN = 16,   /* inside words; honest newsletters have them too: the count tells */
    TEXT_MATH_LETTERS = 32,  /* words with styled letters of U+1D400…, circled and squared ones; full width ones in text without CJK */
    TEXT_PRIVATE_USE = 64,
    TEXT_COMBINING_PILE = 128 /* five or more marks on one letter; counts letters */
};

struct text_tricks {
    unsigned seen;     /* enum text_trick */
    uint32_t count[8]; /* by bit number of the trick */
    struct str sample; /* up to 64 octets around the first one, in the arena; "" where there is none */
};

/* ASCII alone returns at once. */
void text_find_tricks(struct arena *arena, struct str text, struct text_tricks *out);
/* What the eye reads: NFKC; without zero width characters, tags, selectors, bidi controls, soft hyphens; look-alikes left. At most CEILING octets,
 * made of the first CEILING octets of TEXT. ASCII is not copied. */
struct str text_normalize(struct arena *arena, struct str text, size_t ceiling);
/* Confusable skeleton (UTS 39) by ICU, of the first 64 KB. Equal skeletons look alike; a skeleton is not for showing. */
struct str text_skeleton(struct arena *arena, struct str text);

#endif
