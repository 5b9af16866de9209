/*
 * waiter.c: see waiter.h. Three may want to run an item at the same moment: a worker to whom epoll gave it, the clock thread whose deadline
 * passed, and the drain. Who wins is decided by a compare-and-swap on the item's slot. Slots are never freed, and their word
 * holds a generation that changes with every arming; so an event that comes late, for an item that is long gone, finds
 * another generation and is dropped.
 */
#include "net/waiter.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CHUNK = 4096, MOST_CHUNKS = 512, WHEEL = 4096, TICK_MS = 100, STACK_BYTES = 512 * 1024, FIRST_WORKERS = 2 };
enum { RUNNING = 0, ARMING = 1, ARMED = 2, STATE_BITS = 2 };
static const uint64_t DUE_EVENT = UINT64_MAX;

struct slot {
    _Atomic uint64_t word; /* generation << STATE_BITS | state */
    struct waiter_item *item;
    uint32_t next_free;
};

struct waiter {
    int epoll, due_event;
    char name[16];
    unsigned most;
    atomic_uint started, busy;
    atomic_bool stopping, draining;
    atomic_size_t count;

    pthread_mutex_t lock; /* guards what follows */
    struct slot *chunks[MOST_CHUNKS];
    uint32_t slots_made, free_slot; /* free_slot: index + 1; 0: none */
    struct list all, due, wheel[WHEEL];
    int64_t tick; /* the wheel has been looked at up to here */
    pthread_t *threads;
    unsigned thread_count;
    pthread_t clock;
    bool has_clock;
};

static struct slot *slot_at(const struct waiter *w, uint32_t i)
{
    return &w->chunks[i / CHUNK][i % CHUNK];
}

static uint64_t word_of(uint32_t generation, unsigned state)
{
    return ((uint64_t)generation << STATE_BITS) | state;
}

/* Takes an armed item for this thread. WHILE_ARMING: epoll may already announce what is only being armed. */
static bool claim(struct slot *s, uint32_t generation, bool while_arming)
{
    uint64_t armed = word_of(generation, ARMED), arming = word_of(generation, ARMING);
    uint64_t expected = armed;

    if (atomic_compare_exchange_strong(&s->word, &expected, word_of(generation, RUNNING)))
        return true;
    while (while_arming && (expected == arming || expected == armed))
        if (atomic_compare_exchange_weak(&s->word, &expected, word_of(generation, RUNNING)))
            return true;
    return false;
}

static void put_due(struct waiter *w, struct waiter_item *item, enum wake why)
{
    uint64_t one = 1;

    item->due_why = why;
    list_add_tail(&w->due, &item->due);
    if (write(w->due_event, &one, sizeof one) < 0 && errno != EAGAIN)
        bug("waiter: eventfd: %s", strerror(errno));
}

static struct waiter_item *take_due(struct waiter *w)
{
    struct waiter_item *item = NULL;
    uint64_t drop;

    pthread_mutex_lock(&w->lock);
    if (!list_is_empty(&w->due)) {
        item = container_of(w->due.next, struct waiter_item, due);
        list_remove(&item->due);
    }
    if (list_is_empty(&w->due) && !atomic_load(&w->stopping) && read(w->due_event, &drop, sizeof drop) < 0 && errno != EAGAIN)
        bug("waiter: eventfd: %s", strerror(errno));
    pthread_mutex_unlock(&w->lock);
    return item;
}

static void *worker(void *arg);

static bool start_thread(struct waiter *w, pthread_t *thread, void *(*main)(void *))
{
    pthread_attr_t attributes;
    bool ok = false;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    if (pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0 && pthread_create(thread, &attributes, main, w) == 0) {
        pthread_setname_np(*thread, w->name);
        ok = true;
    }
    pthread_attr_destroy(&attributes);
    return ok;
}

static void start_worker(struct waiter *w)
{
    pthread_mutex_lock(&w->lock);
    if (w->thread_count < w->most && !atomic_load(&w->stopping) && start_thread(w, &w->threads[w->thread_count], worker)) {
        w->thread_count++;
        atomic_fetch_add(&w->started, 1);
    }
    pthread_mutex_unlock(&w->lock);
}

static void run_item(struct waiter *w, struct waiter_item *item, enum wake why)
{
    unsigned busy = atomic_fetch_add(&w->busy, 1) + 1;

    if (busy >= atomic_load(&w->started) && busy < w->most) /* more: another thread runs already and is only not counted yet */
        start_worker(w); /* somebody must be left who listens */
    item->run(item, why);
    atomic_fetch_sub(&w->busy, 1);
}

static void *worker(void *arg)
{
    struct waiter *w = arg;
    struct epoll_event e;

    while (!atomic_load_explicit(&w->stopping, memory_order_relaxed)) {
        int n = epoll_wait(w->epoll, &e, 1, -1);
        if (n < 0 && errno != EINTR)
            bug("waiter: epoll_wait: %s", strerror(errno));
        if (n <= 0)
            continue;
        if (e.data.u64 == DUE_EVENT) {
            struct waiter_item *item = take_due(w);
            if (item)
                run_item(w, item, item->due_why);
            continue;
        }
        struct slot *s = slot_at(w, (uint32_t)(e.data.u64 >> 32));
        if (claim(s, (uint32_t)e.data.u64, true))
            run_item(w, s->item, WAKE_READY);
    }
    return NULL;
}

static int64_t tick_of(int64_t ms)
{
    return ms / TICK_MS + 1;
}

/* Under the lock. */
static void into_wheel(struct waiter *w, struct waiter_item *item, int64_t tick)
{
    if (tick <= w->tick)
        tick = w->tick + 1;
    if (tick >= w->tick + WHEEL)
        tick = w->tick + WHEEL - 1;
    list_remove(&item->wheel);
    list_add_tail(&w->wheel[tick % WHEEL], &item->wheel);
    atomic_store(&item->look_at_tick, tick);
}

/* Under the lock: the item's slot of the wheel has come round. */
static void look_at(struct waiter *w, struct waiter_item *item, int64_t now_ms)
{
    int64_t deadline_ms = atomic_load(&item->deadline_ms);

    if (deadline_ms <= now_ms) {
        if (claim(slot_at(w, item->slot), item->generation, false)) {
            list_remove(&item->wheel);
            atomic_store(&item->look_at_tick, INT64_MAX);
            put_due(w, item, WAKE_DEADLINE);
            return;
        }
        into_wheel(w, item, w->tick + 1); /* it runs, or is just being armed: look again */
        return;
    }
    /* The owner may set an earlier deadline right now: it stores the deadline, then reads look_at_tick; we store
     * look_at_tick, then read the deadline again. One of us sees the other. */
    do {
        deadline_ms = atomic_load(&item->deadline_ms);
        into_wheel(w, item, deadline_ms == INT64_MAX ? w->tick + WHEEL - 1 : tick_of(deadline_ms));
    } while (atomic_load(&item->deadline_ms) < deadline_ms);
}

static void *clock_main(void *arg)
{
    struct waiter *w = arg;

    while (!atomic_load(&w->stopping)) {
        poll(NULL, 0, TICK_MS / 2);
        int64_t now_ms = clock_mono_ms(), until = now_ms / TICK_MS;
        pthread_mutex_lock(&w->lock);
        int64_t turns = until - w->tick > WHEEL ? WHEEL : until - w->tick;
        if (turns > 0)
            w->tick = until;
        for (int64_t t = until - turns + 1; t <= until; t++) {
            struct list here;
            list_init(&here);
            struct list *slot = &w->wheel[t % WHEEL];
            if (!list_is_empty(slot)) { /* moved away first: looking may put items back into this very slot */
                list_insert_after(slot, &here);
                list_remove(slot);
            }
            while (!list_is_empty(&here))
                look_at(w, container_of(here.next, struct waiter_item, wheel), now_ms);
        }
        pthread_mutex_unlock(&w->lock);
    }
    return NULL;
}

static bool open_events(struct waiter *w)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = DUE_EVENT};

    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->due_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return w->epoll >= 0 && w->due_event >= 0 && epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->due_event, &e) == 0;
}

struct waiter *waiter_new(unsigned workers, const char *name)
{
    struct waiter *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->most = workers ? workers : 1;
    str_copy(w->name, sizeof w->name, str_from(name));
    list_init(&w->all);
    list_init(&w->due);
    for (int i = 0; i < WHEEL; i++)
        list_init(&w->wheel[i]);
    pthread_mutex_init(&w->lock, NULL);
    w->tick = clock_mono_ms() / TICK_MS;
    w->threads = calloc(w->most, sizeof *w->threads);
    w->epoll = w->due_event = -1;
    if (!w->threads || !open_events(w)) {
        waiter_free(&w);
        return NULL;
    }
    for (unsigned i = 0; i < FIRST_WORKERS && i < w->most; i++)
        start_worker(w);
    w->has_clock = start_thread(w, &w->clock, clock_main);
    if (!w->has_clock || w->thread_count == 0)
        waiter_free(&w);
    return w;
}

/* Under the lock; false out of memory or slots. */
static bool take_slot(struct waiter *w, uint32_t *out)
{
    if (w->free_slot) {
        *out = w->free_slot - 1;
        w->free_slot = slot_at(w, *out)->next_free;
        return true;
    }
    if (w->slots_made == (uint32_t)CHUNK * MOST_CHUNKS)
        return false;
    struct slot **chunk = &w->chunks[w->slots_made / CHUNK];
    if (!*chunk && !(*chunk = calloc(CHUNK, sizeof **chunk)))
        return false;
    *out = w->slots_made++;
    return true;
}

static void give_slot(struct waiter *w, uint32_t i)
{
    slot_at(w, i)->next_free = w->free_slot;
    w->free_slot = i + 1;
}

bool waiter_add(struct waiter *w, struct waiter_item *item, int fd, waiter_run *run)
{
    *item = (struct waiter_item){.run = run, .waiter = w, .fd = fd};
    list_init(&item->wheel);
    list_init(&item->due);
    atomic_init(&item->deadline_ms, INT64_MAX);
    atomic_init(&item->look_at_tick, INT64_MAX);
    pthread_mutex_lock(&w->lock);
    bool ok = take_slot(w, &item->slot);
    if (ok) {
        struct slot *s = slot_at(w, item->slot);
        item->generation = (uint32_t)(atomic_load(&s->word) >> STATE_BITS);
        s->item = item;
        list_add_tail(&w->all, &item->all);
    }
    pthread_mutex_unlock(&w->lock);
    if (!ok) {
        errno = ENOMEM;
        return false;
    }
    atomic_fetch_add(&w->count, 1);
    struct epoll_event e = {.events = EPOLLONESHOT, .data.u64 = ((uint64_t)item->slot << 32) | item->generation};
    if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e) == 0)
        return true;
    int why = errno;
    waiter_remove(item);
    errno = why;
    return false;
}

/* While draining: instead of waiting, the item hears of it, once. */
static bool tell_to_stop(struct waiter *w, struct waiter_item *item)
{
    if (!atomic_load_explicit(&w->draining, memory_order_relaxed) || atomic_load(&item->told_to_stop))
        return false;
    atomic_store(&item->told_to_stop, true);
    pthread_mutex_lock(&w->lock);
    put_due(w, item, WAKE_STOP);
    pthread_mutex_unlock(&w->lock);
    return true;
}

void waiter_arm(struct waiter_item *item, short events, int64_t deadline_ms)
{
    struct waiter *w = item->waiter;
    struct slot *s = slot_at(w, item->slot);

    if (tell_to_stop(w, item))
        return;
    atomic_store(&item->deadline_ms, deadline_ms);
    if (deadline_ms != INT64_MAX && tick_of(deadline_ms) < atomic_load(&item->look_at_tick)) {
        pthread_mutex_lock(&w->lock);
        into_wheel(w, item, tick_of(deadline_ms));
        pthread_mutex_unlock(&w->lock);
    }
    uint32_t generation = ++item->generation;
    struct epoll_event e = {.events = EPOLLONESHOT, .data.u64 = ((uint64_t)item->slot << 32) | generation};
    if (events & POLLIN)
        e.events |= EPOLLIN;
    if (events & POLLOUT)
        e.events |= EPOLLOUT;
    int epoll = w->epoll, fd = item->fd;
    /* ARMING lets an event through but no deadline: a deadline could close the fd before epoll_ctl names it, and
     * the kernel could give its number to somebody else. */
    atomic_store(&s->word, word_of(generation, ARMING));
    /* Called past the C library: its wrapper tells ThreadSanitizer that FD is used until the call returns, but the
     * event that lets another thread close FD comes only after the kernel has done with it. */
    if (syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_MOD, fd, &e) < 0)
        bug("waiter: epoll_ctl: %s", strerror(errno));
    uint64_t expected = word_of(generation, ARMING);
    atomic_compare_exchange_strong(&s->word, &expected, word_of(generation, ARMED));
}

void waiter_remove(struct waiter_item *item)
{
    struct waiter *w = item->waiter;
    struct epoll_event none = {0};

    epoll_ctl(w->epoll, EPOLL_CTL_DEL, item->fd, &none);
    pthread_mutex_lock(&w->lock);
    struct slot *s = slot_at(w, item->slot);
    atomic_store(&s->word, word_of(item->generation + 1, RUNNING));
    s->item = NULL;
    list_remove(&item->wheel);
    list_remove(&item->all);
    give_slot(w, item->slot);
    pthread_mutex_unlock(&w->lock);
    atomic_fetch_sub(&w->count, 1);
}

size_t waiter_drain(struct waiter *w, int64_t deadline_ms)
{
    atomic_store(&w->draining, true);
    while (atomic_load(&w->count) && clock_mono_ms() < deadline_ms) {
        pthread_mutex_lock(&w->lock);
        LIST_EACH(&w->all, l) {
            struct waiter_item *item = container_of(l, struct waiter_item, all);
            if (atomic_load(&item->told_to_stop) || !claim(slot_at(w, item->slot), item->generation, false))
                continue; /* told already and waiting again; or it runs, and hears of it when it is armed */
            atomic_store(&item->told_to_stop, true);
            put_due(w, item, WAKE_STOP);
        }
        pthread_mutex_unlock(&w->lock);
        poll(NULL, 0, 10);
    }
    return atomic_load(&w->count);
}

void waiter_free(struct waiter **pw)
{
    struct waiter *w = *pw;
    uint64_t one = 1;

    if (!w)
        return;
    atomic_store(&w->stopping, true);
    /* a level-triggered event that nobody takes away wakes them all */
    if (w->due_event >= 0 && write(w->due_event, &one, sizeof one) < 0 && errno != EAGAIN)
        bug("waiter: eventfd: %s", strerror(errno));
    for (unsigned i = 0; i < w->thread_count; i++)
        pthread_join(w->threads[i], NULL);
    if (w->has_clock)
        pthread_join(w->clock, NULL);
    for (size_t i = 0; i < MOST_CHUNKS; i++)
        free(w->chunks[i]);
    close(w->epoll);
    close(w->due_event);
    pthread_mutex_destroy(&w->lock);
    free(w->threads);
    free(w);
    *pw = NULL;
}

size_t waiter_count(const struct waiter *w)
{
    return atomic_load(&w->count);
}

unsigned waiter_most(const struct waiter *w)
{
    return w->most;
}

unsigned waiter_busy(const struct waiter *w)
{
    return atomic_load(&w->busy);
}
