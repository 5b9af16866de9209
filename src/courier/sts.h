/*
 * sts.h: MTA-STS policies of destinations (RFC 8461): found by the TXT record, fetched over HTTPS by a thread of its own, remembered as long as they
 * say, across restarts, in a file of the state directory. A policy that holds goes on holding when a new one cannot be fetched (§3.3).
 */
#ifndef COURIER_STS_H
#define COURIER_STS_H

#include "net/dns.h"
#include "smtp/sts_policy.h"

#include <jansson.h>

struct sts;
struct tls_reports;

struct sts_options { /* borrowed for the call, but for the DNS, which must outlive the whole */
    struct dns *dns;
    const char *roots;     /* PEM file of certificate authorities; "": the system's */
    const char *directory; /* where the file "mta-sts" is kept */
    uint16_t port;         /* 443 */
    int64_t timeout_ms;    /* of one fetch, name look-up and all */
    struct tls_reports *reports; /* told of failed fetches; outlives the whole; or NULL */
};

/* Reads what was remembered (a file that cannot be read is said in the log and begun anew) and starts the thread. NULL with ERROR. */
struct sts *sts_new(const struct sts_options *options, struct buf *error);
/* Whoever waits is let go, nothing is fetched any more, and what is to be remembered is written. */
void sts_stop(struct sts *s);
void sts_free(struct sts **s);

enum sts_result {
    STS_NO_POLICY,
    STS_FOUND,
    STS_STOPPED   /* nothing is known, and nothing may be concluded from it */
};
struct sts_finding {
    enum sts_result result;
    enum sts_mode mode;
    bool names_host;  /* is the host among the policy's mx? */
    char why[600];    /* in words, for the log */
};
/*
 * The policy of DOMAIN (lower case, A-labels), and whether it names HOST. Where a policy is published that we have not seen, this waits for the
 * fetch, at most TIMEOUT_MS and not past DEADLINE_MS (monotonic). After a failure the same policy id is not fetched for five minutes.
 */
void sts_find(struct sts *s, struct str domain, struct str host, int64_t deadline_ms, struct sts_finding *found);
/* The policy that is remembered of DOMAIN, as TLSRPT wants it: its lines, and its mx patterns. New references; NULL where there is none. */
void sts_tell(struct sts *s, struct str domain, json_t **lines, json_t **mx);
/* How many policies are remembered. */
size_t sts_count(struct sts *s);

#endif
