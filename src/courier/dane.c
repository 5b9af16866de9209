/* dane.c: the TLSA records of one hop (RFC 7672 §2.2, RFC 6698). Asks DNS and judges nothing but what may be used. */
#include "courier/security.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 2, 3))) none(struct dane *d, const char *format, ...)
{
    va_list args;

    d->result = DANE_NONE;
    va_start(args, format);
    vsnprintf(d->why, sizeof d->why, format, args);
    va_end(args);
}

static void failed(struct dane *d, const char *what)
{
    d->result = DANE_FAILED;
    snprintf(d->why, sizeof d->why, "%s cannot be looked up", what);
}

static void take_usable(struct tls_client *tls, const struct dns_answer *answer, struct dane *d)
{
    char first[80] = "";

    for (size_t i = 0; i < answer->count && d->count < TLS_TLSA_MAX; i++) {
        if (!tls_tlsa_is_usable(tls, answer->at[i].data))
            continue;
        d->records[d->count++] = answer->at[i].data;
        if (d->count == 1)
            tls_tlsa_describe(answer->at[i].data, first, sizeof first);
    }
    d->result = d->count ? DANE_USABLE : DANE_UNUSABLE;
    if (!d->count)
        snprintf(d->why, sizeof d->why, "no TLSA record of %s can be used", d->owner);
    else if (d->count == 1)
        snprintf(d->why, sizeof d->why, "TLSA %s of %s", first, d->owner);
    else
        snprintf(d->why, sizeof d->why, "TLSA %s and %zu more of %s", first, d->count - 1, d->owner);
}

/* One candidate. True: decided. */
static bool ask_for(struct dns *dns, struct tls_client *tls, const char *base, uint16_t port, struct dane *d)
{
    snprintf(d->owner, sizeof d->owner, "_%u._tcp.%s", (unsigned)port, base);
    d->question = dns_start(dns, str_from(d->owner), DNS_TLSA);
    const struct dns_answer *answer = dns_wait(d->question);
    if (answer->status == DNS_FAILED) {
        failed(d, d->owner);
        return true;
    }
    if (answer->status == DNS_OK && answer->authentic) {
        str_copy(d->base, sizeof d->base, str_from(base));
        take_usable(tls, answer, d);
        return true;
    }
    if (answer->status == DNS_OK)
        none(d, "DNSSEC does not vouch for the TLSA records of %s", d->owner);
    else
        none(d, "there are no TLSA records at %s", d->owner);
    dns_done(&d->question);
    return false;
}

/* RFC 7672 §2.2.2, "insecure CNAME": the address is in an unsigned zone, but the name may be an alias in a signed one. */
static enum dane_result alias_is_authentic(struct dns *dns, const char *host)
{
    struct dns_question *q = dns_start(dns, str_from(host), DNS_CNAME);
    const struct dns_answer *answer = dns_wait(q);
    enum dane_result result = answer->status == DNS_FAILED ? DANE_FAILED
                              : answer->status == DNS_OK && answer->authentic ? DANE_USABLE : DANE_NONE;

    dns_done(&q);
    return result;
}

void dane_find(struct dns *dns, struct tls_client *tls, const struct hop *hop, struct dane *d)
{
    struct ip literal;
    uint16_t port = hop->endpoint.port;

    *d = (struct dane){.result = DANE_NONE};
    if (hop->unix_path[0] || hop->lmtp || ip_parse(str_from(hop->host), &literal)) {
        none(d, "%s is no host name", hop->unix_path[0] ? hop->unix_path : hop->host);
        return;
    }
    if (hop->by_mx && !hop->mx_is_authentic) {
        none(d, "DNSSEC does not vouch for the MX records of %s", hop->domain);
        return;
    }
    if (!hop->address_is_authentic) {
        enum dane_result alias = hop->canonical[0] ? alias_is_authentic(dns, hop->host) : DANE_NONE;
        if (alias == DANE_FAILED)
            failed(d, hop->host);
        else if (alias == DANE_NONE)
            none(d, "DNSSEC does not vouch for the address of %s", hop->host);
        else
            ask_for(dns, tls, hop->host, port, d);
        return;
    }
    if (hop->canonical[0] && ask_for(dns, tls, hop->canonical, port, d))
        return;
    ask_for(dns, tls, hop->host, port, d);
}

void dane_clear(struct dane *d)
{
    dns_done(&d->question);
    d->count = 0;
}
