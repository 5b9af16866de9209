/*
 * sender_dns.h: can the sender's domain receive mail (RFC 5321 §5.1, RFC 7505), and does the client's address have a name that leads back to it
 * (iprev, RFC 8601 §3)? Both block while the DNS is asked; DEADLINE_MS is monotonic, what is not answered by then counts as a DNS failure.
 */
#ifndef AUTH_SENDER_DNS_H
#define AUTH_SENDER_DNS_H

#include "net/dns.h"

enum sender_dns {
    SENDER_DNS_NOT_ASKED,
    SENDER_DNS_FOUND,      /* an MX, or an address */
    SENDER_DNS_NULL_MX,    /* "MX 0 ." */
    SENDER_DNS_NO_RECORD,  /* the name exists, but has neither */
    SENDER_DNS_NO_NAME,
    SENDER_DNS_FAILED      /* nothing is known */
};

/* The MX question of DOMAIN, to be waited for by sender_dns_check(). NULL out of memory. */
struct dns_question *sender_dns_start(struct dns *dns, struct str domain);
/* MX stays the caller's. */
enum sender_dns sender_dns_check(struct dns *dns, struct str domain, struct dns_question *mx, int64_t deadline_ms);

enum iprev { IPREV_NOT_ASKED, IPREV_PASS, IPREV_NO_PTR, IPREV_MISMATCH, IPREV_FAILED /* nothing is known */ };

enum { IPREV_NAME_MAX = 256 };

struct iprev_verdict {
    enum iprev result;
    char name[IPREV_NAME_MAX]; /* PASS: the name that leads back; MISMATCH: the first that does not; "" else */
};

/* The PTR question of IP, to be waited for by iprev_check(). NULL out of memory. */
struct dns_question *iprev_start(struct dns *dns, const struct ip *ip);
void iprev_check(struct dns *dns, const struct ip *ip, struct dns_question *ptr, int64_t deadline_ms, struct iprev_verdict *out);

#endif
