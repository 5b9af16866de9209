/* courier.c: workers, the clock thread, and the way in from the spool; see courier.h. */
#include "courier/courier.h"

#include "base/clock.h"
#include "base/log.h"
#include "courier/parts.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { CLOCK_MS = 100, STACK_BYTES = 512 * 1024, GROWTH = 8, MOST_WORKERS = 1024, SOFT_STOP_MS = 3000 };

struct courier *courier_new(const struct courier_parts *parts, unsigned workers)
{
    struct courier *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->parts = *parts;
    c->usual_workers = workers;
    c->most_workers = workers * GROWTH < MOST_WORKERS ? workers * GROWTH : MOST_WORKERS;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->work, NULL);
    list_init(&c->runnable);
    list_init(&c->all);
    list_init(&c->leaving);
    c->workers = calloc(c->most_workers, sizeof *c->workers);
    c->in_doubt = calloc(c->most_workers, sizeof *c->in_doubt);
    c->since_ms = calloc(c->most_workers, sizeof *c->since_ms);
    c->sockets = malloc(c->most_workers * sizeof *c->sockets);
    if (!c->workers || !c->in_doubt || !c->since_ms || !c->sockets) {
        courier_free(&c);
        return NULL;
    }
    for (unsigned i = 0; i < c->most_workers; i++)
        c->sockets[i] = -1;
    return c;
}

static struct str destination_of(const struct spool_recipient *r)
{
    struct str domain = address_domain(&r->args.recipient);

    return domain.len ? domain : STR("postmaster"); /* <postmaster> alone: no domain, so it finds no route */
}

/* Under the lock. A job for the recipients of M from FROM on that share a destination with it. */
static bool make_job(struct courier *c, struct spool_message *m, size_t from, int64_t now_ms)
{
    struct str domain = destination_of(&m->recipients[from]);
    struct job *job = calloc(1, sizeof *job);
    uint32_t *list = calloc(m->recipient_count - from, sizeof *list);
    struct destination *d = job && list ? destination_get(c, domain) : NULL;

    if (!d) {
        free(job);
        free(list);
        return false;
    }
    job->m = spool_message_ref(m);
    job->to = d;
    job->recipients = list;
    list_init(&job->list);
    list_add_tail(&c->all, &job->all);
    c->job_count++;
    int64_t due_ms = INT64_MAX;
    for (size_t i = from; i < m->recipient_count; i++) {
        const struct spool_recipient *r = &m->recipients[i];
        if (r->state == SPOOL_DONE || !str_eq_case(destination_of(r), domain))
            continue;
        job->recipients[job->count++] = (uint32_t)i;
        if (r->state == SPOOL_QUEUED && r->next_try_ms < due_ms)
            due_ms = r->next_try_ms;
    }
    if (due_ms == INT64_MAX)
        return true; /* all held or frozen: it only waits for the operator */
    if (due_ms <= now_ms)
        job_queue(c, job);
    else if (!job_defer(c, job, due_ms))
        job_queue(c, job);
    return true;
}

static bool stands_before(const struct spool_message *m, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (m->recipients[k].state != SPOOL_DONE && str_eq_case(destination_of(&m->recipients[k]), destination_of(&m->recipients[i])))
            return true;
    return false;
}

static void take_message(struct courier *c, struct spool_message *m)
{
    int64_t now_ms = clock_wall_ms();

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < m->recipient_count; i++) {
        if (m->recipients[i].state == SPOOL_DONE || stands_before(m, i))
            continue;
        if (!make_job(c, m, i, now_ms)) {
            log_error("out of memory: message %s waits in the queue for the next start", m->reference);
            break;
        }
    }
    pthread_mutex_unlock(&c->lock);
}

static bool delivers(struct courier *c)
{
    struct settings *s = settings_take(c->parts.settings);
    bool yes = setting_flag(settings_system(s), SETTING_deliver);

    settings_unref(s);
    return yes;
}

void courier_accept(void *arg, struct spool_message *m)
{
    struct courier *c = arg;

    if (delivers(c))
        take_message(c, m);
}

static void take_loaded(void *arg, struct spool_message *m)
{
    take_message(arg, m);
}

/* Under the lock: the destination whose turn it is; waits for one. NULL: stop. */
static struct destination *next_destination(struct courier *c)
{
    while (!c->stopping) {
        if (list_is_empty(&c->runnable)) {
            c->waiting++;
            pthread_cond_wait(&c->work, &c->lock);
            c->waiting--;
            continue;
        }
        struct destination *d = container_of(c->runnable.next, struct destination, runnable);
        list_remove(&d->runnable);
        if (destination_has_room(c, d)) /* it had when it came into the list; otherwise who serves it looks again when done */
            return d;
    }
    return NULL;
}

/* Under the lock: the next job of the destination whose turn it is. NULL: stop. */
static struct job *next_job(struct courier *c)
{
    struct destination *d = next_destination(c);

    if (!d)
        return NULL;
    struct job *job = container_of(d->queue.next, struct job, list);
    list_remove(&job->list);
    d->queued--;
    d->active++;
    job->busy = true;
    destination_check(c, d); /* others may serve it too, behind the rest */
    return job;
}

/* The same destination again, over the same connection, as long as nobody else waits for its turn too long. */
static struct job *same_again(struct courier *c, struct destination *d)
{
    if (c->stopping || list_is_empty(&d->queue) || d->active > d->limit || clock_mono_ms() < d->back_off_until_ms ||
        spool_is_failed(c->parts.spool)) /* put_off() has the rest */
        return NULL;
    struct job *job = container_of(d->queue.next, struct job, list);
    list_remove(&job->list);
    d->queued--;
    job->busy = true;
    if (list_is_empty(&d->queue))
        destination_check(c, d);
    return job;
}

/* A spool that cannot write could not remember that the mail was delivered: then nothing is tried, and all of it is there at the next start. */
static bool put_off(struct courier *c, struct job *job)
{
    struct destination *d = job->to;

    if (!spool_is_failed(c->parts.spool))
        return false;
    job->busy = false;
    d->active--;
    if (!job_defer(c, job, clock_wall_ms() + BACK_OFF_MS))
        job_queue(c, job);
    destination_check(c, d);
    return true;
}

static struct connection *take_cached(struct destination *d)
{
    if (list_is_empty(&d->idle))
        return NULL;
    struct connection *one = container_of(d->idle.prev, struct connection, list); /* the freshest */
    list_remove(&one->list);
    d->idle_count--;
    return one;
}

/*
 * The limit follows the destination: it grows while all goes well, and halves when a connection fails. One that fails beside others that go
 * well only says that these are enough; a row of failures, or one without any recent success, says that the destination is down.
 */
static bool adapt(struct destination *d, const struct policy *p, bool failed)
{
    unsigned most = (unsigned)setting_number(p, SETTING_max_destination_connections);
    int64_t now_ms = clock_mono_ms();

    if (!failed) {
        d->failures = 0;
        d->last_success_ms = now_ms;
        if (d->limit > most)
            d->limit = most;
        if (++d->successes >= d->limit && d->limit < most) {
            d->limit++;
            d->successes = 0;
        }
        return false;
    }
    bool is_down = d->failures++ >= d->limit || !d->last_success_ms || now_ms - d->last_success_ms > GOOD_WORD_MS;
    d->limit = d->limit > 1 ? d->limit / 2 : 1;
    d->successes = 0;
    return is_down;
}

/* It was there and stopped answering: fewer at once, but what waits for it is not put off, since it may have been the message. */
static void note_slowness(struct destination *d)
{
    d->limit = d->limit > 1 ? d->limit / 2 : 1;
    d->successes = 0;
    d->failures++;
}

static void note_trouble(struct destination *d, const struct outcome *o)
{
    d->back_off_until_ms = clock_mono_ms() + BACK_OFF_MS;
    d->trouble_reason = o->reason;
    str_copy(d->trouble, sizeof d->trouble, str_from(o->text));
}

/* Does the destination only fail a TLS policy of its own, which this message asks us not to look at? */
static bool passes_back_off(struct courier *c, const struct job *job, enum reason trouble)
{
    if (trouble != REASON_DELIVERY_DANE_FAILED && trouble != REASON_DELIVERY_STS_FAILED)
        return false;
    struct blob *body = spool_message_body(c->parts.spool, job->m);
    bool passes = body && message_wish(job->m, blob_bytes(body)) == TLS_WISH_OPTIONAL;
    blob_unref(body);
    return passes;
}

/* One job from start to end. The lock is not held. */
static void run_job(struct courier *c, unsigned worker, struct job *job, struct connection **connection)
{
    struct settings *settings = settings_take(c->parts.settings);
    const struct domain *domain = settings_domain(settings, str_from(job->to->domain));
    const struct policy *p = domain ? &domain->policy : settings_system(settings);
    struct outcome *out = calloc(job->count, sizeof *out);
    struct attempt a = {.courier = c, .settings = settings, .policy = p, .job = job, .connection = *connection, .out = out, .worker = worker};
    struct destination *d = job->to;

    pthread_mutex_lock(&c->lock);
    c->since_ms[worker] = clock_mono_ms();
    bool backed_off = clock_mono_ms() < d->back_off_until_ms;
    enum reason trouble_reason = d->trouble_reason;
    char trouble[sizeof d->trouble];
    memcpy(trouble, d->trouble, sizeof trouble);
    pthread_mutex_unlock(&c->lock);
    backed_off = backed_off && !passes_back_off(c, job, trouble_reason);
    if (out && backed_off)
        for (size_t i = 0; i < job->count; i++)
            out[i] = outcome_local(OUTCOME_DEFERRED, trouble_reason, "%s", trouble);
    else if (out)
        delivery_attempt(&a);
    *connection = a.connection;
    pthread_mutex_lock(&c->lock);
    c->since_ms[worker] = 0;
    if (a.is_slow)
        note_slowness(d);
    else if (out && !backed_off && adapt(d, p, a.host_is_down))
        note_trouble(d, &a.trouble);
    destination_check(c, d);
    pthread_mutex_unlock(&c->lock);
    if (out)
        conclude(&a);
    else
        conclude_nothing(c, job);
    free(out);
    settings_unref(settings);
}

static void give_back(struct courier *c, struct destination *d, struct connection *one)
{
    struct connection *leaves = one;

    pthread_mutex_lock(&c->lock);
    d->active--;
    if (one && connection_may_be_kept(one) && d->idle_count < MOST_CACHED && !c->stopping) {
        one->idle_since_ms = clock_mono_ms();
        list_add_tail(&d->idle, &one->list);
        d->idle_count++;
        leaves = NULL;
    }
    destination_check(c, d);
    destination_let_go(c, d);
    pthread_mutex_unlock(&c->lock);
    connection_retire(c, &leaves);
}

struct worker_start {
    struct courier *courier;
    unsigned index;
};

static void *worker_main(void *arg)
{
    struct worker_start start = *(struct worker_start *)arg;
    struct courier *c = start.courier;

    free(arg);
    pthread_mutex_lock(&c->lock);
    for (struct job *job; (job = next_job(c)) != NULL;) {
        struct destination *d = job->to;
        if (put_off(c, job))
            continue;
        struct connection *connection = take_cached(d);
        d->users++;
        while (job) {
            pthread_mutex_unlock(&c->lock);
            run_job(c, start.index, job, &connection);
            if (connection && !connection_may_be_kept(connection))
                connection_retire(c, &connection);
            pthread_mutex_lock(&c->lock);
            job = same_again(c, d);
        }
        pthread_mutex_unlock(&c->lock);
        give_back(c, d, connection);
        pthread_mutex_lock(&c->lock);
    }
    c->gone++;
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* Under the lock: what is due goes to its queue; idle connections past their time are moved to CLOSE. */
static void tick(struct courier *c, int64_t keep_ms, bool check_all, struct list *close_them)
{
    int64_t wall_ms = clock_wall_ms(), now_ms = clock_mono_ms();

    for (struct job *job; (job = heap_first(c)) != NULL && job->due_ms <= wall_ms;) {
        job_take_out(c, job);
        job_queue(c, job);
    }
    for (size_t i = 0; i < c->destinations.slot_count; i++) {
        for (struct hash_node *n = c->destinations.slots[i], *after; n; n = after) {
            struct destination *d = container_of(n, struct destination, node);
            after = n->next;
            if (check_all)
                destination_check(c, d);
            if (list_is_empty(&d->idle) && d->users)
                continue;
            d->users++; /* it must not go while it is looked at */
            LIST_EACH_SAFE(&d->idle, l, next) {
                struct connection *one = container_of(l, struct connection, list);
                if (now_ms - one->idle_since_ms < keep_ms)
                    continue;
                list_remove(&one->list);
                d->idle_count--;
                list_add_tail(close_them, &one->list);
            }
            destination_let_go(c, d);
        }
    }
}

static bool start_thread(pthread_t *thread, void *(*run)(void *), void *arg, const char *name)
{
    pthread_attr_t attributes;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    bool ok = pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0 && pthread_create(thread, &attributes, run, arg) == 0;
    pthread_attr_destroy(&attributes);
    if (ok)
        pthread_setname_np(*thread, name);
    return ok;
}

/* Under the lock. */
static bool start_worker(struct courier *c)
{
    struct worker_start *start = malloc(sizeof *start);

    if (!start)
        return false;
    *start = (struct worker_start){c, c->worker_count};
    if (!start_thread(&c->workers[c->worker_count], worker_main, start, "courier")) {
        free(start);
        return false;
    }
    c->worker_count++;
    return true;
}

/* Under the lock: couriers in slow hands do not count, so that slow destinations, many as they may be, leave some for the others. */
static void grow(struct courier *c)
{
    if (c->stopping || c->waiting || list_is_empty(&c->runnable))
        return;
    while (c->worker_count < c->most_workers && c->worker_count < c->usual_workers + c->slow && start_worker(c))
        continue;
}

static void *clock_main(void *arg)
{
    struct courier *c = arg;

    for (bool stop = false, some_leave = false; !stop || some_leave;) {
        struct list close_them;
        struct settings *s = settings_take(c->parts.settings);
        int64_t keep_ms = setting_number(settings_system(s), SETTING_connection_cache);
        settings_unref(s);
        list_init(&close_them);
        poll(NULL, 0, CLOCK_MS);
        pthread_mutex_lock(&c->lock);
        stop = c->workers_gone;
        bool changed = pressure_measure(c);
        tick(c, c->stopping ? 0 : keep_ms, changed, &close_them);
        grow(c);
        pthread_mutex_unlock(&c->lock);
        LIST_EACH_SAFE(&close_them, l, after) {
            struct connection *one = container_of(l, struct connection, list);
            list_remove(l);
            connection_retire(c, &one);
        }
        some_leave = retired_look(c);
    }
    return NULL;
}

static bool start_workers(struct courier *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->worker_count < c->usual_workers && start_worker(c))
        continue;
    bool some = c->worker_count > 0;
    pthread_mutex_unlock(&c->lock);
    return some;
}

bool courier_start(struct courier *c, struct spool *spool)
{
    struct buf error = buf_make(1024);

    c->parts.spool = spool;
    if (delivers(c) && !spool_load(spool, take_loaded, c, &error)) {
        log_error("the queue could not be read: " STR_FMT, STR_ARG(buf_str(&error)));
        buf_free(&error);
        return false;
    }
    buf_free(&error);
    c->started = start_thread(&c->clock, clock_main, c, "courier-clock");
    return c->started && start_workers(c);
}

/* Under the lock. */
static void cut_off(struct courier *c, bool all)
{
    atomic_store(&c->cut, true);
    for (unsigned i = 0; i < c->worker_count; i++)
        if (c->sockets[i] >= 0 && (all || !atomic_load(&c->in_doubt[i])))
            shutdown(c->sockets[i], SHUT_RDWR);
}

static bool is_busy(struct courier *c)
{
    LIST_EACH(&c->all, l)
        if (container_of(l, struct job, all)->busy)
            return true;
    return false;
}

void courier_stop(struct courier *c, int64_t deadline_ms)
{
    if (!c->started)
        return;
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_broadcast(&c->work);
    int64_t soft_ms = clock_mono_ms() + SOFT_STOP_MS;
    while (c->gone < c->worker_count) { /* over and over: one may just be opening its next connection */
        if (!is_busy(c) || clock_mono_ms() >= soft_ms)
            cut_off(c, clock_mono_ms() >= deadline_ms);
        pthread_mutex_unlock(&c->lock);
        poll(NULL, 0, 20);
        pthread_mutex_lock(&c->lock);
    }
    c->workers_gone = true;
    pthread_mutex_unlock(&c->lock);
    for (unsigned i = 0; i < c->worker_count; i++)
        pthread_join(c->workers[i], NULL);
    pthread_join(c->clock, NULL);
    c->started = false;
}

static void free_remembered(struct hash_node *node, void *arg)
{
    (void)arg;
    free(container_of(node, struct destination, node));
}

void courier_trace(struct courier *c, struct smtp_trace trace)
{
    c->trace = trace;
}

void courier_free(struct courier **pc)
{
    struct courier *c = *pc;

    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    while (!list_is_empty(&c->all))
        job_end(c, container_of(c->all.next, struct job, all));
    pthread_mutex_unlock(&c->lock);
    LIST_EACH_SAFE(&c->leaving, l, after) { /* of one that was never started no clock sees them off */
        struct connection *one = container_of(l, struct connection, list);
        connection_drop(&one);
    }
    hash_each(&c->destinations, free_remembered, NULL);
    hash_table_free(&c->destinations);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->work);
    free(c->heap);
    free(c->workers);
    free(c->sockets);
    free(c->in_doubt);
    free(c->since_ms);
    free(c);
    *pc = NULL;
}

void courier_clock_turned(struct courier *c)
{
    struct list close_them;

    list_init(&close_them);
    pthread_mutex_lock(&c->lock);
    tick(c, INT64_MAX, false, &close_them);
    pthread_mutex_unlock(&c->lock);
}
