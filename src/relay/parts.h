/* parts.h: everything the relay is made of, and how a configuration becomes a runtime. One of each, owned by relay.c. */
#ifndef RELAY_PARTS_H
#define RELAY_PARTS_H

#include "courier/dmarc_reports.h"
#include "gate/gate.h"

#include <jansson.h>

struct control;
struct list_watch;

enum { MOST_SCANS = 64 };

struct relay {
    int channel;                     /* to the master */
    struct db *store;                /* the main thread's */
    int64_t store_version, store_revision;
    struct settings_holder *settings;
    struct waiter *waiter;
    struct dns *dns;
    struct tls_client *tls;
    struct scan_pool *scan;
    struct event_log *log;
    struct message_log *rows;        /* NULL: log_store is off */
    struct spool *spool;
    struct sts *sts;
    struct tls_reports *reports;
    struct courier *courier;
    struct counters *counters;
    struct greylist *greylist;
    struct reputation *reputation;
    struct quarantine *quarantine;
    struct quarantine_work *quarantine_work;
    struct directory_work *directory_work;
    struct dkim_signer *signer;
    struct dmarc_tally *dmarc_tally;
    struct dmarc_reports *dmarc_reports;
    struct callouts *callouts;
    struct secrets secrets;
    struct accounts *accounts;
    struct limits *limits;
    struct password_checker *passwords;
    struct denials *denials;
    struct gate *gate;
    struct list_watch *watch;
    struct control *control;
    int64_t started_ms;
};

/* What the master sent and APPLY will act on. */
struct relay_inbox {
    struct buf config, pems, signing_keys, config_name;
    struct relay_listener {
        int fd;
        int kind;                    /* enum process_listener */
    } listeners[96];
    size_t listener_count;
    struct relay_scan {
        int fd, id;
    } scans[MOST_SCANS];             /* before the first APPLY */
    size_t scan_count;
};

/* runtime.c: a runtime from what is in the inbox and in the store; TLS_OR_NULL is kept on where certificates have not changed.
 * NULL with the reason in ERROR. */
struct gate_runtime *relay_runtime(struct relay_inbox *inbox, struct db *store, struct tls_server *tls_or_null, struct buf *error);
/* Have settings, domains or lists changed since it was asked last, or has an entry expired? */
bool relay_store_changed(struct relay *r);

/* control.c: the control socket, served by a thread of its own. NULL with the reason in ERROR. */
struct control *control_start(struct relay *r, const char *run_directory, struct buf *error);
void control_stop(struct control **c);
/* control_greylist.c: the verbs of `postern greylist`. A new object. */
json_t *control_greylist(struct greylist *g, const json_t *request);
/* control_auth.c: the verbs of `postern auth denied`. A new object. */
json_t *control_auth(struct denials *d, const json_t *request);
/* control_reputation.c: the verbs of `postern reputation`, and its part of `postern stats`. New objects. */
json_t *control_reputation(const struct relay *r, const json_t *request);
json_t *control_reputation_stats(struct reputation *r);
/* control_dns.c: the verbs of `postern dns`, and its counters for `postern stats`. New objects. */
json_t *control_dns(struct dns *d, const json_t *request);
json_t *control_dns_stats(struct dns *d);

#endif
