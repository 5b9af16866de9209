/*
 * message_retention.c: see message_retention.h. A walk first goes through what is older than the operator's own retention, oldest first, and spares what
 * belongs to domains that keep theirs longer; then through the domains that keep theirs shorter.
 */
#include "store/message_retention.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

struct own_time {
    int64_t domain, until_id; /* rows below it go */
};

struct message_retention {
    struct settings_holder *settings;
    int64_t next_ms;             /* monotonic: the next walk */
    bool walking;
    int64_t until_id;            /* where the domain has no time of its own */
    struct own_time *own;        /* by domain; owned */
    size_t count;
    size_t turn;                 /* 0: the walk through all; else own[turn - 1] */
    int64_t behind_id;           /* rows up to here were looked at in this turn */
};

struct message_retention *message_retention_new(struct settings_holder *settings)
{
    struct message_retention *r = calloc(1, sizeof *r);

    if (r)
        r->settings = settings;
    return r;
}

void message_retention_free(struct message_retention **r)
{
    if (!*r)
        return;
    free((*r)->own);
    free(*r);
    *r = NULL;
}

static int by_domain(const void *a, const void *b)
{
    const struct own_time *x = a, *y = b;
    return x->domain < y->domain ? -1 : x->domain > y->domain;
}

static int64_t until(const struct policy *p)
{
    int64_t oldest_ms = clock_wall_ms() - setting_number(p, SETTING_log_retention);
    return db_id_at(oldest_ms > 0 ? oldest_ms : 0);
}

static bool begin(struct message_retention *r)
{
    struct settings *s = settings_take(r->settings);
    size_t domains = settings_domain_count(s);
    const int64_t usual_ms = setting_number(settings_system(s), SETTING_log_retention);

    free(r->own);
    r->own = malloc((domains + 1) * sizeof *r->own);
    r->count = 0;
    for (size_t i = 0; r->own && i < domains; i++) {
        const struct domain *d = settings_domain_at(s, i);
        if (d->id && setting_number(&d->policy, SETTING_log_retention) != usual_ms)
            r->own[r->count++] = (struct own_time){d->id, until(&d->policy)};
    }
    r->until_id = until(settings_system(s));
    settings_unref(s);
    if (!r->own)
        return false;
    qsort(r->own, r->count, sizeof *r->own, by_domain);
    r->turn = 0;
    r->behind_id = 0;
    r->walking = true;
    return true;
}

static bool is_old(const struct message_retention *r, int64_t id, int64_t domain)
{
    struct own_time key = {.domain = domain};
    const struct own_time *own = domain ? bsearch(&key, r->own, r->count, sizeof key, by_domain) : NULL;

    return id < (own ? own->until_id : r->until_id);
}

static struct db_rows *candidates(const struct message_retention *r, struct db *d)
{
    if (r->turn == 0)
        return DB_QUERY(d, "SELECT id, domain FROM message WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3", DB_N(r->behind_id), DB_N(r->until_id),
                        DB_N(RETENTION_BATCH));
    const struct own_time *own = &r->own[r->turn - 1];
    return DB_QUERY(d, "SELECT id, domain FROM message WHERE domain = $4 AND id > $1 AND id < $2 ORDER BY id LIMIT $3", DB_N(r->behind_id),
                    DB_N(own->until_id), DB_N(RETENTION_BATCH), DB_N(own->domain));
}

struct batch {
    int64_t old[RETENTION_BATCH];
    size_t old_count, seen;
    int64_t last_id;
};

static enum db_result find(const struct message_retention *r, struct db *d, struct batch *b)
{
    struct db_rows *rows = candidates(r, d);

    *b = (struct batch){.last_id = r->behind_id};
    for (; b->seen < RETENTION_BATCH && db_next(rows); b->seen++) {
        b->last_id = db_number(rows, 0);
        if (is_old(r, b->last_id, db_number(rows, 1)))
            b->old[b->old_count++] = b->last_id;
    }
    return db_done(&rows);
}

static enum db_result remove_all(struct db *d, struct message_rows *rows, const struct batch *b)
{
    enum db_result result = b->old_count ? db_begin(d) : DB_OK;
    bool gone;

    if (!b->old_count || result != DB_OK)
        return result;
    for (size_t i = 0; i < b->old_count && result == DB_OK; i++)
        result = message_rows_remove(rows, b->old[i], &gone);
    if (result == DB_OK)
        return db_commit(d);
    db_rollback(d);
    return result;
}

/* Those that keep theirs longer have nothing more to lose. */
static bool next_turn(struct message_retention *r)
{
    r->behind_id = 0;
    do
        r->turn++;
    while (r->turn <= r->count && r->own[r->turn - 1].until_id <= r->until_id);
    return r->turn <= r->count;
}

bool message_retention_step(struct message_retention *r, struct db *d, struct message_rows *rows)
{
    struct batch b;

    if (!r->walking && (clock_mono_ms() < r->next_ms || !begin(r)))
        return false;
    r->next_ms = clock_mono_ms() + RETENTION_EVERY_MS;
    enum db_result result = find(r, d, &b);
    if (result == DB_OK)
        result = remove_all(d, rows, &b);
    if (result != DB_OK) {
        log_warning("message log: old rows could not be removed, and are tried again later: %s", db_error(d));
        r->walking = false;
        return false;
    }
    r->behind_id = b.last_id;
    r->walking = b.seen == RETENTION_BATCH || next_turn(r);
    return r->walking;
}
