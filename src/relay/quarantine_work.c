/* quarantine_work.c: see quarantine_work.h. */
#include "relay/quarantine_work.h"

#include "base/clock.h"
#include "relay/digest_work.h"
#include "base/log.h"
#include "base/periodic.h"
#include "store/open.h"
#include "store/quarantine.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 250, PAUSE_MS = 5000, TIDY_MS = 60000, ENVELOPE_BYTES_MAX = 64 * 1024, MESSAGE_BYTES_MAX = 1 << 30, ROWS_KEPT_DAYS = 32 };

struct quarantine_work {
    struct db *db;
    struct spool *spool;
    struct event_log *log;
    struct settings_holder *settings;
    struct dkim_signer *signer;
    char *spool_directory;
    int64_t version, tidied_ms, not_before_ms;
    struct periodic thread;
};

static struct blob *blob_of(const struct quarantine_work *w, const struct buf *bytes)
{
    struct blob *b = blob_new(MESSAGE_BYTES_MAX, w->spool_directory);

    if (b && (blob_append(b, bytes->at, bytes->len) != BLOB_OK || !blob_seal(b))) {
        blob_unref(b);
        b = NULL;
    }
    return b;
}

static void say(struct quarantine_work *w, const struct spool_message *m, int64_t id)
{
    const struct address *a = &m->recipients[0].args.recipient;
    struct event e = {.kind = EVENT_QUARANTINE_RELEASED, .wall_ms = clock_wall_ms(), .reference = str_from(m->reference), .sender = address_text(&m->mail.sender),
                      .recipient = address_text(a), .domain = address_domain(a), .size = m->mail.size, .quarantine_id = id, .action = "deliver"};

    event_log_add(w->log, &e);
}

/* False: not now. */
static bool release(struct quarantine_work *w, int64_t id, const struct buf *envelope, const struct buf *header, const struct buf *body)
{
    struct spool_message *m = spool_message_read(buf_str(envelope));
    bool was_there = false, ok = false;

    if (m) {
        m->received_ms = m->recipients[0].next_try_ms = clock_wall_ms(); /* the queue's lifetime begins now */
        m->header = blob_of(w, header);
        m->body = blob_of(w, body);
        ok = m->header && m->body && spool_submit_once(w->spool, m, id, &was_there) == SPOOL_OK;
    }
    if (ok && !was_there)
        say(w, m, id);
    spool_message_unref(m);
    if (!ok)
        log_error("quarantine: message %lld could not be put into the queue; it is tried again", (long long)id);
    else if (quarantine_released(w->db, id) != DB_OK)
        return false; /* the spool knows its number: the next attempt only says so */
    return ok;
}

/* One that waits for its release; false: none, or it did not work. */
static bool release_one(struct quarantine_work *w)
{
    struct buf envelope = buf_make(ENVELOPE_BYTES_MAX), header = buf_make(ENVELOPE_BYTES_MAX), body = buf_make(MESSAGE_BYTES_MAX);
    int64_t id = 0;
    bool found = quarantine_next_release(w->db, &id, &envelope, &header, &body);
    bool ok = found && release(w, id, &envelope, &header, &body);

    if (!found && id)
        log_error("quarantine: message %lld cannot be read: %s", (long long)id, db_error(w->db));
    if (!ok && id)
        w->not_before_ms = clock_mono_ms() + PAUSE_MS;
    buf_free(&envelope);
    buf_free(&header);
    buf_free(&body);
    return ok;
}

static bool is_stopping(void *arg)
{
    struct quarantine_work *w = arg;

    return periodic_is_stopping(&w->thread);
}

static void tidy(struct quarantine_work *w)
{
    int64_t wall_ms = clock_wall_ms();
    const struct digest_work digests = {.db = w->db, .spool = w->spool, .settings = w->settings, .signer = w->signer, .is_stopping = is_stopping, .arg = w};

    while (!is_stopping(w) && quarantine_expire(w->db, wall_ms, wall_ms - (int64_t)ROWS_KEPT_DAYS * 86400 * 1000) > 0)
        ;
    digests_send(&digests, wall_ms);
}

static void work(void *arg)
{
    struct quarantine_work *w = arg;
    int64_t version = db_version(w->db), now_ms = clock_mono_ms();

    if ((version != w->version || w->not_before_ms) && now_ms >= w->not_before_ms) {
        w->version = version;
        w->not_before_ms = 0;
        while (!is_stopping(w) && release_one(w))
            ;
    }
    if (now_ms - w->tidied_ms >= TIDY_MS) {
        w->tidied_ms = now_ms;
        tidy(w);
    }
}

struct quarantine_work *quarantine_work_start(struct relay *r, const struct policy *p, struct buf *error)
{
    struct quarantine_work *w = calloc(1, sizeof *w);
    char path[STORE_PATH_MAX];

    if (!w) {
        buf_add_text(error, "out of memory");
        return NULL;
    }
    *w = (struct quarantine_work){.spool = r->spool, .log = r->log, .settings = r->settings, .signer = r->signer, .version = -1, .spool_directory = strdup(setting_text(p, SETTING_spool_directory))};
    w->db = db_open(store_path(p, path), error);
    int trouble = !w->db ? 0 : !w->spool_directory ? ENOMEM : periodic_start(&w->thread, work, w, LOOK_MS);
    if (w->db && !trouble)
        return w;
    if (trouble)
        buf_addf(error, "threads: %s", strerror(trouble));
    db_close(&w->db);
    free(w->spool_directory);
    free(w);
    return NULL;
}

void quarantine_work_stop(struct quarantine_work **w)
{
    if (!*w)
        return;
    periodic_stop(&(*w)->thread);
    db_close(&(*w)->db);
    free((*w)->spool_directory);
    free(*w);
    *w = NULL;
}
