/* queue.c: destinations with their queues, and the heap of what is deferred. Everything here runs under the courier's lock. */
#include "base/bug.h"
#include "base/clock.h"
#include "courier/parts.h"

#include <stdlib.h>
#include <string.h>

enum { REMEMBERED_MS = 10 * 60 * 1000, MOST_REMEMBERED = 4096 };

struct destination *destination_get(struct courier *c, struct str domain)
{
    uint64_t hash = hash_str_case(domain);

    for (struct hash_node *n = hash_first(&c->destinations, hash); n; n = hash_next(n)) {
        struct destination *d = container_of(n, struct destination, node);
        if (str_eq_case(str_from(d->domain), domain)) {
            d->users++;
            return d;
        }
    }
    struct destination *d = calloc(1, sizeof *d);
    if (!d || !str_copy(d->domain, sizeof d->domain, domain) || !hash_insert(&c->destinations, &d->node, hash)) {
        free(d);
        return NULL;
    }
    str_lower(d->domain, domain.len);
    list_init(&d->queue);
    list_init(&d->runnable);
    list_init(&d->idle);
    d->limit = CONNECTIONS_AT_FIRST;
    d->users = 1;
    return d;
}

/* For some time we remember who delivers well: see destination_has_room(). */
static bool is_remembered(const struct courier *c, const struct destination *d)
{
    return d->last_success_ms && !c->stopping && c->destinations.count <= MOST_REMEMBERED &&
           clock_mono_ms() - d->last_success_ms < REMEMBERED_MS;
}

void destination_let_go(struct courier *c, struct destination *d)
{
    if (--d->users || !list_is_empty(&d->idle) || is_remembered(c, d))
        return;
    hash_remove(&c->destinations, &d->node);
    list_remove(&d->runnable);
    free(d);
}

bool pressure_measure(struct courier *c)
{
    int64_t now_ms = clock_mono_ms();
    unsigned slow = 0;

    for (unsigned i = 0; i < c->worker_count; i++)
        slow += c->since_ms[i] && now_ms - c->since_ms[i] > SLOW_MS;
    enum pressure before = c->pressure;
    c->slow = slow;
    c->pressure = slow * 4 >= c->most_workers * 3 ? PRESSURE_HIGH : slow * 2 >= c->usual_workers ? PRESSURE_SOME : PRESSURE_NONE;
    return c->pressure != before;
}

bool destination_has_room(const struct courier *c, const struct destination *d)
{
    if (c->pressure == PRESSURE_NONE || (d->last_success_ms && !d->failures))
        return d->active < d->limit;
    return c->pressure == PRESSURE_SOME && d->active == 0;
}

void destination_check(struct courier *c, struct destination *d)
{
    bool can_run = !list_is_empty(&d->queue) && destination_has_room(c, d) && !c->stopping;

    if (!can_run) {
        list_remove(&d->runnable);
        return;
    }
    if (list_is_empty(&d->runnable))
        list_add_tail(&c->runnable, &d->runnable);
    if (c->waiting)
        pthread_cond_signal(&c->work);
}

void job_queue(struct courier *c, struct job *job)
{
    list_add_tail(&job->to->queue, &job->list);
    job->to->queued++;
    destination_check(c, job->to);
}

static bool earlier(const struct job *a, const struct job *b)
{
    return a->due_ms < b->due_ms;
}

static void put(struct courier *c, size_t i, struct job *job)
{
    c->heap[i] = job;
    job->heap_at = i + 1;
}

static void sift_up(struct courier *c, size_t i)
{
    struct job *job = c->heap[i];

    for (; i && earlier(job, c->heap[(i - 1) / 2]); i = (i - 1) / 2)
        put(c, i, c->heap[(i - 1) / 2]);
    put(c, i, job);
}

static void sift_down(struct courier *c, size_t i)
{
    struct job *job = c->heap[i];

    for (size_t child; (child = 2 * i + 1) < c->heap_count; i = child) {
        if (child + 1 < c->heap_count && earlier(c->heap[child + 1], c->heap[child]))
            child++;
        if (!earlier(c->heap[child], job))
            break;
        put(c, i, c->heap[child]);
    }
    put(c, i, job);
}

bool job_defer(struct courier *c, struct job *job, int64_t due_ms)
{
    if (c->heap_count == c->heap_room) {
        size_t room = c->heap_room ? c->heap_room * 2 : 64;
        struct job **heap = realloc(c->heap, room * sizeof *heap);
        if (!heap)
            return false;
        c->heap = heap;
        c->heap_room = room;
    }
    bug_unless(!job->heap_at);
    job->due_ms = due_ms;
    put(c, c->heap_count, job);
    sift_up(c, c->heap_count++);
    return true;
}

struct job *heap_first(struct courier *c)
{
    return c->heap_count ? c->heap[0] : NULL;
}

static void heap_remove(struct courier *c, struct job *job)
{
    size_t i = job->heap_at - 1;
    struct job *last = c->heap[--c->heap_count];

    job->heap_at = 0;
    if (last == job)
        return;
    put(c, i, last);
    sift_up(c, i);
    sift_down(c, last->heap_at - 1);
}

void job_take_out(struct courier *c, struct job *job)
{
    if (job->heap_at)
        heap_remove(c, job);
    if (list_is_empty(&job->list))
        return;
    list_remove(&job->list);
    job->to->queued--;
    destination_check(c, job->to);
}

void job_end(struct courier *c, struct job *job)
{
    job_take_out(c, job);
    list_remove(&job->all);
    c->job_count--;
    destination_let_go(c, job->to);
    spool_message_unref(job->m);
    json_decref(job->late_orders);
    free(job->recipients);
    free(job);
}
