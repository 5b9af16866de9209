/* quarantine.c: see quarantine.h. */
#include "store/quarantine.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { BODY_MAX = 1 << 30, AT_ONCE = 200 };

struct wish {
    struct list link;
    const struct quarantine_item *items;
    size_t count;
    struct str header, packed;
    const char *packing;
    uint64_t size;
    bool is_done;
    enum db_result result;
};

struct quarantine {
    struct db *db;          /* of the thread that leads */
    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t done;
    struct list waiting;
    bool is_led;
};

struct quarantine *quarantine_open(const char *path, struct buf *error)
{
    struct quarantine *q = calloc(1, sizeof *q);

    if (!q) {
        buf_add_text(error, "out of memory");
        return NULL;
    }
    q->db = db_open(path, error);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->done, NULL);
    list_init(&q->waiting);
    if (!q->db)
        quarantine_close(&q);
    return q;
}

void quarantine_close(struct quarantine **q)
{
    if (!*q)
        return;
    db_close(&(*q)->db);
    pthread_cond_destroy(&(*q)->done);
    pthread_mutex_destroy(&(*q)->lock);
    free(*q);
    *q = NULL;
}

static struct db_value number_or_null(int64_t n)
{
    return n ? DB_N(n) : DB_NOTHING;
}

static enum db_result insert_row(struct db *d, const struct quarantine_item *i, int64_t body, uint64_t size)
{
    return DB_RUN(d, "INSERT INTO quarantine(id, body, tenant, domain, account, direction, reference, sender, recipient, header_from, subject, client_ip, size, "
                     "reason, evidence, score, is_refused, envelope, state, changed_ms, expires_ms) "
                     "VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 'kept', $19, $20)",
                  DB_N(i->id), DB_N(body), number_or_null(i->tenant), number_or_null(i->domain), number_or_null(i->account), DB_T(i->is_outgoing ? STR("out") : STR("in")),
                  DB_T(i->reference), DB_T(i->sender), DB_T(i->recipient), DB_T(i->header_from), DB_T(i->subject), DB_T(i->client_ip), DB_N((int64_t)size), DB_T(i->reason),
                  DB_T(i->evidence), DB_R(i->score), DB_N(i->is_refused), DB_B(i->envelope), DB_N(clock_wall_ms()), DB_N(i->expires_ms));
}

static enum db_result insert(struct db *d, const struct wish *w)
{
    int64_t body = w->items[0].id;
    enum db_result result = DB_RUN(d, "INSERT INTO body(id, packing, size, header, data) VALUES($1, $2, $3, $4, $5)", DB_N(body), DB_T(str_from(w->packing)),
                                   DB_N((int64_t)w->size), DB_B(w->header), DB_B(w->packed));

    for (size_t i = 0; i < w->count && result == DB_OK; i++)
        result = insert_row(d, &w->items[i], body, w->size);
    return result;
}

static enum db_result write_some(struct db *d, struct list *first, const struct list *end)
{
    enum db_result result = db_begin(d);

    for (const struct list *l = first; l != end && result == DB_OK; l = l->next)
        result = insert(d, container_of((struct list *)(uintptr_t)l, struct wish, link));
    if (result == DB_OK)
        result = db_commit(d);
    else
        db_rollback(d);
    if (result != DB_OK)
        log_error("the quarantine could not be written: %s", db_error(d));
    return result;
}

/* All of BATCH in one transaction; where that fails each alone, so that nobody pays for another's. */
static void write_batch(struct db *d, struct list *batch)
{
    enum db_result result = write_some(d, batch->next, batch);
    bool is_one = batch->next->next == batch;

    for (struct list *l = batch->next; l != batch; l = l->next)
        container_of(l, struct wish, link)->result = result == DB_OK || is_one ? result : write_some(d, l, l->next);
}

static void move_all(struct list *from, struct list *to)
{
    list_init(to);
    LIST_EACH_SAFE(from, l, after) {
        list_remove(l);
        list_add_tail(to, l);
    }
}

/* Who comes while nobody leads writes what waits, his own among it; the others sleep until theirs is written. */
static void wait_for(struct quarantine *q, struct wish *mine)
{
    pthread_mutex_lock(&q->lock);
    list_add_tail(&q->waiting, &mine->link);
    while (!mine->is_done) {
        if (q->is_led) {
            pthread_cond_wait(&q->done, &q->lock);
            continue;
        }
        struct list batch;
        move_all(&q->waiting, &batch);
        q->is_led = true;
        pthread_mutex_unlock(&q->lock);
        write_batch(q->db, &batch);
        pthread_mutex_lock(&q->lock);
        LIST_EACH_SAFE(&batch, l, after) {
            list_remove(l);
            container_of(l, struct wish, link)->is_done = true;
        }
        q->is_led = false;
        pthread_cond_broadcast(&q->done);
    }
    pthread_mutex_unlock(&q->lock);
}

enum db_result quarantine_keep(struct quarantine *q, const struct quarantine_item *items, size_t count, struct str header, struct str body)
{
    struct wish w = {.items = items, .count = count, .header = header, .packed = body, .packing = "none", .size = body.len};
    uLongf len = compressBound(body.len);
    unsigned char *packed = body.len ? malloc(len) : NULL;

    if (packed && compress2(packed, &len, (const unsigned char *)body.at, body.len, 1) == Z_OK && len < body.len) {
        w.packed = str_n((char *)packed, len);
        w.packing = "zlib";
    }
    wait_for(q, &w);
    free(packed);
    return w.result;
}

void quarantine_drop(struct quarantine *q, const struct quarantine_item *items, size_t count)
{
    pthread_mutex_lock(&q->lock);
    while (q->is_led)
        pthread_cond_wait(&q->done, &q->lock);
    q->is_led = true;
    pthread_mutex_unlock(&q->lock);
    enum db_result result = db_begin(q->db);
    for (size_t i = 0; i < count && result == DB_OK; i++)
        result = DB_RUN(q->db, "DELETE FROM quarantine WHERE id = $1", DB_N(items[i].id));
    if (result == DB_OK)
        result = DB_RUN(q->db, "DELETE FROM body WHERE id = $1", DB_N(items[0].id));
    if (result == DB_OK)
        result = db_commit(q->db);
    if (result != DB_OK) { /* a second copy after the retry harms nobody */
        log_warning("message " STR_FMT " stays in quarantine although its sender was asked to come again: %s", STR_ARG(items[0].reference), db_error(q->db));
        db_rollback(q->db);
    }
    pthread_mutex_lock(&q->lock);
    q->is_led = false;
    pthread_cond_broadcast(&q->done);
    pthread_mutex_unlock(&q->lock);
}

bool quarantine_is_risky(enum reason r)
{
    switch (r) {
    case REASON_VIRUS:
    case REASON_PHISH:
    case REASON_LINK_MALWARE:
    case REASON_LINK_PHISHING: return true;
    default: return false;
    }
}

static bool unpack(struct str packing, uint64_t size, struct str data, struct buf *out)
{
    uLongf len = (uLongf)size;

    if (!str_is(packing, "zlib"))
        return buf_add_str(out, data);
    if (size > BODY_MAX || !buf_reserve(out, (size_t)size ? (size_t)size : 1))
        return false;
    if (uncompress((unsigned char *)out->at, &len, (const unsigned char *)data.at, data.len) != Z_OK || len != size)
        return false;
    out->len = len;
    return true;
}

bool quarantine_body(struct db *d, int64_t id, struct buf *header, struct buf *body)
{
    struct db_rows *r = DB_QUERY(d, "SELECT b.packing, b.size, b.header, b.data FROM quarantine q JOIN body b ON b.id = q.body WHERE q.id = $1", DB_N(id));
    bool ok = db_next(r) && buf_add_str(header, db_bytes(r, 2)) && unpack(db_text(r, 0), (uint64_t)db_number(r, 1), db_bytes(r, 3), body);

    return db_done(&r) == DB_OK && ok;
}

enum db_result quarantine_release(struct db *d, int64_t id, struct str by, int64_t *changed)
{
    const struct db_value values[] = {DB_N(id), DB_T(by), DB_N(clock_wall_ms())};

    return db_run(d, "UPDATE quarantine SET state = 'releasing', changed_by = $2, changed_ms = $3 WHERE id = $1 AND state = 'kept'", values, 3, changed);
}

enum db_result quarantine_remove(struct db *d, int64_t id, struct str by, int64_t *changed)
{
    const struct db_value values[] = {DB_N(id), DB_T(by), DB_N(clock_wall_ms())};

    enum db_result result = db_run(d, "UPDATE quarantine SET state = 'removed', changed_by = $2, changed_ms = $3 WHERE id = $1 AND state = 'kept'", values, 3, changed);
    if (result != DB_OK || !*changed)
        return result;
    /* the message log says so, too */
    return DB_RUN(d, "UPDATE message SET status = CASE status WHEN 'quarantined' THEN 'quarantine-removed' ELSE status END, changed_ms = $2 WHERE (reference, recipient) IN "
                     "(SELECT reference, recipient FROM quarantine WHERE id = $1)", DB_N(id), DB_N(values[2].number));
}

bool quarantine_next_release(struct db *d, int64_t *id, struct buf *envelope, struct buf *header, struct buf *body)
{
    struct db_rows *r = db_query(d, "SELECT id, envelope FROM quarantine WHERE state = 'releasing' ORDER BY id LIMIT 1", NULL, 0);
    bool found = db_next(r) && buf_add_str(envelope, db_bytes(r, 1));

    if (found)
        *id = db_number(r, 0);
    return db_done(&r) == DB_OK && found && quarantine_body(d, *id, header, body);
}

enum db_result quarantine_released(struct db *d, int64_t id)
{
    return DB_RUN(d, "UPDATE quarantine SET state = 'released', changed_ms = $2 WHERE id = $1 AND state = 'releasing'", DB_N(id), DB_N(clock_wall_ms()));
}

int64_t quarantine_expire(struct db *d, int64_t now_ms, int64_t forget_ms)
{
    const struct db_value values[] = {DB_N(now_ms), DB_N(forget_ms), DB_N(AT_ONCE)};
    static const char *const steps[] = {
        "UPDATE quarantine SET state = 'expired', changed_ms = $1 WHERE id IN (SELECT id FROM quarantine WHERE state = 'kept' AND expires_ms <= $1 LIMIT $3)",
        /* the message log says so, too; with the status in WHERE, SQLite would take its index and look at all that is in quarantine */
        "UPDATE message SET status = CASE status WHEN 'quarantined' THEN 'quarantine-expired' ELSE status END, changed_ms = $1 WHERE (reference, recipient) IN "
        "(SELECT reference, recipient FROM quarantine WHERE state = 'expired' AND changed_ms = $1)",
        /* the row stays for the log's sake; an empty body stands for one that is gone */
        "UPDATE body SET data = $4, header = $4, packing = 'none', size = 0 WHERE id IN (SELECT b.id FROM body b WHERE b.size > 0 AND b.id IN "
        "(SELECT q.body FROM quarantine q WHERE q.state IN ('released', 'removed', 'expired')) AND b.id NOT IN "
        "(SELECT q.body FROM quarantine q WHERE q.state IN ('kept', 'releasing')) LIMIT $3)",
        "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE state IN ('released', 'removed', 'expired') AND changed_ms <= $2 LIMIT $3)",
        "DELETE FROM body WHERE id IN (SELECT b.id FROM body b WHERE b.size = 0 AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.body = b.id) LIMIT $3)",
    };
    struct db_value all[] = {values[0], values[1], values[2], DB_B(STR(""))};
    int64_t total = 0, changed = 0;

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (db_run(d, steps[i], all, 4, &changed) != DB_OK) {
            log_warning("the quarantine could not be tidied: %s", db_error(d));
            break;
        }
        total += changed;
    }
    return total;
}
