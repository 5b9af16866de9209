/* dnsbl_test.c: does a zone list what it must and nothing else (RFC 5782 §5)? One that does not is not asked, and the operator is told. */
#include "net/dnsbl_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

enum { AGAIN_MS = 10 * 60 * 1000, WORKING_MS = 60 * 60 * 1000 };

/* 127.0.0.LAST, or its IPv4-mapped form, which is an address of its own here. */
static struct ip test_address(int family, uint8_t last)
{
    if (family == 4)
        return (struct ip){.family = 4, .bytes = {127, 0, 0, last}};
    return (struct ip){.family = 6, .bytes = {[10] = 0xFF, [11] = 0xFF, [12] = 127, [15] = last}};
}

static const char *judge(enum dnsbl_answer must, enum dnsbl_answer must_not)
{
    if (must == DNSBL_REFUSED || must_not == DNSBL_REFUSED)
        return "it refuses to answer us (127.255.255.x): too many questions, a public resolver, or no account";
    if (must == DNSBL_ASTRAY || must_not == DNSBL_ASTRAY)
        return "it answers with addresses outside 127.0.0.0/8";
    if (must == DNSBL_NO_ANSWER || must_not == DNSBL_NO_ANSWER)
        return "it does not answer";
    if (must_not == DNSBL_LISTED)
        return "it lists 127.0.0.1, so it lists everything";
    return must == DNSBL_LISTED ? NULL : "it does not list 127.0.0.2, so it is no list, or closed";
}

struct test {
    struct dns_question *must[2], *must_not[2]; /* IPv4, IPv6 */
};

static void start(struct test *t, struct dns *dns, const char *zone)
{
    char name[300];

    for (int six = 0; six < 2; six++) {
        struct ip listed = test_address(six ? 6 : 4, 2), free_one = test_address(six ? 6 : 4, 1);
        t->must[six] = dns_start(dns, dnsbl_name(&listed, zone, name, sizeof name), DNS_A);
        t->must_not[six] = dns_start(dns, dnsbl_name(&free_one, zone, name, sizeof name), DNS_A);
    }
}

static const char *finish(struct test *t, int six)
{
    const char *why = judge(dnsbl_read(dns_wait(t->must[six])), dnsbl_read(dns_wait(t->must_not[six])));

    dns_done(&t->must[six]);
    dns_done(&t->must_not[six]);
    return why;
}

void dnsbl_zone_fails(struct dnsbl *d, size_t zone, int family, const char *why)
{
    struct dnsbl_zone *z = &d->zone[zone];

    pthread_mutex_lock(&d->lock);
    bool is_news = z->state[family == 6] != DNSBL_FAILS;
    z->state[family == 6] = DNSBL_FAILS;
    if (family != 6) {
        z->test_at_ms = clock_mono_ms() + AGAIN_MS;
        z->why = why;
    }
    bool is_list = z->state[0] != DNSBL_FAILS;
    pthread_cond_broadcast(&d->tested);
    pthread_mutex_unlock(&d->lock);
    if (is_news && family != 6)
        log_error("block list %s is not used: %s; it is tried again", z->name, why);
    else if (is_news && is_list) /* many lists know no IPv6: they are not asked for it, and that is all */
        log_info("block list %s is not asked about IPv6: %s", z->name, why);
}

static void zone_works(struct dnsbl *d, size_t zone, int six)
{
    struct dnsbl_zone *z = &d->zone[zone];

    pthread_mutex_lock(&d->lock);
    bool is_news = z->state[six] == DNSBL_FAILS;
    z->state[six] = DNSBL_WORKS;
    pthread_cond_broadcast(&d->tested);
    pthread_mutex_unlock(&d->lock);
    if (is_news)
        log_info("block list %s works again%s", z->name, six ? " for IPv6" : "");
}

void dnsbl_test(struct dnsbl *d, struct dns *dns)
{
    struct test tests[DNSBL_ENTRIES_MAX];
    bool due[DNSBL_ENTRIES_MAX];
    int64_t now_ms = clock_mono_ms();

    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->zones; i++) {
        due[i] = d->zone[i].test_at_ms <= now_ms;
        if (due[i])
            d->zone[i].test_at_ms = now_ms + WORKING_MS;
    }
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < d->zones; i++)
        if (due[i])
            start(&tests[i], dns, d->zone[i].name);
    for (size_t i = 0; i < d->zones; i++)
        for (int six = 0; due[i] && six < 2; six++) {
            const char *why = finish(&tests[i], six);
            if (why)
                dnsbl_zone_fails(d, i, six ? 6 : 4, why);
            else
                zone_works(d, i, six);
        }
}

size_t dnsbl_zone_count(const struct dnsbl *d)
{
    return d->zones;
}

const char *dnsbl_zone_name(const struct dnsbl *d, size_t i)
{
    return d->zone[i].name;
}

char *dnsbl_zone_state(struct dnsbl *d, size_t i, char to[160])
{
    const struct dnsbl_zone *z = &d->zone[i];

    pthread_mutex_lock(&d->lock);
    switch (z->state[0]) {
    case DNSBL_UNTESTED: snprintf(to, 160, "not tested yet"); break;
    case DNSBL_WORKS: snprintf(to, 160, "works%s", z->state[1] == DNSBL_WORKS ? "" : ", for IPv4"); break;
    case DNSBL_FAILS: snprintf(to, 160, "not used: %s", z->why); break;
    }
    pthread_mutex_unlock(&d->lock);
    return to;
}
