/*
 * event_log.h: the message log. One event per recipient with its findings: JSON lines, journald fields, and a text profile shaped like Postfix's
 * (pflogsumm counts it right; the page's address stands in a field of its own). Written by a thread of its own from a bounded queue:
 * when that is full the caller waits, so no event is lost while the process lives. Only when a file cannot be written (a full disk) are events
 * dropped once the queue is full: that is said in the process's own log with their number, and mail flows on.
 *
 * JSON: one object on a line, in this order; what is empty or 0 is left out. Names and values stay as they are.
 *   time          of the event, "2026-11-24T14:11:00.123Z"
 *   event         connect-refused auth-refused refused quarantined accepted delivered deferred bounced expired frozen delay-notice removed held released quarantine-released incomplete
 *   status        of the recipient after it: rejected (5xx), delayed (4xx of a policy: come again), not-accepted (4xx of the moment, or the
 *                 transaction was cut off), accepted, delivered, bounced, queued, queue-frozen, queue-expired, queue-removed
 *   reference     of the message or the refusal, as in the reply
 *   service       mx submission submissions
 *   client_ip client_port helo
 *   tls           of the client's session; in rows of a delivery, of the next hop's
 *   sender recipient       of the envelope; sender is left out for the null sender
 *   recipients    number of them in the message
 *   domain        the recipient's
 *   account       of outgoing mail: its login, or what was tried as one
 *   identity      of an account with many users: which of them
 *   mechanism     of AUTH
 *   spf           what SPF says of the sender: pass fail softfail neutral none temperror permerror
 *   standing      why the client was not greylisted
 *   dkim dmarc    what they say of the message: "pass example.org"; pass fail none temperror
 *   subject from message_id    of the header
 *   size          bytes
 *   quarantine    number of the copy that is kept for the recipient
 *   reason        that decided: an id of reasons.def
 *   action        what was done
 *   reply         ours, without CR LF
 *   why           address of the page that explains it
 *   host remote_reply dsn attempts    of the delivery: next hop, its words, enhanced status code, attempts so far
 *   tls_policy    of the delivery: which TLS policy held, why, and what met it
 *   next_try      like time; for a greylisted recipient: when a retry is welcome
 *   delay_ms      since the message was received
 *   findings      [{"reason": …, "evidence": …}, …], all of them
 * Bytes that are no UTF-8 read as U+FFFD; a text is cut at 8 KB. The journal has the same as POSTERN_<NAME>, but for the findings.
 */
#ifndef STORE_EVENT_LOG_H
#define STORE_EVENT_LOG_H

#include "catalog/reason.h"
#include "net/ip.h"
#include "policy/finding.h"

struct event_log;

enum event_kind {
    EVENT_CONNECT_REFUSED, /* no recipient: limits at connect, PIPELINED_TOO_EARLY */
    EVENT_AUTH_REFUSED,    /* a login that failed, or was not tried: no recipient */
    EVENT_REFUSED,         /* status rejected (5xx) or deferred by us (4xx: not-accepted / delayed) */
    EVENT_ACCEPTED,        /* queued */
    EVENT_DELIVERED, EVENT_DEFERRED /* by the next hop */, EVENT_BOUNCED, EVENT_EXPIRED, EVENT_FROZEN, EVENT_DELAY_NOTICE,
    EVENT_REMOVED, EVENT_HELD, EVENT_RELEASED /* by the operator */,
    EVENT_QUARANTINED,     /* kept back for the recipient; with a reply the sender was refused all the same */
    EVENT_QUARANTINE_RELEASED, /* it is in the queue now */
    EVENT_INCOMPLETE       /* a transaction ended without a message: QUIT, lost connection */
};

struct event { /* all borrowed for the call */
    enum event_kind kind;
    int64_t wall_ms;
    struct str reference;        /* of the message, or of the refusal */
    struct str service;          /* "mx", "submission", "submissions" */
    struct ip client_ip;
    uint16_t client_port;
    struct str helo, tls;        /* tls: tls_describe() or "" */
    struct str sender, recipient, domain;
    struct str account, identity, mechanism;
    struct str spf, standing;
    struct str dkim, dmarc;      /* "pass example.org"; "fail"; "" not made out */
    struct str subject, from, message_id;
    uint64_t size;
    size_t recipient_count;
    enum reason reason;          /* that decided; REASON_NONE */
    struct str reply;            /* ours, for refusals: without CR LF */
    struct str why;              /* address of the page; "" */
    const struct findings *findings; /* all of them, may be NULL */
    const char *action;
    /* delivery */
    struct str host, remote_reply;
    uint32_t attempts;
    int64_t quarantine_id;       /* number of the copy in quarantine; 0: none */
    int64_t next_try_ms, delay_ms; /* delay: since received */
    struct str dsn;              /* enhanced status */
    struct str tls_policy;
    /* beside these, for the rows of the store (message_log.h) alone */
    int64_t tenant_id, domain_id, account_id; /* whom the row belongs to; 0: the operator */
    struct str direction;        /* "in", "out", "own"; "": by service */
    struct str client_name;      /* the PTR, proven */
    struct str to, cc, attachments; /* of the header: addresses, separated by ", "; names, by LF */
    struct str main_class, sub_class, extra_class; /* product.md §4; "": by reason and findings */
    double score;
};

struct message_log;

/* Paths may be "": off. NULL with the reason in ERROR. HOST_NAME and the process id stand in the text lines. */
struct event_log *event_log_open(const char *json_path, const char *text_path, bool journal, const char *host_name, struct buf *error);
void event_log_reopen(struct event_log *l); /* after logrotate; asynchronous */
void event_log_close(struct event_log **l); /* writes what waits */
void event_log_add(struct event_log *l, const struct event *e);
/* Events also go to ROWS from now on, which must outlive the log. Before the first event. */
void event_log_also(struct event_log *l, struct message_log *rows);
void event_log_flush(struct event_log *l);  /* waits until written */

#endif
