/* dnsbl.c: see dnsbl.h. */
#include "net/dnsbl_parts.h"

#include "base/bug.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct dnsbl_questions {
    struct dnsbl *dnsbl; /* owned reference */
    int family;
    struct dns_question *at[DNSBL_ENTRIES_MAX]; /* by zone */
};

static size_t zone_named(struct dnsbl *d, const char *name)
{
    for (size_t i = 0; i < d->zones; i++)
        if (strcmp(d->zone[i].name, name) == 0)
            return i;
    d->zone[d->zones].name = name;
    return d->zones++;
}

struct dnsbl *dnsbl_new(const char *const *entries, size_t count)
{
    struct dnsbl *d = calloc(1, sizeof *d);
    pthread_condattr_t attributes;

    if (!d)
        return NULL;
    atomic_init(&d->refs, 1);
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&d->tested, &attributes);
    pthread_condattr_destroy(&attributes);
    for (size_t i = 0; i < count && i < DNSBL_ENTRIES_MAX; i++) {
        if (!dnsbl_entry_parse(str_from(entries[i]), &d->entry[i]))
            bug("the block list %s was not checked", entries[i]);
        d->zone_of[i] = zone_named(d, d->entry[i].zone);
        d->entries++;
    }
    return d;
}

struct dnsbl *dnsbl_ref(struct dnsbl *d)
{
    atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    return d;
}

void dnsbl_unref(struct dnsbl *d)
{
    if (!d || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->tested);
    free(d);
}

enum dnsbl_answer dnsbl_read(const struct dns_answer *answer)
{
    if (answer->status == DNS_FAILED)
        return DNSBL_NO_ANSWER;
    for (size_t i = 0; i < answer->count; i++) {
        const uint8_t *a = answer->at[i].ip.bytes;
        if (a[0] != 127)
            return DNSBL_ASTRAY;
        if (a[1] == 255 && a[2] == 255)
            return DNSBL_REFUSED;
    }
    return answer->status == DNS_OK ? DNSBL_LISTED : DNSBL_NOT_LISTED;
}

struct str dnsbl_name(const struct ip *ip, const char *zone, char *to, size_t size)
{
    char reversed[IP_REVERSED_MAX];
    int n = snprintf(to, size, "%s.%s", ip_reversed(ip, reversed), zone);

    return n > 0 && (size_t)n < size ? str_n(to, (size_t)n) : str_n(NULL, 0);
}

struct dnsbl_questions *dnsbl_ask(struct dnsbl *d, struct dns *dns, const struct ip *ip)
{
    struct dnsbl_questions *q = d->zones && ip->family ? calloc(1, sizeof *q) : NULL;
    bool fails[DNSBL_ENTRIES_MAX];
    char name[300];

    if (!q)
        return NULL;
    q->dnsbl = dnsbl_ref(d);
    q->family = ip->family;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->zones; i++)
        fails[i] = d->zone[i].state[ip->family == 6] == DNSBL_FAILS;
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < d->zones; i++)
        if (!fails[i])
            q->at[i] = dns_start(dns, dnsbl_name(ip, d->zone[i].name, name, sizeof name), DNS_A);
    return q;
}

/* Has the zone passed its test? One that is being tested is waited for. */
static bool works(struct dnsbl *d, size_t zone, int family, int64_t deadline_ms)
{
    const enum dnsbl_state *state = &d->zone[zone].state[family == 6];
    int64_t until_ms = deadline_ms - clock_offset_ms(); /* the condition's clock is not turned */
    struct timespec until = {.tv_sec = until_ms > 0 ? until_ms / 1000 : 0, .tv_nsec = until_ms > 0 ? until_ms % 1000 * 1000000 : 0};

    pthread_mutex_lock(&d->lock);
    while (*state == DNSBL_UNTESTED && pthread_cond_timedwait(&d->tested, &d->lock, &until) != ETIMEDOUT)
        continue;
    bool does = *state == DNSBL_WORKS;
    pthread_mutex_unlock(&d->lock);
    return does;
}

static bool fits(const struct dnsbl_entry *e, const struct ip *answer)
{
    for (size_t i = 0; i < e->patterns; i++) {
        bool fit = true;
        for (size_t k = 0; k < 4; k++)
            fit = fit && answer->bytes[k] >= e->pattern[i].low[k] && answer->bytes[k] <= e->pattern[i].high[k];
        if (fit)
            return true;
    }
    return e->patterns == 0;
}

static void add(char *list, const char *zone, const struct ip *answer)
{
    char ip[IP_TEXT_MAX];
    size_t len = strlen(list);

    snprintf(list + len, DNSBL_LISTED_MAX - len, "%s%s (%s)", len ? ", " : "", zone, ip_format(answer, ip));
}

/* An entry counts once, however many answers fit it. */
static void judge_entry(const struct dnsbl_entry *e, const struct dns_answer *answer, struct dnsbl_verdict *out)
{
    for (size_t i = 0; i < answer->count; i++) {
        if (!fits(e, &answer->at[i].ip))
            continue;
        out->weight += e->weight;
        out->is_welcome = out->is_welcome || e->weight < 0;
        add(e->weight < 0 ? out->welcomed_by : out->listed, e->zone, &answer->at[i].ip);
        return;
    }
}

static bool is_listing(struct dnsbl_questions *q, size_t zone, const struct dns_answer *answer, int64_t deadline_ms)
{
    switch (dnsbl_read(answer)) {
    case DNSBL_LISTED:
        return works(q->dnsbl, zone, q->family, deadline_ms);
    case DNSBL_REFUSED:
        dnsbl_zone_fails(q->dnsbl, zone, q->family, "it refuses to answer us (127.255.255.x): too many questions, a public resolver, or no account");
        return false;
    case DNSBL_ASTRAY:
        dnsbl_zone_fails(q->dnsbl, zone, q->family, "it answers with addresses outside 127.0.0.0/8");
        return false;
    case DNSBL_NOT_LISTED:
    case DNSBL_NO_ANSWER:
        break;
    }
    return false;
}

void dnsbl_judge(struct dnsbl_questions *q, int64_t deadline_ms, struct dnsbl_verdict *out)
{
    *out = (struct dnsbl_verdict){0};
    if (!q)
        return;
    struct dnsbl *d = q->dnsbl;
    for (size_t i = 0; i < d->zones; i++) {
        const struct dns_answer *answer = q->at[i] ? dns_wait_until(q->at[i], deadline_ms) : NULL;
        if (!answer || !is_listing(q, i, answer, deadline_ms))
            continue;
        for (size_t k = 0; k < d->entries; k++)
            if (d->zone_of[k] == i)
                judge_entry(&d->entry[k], answer, out);
    }
}

void dnsbl_done(struct dnsbl_questions **q)
{
    if (!*q)
        return;
    for (size_t i = 0; i < (*q)->dnsbl->zones; i++)
        dns_done(&(*q)->at[i]);
    dnsbl_unref((*q)->dnsbl);
    free(*q);
    *q = NULL;
}
