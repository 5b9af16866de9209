/* periodic.c: see periodic.h. */
#include "base/periodic.h"

#include "base/clock.h"

#include <time.h>

static bool wait_a_little(struct periodic *p)
{
    int64_t until_ms = clock_mono_ms() - clock_offset_ms() + p->every_ms;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};

    pthread_mutex_lock(&p->lock);
    if (!p->stopping)
        pthread_cond_timedwait(&p->wake, &p->lock, &until);
    bool goes_on = !p->stopping;
    pthread_mutex_unlock(&p->lock);
    return goes_on;
}

static void *work(void *arg)
{
    struct periodic *p = arg;

    do
        p->run(p->arg);
    while (wait_a_little(p));
    return NULL;
}

static void destroy(struct periodic *p)
{
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
}

int periodic_start(struct periodic *p, void (*run)(void *arg), void *arg, int every_ms)
{
    pthread_condattr_t attributes;

    *p = (struct periodic){.run = run, .arg = arg, .every_ms = every_ms};
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    int trouble = pthread_create(&p->thread, NULL, work, p);
    if (trouble)
        destroy(p);
    return trouble;
}

bool periodic_is_stopping(struct periodic *p)
{
    pthread_mutex_lock(&p->lock);
    bool stopping = p->stopping;
    pthread_mutex_unlock(&p->lock);
    return stopping;
}

void periodic_stop(struct periodic *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    destroy(p);
}
