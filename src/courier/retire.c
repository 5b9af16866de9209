/*
 * retire.c: connections on their way out. QUIT is said at once, and its reply waited for (RFC 5321 §4.1.1.10) by the clock, for all of them
 * together: no worker, session or timer stands still for a destination that takes its time to say goodbye.
 */
#include "base/clock.h"
#include "courier/parts.h"

#include <stdlib.h>

enum { REPLY_MS = 2000, MOST_LEAVING = 256 };

void connection_drop(struct connection **pc)
{
    struct connection *one = *pc;

    if (!one)
        return;
    smtp_client_close(&one->client);
    free(one);
    *pc = NULL;
}

void connection_retire(struct courier *c, struct connection **pc)
{
    struct connection *one = *pc;

    if (!one)
        return;
    *pc = NULL;
    one->client.in_doubt = NULL;
    bool waits = smtp_client_say_quit(&one->client);
    one->idle_since_ms = clock_mono_ms();
    pthread_mutex_lock(&c->lock);
    waits = waits && c->leaving_count < MOST_LEAVING;
    if (waits) {
        list_add_tail(&c->leaving, &one->list);
        c->leaving_count++;
    }
    pthread_mutex_unlock(&c->lock);
    if (!waits)
        connection_drop(&one);
}

bool retired_look(struct courier *c)
{
    struct list here;
    int64_t now_ms = clock_mono_ms();

    list_init(&here);
    pthread_mutex_lock(&c->lock);
    LIST_EACH_SAFE(&c->leaving, l, after) {
        struct connection *one = container_of(l, struct connection, list);
        if (now_ms - one->idle_since_ms < REPLY_MS && !smtp_client_has_left(&one->client))
            continue;
        list_remove(l);
        list_add_tail(&here, l);
        c->leaving_count--;
    }
    bool some_left = c->leaving_count > 0;
    pthread_mutex_unlock(&c->lock);
    LIST_EACH_SAFE(&here, l, after) {
        struct connection *one = container_of(l, struct connection, list);
        connection_drop(&one);
    }
    return some_left;
}
