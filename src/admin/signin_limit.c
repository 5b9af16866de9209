/* signin_limit.c: failed sign-ins, by address and by login. A full table forgets who has been quiet for longest. */
#include "admin/parts.h"

#include "base/clock.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

enum { WAYS = 8 };

struct attempt {
    uint64_t key;        /* 0: free */
    int64_t began_ms;    /* of the window */
    int64_t latest_ms;
    unsigned failures;
};

struct attempts {
    pthread_mutex_t lock;
    struct attempt at[ATTEMPTS_MOST];
};

struct attempts *attempts_new(void)
{
    struct attempts *t = calloc(1, sizeof *t);

    if (t)
        pthread_mutex_init(&t->lock, NULL);
    return t;
}

void attempts_free(struct attempts **t)
{
    if (!*t)
        return;
    pthread_mutex_destroy(&(*t)->lock);
    free(*t);
    *t = NULL;
}

static struct attempt *place_of(struct attempts *t, struct str key, bool make)
{
    uint64_t hash = hash_str_case(key) | 1;
    struct attempt *set = &t->at[hash / 2 % (ATTEMPTS_MOST / WAYS) * WAYS], *oldest = set;

    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == hash)
            return &set[i];
        if (set[i].latest_ms < oldest->latest_ms)
            oldest = &set[i];
    }
    if (!make)
        return NULL;
    *oldest = (struct attempt){.key = hash, .began_ms = clock_mono_ms()};
    return oldest;
}

int64_t attempts_take(struct attempts *t, struct str key, int64_t most, int64_t window_ms)
{
    int64_t now_ms = clock_mono_ms(), wait_ms = 0;

    pthread_mutex_lock(&t->lock);
    struct attempt *a = place_of(t, key, true);
    if (now_ms - a->began_ms >= window_ms)
        *a = (struct attempt){.key = a->key, .began_ms = now_ms};
    a->latest_ms = now_ms;
    if (a->failures >= most)
        wait_ms = a->began_ms + window_ms - now_ms;
    else
        a->failures++;
    pthread_mutex_unlock(&t->lock);
    return wait_ms;
}

void attempts_forget(struct attempts *t, struct str key)
{
    pthread_mutex_lock(&t->lock);
    struct attempt *a = place_of(t, key, false);
    if (a)
        a->failures = 0;
    pthread_mutex_unlock(&t->lock);
}

void attempts_undo(struct attempts *t, struct str key)
{
    pthread_mutex_lock(&t->lock);
    struct attempt *a = place_of(t, key, false);
    if (a && a->failures)
        a->failures--;
    pthread_mutex_unlock(&t->lock);
}
