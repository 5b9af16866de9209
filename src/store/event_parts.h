/* event_parts.h: what the files of the message log share; nobody else includes it. */
#ifndef STORE_EVENT_PARTS_H
#define STORE_EVENT_PARTS_H

#include "base/buf.h"
#include "store/event_log.h"

enum {
    EVENT_TEXT_MAX = 8 * 1024,          /* bytes of one field; what is longer is cut */
    EVENT_LINE_MAX = 4 * 1024 * 1024    /* bytes of one event, escapes included: more than all fields together can need */
};

/* event_json.c */
const char *event_name(enum event_kind kind);
const char *event_status(const struct event *e);
void event_json(const struct event *e, struct buf *out); /* one line, LF included */
void event_findings_json(const struct findings *list, struct buf *out); /* the array alone */
/* For the journal: "NAME=value" after "NAME=value", each behind its length (uint32_t); the whole behind their count (uint32_t). */
void event_journal(const struct event *e, struct buf *out);

/* event_text.c */
struct event_text_context {
    const char *host_name;
    int process_id;
};
/* What the text says once per message: where it came from and its size; its Message-ID. */
enum event_marks { EVENT_INTRODUCED = 1, EVENT_IDENTIFIED = 2 };
/* Postfix's lines for E, possibly none. FRESH: what has not been said of its message yet and is to be said now. */
void event_text(const struct event *e, const struct event_text_context *context, unsigned fresh, struct buf *out);

/* event_seen.c; its caller locks */
struct event_seen;
struct event_seen *event_seen_new(void); /* NULL out of memory */
void event_seen_free(struct event_seen *seen);
/* Marks the message, and returns those of MARKS that it did not have. */
unsigned event_seen_mark(struct event_seen *seen, struct str reference, unsigned marks);

#endif
