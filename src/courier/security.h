/*
 * security.h: what TLS a next hop must show before mail goes to it, and why: the operator's word (`destination_tls`), or what the destination's
 * domain publishes (DANE: RFC 7672, MTA-STS: RFC 8461). Decided anew for each hop that is tried.
 */
#ifndef COURIER_SECURITY_H
#define COURIER_SECURITY_H

#include "catalog/tls_policy.h"
#include "courier/parts.h"
#include "courier/sts.h"

/* In the order of the choices of `destination_tls`. */
enum tls_level {
    TLS_LEVEL_NONE,      /* never */
    TLS_LEVEL_MAY,       /* where offered; nothing is looked up */
    TLS_LEVEL_ENCRYPT,   /* always; the certificate is not looked at */
    TLS_LEVEL_DANE,      /* what the destination publishes decides; where it publishes nothing, as MAY */
    TLS_LEVEL_DANE_ONLY, /* usable TLSA records, or no delivery */
    TLS_LEVEL_VERIFY,    /* always, with a certificate of a known authority for the host's name */
    TLS_LEVEL_SECURE     /* the same for the destination's own domain, or a name directly below it */
};

/* What DNS says about one hop. */
enum dane_result {
    DANE_NONE,     /* nothing published, or nothing that DNSSEC vouches for */
    DANE_USABLE,
    DANE_UNUSABLE, /* records are there, none can be used: encrypted, but not checked (RFC 7672 §2.2) */
    DANE_FAILED    /* could not be looked up: this host is not used (§2.1.2) */
};
struct dane {
    enum dane_result result;
    char base[256];               /* TLSA base domain (§2.2.3) */
    char owner[300];              /* name of the records, "_25._tcp.mx.example.net" */
    char why[600];                /* in words, for the log */
    struct str records[TLS_TLSA_MAX]; /* usable ones; live until dane_clear() */
    size_t count;
    struct dns_question *question;
};
/* Looks only where MX and address came with the resolver's word for them. Blocks for the look-up. */
void dane_find(struct dns *dns, struct tls_client *tls, const struct hop *hop, struct dane *d);
void dane_clear(struct dane *d);

struct security {
    enum { SECURITY_NONE = CLIENT_TLS_NONE, SECURITY_MAY = CLIENT_TLS_MAY, SECURITY_MUST = CLIENT_TLS_MUST } tls;
    struct tls_demand demand;     /* points into this struct and the hop */
    bool is_proof;                /* a session under it shows that this is a server of the destination (RFC 8689 §4.2.1) */
    bool is_relaxed;              /* what the destination publishes wanted more, and the message asks us not to look at it */
    bool is_required;             /* REQUIRETLS */
    char names[TLS_POLICY_NAMES_MAX][256]; /* of tls_policies */
    enum reason reason;           /* of the outcome where the hop does not show it */
    struct dane dane;
    struct sts_finding sts;
    bool is_trial;                /* a policy in testing mode: what is not met is noted only */
    char parent[260];             /* ".example.net", for SECURE */
    char policy[TLS_POLICY_MAX - 200];             /* which policy holds, and why: for the log */
};
struct security_question { /* all borrowed; the hop must outlive the answer */
    struct courier *courier;
    const struct policy *system, *policy; /* policy: of the destination, where it is a domain of ours */
    const struct hop *hop;
    struct str destination;       /* the domain of the recipients */
    enum tls_wish wish;
    int64_t deadline_ms;          /* monotonic */
};
/* False with WHY: this hop must not be used. security_clear() either way. */
bool security_choose(const struct security_question *q, struct security *s, struct outcome *why);
void security_clear(struct security *s);
/* Tells TLSRPT of it: a REFUSAL that security_choose() gave, or (NULL) what CLIENT met. SENDING: our address, family 0 where it is not known. */
void security_note(const struct security_question *q, const struct security *s, const struct outcome *refusal, const struct smtp_client *client,
                   const struct ip *sending);
/* The session did not come about: what to say of it. */
struct outcome security_failed(const struct security *s, const struct smtp_client *client, const char *host);
/* It did: one line for the log, "dane: 3 1 1 0123… at _25._tcp.mx.example.net matched". */
void security_describe(const struct security *s, const struct smtp_client *client, char *to, size_t size);

#endif
