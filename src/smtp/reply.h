/*
 * reply.h: a remote server's reply, read as hostile input: bounded lines, bounded length, code and enhanced code
 * taken apart (RFC 5321 §4.2, RFC 2034).
 */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "base/str.h"

enum { REPLY_TEXT_MAX = 1000, REPLY_LINES_MAX = 128, REPLY_LINE_MAX = 4096 };

struct smtp_reply {
    int code;                      /* 200…599 */
    char enhanced[12];             /* "5.1.1", or "" */
    char text[REPLY_TEXT_MAX + 1]; /* all lines with their codes, joined by "\n", printable, cut at the ceiling: for Diagnostic-Code */
};

enum reply_result { REPLY_DONE, REPLY_MORE, REPLY_MALFORMED };

struct reply_parser {
    struct smtp_reply *reply;
    size_t lines, text_len;
};
void reply_parser_init(struct reply_parser *p, struct smtp_reply *into);
/* Feeds INPUT; *USED octets were consumed. EACH (may be NULL) sees every line's text behind the code: EHLO keywords.
 * Lines that end in bare LF are accepted; different codes within one reply are malformed. */
enum reply_result reply_parse(struct reply_parser *p, struct str input, size_t *used,
                              void (*each)(void *arg, struct str text), void *arg);
/* The text with its lines joined by blanks: for where one line is all there is. TO holds REPLY_TEXT_MAX + 1. */
void reply_one_line(const struct smtp_reply *reply, char *to);

#endif
