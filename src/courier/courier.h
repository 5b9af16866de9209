/*
 * courier.h: takes accepted messages to their next hop: routes, connections, retries, reports. One worker per delivery in progress,
 * linear SMTP client code. Deliveries wait in per-destination queues; each destination has its own adaptive concurrency.
 */
#ifndef COURIER_COURIER_H
#define COURIER_COURIER_H

#include "auth/dkim_sign.h"
#include "auth/secrets.h"
#include "catalog/settings.h"
#include "net/dns.h"
#include "net/tls.h"
#include "smtp/client.h"
#include "smtp/next_hop.h"
#include "spool/spool.h"
#include "store/event_log.h"

struct courier;
struct sts;
struct tls_reports;

struct courier_parts { /* borrowed, must outlive the courier */
    struct settings_holder *settings;
    struct dns *dns;
    struct tls_client *tls;
    struct sts *sts;
    struct tls_reports *reports; /* NULL: nothing is counted */
    struct spool *spool;
    struct event_log *log;
    const struct secrets *secrets; /* NULL: return addresses stay as they are */
    struct dkim_signer *signer; /* of our own reports; NULL: they are not signed */
};

/* Made before the spool is opened (spool's ACCEPTED is courier_accept). parts->spool may be NULL until courier_start(). */
struct courier *courier_new(const struct courier_parts *parts, unsigned workers);
bool courier_start(struct courier *c, struct spool *spool); /* loads what is queued, starts the workers */
/* Lets attempts end until DEADLINE_MS (clock_mono_ms), then cuts them off; those whose message is not on its way yet are cut off after three
 * seconds. Nothing is lost, all is in the spool. */
void courier_stop(struct courier *c, int64_t deadline_ms);
void courier_free(struct courier **c);
/* Before anything is opened: TRACE hears all dialogues. */
void courier_trace(struct courier *c, struct smtp_trace trace);
/* In-memory hand-off from whoever writes the spool; never blocks. ARG is the courier. */
void courier_accept(void *arg, struct spool_message *m);
void courier_clock_turned(struct courier *c); /* looks at all due times again */

/* SENDER as the hop of the domain DESTINATION is told it; IS_OUTGOING: it came over a submission port. SECRETS may be NULL: as it is. */
struct address courier_sender(const struct secrets *secrets, const struct settings *settings, struct str destination, const struct address *sender,
                              bool is_outgoing);

/* A host to try, in order. */
struct hop {
    struct endpoint endpoint;
    char host[256];
    char unix_path[108];
    bool lmtp;
    bool by_mx;                /* by the MX records of: */
    char domain[256];          /* the name that was looked up; or the host that the operator named */
    bool mx_is_authentic;      /* DNSSEC vouches for those records, as far as our resolver is to be believed */
    bool address_is_authentic; /* and for the address */
    char canonical[256];       /* the host's own name where `host` is an alias; "": it is none */
};
enum { HOPS_MAX = 64 };
enum resolve_result {
    RESOLVE_OK,
    RESOLVE_NO_DOMAIN, /* NXDOMAIN, or no MX and no address: 512 */
    RESOLVE_NULL_MX,   /* RFC 7505: 521 */
    RESOLVE_LOOP,      /* the best MX is ourselves (RFC 5321 §5.1) */
    RESOLVE_TEMPORARY  /* DNS failed: try later */
};
/* All hops for DOMAIN under POLICY (its routes when it is ours, else MX), equal preferences shuffled, IPv6 and IPv4 interleaved. */
enum resolve_result route_resolve(struct dns *dns, const struct settings *settings, struct str domain, struct hop *hops, size_t *count);

/* Cut-through: connects to the first hop that answers, for the gate. NULL when none did (then the message is queued as usual). */
struct smtp_client *courier_open(struct courier *c, const struct settings *settings, struct str domain, int64_t deadline_ms, char *host, size_t host_size);
void courier_close_client(struct courier *c, struct smtp_client **client); /* with QUIT, but without waiting */

/* Control verbs, for `postern queue`: see courier/control.h. */

#endif
