/*
 * tls_report.h: TLSRPT (RFC 8460): sessions with destinations are counted, by policy and day (UTC), and a domain that asks for it gets what was counted the
 * day after, by mail or HTTPS. By the operator's switch (`tls_reports`). Counts outlive a restart, in a file of the state directory.
 */
#ifndef COURIER_TLS_REPORT_H
#define COURIER_TLS_REPORT_H

#include "auth/dkim_sign.h"
#include "catalog/settings.h"
#include "net/dns.h"
#include "spool/spool.h"

#include <jansson.h>

struct tls_reports;

struct tls_report_options { /* borrowed; must outlive the whole */
    struct settings_holder *settings;
    struct dns *dns;
    struct dkim_signer *signer; /* NULL: reports are not signed, and by RFC 8460 §3 nobody reads them */
};
/* Reads what was counted before. NULL with ERROR. */
struct tls_reports *tls_reports_new(const struct tls_report_options *options, struct buf *error);
bool tls_reports_start(struct tls_reports *r, struct spool *spool); /* the thread that sends */
void tls_reports_stop(struct tls_reports *r);                      /* writes what was counted */
void tls_reports_free(struct tls_reports **r);

/* One session, or one that should have been. */
struct tls_note {
    struct str domain;        /* policy domain: the one whose MX was looked up */
    const char *type;         /* "tlsa", "sts", "no-policy-found" */
    json_t *policy_string;    /* taken; an array, or NULL: none */
    json_t *mx_host;          /* taken; likewise */
    const char *result;       /* a result type of §4.3; NULL: it went well */
    const char *host, *reason; /* of a failure: the MX host, and in words */
    struct ip sending, receiving; /* family 0: not known */
};
/* Neither waits nor fails: beyond the ceilings (domains a day, policies a domain, kinds of failure a policy) nothing more is told apart. */
void tls_reports_note(struct tls_reports *r, const struct tls_note *note);

#endif
