/*
 * spf.h: may this client send for this domain? RFC 7208, with its limits: ten terms that ask the DNS, two void answers, ten names of an mx or ptr.
 * Blocks while the DNS is asked; questions that need no macro are asked together as soon as their record is known.
 */
#ifndef AUTH_SPF_H
#define AUTH_SPF_H

#include "net/dns.h"

enum spf_result { SPF_NONE, SPF_NEUTRAL, SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_TEMPERROR, SPF_PERMERROR };

enum { SPF_TEXT_MAX = 512 };

struct spf_query {
    struct ip ip;          /* of the client */
    struct str helo;       /* as said */
    struct str local;      /* of the sender; "" is postmaster (§4.3) */
    struct str domain;     /* of the sender; for the null sender that of HELO (§2.4) */
    struct str receiver;   /* our own name */
    int64_t now_ms;
    int64_t deadline_ms;   /* monotonic: what is not answered by then counts as not answered (§4.6.4); 0: each question's own deadline */
};

struct spf_verdict {
    enum spf_result result;
    char mechanism[128];           /* that matched, as written: "ip4:192.0.2.0/24"; "" none */
    char domain[256];              /* whose record it stands in */
    char problem[160];             /* permerror, temperror: what is wrong */
    char explanation[SPF_TEXT_MAX];/* the domain's own words on a fail (§6.2), printable ASCII; "" none */
    bool sends_nothing;            /* the domain's record is "v=spf1 -all" alone */
    unsigned lookups, void_lookups;
};

const char *spf_result_name(enum spf_result r); /* "pass" (RFC 8601 §2.7.2) */
/* Can DOMAIN have a record: two labels at least, each of 1 to 63 octets (§4.3)? */
bool spf_domain_is_askable(struct str domain);
/* Asks ahead for DOMAIN's record, and when that is there, for what it leads to: so that checks of several domains do not wait for each other. FAMILY of
 * the client's address. The question is the caller's. */
struct dns_question *spf_start(struct dns *dns, struct str domain, unsigned family);
void spf_check(struct dns *dns, const struct spf_query *query, struct spf_verdict *out);

#endif
