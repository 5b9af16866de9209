/*
 * reason.h: every answer Postern can give, from reasons.def; and the one place that turns a reason
 * into the bytes of a reply. Codes: RFC 5321 §4.2, enhanced codes: RFC 3463 and RFC 2034 §4.
 */
#ifndef CATALOG_REASON_H
#define CATALOG_REASON_H

#include "base/buf.h"
#include "base/str.h"

enum reason {
    REASON_NONE, /* nothing found */
#define REASON(id, ...) REASON_##id,
#include "catalog/reasons.def"
#undef REASON
    REASON_COUNT
};

enum reason_kind { REASON_KIND_PROTOCOL, REASON_KIND_TEMPORARY, REASON_KIND_PERMANENT, REASON_KIND_DELIVERY };
enum reason_stage { STAGE_CONNECT, STAGE_AUTH, STAGE_HELO, STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_ANY, STAGE_COURIER };

enum reason_fixer {
    FIX_NOBODY = 0, FIX_SENDER = 1, FIX_SENDER_ADMIN = 2, FIX_RECIPIENT = 4,
    FIX_RECIPIENT_ADMIN = 8, FIX_OPERATOR = 16, FIX_WAIT = 32
};

/* What happens on a finding, weakest first. DEFER, BOUNCE, DELAY and DELIVER are not for settings. */
enum action {
    ACTION_OFF, ACTION_SCORE, ACTION_TAG, ACTION_QUARANTINE, ACTION_REFUSE,
    ACTION_DEFER, ACTION_BOUNCE, ACTION_DELAY, ACTION_DELIVER, ACTION_NONE
};


struct reason_row {
    const char *id;       /* "SPF_FAILURE", in logs */
    const char *slug;     /* "spf-failure", in addresses */
    enum reason_kind kind;
    enum reason_stage stage;
    int code;             /* SMTP code */
    const char *enhanced; /* "5.7.23", or "" */
    const char *text;
    enum action action;   /* by default */
    int setting;          /* enum setting that governs it, or -1 */
    bool allow_lifts;
    bool quarantined;
    unsigned fixers;      /* enum reason_fixer flags */
    const char *metric;
    bool enforced;        /* does this build give it? Found out by the build from the sources */
};

/* R may be any value but REASON_NONE. The row lives for ever. */
const struct reason_row *reason_row(enum reason r);
/* By id ("SPF_FAILURE", any case, - for _) or slug; REASON_NONE when there is none. */
enum reason reason_find(struct str name);
const char *action_name(enum action a);
const char *reason_stage_name(enum reason_stage s);

/* What a reply's text may need; empty fields read as nothing. */
struct reply_context {
    struct str host;      /* our own name */
    struct str why_url;   /* base address of the public pages */
    struct str reference; /* of this finding, as in the log */
    struct str detail;    /* evidence */
    struct str enhanced;  /* instead of the row's own, where the finding knows better */
    uint64_t seconds;
    uint64_t size;
};

/*
 * Adds the whole reply, CR LF included, to OUT: one line, or several where the detail holds LF
 * (EHLO keywords, a remote server's own lines). Bytes of the detail that have no place in a reply (controls,
 * above 126) become '?'. A policy answer reads "host: text. See address". At most 998 bytes a line.
 */
void reason_reply(struct buf *out, enum reason r, const struct reply_context *context);
/* The row's text alone with its placeholders filled: for logs and reports. */
void reason_text(struct buf *out, enum reason r, const struct reply_context *context);

#endif
