/* list_watch.c: see list_watch.h. Zones know themselves when they are due; here is only the clock that asks them. */
#include "gate/list_watch.h"

#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

enum { LOOK_MS = 1000 };

struct list_watch {
    struct gate *gate;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool stopping;
};

static bool wait_a_little(struct list_watch *w)
{
    int64_t until_ms = clock_mono_ms() - clock_offset_ms() + LOOK_MS;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};

    pthread_mutex_lock(&w->lock);
    if (!w->stopping)
        pthread_cond_timedwait(&w->stopped, &w->lock, &until);
    bool goes_on = !w->stopping;
    pthread_mutex_unlock(&w->lock);
    return goes_on;
}

static void *watch(void *arg)
{
    struct list_watch *w = arg;

    do {
        struct gate_runtime *r = gate_take(w->gate);
        dnsbl_test(r->dnsbl, w->gate->parts.dns);
        gate_runtime_unref(r);
    } while (wait_a_little(w));
    return NULL;
}

struct list_watch *list_watch_start(struct gate *g)
{
    struct list_watch *w = calloc(1, sizeof *w);
    pthread_condattr_t attributes;

    if (!w)
        return NULL;
    w->gate = g;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&w->stopped, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&w->thread, NULL, watch, w) == 0)
        return w;
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->stopped);
    free(w);
    return NULL;
}

void list_watch_stop(struct list_watch **w)
{
    if (!*w)
        return;
    pthread_mutex_lock(&(*w)->lock);
    (*w)->stopping = true;
    pthread_cond_signal(&(*w)->stopped);
    pthread_mutex_unlock(&(*w)->lock);
    pthread_join((*w)->thread, NULL);
    pthread_mutex_destroy(&(*w)->lock);
    pthread_cond_destroy(&(*w)->stopped);
    free(*w);
    *w = NULL;
}
