/* counters.c: see counters.h. Keys are at most KEY_MAX bytes (addresses, domain names); a longer one counts by its beginning. */
#include "store/counters.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SHARDS = 16, KEY_MAX = 64, SWEEP = 8 };

struct counter {
    struct hash_node node;
    struct list touched; /* least recently touched first */
    int64_t window_start_ms, window_ms;
    uint64_t now, before; /* counts of this window and the one before; presence: `now` alone */
    uint8_t kind, len;
    unsigned char key[];
};

struct shard {
    pthread_mutex_t lock;
    struct hash_table table;
    struct list touched;
};

struct counters {
    size_t most_per_shard;
    struct shard shard[SHARDS];
};

struct counters *counters_new(size_t most_keys)
{
    struct counters *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->most_per_shard = most_keys / SHARDS + 1;
    for (int i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&c->shard[i].lock, NULL);
        list_init(&c->shard[i].touched);
    }
    return c;
}

static void drop(struct shard *s, struct counter *it)
{
    hash_remove(&s->table, &it->node);
    list_remove(&it->touched);
    free(it);
}

void counters_free(struct counters **c)
{
    if (!*c)
        return;
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &(*c)->shard[i];
        while (!list_is_empty(&s->touched))
            drop(s, container_of(s->touched.next, struct counter, touched));
        hash_table_free(&s->table);
        pthread_mutex_destroy(&s->lock);
    }
    free(*c);
    *c = NULL;
}

static bool is_expired(const struct counter *it, int64_t now_ms)
{
    return it->kind == COUNTER_PRESENT ? it->now == 0 : now_ms - it->window_start_ms >= 2 * it->window_ms;
}

/* What has been touched longest ago goes first; those present now stay, since their leave is still to come. */
static void make_room(struct counters *c, struct shard *s, int64_t now_ms)
{
    int looked = 0;

    LIST_EACH_SAFE(&s->touched, l, after) {
        struct counter *it = container_of(l, struct counter, touched);
        if (looked++ == SWEEP)
            return;
        bool full = s->table.count >= c->most_per_shard;
        if (is_expired(it, now_ms) || (full && it->kind != COUNTER_PRESENT))
            drop(s, it);
    }
}

static struct counter *find(struct shard *s, uint64_t hash, enum counter_kind kind, const void *key, size_t len)
{
    for (struct hash_node *n = hash_first(&s->table, hash); n; n = hash_next(n)) {
        struct counter *it = container_of(n, struct counter, node);
        if (it->kind == (uint8_t)kind && it->len == len && memcmp(it->key, key, len) == 0)
            return it;
    }
    return NULL;
}

static struct counter *find_or_make(struct counters *c, struct shard *s, uint64_t hash, enum counter_kind kind, const void *key,
                                    size_t len, int64_t now_ms)
{
    struct counter *it = find(s, hash, kind, key, len);

    if (it)
        return it;
    make_room(c, s, now_ms);
    it = calloc(1, sizeof *it + len);
    if (!it)
        return NULL;
    it->kind = (uint8_t)kind;
    it->len = (uint8_t)len;
    memcpy(it->key, key, len);
    if (!hash_insert(&s->table, &it->node, hash)) {
        free(it);
        return NULL;
    }
    list_add_tail(&s->touched, &it->touched);
    it->window_start_ms = now_ms;
    return it;
}

static struct shard *lock_shard(struct counters *c, enum counter_kind kind, const void *key, size_t *len, uint64_t *hash)
{
    if (*len > KEY_MAX)
        *len = KEY_MAX;
    *hash = hash_bytes(key, *len) ^ ((uint64_t)kind * 0x9e3779b97f4a7c15U);
    struct shard *s = &c->shard[(*hash >> 56) % SHARDS];
    pthread_mutex_lock(&s->lock);
    return s;
}

/* Moves the windows on, and gives the sliding count. */
static uint64_t slide(struct counter *it, int64_t now_ms, int64_t window_ms)
{
    int64_t age = now_ms - it->window_start_ms;

    it->window_ms = window_ms;
    if (age >= window_ms) {
        it->before = age < 2 * window_ms ? it->now : 0;
        it->now = 0;
        it->window_start_ms = age < 2 * window_ms ? it->window_start_ms + window_ms : now_ms;
        age = now_ms - it->window_start_ms;
    }
    return it->now + it->before * (uint64_t)(window_ms - age) / (uint64_t)window_ms;
}

uint64_t counter_add(struct counters *c, enum counter_kind kind, const void *key, size_t len, uint64_t amount, int64_t window_ms)
{
    uint64_t hash, count = amount;
    int64_t now_ms = clock_mono_ms();
    struct shard *s = lock_shard(c, kind, key, &len, &hash);
    struct counter *it = find_or_make(c, s, hash, kind, key, len, now_ms);

    if (it) {
        count = slide(it, now_ms, window_ms) + amount;
        it->now += amount;
        list_remove(&it->touched);
        list_add_tail(&s->touched, &it->touched);
    }
    pthread_mutex_unlock(&s->lock);
    return count;
}

uint64_t counter_get(struct counters *c, enum counter_kind kind, const void *key, size_t len, int64_t window_ms)
{
    uint64_t hash;
    struct shard *s = lock_shard(c, kind, key, &len, &hash);
    struct counter *it = find(s, hash, kind, key, len);
    uint64_t count = it ? slide(it, clock_mono_ms(), window_ms) : 0;

    pthread_mutex_unlock(&s->lock);
    return count;
}

bool counter_enter(struct counters *c, const void *key, size_t len, uint64_t limit)
{
    uint64_t hash;
    struct shard *s = lock_shard(c, COUNTER_PRESENT, key, &len, &hash);
    struct counter *it = find_or_make(c, s, hash, COUNTER_PRESENT, key, len, clock_mono_ms());
    bool fits = it && (limit == 0 || it->now < limit);

    if (fits)
        it->now++;
    pthread_mutex_unlock(&s->lock);
    return fits;
}

void counter_leave(struct counters *c, const void *key, size_t len)
{
    uint64_t hash;
    struct shard *s = lock_shard(c, COUNTER_PRESENT, key, &len, &hash);
    struct counter *it = find(s, hash, COUNTER_PRESENT, key, len);

    if (it && it->now > 0 && --it->now == 0)
        drop(s, it);
    pthread_mutex_unlock(&s->lock);
}
