/* test_waiter.c: readiness, deadlines and drain, with many connections opened and closed while other threads run. */
#include "base/clock.h"
#include "net/waiter.h"

#include <signal.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAIRS = 200, ROUNDS = 50, PATIENCE_MS = 30000, BLOCKERS = 24 };

struct echo {
    struct waiter_item item;
    int fd;
    atomic_int running; /* no two threads at once */
    int64_t deadline_in_ms;
    atomic_int *deadlines, *stops, *closed;
};

static void finish(struct echo *e)
{
    atomic_int *closed = e->closed;

    waiter_remove(&e->item);
    close(e->fd);
    free(e);
    atomic_fetch_add(closed, 1);
}

static void echo_run(struct waiter_item *item, enum wake why)
{
    struct echo *e = container_of(item, struct echo, item);
    char c[64];

    assert_int_equal(atomic_fetch_add(&e->running, 1), 0);
    if (why == WAKE_DEADLINE)
        atomic_fetch_add(e->deadlines, 1);
    if (why == WAKE_STOP)
        atomic_fetch_add(e->stops, 1);
    ssize_t n = why == WAKE_READY ? recv(e->fd, c, sizeof c, MSG_DONTWAIT) : 0;
    if (n > 0)
        n = send(e->fd, c, (size_t)n, MSG_NOSIGNAL);
    atomic_fetch_sub(&e->running, 1);
    if (n <= 0)
        finish(e);
    else
        waiter_arm(item, POLLIN, clock_mono_ms() + e->deadline_in_ms);
}

struct counts {
    atomic_int deadlines, stops, closed;
};

/* Returns the peer's end. */
static int add_echo(struct waiter *w, struct counts *c, int64_t deadline_in_ms)
{
    int pair[2];
    struct echo *e = calloc(1, sizeof *e);

    assert_non_null(e);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    e->fd = pair[0];
    e->deadline_in_ms = deadline_in_ms;
    e->deadlines = &c->deadlines;
    e->stops = &c->stops;
    e->closed = &c->closed;
    assert_true(waiter_add(w, &e->item, e->fd, echo_run));
    waiter_arm(&e->item, POLLIN, clock_mono_ms() + deadline_in_ms);
    return pair[1];
}

static void wait_until_closed(struct counts *c, int count)
{
    int64_t until_ms = clock_mono_ms() + PATIENCE_MS;

    while (atomic_load(&c->closed) < count && clock_mono_ms() < until_ms)
        poll(NULL, 0, 5);
    assert_int_equal(atomic_load(&c->closed), count);
}

static void ready_items_run_once_each(void **state)
{
    struct counts c = {0};
    struct waiter *w = waiter_new(8, "test");
    int peer[PAIRS];
    char back;

    (void)state;
    assert_non_null(w);
    for (int i = 0; i < PAIRS; i++)
        peer[i] = add_echo(w, &c, PATIENCE_MS);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < PAIRS; i++)
            assert_int_equal(write(peer[i], "x", 1), 1);
        for (int i = 0; i < PAIRS; i++)
            assert_int_equal(read(peer[i], &back, 1), 1);
    }
    for (int i = 0; i < PAIRS; i++)
        close(peer[i]);
    wait_until_closed(&c, PAIRS);
    assert_int_equal(waiter_count(w), 0);
    assert_int_equal(atomic_load(&c.deadlines), 0);
    waiter_free(&w);
}

static void deadlines_come_without_readiness(void **state)
{
    struct counts c = {0};
    struct waiter *w = waiter_new(4, "test");
    int peer[PAIRS];

    (void)state;
    for (int i = 0; i < PAIRS; i++)
        peer[i] = add_echo(w, &c, 100 + i % 7 * 50);
    wait_until_closed(&c, PAIRS);
    assert_int_equal(atomic_load(&c.deadlines), PAIRS);
    for (int i = 0; i < PAIRS; i++)
        close(peer[i]);
    waiter_free(&w);
}

/* The clock thread and epoll want the same items at the same moments: each item must still end exactly once. */
static void deadlines_race_with_readiness(void **state)
{
    struct counts c = {0};
    struct waiter *w = waiter_new(8, "test");
    int added = 0;

    (void)state;
    for (int round = 0; round < 20; round++) {
        int peer[PAIRS];
        for (int i = 0; i < PAIRS; i++, added++)
            peer[i] = add_echo(w, &c, i % 3 * 40);
        for (int i = 0; i < PAIRS; i++)
            if (write(peer[i], "x", 1) < 0)
                continue; /* its deadline was first */
        for (int i = 0; i < PAIRS; i++)
            close(peer[i]);
    }
    wait_until_closed(&c, added);
    waiter_free(&w);
}

static void an_earlier_deadline_is_seen(void **state)
{
    struct counts c = {0};
    struct waiter *w = waiter_new(2, "test");
    int peer = add_echo(w, &c, PATIENCE_MS);
    int64_t before_ms = clock_mono_ms();

    (void)state;
    close(add_echo(w, &c, PATIENCE_MS));
    int other = add_echo(w, &c, 200);
    wait_until_closed(&c, 2);
    assert_true(clock_mono_ms() - before_ms < PATIENCE_MS / 2);
    close(other);
    close(peer);
    wait_until_closed(&c, 3);
    waiter_free(&w);
}

static void the_turned_clock_is_followed(void **state)
{
    struct counts c = {0};
    struct waiter *w = waiter_new(2, "test");
    int peer = add_echo(w, &c, 3600 * 1000);

    (void)state;
    clock_turn(2 * 3600 * 1000);
    wait_until_closed(&c, 1);
    assert_int_equal(atomic_load(&c.deadlines), 1);
    close(peer);
    waiter_free(&w);
}

static void drain_tells_everybody_once(void **state)
{
    struct counts c = {0};
    struct waiter *w = waiter_new(4, "test");
    int peer[PAIRS];

    (void)state;
    for (int i = 0; i < PAIRS; i++)
        peer[i] = add_echo(w, &c, PATIENCE_MS);
    assert_int_equal(waiter_drain(w, clock_mono_ms() + PATIENCE_MS), 0);
    assert_int_equal(atomic_load(&c.stops), PAIRS);
    for (int i = 0; i < PAIRS; i++)
        close(peer[i]);
    waiter_free(&w);
}

/* An item whose run does not end before that of all others has begun. */
struct blocker {
    struct waiter_item item;
    int fd;
    atomic_int *begun;
};

static void block(struct waiter_item *item, enum wake why)
{
    struct blocker *b = container_of(item, struct blocker, item);
    int64_t until_ms = clock_mono_ms() + PATIENCE_MS;

    (void)why;
    atomic_fetch_add(b->begun, 1);
    while (atomic_load(b->begun) < BLOCKERS && clock_mono_ms() < until_ms)
        poll(NULL, 0, 1);
    waiter_remove(item);
}

/* Workers that start at the same moment must not each take the other for the one who listens. */
static void somebody_always_listens(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct waiter *w = waiter_new(BLOCKERS + 1, "test");
        struct blocker list[BLOCKERS];
        atomic_int begun = 0;
        int peer[BLOCKERS], pair[2];
        for (int i = 0; i < BLOCKERS; i++) {
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
            list[i] = (struct blocker){.fd = pair[0], .begun = &begun};
            peer[i] = pair[1];
            assert_int_equal(send(peer[i], "x", 1, MSG_NOSIGNAL), 1);
            assert_true(waiter_add(w, &list[i].item, list[i].fd, block));
        }
        for (int i = 0; i < BLOCKERS; i++)
            waiter_arm(&list[i].item, POLLIN, INT64_MAX);
        int64_t until_ms = clock_mono_ms() + PATIENCE_MS;
        while (waiter_count(w) && clock_mono_ms() < until_ms)
            poll(NULL, 0, 1);
        assert_int_equal(atomic_load(&begun), BLOCKERS);
        assert_int_equal(waiter_drain(w, clock_mono_ms() + PATIENCE_MS), 0);
        for (int i = 0; i < BLOCKERS; i++) {
            close(list[i].fd);
            close(peer[i]);
        }
        waiter_free(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready_items_run_once_each),  cmocka_unit_test(deadlines_come_without_readiness),
        cmocka_unit_test(deadlines_race_with_readiness), cmocka_unit_test(an_earlier_deadline_is_seen),
        cmocka_unit_test(the_turned_clock_is_followed), cmocka_unit_test(drain_tells_everybody_once),
        cmocka_unit_test(somebody_always_listens),
    };
    signal(SIGPIPE, SIG_IGN); /* as the relay does: a peer may be gone before it is written to */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
