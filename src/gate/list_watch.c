/* list_watch.c: see list_watch.h. Zones know themselves when they are due; here is only the clock that asks them. */
#include "gate/list_watch.h"

#include "base/periodic.h"

#include <stdlib.h>

enum { LOOK_MS = 1000 };

struct list_watch {
    struct gate *gate;
    struct periodic thread;
};

static void watch(void *arg)
{
    struct list_watch *w = arg;
    struct gate_runtime *r = gate_take(w->gate);

    dnsbl_test(r->dnsbl, w->gate->parts.dns);
    gate_runtime_unref(r);
}

struct list_watch *list_watch_start(struct gate *g)
{
    struct list_watch *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->gate = g;
    if (periodic_start(&w->thread, watch, w, LOOK_MS) == 0)
        return w;
    free(w);
    return NULL;
}

void list_watch_stop(struct list_watch **w)
{
    if (!*w)
        return;
    periodic_stop(&(*w)->thread);
    free(*w);
    *w = NULL;
}
