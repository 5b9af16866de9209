/*
 * features.h: what the statistical filter sees of a message: a set of numbers, each standing for a token (a word with where it stands), a pair of neighbouring
 * tokens, or a finding. There are two views, what the header says and what the content says, which are judged by themselves: where one of them has been seen
 * often, the other must not stop learning for it. Collected while the message is analysed; linear in it, bounded by FEATURES_MAX, tokens of 40 characters, and so many words of a body.
 */
#ifndef SCAN_CLASSIFY_FEATURES_H
#define SCAN_CLASSIFY_FEATURES_H

#include "base/str.h"

enum feature_view { VIEW_HEADER, VIEW_CONTENT, FEATURE_VIEWS };

enum {
    FEATURES_MAX = 16384,      /* of one view; more are dropped */
    FEATURE_TOKEN_MAX = 40,    /* characters */
    FEATURE_NEIGHBOURS_MAX = 2000, /* words of bodies whose neighbours count */
    FEATURE_WORDS_MAX = 20000  /* words of bodies that count at all */
};

struct features; /* one message's, and the memory for it */
struct features *features_new(void); /* NULL out of memory */
void features_free(struct features **f);
void features_clear(struct features *f);

/* NAME as it stands, VALUE with encoded words decoded and unfolded. */
void features_header(struct features *f, struct str name, struct str value);
/* "type", "charset", …: something about a part. */
void features_part(struct features *f, const char *what, struct str value);
/* For html_read(): a start tag (ATTRIBUTE "") or one of its attributes. ARG is the struct features. */
void features_html(void *arg, struct str tag, struct str attribute, struct str value);
/* Visible text, UTF-8. */
void features_text(struct features *f, struct str text);
/* A finding by its name, perhaps with what it found: "defect" "html-hidden-text". */
void features_finding(struct features *f, const char *what, struct str name);

/* The set of one view: 32-bit hashes, in no order that means anything, none twice; valid until the next change. */
const uint32_t *features_set(const struct features *f, enum feature_view view, size_t *count);

#endif
