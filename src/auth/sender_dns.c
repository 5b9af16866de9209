/* sender_dns.c: see sender_dns.h. */
#include "auth/sender_dns.h"

#include <stdio.h>

enum { MOST_NAMES = 10 /* of one address, as RFC 7208 §4.6.4 has it for ptr */ };

/* Without an MX the domain's own addresses stand for it, RFC 5321 §5.1. */
static void ask_for_addresses(struct dns *dns, struct str domain, const struct dns_answer *mx, unsigned detail)
{
    (void)detail;
    if (mx->status != DNS_NO_DATA)
        return;
    dns_ask_ahead(dns, domain, DNS_A);
    dns_ask_ahead(dns, domain, DNS_AAAA);
}

struct dns_question *sender_dns_start(struct dns *dns, struct str domain)
{
    return dns_start_and_follow(dns, domain, DNS_MX, ask_for_addresses, 0);
}

static enum sender_dns addresses_of(struct dns *dns, struct str domain, enum sender_dns otherwise, int64_t deadline_ms)
{
    struct dns_question *a = dns_start(dns, domain, DNS_A), *aaaa = dns_start(dns, domain, DNS_AAAA);
    enum dns_status v4 = dns_wait_until(a, deadline_ms)->status;
    enum dns_status v6 = v4 == DNS_OK ? DNS_NO_DATA : dns_wait_until(aaaa, deadline_ms)->status;

    dns_done(&a);
    dns_done(&aaaa);
    if (v4 == DNS_OK || v6 == DNS_OK)
        return SENDER_DNS_FOUND;
    return v4 == DNS_FAILED || v6 == DNS_FAILED ? SENDER_DNS_FAILED : otherwise;
}

enum sender_dns sender_dns_check(struct dns *dns, struct str domain, struct dns_question *mx, int64_t deadline_ms)
{
    const struct dns_answer *answer = dns_wait_until(mx, deadline_ms);

    switch (answer->status) {
    case DNS_OK:
        return answer->count == 1 && !answer->at[0].data.len ? SENDER_DNS_NULL_MX : SENDER_DNS_FOUND;
    case DNS_NO_DATA:
        return addresses_of(dns, domain, SENDER_DNS_NO_RECORD, deadline_ms);
    case DNS_NO_NAME:
        return SENDER_DNS_NO_NAME;
    case DNS_FAILED:
        break;
    }
    return SENDER_DNS_FAILED;
}

static enum dns_type address_type(unsigned family)
{
    return family == 6 ? DNS_AAAA : DNS_A;
}

static void ask_for_names(struct dns *dns, struct str name, const struct dns_answer *ptr, unsigned family)
{
    (void)name;
    for (size_t i = 0; i < ptr->count && i < MOST_NAMES; i++)
        dns_ask_ahead(dns, ptr->at[i].data, address_type(family));
}

struct dns_question *iprev_start(struct dns *dns, const struct ip *ip)
{
    char reversed[IP_REVERSED_MAX], name[IP_REVERSED_MAX + 16];

    int n = snprintf(name, sizeof name, "%s.%s", ip_reversed(ip, reversed), ip->family == 6 ? "ip6.arpa" : "in-addr.arpa");
    return dns_start_and_follow(dns, str_n(name, (size_t)n), DNS_PTR, ask_for_names, ip->family);
}

static bool has(const struct dns_answer *answer, const struct ip *ip)
{
    for (size_t i = 0; i < answer->count; i++)
        if (ip_eq(&answer->at[i].ip, ip))
            return true;
    return false;
}

void iprev_check(struct dns *dns, const struct ip *ip, struct dns_question *ptr, int64_t deadline_ms, struct iprev_verdict *out)
{
    const struct dns_answer *names = dns_wait_until(ptr, deadline_ms);
    struct dns_question *addresses[MOST_NAMES] = {NULL};
    size_t count = names->count < MOST_NAMES ? names->count : MOST_NAMES;
    bool all_known = true;

    *out = (struct iprev_verdict){.result = names->status == DNS_FAILED ? IPREV_FAILED : IPREV_NO_PTR};
    for (size_t i = 0; i < count; i++)
        addresses[i] = dns_start(dns, names->at[i].data, address_type(ip->family));
    for (size_t i = 0; i < count && out->result != IPREV_PASS; i++) {
        const struct dns_answer *answer = dns_wait_until(addresses[i], deadline_ms);
        all_known = all_known && answer->status != DNS_FAILED;
        out->result = has(answer, ip) ? IPREV_PASS : all_known ? IPREV_MISMATCH : IPREV_FAILED;
        if (out->result == IPREV_PASS || i == 0)
            str_copy(out->name, sizeof out->name, names->at[i].data);
    }
    for (size_t i = 0; i < count; i++)
        dns_done(&addresses[i]);
}
