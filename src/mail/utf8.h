/*
 * utf8.h: code points in and out of UTF-8 (RFC 3629), for those who walk text. What is ill-formed becomes U+FFFD, one for each maximal part of a
 * sequence, as the Unicode standard (§3.9) and browsers do it.
 */
#ifndef MAIL_UTF8_H
#define MAIL_UTF8_H

#include "base/str.h"

enum { UTF8_REPLACEMENT = 0xFFFD, UTF8_MAX = 4 };

/* Writes CODE (surrogates and what is above U+10FFFF as U+FFFD); returns the octets written, 1 to 4. */
size_t utf8_put(char *to, uint32_t code);
/* The code point at AT, END behind the text; *AT < END must hold and is advanced. An ill-formed one gives U+FFFD and sets *BAD, if BAD is not NULL. */
uint32_t utf8_next(const char **at, const char *end, bool *bad);
/* How many octets of S are ASCII before the first that is not. */
size_t utf8_ascii_prefix(struct str s);
/* S cut to at most MAX octets, not inside a character. S must be valid. */
struct str utf8_cut(struct str s, size_t max);

#endif
