/* message_log.c: see message_log.h. */
#include "store/message_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/message_journal.h"
#include "store/message_retention.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    MEMORY_MAX = 8 * 1024 * 1024, /* octets of rows that wait for the journal */
    PIECE_BYTES = 256 * 1024,     /* that go into the journal, or do not, at a time */
    KEEP_MAX = 256 * 1024,        /* memory that an empty queue keeps */
    JOURNAL_GATHER_MS = 20,
    ROWS_GATHER_MS = 60,
    BATCH_BYTES = 96 * 1024,      /* about a hundred rows: others want to write, too */
    RETRY_MS = 500,
    IDLE_MS = 1000,
    CLOSE_MS = 5000,
    REST_MOST = 12,               /* times as long as a turn took */
    EVENTS_PER_REST = 60,         /* so many events in a second make it once longer */
    LOW_PRIORITY = 5              /* of nice(2): less than mail, but not so little that it holds the database for long */
};

struct message_log {
    struct message_journal *journal;
    struct db *db;                    /* the rows thread's */
    struct message_rows *rows;        /* the same */
    struct message_retention *retention; /* the same; NULL: nothing is removed */
    char *node, *position_name;       /* owned */

    pthread_t journal_thread, rows_thread;
    pthread_mutex_t lock;
    pthread_cond_t added, journaled, progress;
    struct buf gathering;             /* framed rows */
    bool appending;                   /* what was gathered is on its way into the journal */
    uint64_t appends;                 /* so many times something came into the journal */
    uint64_t events;                  /* that came */
    uint64_t journal_bytes_max;
    bool journal_stops, rows_stop;
    struct message_log_stats stats;
};

static struct timespec in_ms(int64_t ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* Until MS have passed or *STOP. The lock is held. */
static void rest(struct message_log *l, pthread_cond_t *cond, const bool *stop, int64_t ms)
{
    struct timespec until = in_ms(ms);

    while (!*stop && pthread_cond_timedwait(cond, &l->lock, &until) != ETIMEDOUT)
        ;
}

void message_log_add(struct message_log *l, const struct event *e)
{
    struct arena arena = arena_make(MESSAGE_ROW_MEMORY);
    struct buf record = buf_make(MESSAGE_ROW_MAX), framed = buf_make(MESSAGE_ROW_MAX + JOURNAL_RECORD_HEADER);
    struct message_row row;

    buf_reserve(&record, 1024);
    bool ok = message_row_of(e, str_from(l->node), &arena, &row) && message_row_encode(&row, &record) && journal_frame(&framed, buf_str(&record));
    pthread_mutex_lock(&l->lock);
    bool first = !l->gathering.len;
    l->events++;
    if (!ok || !buf_add_str(&l->gathering, buf_str(&framed))) {
        l->gathering.failed = false;
        l->stats.dropped++;
    }
    pthread_mutex_unlock(&l->lock);
    if (first)
        pthread_cond_signal(&l->added);
    buf_free(&record);
    buf_free(&framed);
    arena_free(&arena);
}

/* Into the journal. */

static void say_append(bool failing, uint64_t dropped, int why)
{
    if (failing)
        log_error("message log: its journal takes no more (%s); rows wait in memory, and are dropped once that is full; mail flows on",
                  why == EDQUOT ? "log_spill is reached" : strerror(why));
    else
        log_error("message log: its journal is written again; %" PRIu64 " rows are missing", dropped);
}

/* Whole rows from the start of BYTES, about PIECE_BYTES of them. */
static struct str piece_of(struct str bytes)
{
    struct str left = bytes, record;

    while (bytes.len - left.len < PIECE_BYTES && journal_next(&left, &record))
        ;
    return str_sub(bytes, 0, bytes.len - left.len);
}

static bool append_all(struct message_journal *j, struct buf *rows)
{
    size_t done = 0;
    bool ok = true;

    while (ok && done < rows->len) {
        struct str piece = piece_of(str_from_index(buf_str(rows), done));
        ok = journal_append(j, piece);
        done += ok ? piece.len : 0;
    }
    int why = errno;
    buf_consume(rows, done);
    errno = why;
    return ok;
}

/* The lock is held, but not while it is written. What could not be written stays first in line. */
static bool append(struct message_log *l, struct buf *writing)
{
    l->appending = true;
    if (!writing->len) {
        struct buf emptied = *writing;
        *writing = l->gathering;
        l->gathering = emptied;
        if (emptied.cap > KEEP_MAX)
            buf_free(&l->gathering);
    }
    pthread_mutex_unlock(&l->lock);
    size_t before = writing->len;
    bool ok = append_all(l->journal, writing);
    int why = errno;
    pthread_mutex_lock(&l->lock);
    l->appends += writing->len < before;
    l->appending = writing->len > 0;
    errno = why;
    return ok;
}

static void *journal_main(void *arg)
{
    struct message_log *l = arg;
    struct buf writing = buf_make(MEMORY_MAX);
    bool failing = false;
    uint64_t dropped_before = 0;

    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->gathering.len && !writing.len && !l->journal_stops)
            pthread_cond_wait(&l->added, &l->lock);
        if (!l->gathering.len && !writing.len)
            break;
        rest(l, &l->added, &l->journal_stops, failing ? RETRY_MS : JOURNAL_GATHER_MS);
        bool failed = !append(l, &writing);
        if (failed != failing) {
            say_append(failed, l->stats.dropped - dropped_before, errno);
            dropped_before = l->stats.dropped;
        }
        failing = failed;
        pthread_cond_broadcast(&l->journaled);
        if (l->journal_stops && failed)
            break;
    }
    l->appending = false;
    pthread_mutex_unlock(&l->lock);
    buf_free(&writing);
    return NULL;
}

/* Into the database. */

static enum db_result keep_position(struct message_log *l, const struct journal_position *at)
{
    char text[64];
    int len = snprintf(text, sizeof text, "%" PRId64 " %" PRIu64, at->segment, at->offset);

    return DB_RUN(l->db, "INSERT INTO meta(name, value) VALUES($1, $2) ON CONFLICT(name) DO UPDATE SET value = excluded.value",
                  DB_T(str_from(l->position_name)), DB_T(str_n(text, (size_t)len)));
}

static bool take_position(struct message_log *l)
{
    struct db_rows *r = DB_QUERY(l->db, "SELECT value FROM meta WHERE name = $1", DB_T(str_from(l->position_name)));
    struct journal_position at = {0};
    uint64_t segment;

    if (db_next(r)) {
        struct str offset = db_text(r, 0), number = str_cut(&offset, ' ');
        if (str_to_u64(number, INT64_MAX, &segment) && str_to_u64(offset, UINT64_MAX, &at.offset))
            at.segment = (int64_t)segment;
    }
    if (db_done(&r) != DB_OK)
        return false;
    journal_seek(l->journal, at);
    return true;
}

/* What a row's own constraints forbid is left out: one bad row must not hold up all others. */
static enum db_result put_all(struct message_log *l, struct str records, uint64_t *written, uint64_t *damaged)
{
    struct str record;
    struct message_row row;

    while (journal_next(&records, &record)) {
        bool fine = message_row_decode(record, &row);
        enum db_result result = fine ? message_rows_put(l->rows, &row) : DB_CONFLICT;
        if (result == DB_CONFLICT) {
            log_error("message log: a row is left out: %s", fine ? db_error(l->db) : "the journal holds none there");
            ++*damaged;
        } else if (result != DB_OK) {
            return result;
        } else {
            ++*written;
        }
    }
    return DB_OK;
}

static enum db_result write_batch(struct message_log *l, struct str records, const struct journal_position *after, uint64_t *written, uint64_t *damaged)
{
    enum db_result result = db_begin(l->db);

    if (result == DB_OK)
        result = put_all(l, records, written, damaged);
    if (result == DB_OK)
        result = keep_position(l, after);
    if (result == DB_OK)
        return db_commit(l->db);
    db_rollback(l->db);
    return result;
}

/* Whole files of the journal may go once their rows would survive a power failure. */
static void forget_files(struct message_log *l, const struct journal_position *at)
{
    enum db_result result = db_hurry(l->db, false);

    if (result == DB_OK)
        result = db_begin(l->db);
    if (result == DB_OK)
        result = keep_position(l, at);
    if (result == DB_OK)
        result = db_commit(l->db);
    if (result == DB_OK)
        journal_forget(l->journal);
    else
        db_rollback(l->db);
    if (db_hurry(l->db, true) != DB_OK)
        log_warning("message log: it waits for the disk from now on: %s", db_error(l->db));
}

static void note(struct message_log *l, bool failed, uint64_t written, uint64_t damaged, const char *why)
{
    pthread_mutex_lock(&l->lock);
    bool changed = l->stats.failing != failed;
    l->stats.failing = failed;
    if (!failed) {
        l->stats.written += written;
        l->stats.damaged += damaged;
    }
    pthread_cond_broadcast(&l->progress);
    pthread_mutex_unlock(&l->lock);
    if (changed && failed)
        log_error("message log: the store takes no rows (%s); they wait in its journal and are written later; mail flows on", why);
    else if (changed)
        log_info("message log: the store takes rows again");
}

enum turn { TURN_NOTHING, TURN_DONE, TURN_FAILED };

static enum turn one_turn(struct message_log *l, struct buf *records)
{
    struct journal_position after;
    uint64_t written = 0, damaged = 0;
    int got = journal_read(l->journal, BATCH_BYTES, records, &after);

    if (got < 0) {
        note(l, true, 0, 0, strerror(errno));
        return TURN_FAILED;
    }
    if (got == 0)
        return TURN_NOTHING;
    if (write_batch(l, buf_str(records), &after, &written, &damaged) != DB_OK) {
        note(l, true, 0, 0, db_error(l->db));
        return TURN_FAILED;
    }
    journal_seek(l->journal, after);
    note(l, false, written, damaged, "");
    if (journal_has_read_files(l->journal))
        forget_files(l, &after);
    return TURN_DONE;
}

/*
 * A turn is followed by a rest as long as itself: whoever else writes gets a turn, too. The more mail comes the longer it is, since rows can wait in the
 * journal where senders cannot; but not when that is half full.
 */
struct pace {
    uint64_t appends, events; /* as of the last look */
    int64_t looked_ms, began_ms;
};

/* The lock is held. */
static int64_t rest_ms(struct message_log *l, struct pace *p, int64_t now_ms)
{
    int64_t passed_ms = now_ms > p->looked_ms ? now_ms - p->looked_ms : 1;
    uint64_t times = 1 + (l->events - p->events) * 1000 / (uint64_t)passed_ms / EVENTS_PER_REST;

    if (times > REST_MOST)
        times = REST_MOST;
    if (journal_waiting(l->journal) > l->journal_bytes_max / 2)
        times = 1;
    p->events = l->events;
    p->looked_ms = now_ms;
    return (now_ms - p->began_ms) * (int64_t)times;
}

/* The lock is held. */
static void pause_after(struct message_log *l, enum turn turn, const struct pace *p, int64_t ms)
{
    if (turn == TURN_FAILED) {
        rest(l, &l->journaled, &l->rows_stop, RETRY_MS);
    } else if (turn == TURN_NOTHING && !l->rows_stop) {
        struct timespec until = in_ms(IDLE_MS);
        while (l->appends == p->appends && !l->rows_stop && pthread_cond_timedwait(&l->journaled, &l->lock, &until) != ETIMEDOUT)
            ;
        rest(l, &l->journaled, &l->rows_stop, ROWS_GATHER_MS);
    } else if (ms > 0) {
        rest(l, &l->journaled, &l->rows_stop, ms);
    }
}

static void *rows_main(void *arg)
{
    struct message_log *l = arg;
    struct buf records = buf_make(JOURNAL_SEGMENT_BYTES + MEMORY_MAX);
    int64_t stop_by_ms = INT64_MAX;
    struct pace pace = {0};

    setpriority(PRIO_PROCESS, (id_t)gettid(), LOW_PRIORITY);
    for (;;) {
        pace.began_ms = clock_mono_us() / 1000;
        enum turn turn = one_turn(l, &records);
        if (turn == TURN_NOTHING && l->retention && message_retention_step(l->retention, l->db, l->rows))
            turn = TURN_DONE;
        int64_t now_ms = clock_mono_us() / 1000;
        pthread_mutex_lock(&l->lock);
        if (l->rows_stop && stop_by_ms == INT64_MAX)
            stop_by_ms = now_ms + CLOSE_MS;
        bool ends = l->rows_stop && (turn != TURN_DONE || now_ms >= stop_by_ms);
        if (!ends)
            pause_after(l, turn, &pace, rest_ms(l, &pace, now_ms));
        pace.appends = l->appends;
        pthread_mutex_unlock(&l->lock);
        if (ends)
            break;
    }
    buf_free(&records);
    return NULL;
}

static void free_log(struct message_log *l)
{
    pthread_cond_destroy(&l->added);
    pthread_cond_destroy(&l->journaled);
    pthread_cond_destroy(&l->progress);
    pthread_mutex_destroy(&l->lock);
    buf_free(&l->gathering);
    message_retention_free(&l->retention);
    db_close(&l->db);
    message_rows_free(&l->rows);
    journal_close(&l->journal);
    free(l->node);
    free(l->position_name);
    free(l);
}

static struct message_log *make(const struct message_log_options *o)
{
    struct message_log *l = calloc(1, sizeof *l);
    pthread_condattr_t monotonic;

    if (!l)
        return NULL;
    l->gathering = buf_make(MEMORY_MAX);
    l->journal_bytes_max = o->journal_bytes_max;
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->added, &monotonic);
    pthread_cond_init(&l->journaled, &monotonic);
    pthread_cond_init(&l->progress, &monotonic);
    pthread_condattr_destroy(&monotonic);
    l->node = strdup(o->node);
    if (asprintf(&l->position_name, "message_log.%s", o->node) < 0)
        l->position_name = NULL;
    l->retention = o->settings ? message_retention_new(o->settings) : NULL;
    if (l->node && l->position_name && (l->retention || !o->settings))
        return l;
    free_log(l);
    return NULL;
}

static bool start(struct message_log *l, struct buf *error)
{
    int trouble = pthread_create(&l->journal_thread, NULL, journal_main, l);

    if (!trouble) {
        pthread_setname_np(l->journal_thread, "log journal");
        trouble = pthread_create(&l->rows_thread, NULL, rows_main, l);
        if (!trouble) {
            pthread_setname_np(l->rows_thread, "log rows");
            return true;
        }
        pthread_mutex_lock(&l->lock);
        l->journal_stops = true;
        pthread_cond_broadcast(&l->added);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->journal_thread, NULL);
    }
    buf_addf(error, "message log: no thread: %s", strerror(trouble));
    return false;
}

struct message_log *message_log_open(const struct message_log_options *o, struct buf *error)
{
    struct message_log *l = make(o);

    if (!l) {
        buf_add_text(error, "message log: out of memory");
        return NULL;
    }
    l->journal = journal_open(o->directory, o->journal_bytes_max, error);
    l->db = l->journal ? db_open(o->store_path, error) : NULL;
    l->rows = l->db ? message_rows_new(l->db) : NULL;
    if (l->rows && db_hurry(l->db, true) == DB_OK && take_position(l) && start(l, error))
        return l;
    if (!error->len)
        buf_addf(error, "message log: %s", l->db ? db_error(l->db) : "out of memory");
    free_log(l);
    return NULL;
}

void message_log_close(struct message_log **l)
{
    struct message_log *log = *l;

    if (!log)
        return;
    pthread_mutex_lock(&log->lock);
    log->journal_stops = true;
    pthread_cond_broadcast(&log->added);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->journal_thread, NULL);
    pthread_mutex_lock(&log->lock);
    log->rows_stop = true;
    pthread_cond_broadcast(&log->journaled);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->rows_thread, NULL);
    free_log(log);
    *l = NULL;
}

bool message_log_flush(struct message_log *l, int64_t timeout_ms)
{
    struct timespec until = in_ms(timeout_ms);
    bool waits;

    pthread_mutex_lock(&l->lock);
    while ((waits = l->gathering.len || l->appending || journal_waiting(l->journal)) && pthread_cond_timedwait(&l->progress, &l->lock, &until) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&l->lock);
    return !waits;
}

void message_log_stats(struct message_log *l, struct message_log_stats *out)
{
    pthread_mutex_lock(&l->lock);
    *out = l->stats;
    pthread_mutex_unlock(&l->lock);
    out->waiting_bytes = journal_waiting(l->journal);
}
