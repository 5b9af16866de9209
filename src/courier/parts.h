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

enum { CONNECTIONS_AT_FIRST = 5, MESSAGES_PER_CONNECTION = 100, MOST_CACHED = 8, BACK_OFF_MS = 30000, HOST_TEXT_MAX = 300 };
enum { RECIPIENTS_AT_ONCE = 100, /* RFC 5321 §4.5.3.1.8: every server takes so many */
       GOOD_WORD_MS = 10000 };   /* so long a delivery that went well speaks for a destination */

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
    bool is_verified;          /* in TLS with a good certificate, and offers REQUIRETLS */
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
    unsigned worker_count;
    pthread_t *workers, clock;
    pthread_mutex_t lock;      /* guards all below, and the destinations */
    pthread_cond_t work;
    struct hash_table destinations;
    struct list runnable, all;
    struct job **heap;         /* deferred ones, the next due first */
    size_t heap_count, heap_room, job_count;
    unsigned waiting;          /* workers without work */
    bool started, stopping, cut;
    int *sockets;              /* descriptor each worker speaks on, -1: none; for cutting off */
    _Atomic uint64_t delivered, deferred, bounced;
};

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
    bool host_is_down;             /* nobody answered at all: */
    struct outcome trouble;        /* says why */
    char host[HOST_TEXT_MAX];      /* the hop tried last; "": none was */
    unsigned worker;
};
void delivery_attempt(struct attempt *a);
void connection_close(struct connection **c, bool politely);
bool connection_may_be_kept(const struct connection *one); /* it has not carried its share yet */
/* Opens a connection to DOMAIN's first hop that answers; on failure WHY tells. HOST (HOST_TEXT_MAX) gets the hop tried last. */
struct connection *connection_open(struct courier *c, const struct settings *settings, const struct policy *p, struct str domain, bool requiretls,
                                   int64_t deadline_ms, unsigned worker, char *host, struct outcome *why);

/* conclude.c: outcomes into the spool, the log and reports. Gives the job back to the schedule, or ends it. */
void conclude(struct courier *c, struct settings *settings, const struct policy *p, struct job *job, const struct outcome *out, const char *host);

/* The job is no longer busy: it waits for its next time, but not before NOT_BEFORE_MS, or ends. First what was ordered meanwhile is done. */
void reschedule(struct courier *c, struct settings *settings, struct job *job, int64_t not_before_ms);
/* An attempt that could not even be begun (out of memory): the job waits for a moment. */
void conclude_nothing(struct courier *c, struct job *job);

/* control.c: does with a job that is ours what operators asked of it while it was busy. The lock is not held. */
void orders_follow(struct courier *c, struct settings *settings, struct job *job, const json_t *orders);

/* queue.c; all under the lock */
struct destination *destination_get(struct courier *c, struct str domain);
void destination_let_go(struct courier *c, struct destination *d);
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

#endif
