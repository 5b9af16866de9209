/*
 * str.h: a look at bytes that somebody else owns. Mail is bytes: NUL is data here and ends
 * text only at the edge to system calls. Nothing in this file allocates, except str_dup().
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *at; /* may be NULL only when len is 0 */
    size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_FMT "%.*s"
#define STR_ARG(s) ((int)(s).len), ((s).at ? (s).at : "")

struct str str_from(const char *text);              /* NULL gives the empty one */
struct str str_n(const char *at, size_t len);
bool str_eq(struct str a, struct str b);
bool str_eq_case(struct str a, struct str b);       /* ASCII letters only, as SMTP keywords and domains */
bool str_is(struct str a, const char *text);        /* str_eq with a C string */
bool str_is_case(struct str a, const char *text);
bool str_starts(struct str s, struct str prefix);
bool str_starts_case(struct str s, struct str prefix);
bool str_ends_case(struct str s, struct str suffix);
ptrdiff_t str_find(struct str s, char c);           /* index, or -1 */
ptrdiff_t str_find_last(struct str s, char c);
ptrdiff_t str_find_str(struct str s, struct str needle);
struct str str_sub(struct str s, size_t from, size_t len); /* clipped to s */
struct str str_from_index(struct str s, size_t from);
struct str str_trim(struct str s);                  /* SP, HT, CR, LF at both ends */

/* Cuts *rest at the first SEP: returns what stands before it, *rest becomes what stands after
 * (the empty str with at == NULL when there was no SEP). */
struct str str_cut(struct str *rest, char sep);
/* The next run of non-blank bytes (SP, HT separate); empty at the end. */
struct str str_word(struct str *rest);

/* Decimal, no sign, no blanks; false when empty, not a number, or above MAX. */
bool str_to_u64(struct str s, uint64_t max, uint64_t *out) __attribute__((warn_unused_result));

/* A NUL-terminated copy of S in malloc'ed memory (owner: the caller), NULL out of memory. */
char *str_dup(struct str s) __attribute__((warn_unused_result));
/* Copies into a fixed array, cut to fit and always NUL-terminated; false when it was cut or S holds NUL. */
bool str_copy(char *to, size_t size, struct str s);
/* ASCII lower case in place. */
void str_lower(char *at, size_t len);
int ascii_lower(int c);
bool ascii_is_alpha(int c);
bool ascii_is_digit(int c);
bool ascii_is_alnum(int c);
bool utf8_is_valid(struct str s); /* RFC 3629: no overlong forms, no surrogates, at most U+10FFFF */

#endif
