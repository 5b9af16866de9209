/*
 * gate.h: the SMTP server: listeners, sessions, and what they share. A session belongs to one thread at a time
 * (net/waiter.h); what is shared is either immutable and reference counted (the runtime) or locks inside.
 */
#ifndef GATE_GATE_H
#define GATE_GATE_H

#include "auth/dkim_key.h"
#include "auth/dkim_sign.h"
#include "base/process.h"
#include "catalog/settings.h"
#include "courier/courier.h"
#include "spool/aside.h"
#include "net/dns.h"
#include "net/dnsbl.h"
#include "net/tls.h"
#include "net/waiter.h"
#include "policy/facts.h"
#include "policy/large_senders.h"
#include "policy/lists.h"
#include "policy/rules.h"
#include "scan/scan.h"
#include "spool/spool.h"
#include "store/account_limits.h"
#include "store/accounts.h"
#include "store/counters.h"
#include "store/denials.h"
#include "store/db.h"
#include "store/dmarc_tally.h"
#include "store/event_log.h"
#include "store/greylist.h"
#include "store/reputation.h"
#include "store/quarantine.h"

#include <pthread.h>
#include <stdatomic.h>

/* What a reload exchanges as a whole. Sessions take it at connect and anew at each MAIL. */
struct gate_runtime {
    atomic_uint refs;
    struct settings *settings; /* owned reference */
    struct lists *lists;       /* owned */
    struct rules *rules;       /* owned */
    int64_t lists_until_ms;    /* wall clock: then an entry expires */
    struct dnsbl *dnsbl;       /* owned reference */
    struct large_senders *large_senders; /* owned */
    struct tls_server *tls;    /* owned reference; NULL: none could be loaded, or none is set */
    bool tls_configured;
    char host[256];            /* our name */
    char why_url[160];
};

/* NULL with the reason in ERROR. TLS may be NULL; both references are taken. STORE (may be NULL) has lists and rules, too. */
struct gate_runtime *gate_runtime_new(struct settings *take, struct tls_server *take_tls, struct db *store, struct buf *error);
struct gate_runtime *gate_runtime_ref(struct gate_runtime *r);
void gate_runtime_unref(struct gate_runtime *r);

struct gate_parts { /* borrowed, must outlive the gate */
    struct waiter *waiter;
    struct spool *spool;
    struct scan_pool *scan;
    struct event_log *log;
    struct courier *courier;
    struct counters *counters;
    struct dns *dns;
    struct callouts *callouts;
    const struct secrets *secrets;
    struct greylist *greylist;
    struct reputation *reputation;
    struct quarantine *quarantine;
    struct dkim_signer *signer;
    struct dmarc_tally *dmarc_tally;
    struct accounts *accounts;
    struct limits *limits;
    struct tls_client *tls;     /* to servers that passwords are kept at */
    struct password_checker *passwords;
    struct denials *denials;
};

struct gate {
    struct gate_parts parts;
    pthread_mutex_t lock; /* guards `runtime` */
    struct gate_runtime *runtime;
    atomic_uint sessions;
    atomic_int descriptors; /* sessions get those below this one; the rest is for deliveries, message files and the queue */
    long long told_sessions; /* max_sessions that the log has been told is too much; for who swaps */
    atomic_bool stopping;
    atomic_uint waiting; /* workers that wait for a destination (cut_through.c) */
    atomic_uint asking;  /* workers that wait for the DNS (lookup.c) */
    _Atomic uint64_t accepted_messages, given[REASON_COUNT]; /* answers by reason */
    _Atomic uint64_t limited_rules;      /* conditions of custom rules that took too much work, and so did not match */
    const char *spool_directory; /* owned */
    struct aside *aside;         /* owned */
    struct key_cache *keys;      /* owned; of DKIM and ARC */
};

struct gate *gate_new(const struct gate_parts *parts, struct gate_runtime *take);
void gate_swap(struct gate *g, struct gate_runtime *take);
struct gate_runtime *gate_take(struct gate *g); /* referenced */
/* Is FD, a connection just taken, past what sessions may use? The kernel gives the lowest free number, so FD tells how many are in use. */
bool gate_is_short(const struct gate *g, int fd);
/* Serves connections from FD (taken). */
bool gate_listen(struct gate *g, int fd, enum service service) __attribute__((warn_unused_result));
void gate_stop(struct gate *g); /* no new connections; sessions are told by the waiter's drain */
void gate_free(struct gate **g);

#endif
