/* dns.c: cache, joined questions and deadlines over either source; see dns.h. */
#include "net/dns.h"

#include "base/clock.h"
#include "net/dns_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Whoever owns a domain decides how long its records are: no more octets than so many answers of a few records take. */
enum { MOST_CACHED = 50000, MOST_CACHED_OCTETS = 256 << 20 };

struct dns {
    struct dns_source source;
    void *self;
    int64_t timeout_ms;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    struct hash_table table; /* cached entries, and those being asked for */
    struct list used;
    size_t cached, cached_octets;
    struct dns_stats stats;  /* but for what dns_stats() adds */
    struct dns_latency latency;
};

struct dns_question {
    struct dns_entry *entry;
    enum dns_origin origin;
};

struct dns *dns_new(const struct dns_source *source, void *self, int64_t timeout_ms, struct buf *error)
{
    struct dns *d = calloc(1, sizeof *d);
    pthread_condattr_t attributes;

    if (!d) {
        buf_add_text(error, "out of memory");
        source->free(self);
        return NULL;
    }
    d->source = *source;
    d->self = self;
    d->timeout_ms = timeout_ms;
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&d->answered, &attributes);
    pthread_condattr_destroy(&attributes);
    list_init(&d->used);
    return d;
}

static uint64_t key_of(const char *name, enum dns_type type)
{
    return hash_str(str_from(name)) ^ ((uint64_t)type * 0x9e3779b97f4a7c15U);
}

/* All below: under the lock. */
static void unref(struct dns_entry *e)
{
    if (--e->refs)
        return;
    arena_free(&e->arena);
    free(e);
}

static void forget(struct dns *d, struct dns_entry *e)
{
    if (!e->cached)
        return;
    e->cached = false;
    hash_remove(&d->table, &e->node);
    list_remove(&e->used);
    d->cached--;
    d->cached_octets -= e->octets;
    unref(e);
}

static struct dns_entry *find(struct dns *d, const char *name, enum dns_type type, uint64_t key)
{
    for (struct hash_node *n = hash_first(&d->table, key); n; n = hash_next(n)) {
        struct dns_entry *e = container_of(n, struct dns_entry, node);
        if (e->type == type && strcmp(e->name, name) == 0)
            return e;
    }
    return NULL;
}

static void make_room(struct dns *d, size_t most_left)
{
    while ((d->cached > most_left || d->cached_octets > MOST_CACHED_OCTETS) && !list_is_empty(&d->used)) {
        forget(d, container_of(d->used.next, struct dns_entry, used));
        d->stats.evicted++;
    }
}

static struct dns_entry *make(struct dns *d, const char *name, enum dns_type type, uint64_t key, int64_t now_ms)
{
    struct dns_entry *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    str_copy(e->name, sizeof e->name, str_from(name));
    e->type = type;
    e->asked_ms = now_ms;
    e->asked_us = clock_mono_us();
    e->arena = arena_make(DNS_ANSWER_BYTES);
    e->answer.status = DNS_FAILED;
    e->dns = d;
    e->refs = 2; /* the asker's and the source's */
    make_room(d, MOST_CACHED - 1);
    if (hash_insert(&d->table, &e->node, key)) {
        e->cached = true;
        e->refs++;
        d->cached++;
        list_add_tail(&d->used, &e->used);
    }
    return e;
}

static bool is_usable(const struct dns_entry *e, int64_t now_ms, int64_t timeout_ms)
{
    return e->done ? now_ms < e->expires_ms : now_ms < e->asked_ms + timeout_ms;
}

static enum dns_origin count_question(struct dns_stats *s, const struct dns_entry *found)
{
    enum dns_origin origin = !found ? DNS_ASKED : found->done ? DNS_CACHED : DNS_JOINED;

    s->misses += origin == DNS_ASKED;
    s->joined += origin == DNS_JOINED;
    s->hits += origin == DNS_CACHED;
    return origin;
}

/* *ORIGIN is DNS_ASKED when the source is to be asked, if anything is returned. */
static struct dns_entry *take_or_make(struct dns *d, const char *name, enum dns_type type, enum dns_origin *origin)
{
    int64_t now_ms = clock_mono_ms();
    uint64_t key = key_of(name, type);

    pthread_mutex_lock(&d->lock);
    struct dns_entry *e = find(d, name, type, key);
    if (e && !is_usable(e, now_ms, d->timeout_ms)) {
        forget(d, e);
        e = NULL;
    }
    *origin = count_question(&d->stats, e);
    if (e) {
        e->refs++;
        list_remove(&e->used);
        list_add_tail(&d->used, &e->used);
    } else {
        e = make(d, name, type, key, now_ms);
    }
    pthread_mutex_unlock(&d->lock);
    return e;
}

static void follow_up(struct dns *d, struct dns_entry *e, dns_follow *follow, unsigned detail)
{
    pthread_mutex_lock(&d->lock);
    bool is_known = e->done;
    if (!is_known && !e->follow) {
        e->follow = follow;
        e->detail = detail;
    }
    pthread_mutex_unlock(&d->lock);
    if (is_known)
        follow(d, str_from(e->name), &e->answer, detail);
}

struct dns_question *dns_start(struct dns *d, struct str name, enum dns_type type)
{
    return dns_start_and_follow(d, name, type, NULL, 0);
}

void dns_ask_ahead(struct dns *d, struct str name, enum dns_type type)
{
    struct dns_question *q = dns_start(d, name, type);

    dns_done(&q);
}

struct dns_question *dns_start_and_follow(struct dns *d, struct str name, enum dns_type type, dns_follow *follow, unsigned detail)
{
    char lower[DNS_NAME_MAX + 1];
    struct dns_question *q = calloc(1, sizeof *q);

    if (!q)
        return NULL;
    if (name.len && name.at[name.len - 1] == '.')
        name.len--;
    if (!name.len || !str_copy(lower, sizeof lower, name))
        return q; /* no name that DNS could have: answered DNS_NO_NAME below */
    str_lower(lower, name.len);
    q->entry = take_or_make(d, lower, type, &q->origin);
    if (q->entry && follow)
        follow_up(d, q->entry, follow, detail);
    if (q->entry && q->origin == DNS_ASKED)
        d->source.ask(d->self, q->entry);
    return q;
}

static const struct dns_answer failed = {.status = DNS_FAILED}, no_name = {.status = DNS_NO_NAME};

const struct dns_answer *dns_wait(struct dns_question *q)
{
    return dns_wait_until(q, INT64_MAX);
}

const struct dns_answer *dns_wait_until(struct dns_question *q, int64_t deadline_ms)
{
    if (!q)
        return &failed;
    struct dns_entry *e = q->entry;
    if (!e)
        return &no_name;
    struct dns *d = e->dns;
    pthread_mutex_lock(&d->lock);
    if (deadline_ms > e->asked_ms + d->timeout_ms)
        deadline_ms = e->asked_ms + d->timeout_ms;
    deadline_ms -= clock_offset_ms(); /* the condition's clock is not turned */
    if (deadline_ms < 0)
        deadline_ms = 0;
    struct timespec until = {.tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000};
    while (!e->done && pthread_cond_timedwait(&d->answered, &d->lock, &until) != ETIMEDOUT)
        continue;
    const struct dns_answer *answer = e->done ? &e->answer : &failed;
    pthread_mutex_unlock(&d->lock);
    return answer;
}

bool dns_is_answered(const struct dns_question *q)
{
    if (!q || !q->entry)
        return true;
    const struct dns_entry *e = q->entry;
    pthread_mutex_lock(&e->dns->lock);
    bool is_answered = e->done || clock_mono_ms() >= e->asked_ms + e->dns->timeout_ms;
    pthread_mutex_unlock(&e->dns->lock);
    return is_answered;
}

enum dns_origin dns_origin(const struct dns_question *q, int64_t *kept_ms)
{
    const struct dns_entry *e = q->entry;
    int64_t left_ms = 0;

    if (e) {
        pthread_mutex_lock(&e->dns->lock);
        if (e->done && e->cached && e->expires_ms > clock_mono_ms())
            left_ms = e->expires_ms - clock_mono_ms();
        pthread_mutex_unlock(&e->dns->lock);
    }
    if (kept_ms)
        *kept_ms = left_ms;
    return q->origin;
}

void dns_done(struct dns_question **q)
{
    if (!*q)
        return;
    struct dns_entry *e = (*q)->entry;
    if (e) {
        struct dns *d = e->dns;
        pthread_mutex_lock(&d->lock);
        unref(e);
        pthread_mutex_unlock(&d->lock);
    }
    free(*q);
    *q = NULL;
}

static int64_t keep_for(const struct dns_answer *a, uint32_t ttl)
{
    uint32_t most = a->status == DNS_OK ? DNS_TTL_MOST : a->status == DNS_FAILED ? DNS_TTL_FAILED : DNS_TTL_NEGATIVE_MOST;

    if (ttl > most)
        ttl = most;
    return (int64_t)(ttl < DNS_TTL_LEAST ? DNS_TTL_LEAST : ttl) * 1000;
}

void dns_entry_answer(struct dns_entry *e, uint32_t ttl)
{
    struct dns *d = e->dns;

    pthread_mutex_lock(&d->lock);
    if (e->arena.failed || e->answer.status == DNS_FAILED)
        e->answer = failed; /* and nobody vouches for it */
    e->expires_ms = clock_mono_ms() + keep_for(&e->answer, ttl);
    d->stats.failures += e->answer.status == DNS_FAILED;
    d->stats.timeouts += e->answer.status == DNS_FAILED && e->timed_out;
    dns_latency_note(&d->latency, clock_mono_us() - e->asked_us);
    e->done = true;
    if (e->cached) {
        e->octets = sizeof *e + e->arena.used;
        d->cached_octets += e->octets;
        make_room(d, MOST_CACHED);
    }
    pthread_cond_broadcast(&d->answered);
    if (e->follow) {
        pthread_mutex_unlock(&d->lock);
        e->follow(d, str_from(e->name), &e->answer, e->detail);
        pthread_mutex_lock(&d->lock);
    }
    unref(e);
    pthread_mutex_unlock(&d->lock);
}

struct dns_record *dns_entry_add(struct dns_entry *e)
{
    struct dns_answer *a = &e->answer;
    size_t room = 8;

    if (a->count == DNS_RECORDS_MAX)
        return NULL;
    while (room < a->count)
        room *= 2;
    if (a->count == 0 || a->count == room) {
        struct dns_record *at = arena_alloc(&e->arena, (a->count ? room * 2 : room) * sizeof *at);
        if (!at)
            return NULL;
        if (a->count)
            memcpy(at, a->at, a->count * sizeof *at);
        a->at = at;
    }
    return &a->at[a->count++];
}

void dns_stats(struct dns *d, struct dns_stats *out)
{
    pthread_mutex_lock(&d->lock);
    *out = d->stats;
    out->kept = d->cached;
    out->most_kept = MOST_CACHED;
    out->p50_us = dns_latency_percentile(&d->latency, 50);
    out->p99_us = dns_latency_percentile(&d->latency, 99);
    pthread_mutex_unlock(&d->lock);
}

size_t dns_flush(struct dns *d, struct str name)
{
    if (name.len && name.at[name.len - 1] == '.')
        name.len--;
    pthread_mutex_lock(&d->lock);
    size_t before = d->cached;
    LIST_EACH_SAFE(&d->used, l, after) {
        struct dns_entry *e = container_of(l, struct dns_entry, used);
        if (!name.len || str_eq_case(str_from(e->name), name) || (e->done && str_eq_case(e->answer.canonical, name)))
            forget(d, e);
    }
    size_t gone = before - d->cached;
    pthread_mutex_unlock(&d->lock);
    return gone;
}

void dns_free(struct dns **pd)
{
    struct dns *d = *pd;

    if (!d)
        return;
    d->source.free(d->self); /* answers all that is under way */
    pthread_mutex_lock(&d->lock);
    while (!list_is_empty(&d->used))
        forget(d, container_of(d->used.next, struct dns_entry, used));
    pthread_mutex_unlock(&d->lock);
    hash_table_free(&d->table);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->answered);
    free(d);
    *pd = NULL;
}
