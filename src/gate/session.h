/*
 * session.h: one SMTP session and the transaction in it. Kept small while idle: what belongs to a message is allocated with MAIL
 * and given back with the message.
 */
#ifndef GATE_SESSION_H
#define GATE_SESSION_H

#include "auth/sasl.h"
#include "gate/gate.h"
#include "net/stream.h"
#include "smtp/client.h"
#include "smtp/command.h"
#include "smtp/dot.h"

/* What a command handler wants next. */
enum session_next {
    SESSION_GO_ON,    /* read the next command */
    SESSION_WAIT,     /* parked or in another state: the state machine looks again */
    SESSION_CLOSE     /* say what is queued, then close */
};

enum session_state {
    SESSION_PROXY,     /* a PROXY header must come first */
    SESSION_QUIET,     /* the client must be silent until the banner */
    SESSION_HANDSHAKE, /* TLS */
    SESSION_COMMAND,
    SESSION_AUTH,      /* the next line belongs to an AUTH exchange */
    SESSION_SKIP_LINE, /* an over-long command line, until its end */
    SESSION_DATA,
    SESSION_CHUNK,     /* inside BDAT */
    SESSION_DROP_CHUNK, /* inside a BDAT that has no transaction: its octets are read and dropped */
    SESSION_LINGER     /* said goodbye; reading off what the client still sends, so that it can read our answer */
};

struct recipient {
    struct rcpt_args args;
    const struct domain *domain; /* in the transaction's runtime; NULL: not ours */
    const struct policy *policy; /* the same: the mailbox's, its domain's, or the operator's where it is not ours */
    struct list_scope scope;     /* whose lists count; borrows from args */
    bool allowed;                /* sender allow list */
    bool skips_content;          /* by the client's network */
    bool role;                   /* postmaster@, abuse@ */
    bool ours;                   /* the postmaster of this gateway itself */
    bool is_return;              /* SRS: it goes back to whom we forwarded for, wherever that is */
    bool lacks_tag;              /* BATV: a bounce to an address that we have not given out */
    uint64_t own_authors;        /* lists_own_authors() */
    uint64_t own_rules;          /* rules_fingerprint() */
    struct reason_set skips;     /* checks that a rule lets it be spared, as far as the envelope decides */
    struct findings *findings;   /* owned; what was found before the message, may be NULL */
    int64_t quarantine_id;       /* of the copy that is kept; 0: none */
    char *standing;              /* owned; why it was not greylisted, NULL: it was not asked */
};

struct authentication; /* authentication.h */
struct message_texts; /* message_texts.h */
struct cut_through; /* cut_through.h */
struct lookup;      /* lookup.h */
struct client_lookup; /* lookup_client.h */
struct outgoing;    /* outgoing.h */
struct outgoing_turn;

struct transaction {
    struct gate_runtime *runtime; /* owned reference: domains and settings of this message */
    struct mail_args mail;
    char reference[REFERENCE_LEN + 1];
    struct recipient **recipients; /* owned */
    size_t count, room;
    uint64_t size_limit;           /* smallest of the recipients' domains */
    uint64_t fingerprint;          /* of the settings that decide, of the first recipient */
    struct blob *body;
    struct dot_decoder dot;
    int64_t data_deadline_ms;
    uint64_t chunk_left;           /* BDAT: octets still to come */
    bool chunk_last, chunked;      /* BDAT was used */
    bool too_large, broken, busy;  /* broken: memory or disk failed; the rest is read and dropped */
    bool lost_fields;              /* forged results were taken out */
    bool no_room;                  /* broken, since the disk is full */
    struct cut_through *cut;
    struct lookup *lookup;         /* NULL: nothing is asked */
    struct authentication *authentication; /* NULL: not made out */
    struct outgoing_turn *turn;    /* NULL: no account's mail */
    char *message_id;              /* owned; that we gave it, where it had none */
    struct message_texts *texts;   /* for the log; NULL: not made yet */
    struct reputation_facts *origins; /* owned; NULL: not made out */
    bool is_proven;                /* of them a sender or signer */
    struct rule_budget envelope_rules, message_rules; /* work that custom rules may still make: at RCPT, at DATA */
    bool is_counted;               /* in the reputation of its origins, or an attempt of it was */
};

struct session {
    struct waiter_item item;
    struct stream stream;
    struct gate *gate;
    struct gate_runtime *runtime; /* owned reference */
    struct client_facts client;
    char *helo;                   /* owned; client.helo looks at it */
    struct client_lookup *asked;  /* what DNS says of the client; NULL: nothing was asked */
    struct findings *findings;    /* owned; found before RCPT and kept for it; NULL: none */
    struct transaction *tx;       /* NULL between messages */
    struct sasl *sasl;            /* owned; an AUTH exchange under way; NULL: none */
    struct outgoing *outgoing;    /* owned; whose mail it is; NULL: nobody's account */
    int64_t started_ms;
    int64_t until_ms;             /* end of the TLS handshake, or of lingering */
    uint32_t linger_bytes;
    uint64_t drop_left;           /* octets of a refused BDAT still to come */
    enum reason drop_answer;      /* and what it is answered with */
    uint16_t unknown_commands, syntax_errors, invalid_recipients;
    uint32_t messages;
    unsigned ip_skips;            /* enum list_skip */
    enum session_state state;
    enum service service;
    bool admitted;                /* counted in the concurrency of its address */
    bool greeted, closing, started_tls, said_quit;
    bool paused;                  /* commands wait in the buffer until our answers are read */
    bool half_header;             /* a part of the PROXY header is there: poll() would announce it without end */
    bool shed;                    /* turned away for want of descriptors: none is spent on seeing it off */
};

/* session.c */
void session_start(struct gate *g, int fd, enum service service, const struct endpoint *peer);
const struct policy *session_policy(const struct session *s); /* system level */
const char *gate_authserv_id(const struct session *s);         /* our name in Authentication-Results */
void session_reset_transaction(struct session *s);
void recipient_free(struct recipient *r);
void session_handshake(struct session *s, SSL *ssl); /* takes SSL */

/* admission.c: limits by address, before the banner. Answers itself when it says no. */
bool session_admit(struct session *s);
void session_leave(struct session *s);

/* answer.c */
enum session_next answer(struct session *s, enum reason r);
enum session_next answer_detail(struct session *s, enum reason r, const char *detail);
enum session_next answer_finding(struct session *s, const struct finding *f, const char *reference);
enum session_next answer_close(struct session *s, enum reason r, const char *detail); /* then close */
enum session_next answer_long(struct session *s, enum reason r, struct str detail); /* of more octets than a finding holds */
void answer_text(struct session *s, const struct finding *f, const char *reference, struct buf *out); /* the reply's bytes, not sent */

/* One per command. */
enum session_next command_run(struct session *s, struct str line);
enum session_next cmd_hello(struct session *s, enum verb verb, struct str args);
enum session_next cmd_mail(struct session *s, struct str args);
enum session_next cmd_rcpt(struct session *s, struct str args);
enum session_next cmd_data(struct session *s, struct str args);
enum session_next cmd_bdat(struct session *s, struct str args);
enum session_next cmd_starttls(struct session *s, struct str args);
enum session_next cmd_xclient(struct session *s, struct str args);
/* cmd_auth.c */
enum session_next cmd_auth(struct session *s, struct str args);
enum session_next auth_read(struct session *s);
bool auth_is_offered(const struct session *s);
bool auth_offers(const struct session *s, enum sasl_mechanism m);
struct offered session_offered(const struct session *s);

/* data.c: octets of the message */
enum session_next data_read(struct session *s);
enum session_next chunk_read(struct session *s);
enum session_next chunk_drop(struct session *s);

/* message.c: all octets are here; judges, makes durable, answers */
enum session_next message_end(struct session *s);

/* complete_header.c: Date and Message-ID of outgoing mail that lacks them go into the body. False: memory or disk failed. */
bool complete_header(struct session *s) __attribute__((warn_unused_result));

/* trace.c: our trace fields for the message, and where it leaves by us its signatures. NULL: out of memory, or a key failed. */
/* The message's envelope for some of its recipients, without header and body; NULL out of memory. */
struct spool_message *message_envelope(const struct session *s, const struct scan_report *report, const struct recipient *const *recipients, size_t count);
struct blob *trace_header(const struct session *s, const struct findings *tags, const struct scan_report *report);

/* events.c */
void event_refused(struct session *s, const struct finding *f, const char *reference, const struct address *recipient,
                   const struct findings *all, const struct scan_report *report);
void event_auth_refused(struct session *s, const struct finding *f, const char *reference, struct str login, const char *mechanism);
/* A copy is kept for R; IS_REFUSED: its sender was refused. */
void event_quarantined(struct session *s, const struct finding *f, const struct recipient *r, const struct findings *all, const struct scan_report *report, bool is_refused);
void event_accepted(struct session *s, const struct recipient *r, const struct findings *all, const struct scan_report *report);
/* A copy for TO of a message that was taken for DOMAIN; ACTION says which. */
void event_copied(struct session *s, const struct address *to, struct str domain, const char *action, const struct scan_report *report);
void event_delivered(struct session *s, const struct recipient *r, const char *host, const struct smtp_reply *reply); /* cut-through */
void event_incomplete(struct session *s);

#endif
