/*
 * line.h: lines of bytes that somebody else owns, for the readers of bodies. A line ends in LF; a CR before it belongs to the ending.
 */
#ifndef MAIL_LINE_H
#define MAIL_LINE_H

#include "base/str.h"

#include <string.h>

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Octets of the first line, its LF included; all of S when there is none. */
static inline size_t line_size(struct str s)
{
    const char *lf = s.len ? memchr(s.at, '\n', s.len) : NULL;
    return lf ? (size_t)(lf - s.at) + 1 : s.len;
}

/* LINE without its ending. */
static inline struct str line_text(struct str line)
{
    if (line.len && line.at[line.len - 1] == '\n')
        line.len--;
    else
        return line;
    if (line.len && line.at[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* The next line with its ending; *REST is advanced. Empty at the end. */
static inline struct str line_take(struct str *rest)
{
    struct str line = {rest->at, line_size(*rest)};

    rest->at += line.len;
    rest->len -= line.len;
    return line;
}

/* Without SP, HT and CR at its end. */
static inline struct str line_trim_end(struct str s)
{
    while (s.len && (is_blank(s.at[s.len - 1]) || s.at[s.len - 1] == '\r'))
        s.len--;
    return s;
}

#endif
