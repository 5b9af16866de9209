/*
 * dmarc.h: does the author's domain stand behind this message, and what does it want done if not? RFC 9989: policy records, DNS tree walk, alignment.
 * Blocks while the DNS is asked; the questions of one walk run at the same time.
 */
#ifndef AUTH_DMARC_H
#define AUTH_DMARC_H

#include "net/dns.h"

enum dmarc_policy { DMARC_POLICY_NONE, DMARC_POLICY_QUARANTINE, DMARC_POLICY_REJECT };
enum dmarc_result { DMARC_NONE /* no record: does not apply */, DMARC_PASS, DMARC_FAIL, DMARC_TEMPERROR };

enum { DMARC_URIS_MAX = 1024 };

struct dmarc_record {
    enum dmarc_policy p, sp, np;
    bool has_p, has_sp, has_np;       /* there and valid */
    bool is_spoiled;                  /* no valid p, or an sp or np that is not valid (§4.10.1) */
    bool strict_dkim, strict_spf, is_test;
    char psd;                         /* 'y', 'n', 'u' */
    char fo[16];
    char rua[DMARC_URIS_MAX], ruf[DMARC_URIS_MAX]; /* as written, "" none, or none that could be a URI */
};

/* False when TEXT is no DMARC policy record: no "v=DMARC1" at its beginning (§4.7). What is wrong behind it counts as not there (§4.8). */
bool dmarc_record_parse(struct str text, struct dmarc_record *out) __attribute__((warn_unused_result));

struct dmarc_identifiers {
    struct str author;                /* domain of From, A-labels, lower case */
    struct str spf;                   /* domain with an SPF pass, "" none */
    const struct str *dkim;           /* domains of signatures that verify */
    size_t dkim_count;
};

struct dmarc_verdict {
    enum dmarc_result result;
    enum dmarc_policy policy;         /* asked for on a fail; test mode and subdomain policies taken into account */
    enum dmarc_policy published;      /* the same without test mode */
    bool spf_aligned, dkim_aligned;
    char dkim_domain[256];            /* that is aligned */
    char policy_domain[256];          /* where the record stands */
    char author_organization[256];    /* organisational domain of the author */
    bool is_subdomain_policy;         /* taken from sp or np */
    struct dmarc_record record;
};

const char *dmarc_policy_name(enum dmarc_policy p);
const char *dmarc_result_name(enum dmarc_result r); /* RFC 8601 §2.7, RFC 9989 §9.2 */
void dmarc_check(struct dns *dns, const struct dmarc_identifiers *ids, struct dmarc_verdict *out);

/* The organisational domain of DOMAIN by the tree walk (§4.10.2) into TO (256 bytes). False when the DNS fails. */
bool dmarc_organization(struct dns *dns, struct str domain, char to[256]) __attribute__((warn_unused_result));

#endif
