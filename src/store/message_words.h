/*
 * message_words.h: the words of a row of table message, which table message_word is an index of. A word is a run of letters, digits and marks, folded in
 * case and cut at MESSAGE_WORD_MAX octets; a character of a script that writes no blanks (Han, kana, Hangul) is one by itself. Before each word
 * stands its field: s subject, f header From, a attachment names.
 */
#ifndef STORE_MESSAGE_WORDS_H
#define STORE_MESSAGE_WORDS_H

#include "base/str.h"

enum { MESSAGE_WORD_MAX = 40, MESSAGE_WORDS_MAX = 32 /* of one field; more are not found */ };

struct message_word {
    char at[1 + MESSAGE_WORD_MAX]; /* the field, then the word */
    size_t len;
};

/* The next word of *REST, which advances; false at its end. REST is UTF-8. */
bool message_word_next(struct str *rest, char field, struct message_word *out);
/* TEXT folded as words are, the rest as it is, into TO of SIZE octets; what does not fit is cut. Returns the length. */
size_t message_fold(struct str text, char *to, size_t size);

#endif
