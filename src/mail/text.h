/* text.h: tricks played with Unicode in text that a person sees. */
#ifndef MAIL_TEXT_H
#define MAIL_TEXT_H
#include "base/arena.h"
enum text_trick { TEXT_ZERO_WIDTH = 1 /* inside words */, TEXT_BIDI_OVERRIDE = 2, TEXT_TAGS = 4 /* U+E0000 block, variation selector stuffing */, TEXT_MIXED_SCRIPT = 8 /* Latin with Cyrillic or Greek look-alikes inside one word */, TEXT_SOFT_HYPHEN = 16, TEXT_MATH_LETTERS = 32 /* styled letters of U+1D400… and full width ones */, TEXT_PRIVATE_USE = 64, TEXT_COMBINING_PILE = 128 };
struct text_tricks { unsigned seen; uint32_t count[8]; struct str sample; };
/* TEXT is UTF-8. Linear. */
void text_find_tricks(struct arena *arena, struct str text, struct text_tricks *out);
/* What the eye reads: NFKC, zero-width and tags dropped, look-alikes left. */
struct str text_normalize(struct arena *arena, struct str text, size_t ceiling);
/* Confusable skeleton (UTS 39) by ICU. */
struct str text_skeleton(struct arena *arena, struct str text);
#endif
