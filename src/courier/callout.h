/*
 * callout.h: asks the server of an address whether it exists: MAIL FROM:<>, RCPT TO, QUIT, without a message. For recipients before mail is taken for
 * them (by the domain's routes), and for senders (by their MX). What is learned is kept within bounds: positive, negative, and for a domain whether
 * it takes any address (catch-all). One question at a time for one address, whoever asks; so many at once for one destination.
 */
#ifndef COURIER_CALLOUT_H
#define COURIER_CALLOUT_H

#include "courier/courier.h"

#include <jansson.h>

enum callout_kind { CALLOUT_RECIPIENT, CALLOUT_SENDER };
enum callout_result {
    CALLOUT_UNKNOWN, /* down, or it would not say at present */
    CALLOUT_YES,
    CALLOUT_NO
};

struct callout_answer {
    enum callout_result result;
    bool is_fresh;         /* asked now, by us or by who asked the same just then */
    bool is_catch_all;     /* its domain takes any address */
    bool is_known;         /* with UNKNOWN: it was valid when it was last asked about, so its mail may be queued */
    bool is_down;          /* with UNKNOWN: nobody answered at all */
    int64_t asked_ms;      /* wall clock */
    char text[256];        /* the destination's words, or ours where it had none; one line */
    char enhanced[12];     /* its enhanced code, or "" */
    char host[300];
};

struct callouts;
struct callouts *callouts_new(struct courier *c, size_t most); /* MOST addresses are remembered; NULL out of memory */
void callouts_free(struct callouts **c);

/* Blocks for callout_timeout at most, and not at all unless MAY_ASK: then only what is known counts. */
void callout_ask(struct callouts *c, const struct settings *settings, const struct address *who, enum callout_kind kind, bool may_ask,
                 struct callout_answer *out);
/* One question as above, past everything that is remembered, and nothing of it is; for `postern callout test`. */
void callout_ask_now(struct courier *c, const struct settings *settings, const struct address *who, enum callout_kind kind, struct callout_answer *out);

/* Forgets what does not exist: an owner may just have added it. */
void callouts_forget_negative(struct callouts *c);
/*
 * What the destination of one of our domains said to RCPT when a message really went there: 2xx, or 5.1.1; other answers may be about anything. So addresses
 * that get mail need not be asked about. Remembered where the domain asks (recipient_callout). C may be NULL.
 */
void callouts_hear(struct callouts *c, const struct settings *settings, const struct address *who, int code, const char *enhanced, const char *text);

/* Positive answers outlive the process: read from PATH, one line each, and written there by a thread of its own some seconds after they changed. False
 * with errno: they cannot be kept. */
bool callouts_keep(struct callouts *c, const char *path) __attribute__((warn_unused_result));
void callouts_keep_stop(struct callouts *c); /* writes what has changed; once */

/* {"verb": "show|clear", "what": domain, address or "", "limit": N} -> {"ok": true, "rows": […]} or {"ok": true, "cleared": N}. */
json_t *callouts_control(struct callouts *c, const json_t *request);

#endif
