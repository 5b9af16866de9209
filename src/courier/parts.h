/*
 * parts.h: what the files of the courier share. A job is one message on its way to one destination (the domain of its recipients);
 * only the thread that holds a job touches those recipients' state.
 */
#ifndef COURIER_PARTS_H
#define COURIER_PARTS_H

#include "base/hash.h"
#include "base/list.h"
#include "courier/courier.h"
#include "catalog/schedule.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

enum { CONNECTIONS_AT_FIRST = 5, MESSAGES_PER_CONNECTION = 100, MOST_CACHED = 8, BACK_OFF_MS = 30000, HOST_TEXT_MAX = 300, TLS_POLICY_MAX = 1600 };
enum { RECIPIENTS_AT_ONCE = 100, /* RFC 5321 §4.5.3.1.8: every server takes so many */
       GOOD_WORD_MS = 10000,     /* so long a delivery that went well speaks for a destination */
       SLOW_MS = 2000 };         /* an attempt that takes longer is in slow hands: another worker takes its place */

struct destination;

struct job {
    struct list list;          /* in its destination's queue, or alone */
    struct list all;           /* of the courier */
    struct spool_message *m;   /* owned reference */
    struct destination *to;
    uint32_t *recipients;      /* owned: indexes into m->recipients */
    size_t count;
    int64_t due_ms;            /* wall clock; while deferred */
    size_t heap_at;            /* index + 1 in the courier's heap; 0: not in it */
    json_t *late_orders;       /* owned, or NULL: requests that came while it was busy, followed after the attempt (control.c) */
    bool busy;                 /* a worker has it: its recipients' states are that thread's alone, with or without the lock */
};

/* An open connection to a destination. */
struct connection {
    struct list list;
    struct smtp_client client;
    char host[HOST_TEXT_MAX];  /* "mx.example.net[192.0.2.1]:25" */
    int64_t idle_since_ms;     /* monotonic */
    bool is_verified;          /* proven to be a server of the destination, in TLS, and offers REQUIRETLS */
    bool is_relaxed;           /* opened for mail that says TLS-Required: No, against the destination's own policy: for such mail only */
    char policy[TLS_POLICY_MAX]; /* security_describe() */
};

struct destination {
    struct hash_node node;
    char domain[256];
    struct list queue, runnable, idle; /* jobs; link in the courier's list; connections */
    size_t queued, idle_count;
    unsigned active, limit, successes, failures; /* in a row */
    int64_t last_success_ms;   /* monotonic; 0: none yet */
    size_t shape;              /* for the table of `queue top`: index + 1 while it is made */
    unsigned users;            /* jobs anywhere, and workers: at 0 with nothing cached it may go */
    int64_t back_off_until_ms; /* monotonic */
    char trouble[512];         /* why it is backed off */
    enum reason trouble_reason;
};

struct courier {
    struct courier_parts parts;
    struct callouts *callouts; /* hear what destinations say of recipients; set before the start, NULL: nobody does */
    struct smtp_trace trace;   /* hears all that is said; for commands that show a dialogue */
    unsigned most_workers;     /* room in the arrays below */
    unsigned usual_workers;    /* so many deliveries at once, besides those in slow hands */
    pthread_t *workers, clock; /* workers: guarded like what follows */
    atomic_bool *in_doubt;     /* of each worker: its message is on its way */
    pthread_mutex_t lock;      /* guards all below, and the destinations */
    pthread_cond_t work;
    struct hash_table destinations;
    struct list runnable, all;
    struct job **heap;         /* deferred ones, the next due first */
    size_t heap_count, heap_room, job_count;
    unsigned worker_count, gone; /* started; and ended, at the stop */
    unsigned waiting;          /* workers without work */
    unsigned slow;             /* workers in slow hands, when the clock looked last; and what follows from it: */
    enum pressure { PRESSURE_NONE, PRESSURE_SOME /* half the usual number */, PRESSURE_HIGH /* three quarters of all there may be */ } pressure;
    struct list leaving;       /* connections that have said QUIT (retire.c) */
    size_t leaving_count;
    bool started, stopping, workers_gone;
    atomic_bool cut;           /* no new connections */
    int *sockets;              /* descriptor each worker speaks on, -1: none; for cutting off */
    int64_t *since_ms;         /* monotonic: each worker's attempt began; 0: it is in none */
    _Atomic uint64_t delivered, deferred, bounced;
};

/* What a message asks for (RFC 8689). */
enum tls_wish {
    TLS_WISH_NONE,
    TLS_WISH_REQUIRED, /* REQUIRETLS: protected all the way, or not at all */
    TLS_WISH_OPTIONAL  /* TLS-Required: No: what the destination publishes must not stand in its way */
};
/* wish.c */
enum tls_wish message_wish(const struct spool_message *m, struct str body);

/* What became of one recipient. */
enum outcome_kind { OUTCOME_DELIVERED, OUTCOME_DEFERRED, OUTCOME_FAILED };
struct outcome {
    enum outcome_kind kind;
    enum reason reason;        /* DELIVERED, DELIVERY_… */
    char status[12];           /* enhanced status for DSN and log */
    char text[512];            /* the remote's words, or ours */
    bool is_remote;            /* text came from the remote: Diagnostic-Code: smtp; */
    bool hop_has_dsn;          /* it took over our DSN duties */
    bool is_final_hop;         /* LMTP: it lies in the mailbox */
};

/* outcome.c */
struct outcome outcome_of_reply(const struct smtp_reply *reply, bool is_lmtp);
struct outcome outcome_local(enum outcome_kind kind, enum reason reason, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* delivery.c: one attempt. Fills OUT for all of the job's recipients. True when the connection may be used again. */
struct attempt {
    struct courier *courier;
    struct settings *settings;
    const struct policy *policy;
    struct job *job;
    struct connection *connection; /* NULL at first: a cached one, or one is opened */
    struct outcome *out;
    bool is_slow;                  /* it was there, and stopped answering in the middle */
    bool host_is_down;             /* nobody answered at all: */
    struct outcome trouble;        /* says why */
    enum tls_wish wish;
    char host[HOST_TEXT_MAX];      /* the hop tried last; "": none was */
    char tls[128], tls_policy[TLS_POLICY_MAX]; /* of the session last used: for the log */
    unsigned worker;
};
void delivery_attempt(struct attempt *a);
bool connection_may_be_kept(const struct connection *one); /* it has not carried its share yet */
/* Opens a connection to DOMAIN's first hop that answers; on failure WHY tells. HOST (HOST_TEXT_MAX) gets the hop tried last. */
struct connection *connection_open(struct courier *c, const struct settings *settings, const struct policy *p, struct str domain, enum tls_wish wish,
                                   int64_t deadline_ms, unsigned worker, char *host, struct outcome *why);

/* The same among COUNT hops that are known, from *AT on, which ends behind the one that was opened. */
struct connection *connection_open_among(struct courier *c, const struct settings *settings, const struct policy *p, struct str domain,
                                         const struct hop *hops, size_t count, size_t *at, enum tls_wish wish, int64_t deadline_ms, unsigned worker,
                                         char *host, struct outcome *why);

/* retire.c. Drop closes at once; retire says QUIT first and leaves the rest to the clock. Neither waits. The lock is not held. */
void connection_drop(struct connection **c);
void connection_retire(struct courier *c, struct connection **one);
bool retired_look(struct courier *c); /* the clock: closes those that are through. True: some still wait */

/* conclude.c: an attempt's outcomes into the spool, the log and reports. Gives the job back to the schedule, or ends it. */
void conclude(const struct attempt *a);

/* The job is no longer busy: it waits for its next time, but not before NOT_BEFORE_MS, or ends. First what was ordered meanwhile is done. */
void reschedule(struct courier *c, struct settings *settings, struct job *job, int64_t not_before_ms);
/* An attempt that could not even be begun (out of memory): the job waits for a moment. */
void conclude_nothing(struct courier *c, struct job *job);

/* control.c: does with a job that is ours what operators asked of it while it was busy. The lock is not held. */
void orders_follow(struct courier *c, struct settings *settings, struct job *job, const json_t *orders);

/* queue.c; all under the lock */
struct destination *destination_get(struct courier *c, struct str domain);
void destination_let_go(struct courier *c, struct destination *d);
bool pressure_measure(struct courier *c);                         /* true: it has changed, so all destinations want a check */
/* May one more courier go there? Under some pressure a destination that has no good delivery to show gets one courier; under high pressure
 * none, so that those who deliver well are not kept from it by however many who do not. */
bool destination_has_room(const struct courier *c, const struct destination *d);
void destination_check(struct courier *c, struct destination *d); /* into or out of the runnable list */
void job_queue(struct courier *c, struct job *job);               /* ready now */
bool job_defer(struct courier *c, struct job *job, int64_t due_ms);
void job_take_out(struct courier *c, struct job *job);            /* of queue and heap */
void job_end(struct courier *c, struct job *job);
struct job *heap_first(struct courier *c);

/* dsn.c */
enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_RELAYED, DSN_DELIVERED };
struct dsn_recipient {
    const struct spool_recipient *recipient;
    const struct outcome *outcome;
    enum dsn_action action;
    const char *host;
};
/* A report on M to its sender, with one reference (the caller's); NULL out of memory, or where the sender is null. */
struct spool_message *dsn_build(const struct settings *settings, const struct spool_message *m, const struct str body,
                                const struct dsn_recipient *list, size_t count, int64_t now_ms, int64_t give_up_ms);
/* Signs a report (DKIM) where there are keys for its author's domain. NULL is fine. Returns it; one that cannot be signed goes without. */
struct spool_message *dsn_sign(const struct courier *c, const struct settings *settings, struct spool_message *report);

#endif
