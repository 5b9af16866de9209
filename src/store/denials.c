/* denials.c: see denials.h. */
#include "store/denials.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "store/greylist.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_MS = 10 * 60 * 1000, FIRST_MS = 15 * 60 * 1000, LONGEST_MS = 24 * 3600 * 1000, LOOKED_AT = 16 };

struct denial {
    struct hash_node node;
    struct list touched;      /* least recently touched first */
    int64_t *failures;        /* owned; oldest first */
    size_t count, room;
    int64_t until_ms;         /* denied until then; 0: never was */
    unsigned times;           /* denied so often in a row */
    char key[];
};

struct denials {
    pthread_mutex_t lock;
    struct hash_table table;
    struct list touched;
    size_t most;
};

struct denials *denials_new(size_t most)
{
    struct denials *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    pthread_mutex_init(&d->lock, NULL);
    list_init(&d->touched);
    d->most = most;
    return d;
}

static void drop(struct denials *d, struct denial *it)
{
    hash_remove(&d->table, &it->node);
    list_remove(&it->touched);
    free(it->failures);
    free(it);
}

void denials_free(struct denials **d)
{
    if (!*d)
        return;
    while (!list_is_empty(&(*d)->touched))
        drop(*d, container_of((*d)->touched.next, struct denial, touched));
    hash_table_free(&(*d)->table);
    pthread_mutex_destroy(&(*d)->lock);
    free(*d);
    *d = NULL;
}

char *denial_key_address(const struct ip *client, char to[DENIAL_KEY_MAX])
{
    struct ip key = ip_limit_key(client);

    return ip_format(&key, to);
}

char *denial_key_account(struct str login, const struct ip *client, char to[DENIAL_KEY_MAX])
{
    char network[64];
    int n = snprintf(to, DENIAL_KEY_MAX, STR_FMT " from %s", STR_ARG(str_sub(login, 0, 320)), greylist_network(client, network));

    str_lower(to, n < DENIAL_KEY_MAX ? (size_t)n : DENIAL_KEY_MAX - 1);
    return to;
}

static struct denial *find(const struct denials *d, const char *key)
{
    for (struct hash_node *n = hash_first(&d->table, hash_str(str_from(key))); n; n = hash_next(n)) {
        struct denial *it = container_of(n, struct denial, node);
        if (strcmp(it->key, key) == 0)
            return it;
    }
    return NULL;
}

static void make_room(struct denials *d, int64_t now_ms)
{
    int looked = 0;

    LIST_EACH_SAFE(&d->touched, l, after) {
        struct denial *it = container_of(l, struct denial, touched);
        if (d->table.count < d->most || looked++ == LOOKED_AT)
            break;
        if (it->until_ms <= now_ms)
            drop(d, it);
    }
    if (d->table.count >= d->most)
        drop(d, container_of(d->touched.next, struct denial, touched));
}

static struct denial *find_or_make(struct denials *d, const char *key, int64_t now_ms)
{
    struct denial *it = find(d, key);

    if (it)
        return it;
    if (d->table.count >= d->most)
        make_room(d, now_ms);
    it = calloc(1, sizeof *it + strlen(key) + 1);
    if (!it)
        return NULL;
    strcpy(it->key, key);
    if (!hash_insert(&d->table, &it->node, hash_str(str_from(key)))) {
        free(it);
        return NULL;
    }
    list_add_tail(&d->touched, &it->touched);
    return it;
}

int64_t denials_left_ms(struct denials *d, const char *key)
{
    int64_t now_ms = clock_mono_ms();

    pthread_mutex_lock(&d->lock);
    const struct denial *it = find(d, key);
    int64_t left_ms = it && it->until_ms > now_ms ? it->until_ms - now_ms : 0;
    pthread_mutex_unlock(&d->lock);
    return left_ms;
}

/* Failures older than the window go; false when there is no memory for one more. */
static bool note_failure(struct denial *it, size_t limit, int64_t now_ms)
{
    size_t old = 0;

    while (old < it->count && (now_ms - it->failures[old] >= WINDOW_MS || it->count - old >= limit))
        old++;
    it->count -= old;
    if (it->count)
        memmove(it->failures, it->failures + old, it->count * sizeof *it->failures);
    if (it->count == it->room) {
        size_t room = it->room ? it->room * 2 : 4;
        int64_t *failures = realloc(it->failures, room * sizeof *failures);
        if (!failures)
            return false;
        it->failures = failures;
        it->room = room;
    }
    it->failures[it->count++] = now_ms;
    return true;
}

static int64_t deny(struct denial *it, int64_t now_ms)
{
    bool goes_on = it->until_ms && now_ms - it->until_ms < LONGEST_MS;
    int64_t for_ms = FIRST_MS;

    it->times = goes_on ? it->times + 1 : 1;
    for (unsigned i = 1; i < it->times && for_ms < LONGEST_MS; i++)
        for_ms *= 2;
    it->until_ms = now_ms + (for_ms < LONGEST_MS ? for_ms : LONGEST_MS);
    it->count = 0;
    return it->until_ms - now_ms;
}

int64_t denials_failed(struct denials *d, const char *key, size_t limit)
{
    int64_t now_ms = clock_mono_ms(), for_ms = 0;

    pthread_mutex_lock(&d->lock);
    struct denial *it = find_or_make(d, key, now_ms);
    if (it && note_failure(it, limit, now_ms) && it->count >= limit)
        for_ms = deny(it, now_ms);
    if (it) {
        list_remove(&it->touched);
        list_add_tail(&d->touched, &it->touched);
    }
    pthread_mutex_unlock(&d->lock);
    return for_ms;
}

void denials_succeeded(struct denials *d, const char *key)
{
    pthread_mutex_lock(&d->lock);
    struct denial *it = find(d, key);
    if (it)
        drop(d, it);
    pthread_mutex_unlock(&d->lock);
}

void denials_each(struct denials *d, size_t most, void (*each)(const char *key, int64_t left_ms, unsigned times, void *arg), void *arg)
{
    int64_t now_ms = clock_mono_ms();

    pthread_mutex_lock(&d->lock);
    for (struct list *l = d->touched.prev; l != &d->touched && most; l = l->prev) {
        const struct denial *it = container_of(l, struct denial, touched);
        if (it->until_ms <= now_ms)
            continue;
        each(it->key, it->until_ms - now_ms, it->times, arg);
        most--;
    }
    pthread_mutex_unlock(&d->lock);
}

size_t denials_clear(struct denials *d, struct str what)
{
    int64_t now_ms = clock_mono_ms();
    size_t cleared = 0;

    pthread_mutex_lock(&d->lock);
    LIST_EACH_SAFE(&d->touched, l, after) {
        struct denial *it = container_of(l, struct denial, touched);
        if (what.len && str_find_str(str_from(it->key), what) < 0)
            continue;
        cleared += it->until_ms > now_ms;
        drop(d, it);
    }
    pthread_mutex_unlock(&d->lock);
    return cleared;
}
