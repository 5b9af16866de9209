/*
 * waiter.h: where idle connections wait, and the workers that run the ready ones top to bottom.
 * One epoll set, all workers take from it (EPOLLONESHOT: an item is in one thread's hands at a time, so its
 * owner needs no lock). Deadlines sit in a wheel that only looks at an item when its slot
 * comes round, so arming costs no lock in the usual case. Precision of deadlines: 100 ms.
 */
#ifndef NET_WAITER_H
#define NET_WAITER_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct waiter;
struct waiter_item;

enum wake { WAKE_READY, WAKE_DEADLINE, WAKE_STOP /* the waiter drains: say goodbye and close */ };

/* Runs in a worker. The item is not armed: the callee ends with waiter_arm() or waiter_remove(). */
typedef void waiter_run(struct waiter_item *item, enum wake why);

struct waiter_item { /* embedded in the owner's struct; fields are the waiter's */
    waiter_run *run;
    struct waiter *waiter;
    int fd;
    uint32_t slot;                /* see waiter.c */
    _Atomic uint32_t generation;
    _Atomic int64_t deadline_ms;  /* clock_mono_ms; INT64_MAX: none */
    _Atomic int64_t look_at_tick; /* when the wheel looks at it next; INT64_MAX: it is not in the wheel */
    struct list wheel, all, due;
    enum wake due_why;
    _Atomic bool told_to_stop;
};

/* NULL with errno set. At most WORKERS threads with small stacks, started as they are needed; names show in top(1) as NAME. */
struct waiter *waiter_new(unsigned workers, const char *name);
/* Adds FD (not owned), not armed yet; the caller holds the item. False with errno. */
bool waiter_add(struct waiter *w, struct waiter_item *item, int fd, waiter_run *run) __attribute__((warn_unused_result));
/* Gives the item back: RUN is called when EVENTS (POLLIN, POLLOUT) come or at DEADLINE_MS. Afterwards the caller
 * must not touch the item any more: another thread may already have it. */
void waiter_arm(struct waiter_item *item, short events, int64_t deadline_ms);
/* Takes the item out for good; the caller may then close the fd and free it. Only while it is not armed. */
void waiter_remove(struct waiter_item *item);
/* Wakes every waiting item once with WAKE_STOP, waits until all are removed or DEADLINE_MS, and stops the workers.
 * Returns how many items were left. */
size_t waiter_drain(struct waiter *w, int64_t deadline_ms);
void waiter_free(struct waiter **w);
size_t waiter_count(const struct waiter *w); /* items added and not removed */
unsigned waiter_most(const struct waiter *w); /* workers there may be */
unsigned waiter_busy(const struct waiter *w); /* workers inside RUN right now */

#endif
