/*
 * structured.h: what all structured fields are made of (RFC 5322 §3.2, §4): blanks and folds, comments, quoted strings. A cursor over bytes that
 * somebody else owns. Linear and without recursion: a comment or a quoted string that does not end turns its delimiter into an ordinary octet for
 * the rest of the field, which is also what shows most of it to a reader; so no octet is looked at more than a few times.
 */
#ifndef MAIL_STRUCTURED_H
#define MAIL_STRUCTURED_H

#include "base/arena.h"

enum { STRUCTURED_COMMENT_DEPTH_MAX = 32 };

enum structured_defect {
    STRUCTURED_COMMENT = 1,      /* not a defect by itself: one was read */
    STRUCTURED_COMMENT_OPEN = 2, /* does not end, or nests deeper than the ceiling: from there on parentheses are text */
    STRUCTURED_QUOTE_OPEN = 4    /* does not end: from there on quotes are text */
};

struct structured {
    struct str rest;
    unsigned defects; /* enum structured_defect flags */
    bool parentheses_are_text, quotes_are_text;
};

struct structured structured_open(struct str value);
bool structured_is_blank(int c); /* SP, HT, CR, LF */
/* The octet at the cursor, -1 at the end. */
int structured_peek(const struct structured *s);
void structured_advance(struct structured *s, size_t octets);
/* A comment at the cursor is taken; *INSIDE (may be NULL) gets its raw content without the outer parentheses. False when none begins and ends here. */
bool structured_take_comment(struct structured *s, struct str *inside);
/* Blanks, folds and comments; the number of octets. */
size_t structured_skip(struct structured *s);
/* A quoted string at the cursor is taken; *INSIDE gets its raw content. False when none begins and ends here. */
bool structured_take_quoted(struct structured *s, struct str *inside);
/* What RAW (the inside of a quoted string or comment) says: without backslashes of quoted pairs and line ends of folds. In the arena, or RAW itself. */
struct str structured_unquote(struct arena *arena, struct str raw);
/* The same without line ends only. */
struct str structured_unfold(struct arena *arena, struct str raw);

#endif
