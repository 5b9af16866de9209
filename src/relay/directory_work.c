/* directory_work.c: see directory_work.h. One directory after the other: they are asked seldom, and nobody waits for them. */
#include "relay/directory_work.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/periodic.h"
#include "courier/callout.h"
#include "store/directory_sync.h"
#include "store/open.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 1000, RETRY_MS = 5 * 60 * 1000 /* of one that failed, where that is sooner */ };

struct directory_work {
    struct db *db;
    struct settings_holder *settings;
    struct callouts *callouts;
    struct periodic thread;
};

static bool is_stopping(void *arg)
{
    struct directory_work *w = arg;

    return periodic_is_stopping(&w->thread);
}

static bool is_due(struct directory_work *w, const struct domain *d, int64_t now_ms)
{
    struct db_rows *r = DB_QUERY(w->db, "SELECT tried_ms, error FROM directory_sync WHERE domain = $1", DB_N(d->id));
    int64_t interval_ms = setting_number(&d->policy, SETTING_ldap_interval), tried_ms = 0;

    if (db_next(r)) {
        tried_ms = db_number(r, 0);
        if (db_text(r, 1).len && interval_ms > RETRY_MS)
            interval_ms = RETRY_MS;
    }
    return db_done(&r) == DB_OK && (now_ms >= tried_ms + interval_ms || tried_ms > now_ms);
}

static void sync_one(struct directory_work *w, const struct settings *settings, const struct domain *d)
{
    const struct directory_wish wish = {.actor = STR("directory"), .is_over = is_stopping, .arg = w};
    struct directory_outcome out;

    if (!directory_sync(w->db, settings, d, &wish, &out))
        log_error("directory of " STR_FMT ": the store: %s", STR_ARG(d->name), out.error);
    else if (*out.error)
        log_warning("directory of " STR_FMT ": %s", STR_ARG(d->name), out.error);
    if (out.changes.added || out.changes.removed)
        log_info("directory of " STR_FMT ": %lld mailboxes, %lld new, %lld removed", STR_ARG(d->name), (long long)out.found, (long long)out.changes.added,
                 (long long)out.changes.removed);
    if (out.changes.added || out.changes.aliases_added)
        callouts_forget_negative(w->callouts);
}

static void work(void *arg)
{
    struct directory_work *w = arg;
    struct settings *settings = settings_take(w->settings);

    for (size_t i = 0; i < settings_domain_count(settings) && !is_stopping(w); i++) {
        const struct domain *d = settings_domain_at(settings, i);
        if (directory_is_set(d) && is_due(w, d, clock_wall_ms()))
            sync_one(w, settings, d);
    }
    settings_unref(settings);
}

struct directory_work *directory_work_start(struct relay *r, const struct policy *p, struct buf *error)
{
    struct directory_work *w = calloc(1, sizeof *w);
    char path[STORE_PATH_MAX];

    if (!w) {
        buf_add_text(error, "out of memory");
        return NULL;
    }
    *w = (struct directory_work){.settings = r->settings, .callouts = r->callouts, .db = db_open(store_path(p, path), error)};
    int trouble = w->db ? periodic_start(&w->thread, work, w, LOOK_MS) : 0;
    if (w->db && !trouble)
        return w;
    if (trouble)
        buf_addf(error, "threads: %s", strerror(trouble));
    db_close(&w->db);
    free(w);
    return NULL;
}

void directory_work_stop(struct directory_work **w)
{
    if (!*w)
        return;
    periodic_stop(&(*w)->thread);
    db_close(&(*w)->db);
    free(*w);
    *w = NULL;
}
