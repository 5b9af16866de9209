/*
 * spool_turn.c: the queue of what waits to be written, and whose turn it is to write it. While one batch syncs, the next gathers.
 *
 * Mostly the writer thread writes. While it sleeps, though, who submits takes its turn for one batch: two threads that wake each other for
 * a single message take longer over that than over its commit. What gathered meanwhile is the writer thread's, and so is the house.
 */
#include "base/bug.h"
#include "spool/spool_parts.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH_ITEMS = 1000,
    RETRY_MS = 1000, /* outcomes that did not fit */
    LAZY_MS = 5,     /* outcomes alone */
    LAZY_ENOUGH = 64
};
static const uint64_t BATCH_BYTES = 32 * 1024 * 1024;

void spool_move_all(struct list *from, struct list *to)
{
    while (!list_is_empty(from)) {
        struct list *l = from->next;
        list_remove(l);
        list_add_tail(to, l);
    }
}

static uint64_t weight(const struct spool_item *item)
{
    const struct spool_message *m = item->insert.message;

    return m && m->body && !spool_record_of(item->insert.message)->body_in_file ? blob_size(m->body) : 0;
}

/* Outcomes kept from before come first: order counts. The lock is held. */
static void take_batch(struct spool *s, struct list *batch)
{
    uint64_t bytes = 0;
    int items = 0;

    list_init(batch);
    spool_move_all(&s->retained, batch);
    while (!list_is_empty(&s->queue) && items < BATCH_ITEMS && bytes < BATCH_BYTES) {
        struct spool_item *item = spool_item_of(s->queue.next);
        list_remove(&item->link);
        list_add_tail(batch, &item->link);
        if (spool_item_is_urgent(item))
            s->urgent--;
        else
            s->lazy--;
        bytes += weight(item);
        items++;
    }
    s->has_written = true;
}

/* The lock is held. */
static bool writer_has_work(const struct spool *s)
{
    return !s->is_led && (s->stopping || s->urgent || s->lazy >= LAZY_ENOUGH || s->house_is_due);
}

/*
 * How long the writer thread may sleep; 0: until it is woken. Nobody waits for a mere outcome, so it waits a moment for company that somebody
 * does wait for: a sync of its own would cost more than all the rest of it, and would keep that company waiting. While mail flows
 * that moment always runs, so that an outcome need not wake this thread only to have it look at the clock.
 */
static long sleep_ms(const struct spool *s)
{
    if (s->lazy || s->is_led) /* what is retained belongs to the thread whose turn it is */
        return LAZY_MS;
    if (!list_is_empty(&s->retained))
        return RETRY_MS;
    return s->has_written ? LAZY_MS : 0;
}

static bool sleep_for(struct spool *s, long ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return pthread_cond_timedwait(&s->wake, &s->lock, &until) == ETIMEDOUT;
}

/* Waits for something to do. False: the spool closes. The lock is held. */
static bool wait_for_work(struct spool *s)
{
    bool over = false;

    while (!writer_has_work(s) && !over) {
        long ms = sleep_ms(s);
        s->has_written = false;
        s->wake_at_lazy = ms ? LAZY_ENOUGH : 1;
        s->writer_sleeps = true;
        if (!ms)
            pthread_cond_wait(&s->wake, &s->lock);
        else if (sleep_for(s, ms))
            over = !s->is_led && (s->lazy || !list_is_empty(&s->retained));
    }
    s->writer_sleeps = false;
    s->house_is_due = false;
    return !list_is_empty(&s->queue) || !s->stopping;
}

void *spool_writer_run(void *arg)
{
    struct spool *s = arg;
    struct list batch;

    for (bool goes_on = true; goes_on;) {
        pthread_mutex_lock(&s->lock);
        goes_on = wait_for_work(s);
        take_batch(s, &batch);
        pthread_mutex_unlock(&s->lock);
        spool_write_batch(s, &batch);
        spool_keep_house(s);
    }
    spool_give_up_retained(s);
    return NULL;
}

/* For one batch. Its own item is in it, unless very much was retained. */
static void lead(struct spool *s)
{
    struct list batch;

    pthread_mutex_lock(&s->lock);
    take_batch(s, &batch);
    pthread_mutex_unlock(&s->lock);
    spool_write_batch(s, &batch);
    pthread_mutex_lock(&s->lock);
    s->is_led = false;
    s->house_is_due = spool_house_is_due(s);
    bool wake = s->writer_sleeps && (writer_has_work(s) || !list_is_empty(&s->retained));
    if (wake)
        s->writer_sleeps = false;
    pthread_mutex_unlock(&s->lock);
    if (wake)
        pthread_cond_signal(&s->wake);
}

/* True: the caller has the turn and must lead(). */
static bool put(struct spool *s, struct spool_item *item, bool may_lead)
{
    pthread_mutex_lock(&s->lock);
    bug_unless(!s->stopping);
    list_add_tail(&s->queue, &item->link);
    bool urgent = spool_item_is_urgent(item);
    if (urgent)
        s->urgent++;
    else
        s->lazy++;
    bool leads = may_lead && s->writer_sleeps && !s->is_led;
    bool wake = !leads && s->writer_sleeps && ((urgent && !s->is_led) || s->lazy >= s->wake_at_lazy);
    if (leads)
        s->is_led = true;
    if (wake)
        s->writer_sleeps = false; /* one wake is enough */
    pthread_mutex_unlock(&s->lock);
    if (wake)
        pthread_cond_signal(&s->wake);
    return leads;
}

void spool_push(struct spool *s, struct spool_item *item)
{
    put(s, item, false);
}

/* Each waiter has a futex of its own, so a commit wakes those it is about and nobody else. */
enum spool_result spool_ask(struct spool *s, struct spool_item *item)
{
    if (put(s, item, item->kind == SPOOL_ITEM_SUBMIT))
        lead(s);
    uint32_t was = SPOOL_NOT_YET;
    atomic_compare_exchange_strong_explicit(&item->finished, &was, SPOOL_WAITED_FOR, memory_order_acquire, memory_order_acquire);
    while (atomic_load_explicit(&item->finished, memory_order_acquire) != SPOOL_FINISHED)
        syscall(SYS_futex, &item->finished, FUTEX_WAIT_PRIVATE, SPOOL_WAITED_FOR, NULL, NULL, 0);
    return item->result;
}

/* The item may be gone as soon as `finished` is set: the wake goes to its address, not to it. */
void spool_item_finish(struct spool_item *item, enum spool_result result)
{
    _Atomic uint32_t *finished = &item->finished;

    item->result = result;
    if (atomic_exchange_explicit(finished, SPOOL_FINISHED, memory_order_acq_rel) == SPOOL_WAITED_FOR)
        syscall(SYS_futex, finished, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
