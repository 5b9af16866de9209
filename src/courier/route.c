/* route.c: from a domain to the hosts to try, in order (RFC 5321 §5, RFC 7505). */
#include "courier/courier.h"

#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_MX = 64, MOST_PER_HOST = 8 };

/* Where hops of one route come from. */
struct origin {
    const char *domain;
    bool by_mx, mx_is_authentic;
};

static void add_hop(struct hop *hops, size_t *count, const char *host, const struct ip *ip, uint16_t port, bool lmtp, const struct origin *o,
                    const struct dns_answer *answer)
{
    if (*count == HOPS_MAX)
        return;
    struct hop *h = &hops[(*count)++];
    *h = (struct hop){.endpoint = {.ip = *ip, .port = port}, .lmtp = lmtp, .by_mx = o->by_mx, .mx_is_authentic = o->mx_is_authentic};
    str_copy(h->host, sizeof h->host, str_from(host));
    str_copy(h->domain, sizeof h->domain, str_from(o->domain));
    h->address_is_authentic = answer && answer->authentic;
    if (answer)
        str_copy(h->canonical, sizeof h->canonical, answer->canonical);
}

/* Addresses of one host, IPv6 and IPv4 in turn. False when DNS failed for both. */
static bool add_host(struct dns *dns, const char *host, uint16_t port, bool lmtp, const struct origin *o, struct hop *hops, size_t *count)
{
    struct ip literal;
    size_t before = *count;

    if (ip_parse(str_from(host), &literal)) {
        add_hop(hops, count, host, &literal, port, lmtp, o, NULL);
        return true;
    }
    struct dns_question *q6 = dns_start(dns, str_from(host), DNS_AAAA), *q4 = dns_start(dns, str_from(host), DNS_A);
    const struct dns_answer *a6 = dns_wait(q6), *a4 = dns_wait(q4);
    for (size_t i = 0; i < MOST_PER_HOST && (i < a6->count || i < a4->count); i++) {
        if (i < a6->count)
            add_hop(hops, count, host, &a6->at[i].ip, port, lmtp, o, a6);
        if (i < a4->count)
            add_hop(hops, count, host, &a4->at[i].ip, port, lmtp, o, a4);
    }
    bool failed = *count == before && (a6->status == DNS_FAILED || a4->status == DNS_FAILED);
    dns_done(&q6);
    dns_done(&q4);
    return !failed;
}

struct exchange {
    char host[256];
    uint16_t preference;
    uint32_t shuffle; /* equal preferences are tried in random order: RFC 5321 §5.1 */
};

static int by_preference(const void *a, const void *b)
{
    const struct exchange *x = a, *y = b;

    if (x->preference != y->preference)
        return x->preference < y->preference ? -1 : 1;
    return x->shuffle < y->shuffle ? -1 : x->shuffle > y->shuffle;
}

static size_t take_exchanges(const struct dns_answer *answer, struct exchange *list)
{
    size_t n = 0;

    for (size_t i = 0; i < answer->count && n < MOST_MX; i++) {
        if (!str_copy(list[n].host, sizeof list[n].host, answer->at[i].data))
            continue;
        list[n].preference = answer->at[i].preference;
        list[n++].shuffle = random_below(UINT32_MAX);
    }
    qsort(list, n, sizeof *list, by_preference);
    return n;
}

/* RFC 5321 §5.1: where we are an exchange ourselves, we and everything less preferred drop out. */
static size_t drop_ourselves(struct exchange *list, size_t n, const char *own)
{
    for (size_t i = 0; i < n; i++) {
        if (!str_is_case(str_from(list[i].host), own))
            continue;
        size_t keep = i;
        while (keep > 0 && list[keep - 1].preference == list[i].preference)
            keep--;
        return keep;
    }
    return n;
}

static enum resolve_result resolve_mx(struct dns *dns, const char *domain, const char *own, struct hop *hops, size_t *count)
{
    struct exchange list[MOST_MX];
    struct dns_question *q = dns_start(dns, str_from(domain), DNS_MX);
    const struct dns_answer *answer = dns_wait(q);
    enum dns_status status = answer->status;
    struct origin o = {.domain = domain, .by_mx = true, .mx_is_authentic = answer->authentic};
    size_t n = take_exchanges(answer, list);
    bool failed = false;

    dns_done(&q);
    if (status == DNS_FAILED)
        return RESOLVE_TEMPORARY;
    if (status == DNS_NO_NAME)
        return RESOLVE_NO_DOMAIN;
    if (n == 1 && !list[0].host[0])
        return RESOLVE_NULL_MX;
    if (status == DNS_NO_DATA) { /* the implicit MX: the domain's own address */
        if (!add_host(dns, domain, SMTP_PORT, false, &o, hops, count))
            return RESOLVE_TEMPORARY;
        return *count ? RESOLVE_OK : RESOLVE_NO_DOMAIN;
    }
    size_t others = drop_ourselves(list, n, own);
    if (n && !others)
        return RESOLVE_LOOP;
    for (size_t i = 0; i < others; i++)
        failed = !add_host(dns, list[i].host, SMTP_PORT, false, &o, hops, count) || failed;
    return *count ? RESOLVE_OK : failed ? RESOLVE_TEMPORARY : RESOLVE_NO_DOMAIN;
}

static bool is_listener(const struct setting_list *list, const struct endpoint *e)
{
    struct endpoint own;

    for (size_t i = 0; i < list->count; i++) {
        static const uint8_t any[16];
        if (!endpoint_parse(str_from(list->at[i]), 0, &own) || own.port != e->port)
            continue;
        bool is_any = memcmp(own.ip.bytes, any, sizeof any) == 0;
        if (ip_eq(&own.ip, &e->ip) || (is_any && own.ip.family == e->ip.family && ip_is_loopback(&e->ip)))
            return true;
    }
    return false;
}

/* A hop that is one of our own listeners would bring the message back to us. */
static size_t drop_own_listeners(const struct policy *p, struct hop *hops, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (hops[i].unix_path[0] || !is_listener(setting_list(p, SETTING_listen_mx), &hops[i].endpoint))
            hops[kept++] = hops[i];
    return kept;
}

static enum resolve_result resolve_route(struct dns *dns, const struct policy *system, const struct route *r, struct hop *hops, size_t *count)
{
    char own[256] = "";

    if (r->by_mx)
        return resolve_mx(dns, r->host, settings_host_name(system, own, sizeof own), hops, count);
    if (r->host[0] == '/') {
        if (*count < HOPS_MAX) {
            struct hop *h = &hops[(*count)++];
            *h = (struct hop){.lmtp = true};
            str_copy(h->unix_path, sizeof h->unix_path, str_from(r->host));
            str_copy(h->host, sizeof h->host, str_from(r->host));
        }
        return RESOLVE_OK;
    }
    size_t before = *count;
    if (!add_host(dns, r->host, r->port, r->lmtp, &(struct origin){.domain = r->host}, hops, count))
        return RESOLVE_TEMPORARY;
    return *count > before ? RESOLVE_OK : RESOLVE_NO_DOMAIN;
}

enum resolve_result route_resolve(struct dns *dns, const struct settings *settings, struct str domain, struct hop *hops, size_t *count)
{
    const struct policy *system = settings_system(settings);
    const struct domain *ours = settings_domain(settings, domain);
    enum resolve_result worst = RESOLVE_NO_DOMAIN;
    struct ip literal;
    char text[IP_TEXT_MAX];

    *count = 0;
    if (!ours && address_literal_parse(domain, &literal)) { /* RFC 5321 §5.1: no look-up, the host itself */
        ip_format(&literal, text);
        add_hop(hops, count, text, &literal, SMTP_PORT, false, &(struct origin){.domain = text}, NULL);
        worst = RESOLVE_OK;
    } else if (!ours) {
        struct route r = {.by_mx = true, .port = SMTP_PORT};
        if (!str_copy(r.host, sizeof r.host, domain))
            return RESOLVE_NO_DOMAIN;
        worst = resolve_route(dns, system, &r, hops, count);
    } else {
        const struct setting_list *routes = setting_list(&ours->policy, SETTING_routes);
        for (size_t i = 0; i < routes->count; i++) {
            struct route r;
            if (!route_parse(str_from(routes->at[i]), ours->name, &r))
                continue;
            enum resolve_result one = resolve_route(dns, system, &r, hops, count);
            /* an operator's route that cannot be found is a fault to be mended, not a reason to return mail */
            if (i == 0 || one == RESOLVE_OK)
                worst = one == RESOLVE_NO_DOMAIN && !r.by_mx ? RESOLVE_TEMPORARY : one;
        }
    }
    if (*count == 0)
        return worst == RESOLVE_OK ? RESOLVE_TEMPORARY : worst;
    *count = drop_own_listeners(system, hops, *count);
    return *count ? RESOLVE_OK : RESOLVE_LOOP;
}
