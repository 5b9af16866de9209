/*
 * scan_pool.c: the relay's end: free channels on a stack, so that the one whose process is warm is asked next; threads that find none
 * wait. A channel belongs to one thread while it is off the stack. What goes wrong with it takes it out of the pool for good: the
 * master starts another process and adds its channel.
 */
#include "scan/channel.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POOL_MAX = 128 };

struct channel {
    int socket; /* owned */
    int id;
};

struct scan_pool {
    int64_t timeout_ms;
    void (*failed)(void *arg, int id);
    void *failed_arg;
    _Atomic uint32_t sequence;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t returned;
    size_t alive, free_count;
    struct channel free[POOL_MAX];
};

struct scan_pool *scan_pool_new(int64_t timeout_ms)
{
    struct scan_pool *p = calloc(1, sizeof *p);
    pthread_condattr_t attributes;

    if (!p)
        return NULL;
    p->timeout_ms = timeout_ms;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&p->returned, &attributes);
    pthread_condattr_destroy(&attributes);
    return p;
}

void scan_pool_free(struct scan_pool **p)
{
    if (!*p)
        return;
    for (size_t i = 0; i < (*p)->free_count; i++)
        close((*p)->free[i].socket);
    pthread_cond_destroy(&(*p)->returned);
    pthread_mutex_destroy(&(*p)->lock);
    free(*p);
    *p = NULL;
}

void scan_pool_on_failure(struct scan_pool *p, void (*failed)(void *arg, int id), void *arg)
{
    p->failed = failed;
    p->failed_arg = arg;
}

static bool is_closed(int socket)
{
    struct pollfd look = {.fd = socket};
    return poll(&look, 1, 0) == 1 && look.revents & (POLLHUP | POLLERR);
}

/* Channels at the bottom of the stack may not be asked for days: whose process has ended would stay. Under the lock. */
static void sweep(struct scan_pool *p)
{
    size_t kept = 0;

    for (size_t i = 0; i < p->free_count; i++) {
        if (!is_closed(p->free[i].socket)) {
            p->free[kept++] = p->free[i];
            continue;
        }
        close(p->free[i].socket);
        p->alive--;
    }
    p->free_count = kept;
}

bool scan_pool_add(struct scan_pool *p, int socket, int id)
{
    bool added = channel_set_timeout(socket, p->timeout_ms);

    pthread_mutex_lock(&p->lock);
    sweep(p);
    added = added && p->alive < POOL_MAX;
    if (added) {
        p->free[p->free_count++] = (struct channel){.socket = socket, .id = id};
        p->alive++;
        pthread_cond_signal(&p->returned);
    }
    pthread_mutex_unlock(&p->lock);
    if (!added)
        close(socket);
    return added;
}

size_t scan_pool_size(struct scan_pool *p)
{
    pthread_mutex_lock(&p->lock);
    size_t alive = p->alive;
    pthread_mutex_unlock(&p->lock);
    return alive;
}

/* The deadline is of the clock that no test turns, as pthread_cond_timedwait() knows it. */
static struct timespec in_ms(int64_t ms)
{
    int64_t us = clock_mono_us() + ms * 1000;
    return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

static bool take_channel(struct scan_pool *p, const struct timespec *deadline, struct channel *out)
{
    int waited = 0;

    pthread_mutex_lock(&p->lock);
    while (p->free_count == 0 && waited == 0)
        waited = pthread_cond_timedwait(&p->returned, &p->lock, deadline);
    bool taken = p->free_count > 0;
    if (taken)
        *out = p->free[--p->free_count];
    pthread_mutex_unlock(&p->lock);
    return taken;
}

static void return_channel(struct scan_pool *p, struct channel c)
{
    pthread_mutex_lock(&p->lock);
    p->free[p->free_count++] = c;
    pthread_cond_signal(&p->returned);
    pthread_mutex_unlock(&p->lock);
}

/* BLAME: the process is still there and must be killed, a closed socket needs nobody's help. */
static void drop_channel(struct scan_pool *p, struct channel c, bool blame)
{
    close(c.socket);
    pthread_mutex_lock(&p->lock);
    p->alive--;
    pthread_mutex_unlock(&p->lock);
    if (blame && p->failed)
        p->failed(p->failed_arg, c.id);
}

static enum scan_result read_report(struct scan_pool *p, struct channel c, uint32_t sequence, uint64_t size, struct scan_report *out)
{
    bool nonsense;
    enum scan_result result = channel_report(c.socket, sequence, size, out, &nonsense);

    if (result == SCAN_OK) {
        return_channel(p, c);
        return result;
    }
    log_error("scan process %d %s; it is replaced", c.id,
              nonsense ? "answered nonsense" : result == SCAN_TIMEOUT ? "did not answer in time" : "went away");
    drop_channel(p, c, nonsense || result == SCAN_TIMEOUT);
    return result;
}

/* A process that was gone before it saw the question (EPIPE) says nothing about this message: the next one is asked. */
enum scan_result scan_pool_scan(struct scan_pool *p, const struct blob *message, const struct scan_limits *limits, struct scan_report *out)
{
    struct timespec deadline = in_ms(p->timeout_ms);
    struct channel c;

    while (take_channel(p, &deadline, &c)) {
        uint32_t sequence = ++p->sequence;
        if (channel_ask(c.socket, sequence, message, limits))
            return read_report(p, c, sequence, blob_size(message), out);
        if (errno == EPIPE || errno == ECONNRESET) {
            drop_channel(p, c, false);
            continue;
        }
        if (errno == EAGAIN) {
            drop_channel(p, c, true);
            return SCAN_TIMEOUT;
        }
        log_error("a message could not be handed to scan process %d: %s", c.id, strerror(errno));
        return_channel(p, c);
        return SCAN_UNAVAILABLE;
    }
    return SCAN_UNAVAILABLE;
}
