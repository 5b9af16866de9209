/*
 * client.h: an SMTP or LMTP client over one connection, linear and blocking with deadlines; used by courier,
 * cut-through, callouts and tests. Pipelines where the server offers it (RFC 2920). One thread at a time.
 */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include "net/stream.h"
#include "net/tls.h"
#include "smtp/command.h"
#include "smtp/reply.h"

#include <stdatomic.h>

struct smtp_caps {
    bool esmtp, pipelining, eightbitmime, smtputf8, dsn, starttls, chunking, binarymime, requiretls, enhanced_status, size_known;
    uint64_t size;         /* 0: no limit said */
    uint32_t rcpt_max, mail_max; /* LIMITS (RFC 9422); 0: not said */
};

enum client_result {
    CLIENT_OK,        /* the server answered; look at the reply's code */
    CLIENT_TIMEOUT,
    CLIENT_LOST,      /* closed or reset */
    CLIENT_MALFORMED, /* the server's reply was not SMTP */
    CLIENT_TLS_FAILED
};

/* Why there is no TLS. */
enum client_tls_trouble {
    CLIENT_TLS_FINE,
    CLIENT_TLS_NOT_OFFERED,
    CLIENT_TLS_REFUSED,   /* STARTTLS was answered with something other than 220 */
    CLIENT_TLS_HANDSHAKE, /* and the rest as enum tls_trouble */
    CLIENT_TLS_NAME,
    CLIENT_TLS_EXPIRED,
    CLIENT_TLS_UNTRUSTED
};

/* Hears commands and replies (not messages); SAY NULL: nobody does. OURS: what we said. TEXT: a line, or a reply's lines. */
struct smtp_trace {
    void (*say)(void *arg, bool ours, struct str text);
    void *arg;
};

struct smtp_client {
    struct stream stream;
    struct smtp_caps caps;
    struct smtp_reply reply;   /* the last one */
    bool is_lmtp;
    bool used_tls;
    char tls[128];             /* tls_describe(), "" in plaintext */
    char tls_match[64];        /* tls_client_match() */
    enum client_tls_trouble tls_trouble; /* of the last opening; with CHECK_ADVISORY also where the session goes on */
    char tls_why[200];         /* and in words */
    unsigned messages;         /* sent over this connection */
    int64_t reply_ms;          /* time-outs, set by the owner after init */
    int64_t final_reply_ms;
    int64_t until_ms;          /* clock_mono_ms: whatever single replies may take, nothing waits past it; 0: no such end */
    struct smtp_trace trace;
    atomic_bool *in_doubt;     /* borrowed, or NULL: true while a message is on its way, so that a loss would leave its outcome in doubt */
};

struct smtp_client_options {
    const char *helo;           /* our name */
    bool lmtp;
    enum { CLIENT_TLS_NONE, CLIENT_TLS_MAY, CLIENT_TLS_MUST } tls;
    struct tls_demand demand;
    struct tls_client *context;
    int64_t reply_ms, final_reply_ms, until_ms; /* until: of the opening */
    struct smtp_trace trace;
};

/* Takes FD (connected); reads the banner, greets, starts TLS by OPTIONS, greets again. On anything but CLIENT_OK the connection is
 * dead and closed. On CLIENT_OK with reply.code >= 400 the server turned us away. */
enum client_result smtp_client_open(struct smtp_client *c, int fd, const struct smtp_client_options *options) __attribute__((warn_unused_result));
void smtp_client_quit(struct smtp_client *c);  /* QUIT without waiting long, closes */
/* The same without waiting at all: says QUIT; false where nothing is to be waited for. Then, now and then: has it answered, or gone? */
bool smtp_client_say_quit(struct smtp_client *c) __attribute__((warn_unused_result));
bool smtp_client_has_left(struct smtp_client *c);
void smtp_client_close(struct smtp_client *c); /* closes at once */
bool smtp_client_is_alive(struct smtp_client *c); /* idle and still open: nothing to read, no EOF */

struct smtp_client_recipient {
    const struct rcpt_args *args;
    struct smtp_reply reply;   /* to RCPT; then, where accepted, to the message (for LMTP each its own) */
    bool answered;             /* reply is meaningful */
    bool accepted_rcpt;
    bool refused_rcpt;         /* reply is that to its own RCPT, and not 2xx; else perhaps that to MAIL */
};

struct smtp_client_message {
    const struct mail_args *mail;
    struct smtp_client_recipient *rcpts;
    size_t rcpt_count;
    struct str body[4];        /* pieces, sent in order: added header first; CR LF or LF lines */
    size_t body_count;
    bool is_8bit;              /* body holds octets above 127 */
};

/*
 * One transaction, in two hours at most. Only parameters that the server's EHLO offers are sent. Every recipient gets its reply. With no accepted recipient nothing
 * is sent (RSET instead). On results other than CLIENT_OK the connection is closed and recipients without a reply have answered == false;
 * *SENT_FINAL tells whether the final dot had been sent (then a loss leaves the outcome in doubt: try again, RFC 1047).
 */
enum client_result smtp_client_send(struct smtp_client *c, struct smtp_client_message *m, bool *sent_final) __attribute__((warn_unused_result));

/* The same in two steps for cut-through: MAIL and one RCPT at a time, then the body. Each reply is in c->reply. */
enum client_result smtp_client_mail(struct smtp_client *c, const struct mail_args *mail) __attribute__((warn_unused_result));
enum client_result smtp_client_rcpt(struct smtp_client *c, const struct rcpt_args *rcpt) __attribute__((warn_unused_result));
enum client_result smtp_client_body(struct smtp_client *c, const struct str *pieces, size_t count) __attribute__((warn_unused_result));
enum client_result smtp_client_rset(struct smtp_client *c) __attribute__((warn_unused_result));

#endif
