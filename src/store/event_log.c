/*
 * event_log.c: the queue and the writer thread of the message log. See event_log.h.
 *
 * An event is turned into its lines on the caller's thread; what is queued are the bytes to be written. The writer takes all of them
 * with one write per file, and then gathers for a moment before the next, so that thousands of events a second cost few wakes.
 */
#include "store/event_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/event_parts.h"
#include "store/message_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

enum {
    QUEUE_MAX = 8 * 1024 * 1024,  /* bytes per output, twice: gathering and being written */
    GATHER_MS = 20,
    RETRY_MS = 1000,              /* an output that cannot be written */
    KEEP_MAX = 256 * 1024,        /* memory that an empty queue keeps */
    EARLY_MS = 500,               /* an attempt so soon after receipt may come before the news of acceptance */
    JOURNAL_FIELDS_MAX = 48
};

/* Where lines go. */
struct output {
    char *path; /* owned; NULL: the journal, or off */
    int fd;
    bool on;
    struct buf gathering; /* guarded by the lock */
    struct buf writing;   /* the writer's */
    bool failing;         /* guarded by the lock */
    uint64_t lost;        /* events, since it fails; guarded by the lock */
};

enum { OUT_JSON, OUT_TEXT, OUT_JOURNAL, OUTPUTS };

struct event_log {
    struct output out[OUTPUTS];
    struct event_text_context text;
    char *host_name;                       /* owned */
    struct event_seen *seen;               /* owned */
    struct message_log *rows;              /* NULL: none */

    pthread_t writer;
    pthread_mutex_t lock;
    pthread_cond_t work, progress;
    uint64_t added, written; /* events */
    bool writer_sleeps, reopen, hurry, stopping;
};

static bool open_output(struct output *o)
{
    int fd = open(o->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

    if (fd < 0)
        return false;
    if (o->fd >= 0)
        close(o->fd);
    o->fd = fd;
    return true;
}

static bool set_up(struct output *o, const char *path, struct buf *error)
{
    if (!path[0])
        return true;
    o->path = strdup(path);
    o->on = o->path && open_output(o);
    if (!o->on)
        buf_addf(error, "%s: %s", path, strerror(errno));
    return o->on;
}

static void free_log(struct event_log *l)
{
    for (int i = 0; i < OUTPUTS; i++) {
        if (l->out[i].fd >= 0)
            close(l->out[i].fd);
        free(l->out[i].path);
        buf_free(&l->out[i].gathering);
        buf_free(&l->out[i].writing);
    }
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->progress);
    pthread_mutex_destroy(&l->lock);
    event_seen_free(l->seen);
    free(l->host_name);
    free(l);
}

static bool write_all(int fd, struct buf *bytes)
{
    while (bytes->len) {
        ssize_t n = write(fd, bytes->at, bytes->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        buf_consume(bytes, (size_t)n);
    }
    return true;
}

static uint32_t read_u32(const struct buf *b, size_t at)
{
    uint32_t value;

    memcpy(&value, b->at + at, sizeof value);
    return value;
}

/* Sends the event at *AT of BYTES, as event_journal() wrote it, and goes behind it. False when the journal does not take it. */
static bool send_one(const struct buf *bytes, size_t *at)
{
    struct iovec fields[JOURNAL_FIELDS_MAX + 2] = {
        {.iov_base = (void *)(uintptr_t)"SYSLOG_IDENTIFIER=postern", .iov_len = 25},
        {.iov_base = (void *)(uintptr_t)"PRIORITY=6", .iov_len = 10},
    };
    uint32_t count = read_u32(bytes, *at);
    size_t next = *at + sizeof count;
    int used = 2;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t len = read_u32(bytes, next);
        next += sizeof len;
        if (used < JOURNAL_FIELDS_MAX + 2)
            fields[used++] = (struct iovec){.iov_base = bytes->at + next, .iov_len = len};
        next += len;
    }
    if (sd_journal_sendv(fields, used) < 0)
        return false;
    *at = next;
    return true;
}

static bool write_journal(struct buf *bytes)
{
    size_t at = 0;

    while (at < bytes->len && send_one(bytes, &at))
        ;
    bool all = at == bytes->len;
    buf_consume(bytes, at);
    return all;
}

static bool write_output(struct output *o)
{
    return o->path ? write_all(o->fd, &o->writing) : write_journal(&o->writing);
}

/* The lock is held. */
static bool is_waiting(const struct event_log *l)
{
    for (int i = 0; i < OUTPUTS; i++)
        if (l->out[i].gathering.len || l->out[i].writing.len)
            return true;
    return false;
}

static bool is_failing(const struct event_log *l)
{
    for (int i = 0; i < OUTPUTS; i++)
        if (l->out[i].failing)
            return true;
    return false;
}

static struct timespec in_ms(int ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

/* Waits for something to write, then until GATHER has passed or somebody is in a hurry. The lock is held. */
static void wait_for_work(struct event_log *l, const struct timespec *gather)
{
    while (!is_waiting(l) && !l->reopen && !l->stopping && !l->hurry) {
        l->writer_sleeps = true;
        pthread_cond_wait(&l->work, &l->lock);
    }
    l->writer_sleeps = false;
    while (!l->hurry && !l->reopen && !l->stopping)
        if (pthread_cond_timedwait(&l->work, &l->lock, gather) == ETIMEDOUT)
            return;
}

/* The lock is held. What an output could not write last time comes before what has gathered since. */
static void take(struct output *o)
{
    if (o->writing.len)
        return;
    struct buf emptied = o->writing;
    o->writing = o->gathering;
    o->gathering = emptied;
    if (emptied.cap > KEEP_MAX)
        buf_free(&o->gathering); /* a burst is over */
    buf_clear(&o->gathering);
}

static void say_change(const struct output *o, bool failing, uint64_t lost, int why)
{
    const char *name = o->path ? o->path : "the journal";

    if (failing)
        log_error("message log: %s: %s; events wait, and are dropped once the queue is full; mail flows on", name,
                  strerror(why));
    else
        log_error("message log: %s: written again; %llu events are missing", name, (unsigned long long)lost);
}

/* Without the lock: only the writer touches `writing`. */
static void write_outputs(struct event_log *l)
{
    for (int i = 0; i < OUTPUTS; i++) {
        struct output *o = &l->out[i];
        if (!o->on)
            continue;
        bool failing = !write_output(o);
        if (failing == o->failing)
            continue; /* only this thread changes it */
        int why = errno;
        pthread_mutex_lock(&l->lock);
        uint64_t lost = o->lost;
        o->failing = failing;
        o->lost = 0;
        pthread_mutex_unlock(&l->lock);
        say_change(o, failing, lost, why);
    }
}

static void reopen_outputs(struct event_log *l)
{
    for (int i = 0; i < OUTPUTS; i++)
        if (l->out[i].path && !open_output(&l->out[i]))
            log_error("message log: reopening %s: %s; the old file is written on", l->out[i].path, strerror(errno));
}

static void *run(void *arg)
{
    struct event_log *l = arg;
    struct timespec gather = in_ms(0);

    pthread_mutex_lock(&l->lock);
    for (;;) {
        wait_for_work(l, &gather);
        bool reopen = l->reopen, stopping = l->stopping;
        l->reopen = l->hurry = false;
        for (int i = 0; i < OUTPUTS; i++)
            take(&l->out[i]);
        uint64_t taken = l->added;
        pthread_mutex_unlock(&l->lock);
        if (reopen)
            reopen_outputs(l);
        write_outputs(l);
        pthread_mutex_lock(&l->lock);
        l->written = taken;
        pthread_cond_broadcast(&l->progress);
        gather = in_ms(is_failing(l) ? RETRY_MS : GATHER_MS);
        if (stopping && (!is_waiting(l) || is_failing(l)))
            break;
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static bool start(struct event_log *l, struct buf *error)
{
    int trouble = pthread_create(&l->writer, NULL, run, l);

    if (trouble) {
        buf_addf(error, "message log: no thread: %s", strerror(trouble));
        return false;
    }
    pthread_setname_np(l->writer, "message log");
    return true;
}

static struct event_log *make(const char *host_name)
{
    struct event_log *l = calloc(1, sizeof *l);
    pthread_condattr_t monotonic;

    if (!l || !(l->host_name = strdup(host_name)) || !(l->seen = event_seen_new())) {
        if (l)
            free(l->host_name);
        free(l);
        return NULL;
    }
    l->text = (struct event_text_context){.host_name = l->host_name, .process_id = (int)getpid()};
    for (int i = 0; i < OUTPUTS; i++) {
        l->out[i].fd = -1;
        l->out[i].gathering = buf_make(QUEUE_MAX);
        l->out[i].writing = buf_make(QUEUE_MAX);
    }
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->work, &monotonic);
    pthread_cond_init(&l->progress, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return l;
}

struct event_log *event_log_open(const char *json_path, const char *text_path, bool journal, const char *host_name, struct buf *error)
{
    struct event_log *l = make(host_name);

    if (!l) {
        buf_addf(error, "message log: out of memory");
        return NULL;
    }
    l->out[OUT_JOURNAL].on = journal;
    if (set_up(&l->out[OUT_JSON], json_path, error) && set_up(&l->out[OUT_TEXT], text_path, error) && start(l, error))
        return l;
    free_log(l);
    return NULL;
}

void event_log_close(struct event_log **l)
{
    if (!*l)
        return;
    pthread_mutex_lock(&(*l)->lock);
    (*l)->stopping = true;
    pthread_cond_signal(&(*l)->work);
    pthread_mutex_unlock(&(*l)->lock);
    pthread_join((*l)->writer, NULL);
    free_log(*l);
    *l = NULL;
}

void event_log_reopen(struct event_log *l)
{
    pthread_mutex_lock(&l->lock);
    l->reopen = true;
    pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->lock);
}

/* What the text has to say of the message before it says E. The lock is held. */
static unsigned introduction(struct event_log *l, const struct event *e)
{
    bool is_attempt = e->kind == EVENT_DELIVERED || e->kind == EVENT_DEFERRED || e->kind == EVENT_BOUNCED;

    if (e->kind == EVENT_ACCEPTED)
        return event_seen_mark(l->seen, e->reference, EVENT_INTRODUCED | EVENT_IDENTIFIED);
    return is_attempt && e->delay_ms <= EARLY_MS ? event_seen_mark(l->seen, e->reference, EVENT_INTRODUCED) : 0;
}

/* The lock is held. Waits for room; false when the output fails and its queue is full. */
static bool wait_for_room(struct event_log *l, struct output *o, size_t len)
{
    while (o->gathering.len + len > QUEUE_MAX) {
        if (o->failing)
            return false;
        l->hurry = true;
        pthread_cond_signal(&l->work);
        pthread_cond_wait(&l->progress, &l->lock);
    }
    return true;
}

static void queue(struct event_log *l, struct output *o, const struct buf *line)
{
    if (!o->on || (!line->len && !line->failed))
        return;
    if (line->failed || !wait_for_room(l, o, line->len) || !buf_add_str(&o->gathering, buf_str(line))) {
        o->gathering.failed = false;
        o->lost++;
    }
}

void event_log_also(struct event_log *l, struct message_log *rows)
{
    l->rows = rows;
}

void event_log_add(struct event_log *l, const struct event *e)
{
    struct buf line[OUTPUTS];

    if (l->rows)
        message_log_add(l->rows, e);
    for (int i = 0; i < OUTPUTS; i++) {
        line[i] = buf_make(EVENT_LINE_MAX);
        if (l->out[i].on)
            buf_reserve(&line[i], 1024);
    }
    if (l->out[OUT_JSON].on)
        event_json(e, &line[OUT_JSON]);
    if (l->out[OUT_JOURNAL].on)
        event_journal(e, &line[OUT_JOURNAL]);
    pthread_mutex_lock(&l->lock);
    if (l->out[OUT_TEXT].on) /* under the lock, so that what introduces a message also stands before the rest */
        event_text(e, &l->text, introduction(l, e), &line[OUT_TEXT]);
    for (int i = 0; i < OUTPUTS; i++)
        queue(l, &l->out[i], &line[i]);
    l->added++;
    bool asleep = l->writer_sleeps;
    l->writer_sleeps = false;
    pthread_mutex_unlock(&l->lock);
    if (asleep)
        pthread_cond_signal(&l->work);
    for (int i = 0; i < OUTPUTS; i++)
        buf_free(&line[i]);
}

void event_log_flush(struct event_log *l)
{
    pthread_mutex_lock(&l->lock);
    uint64_t until = l->added;
    while (l->written < until) {
        l->hurry = true;
        pthread_cond_signal(&l->work);
        pthread_cond_wait(&l->progress, &l->lock);
    }
    pthread_mutex_unlock(&l->lock);
}
