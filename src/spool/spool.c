/*
 * spool.c: opening and closing the queue, and handing things to its writer thread. See spool.h for the contract and
 * spool_parts.h for how the files of this folder divide the work.
 */
#include "spool/spool.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/log.h"
#include "spool/spool_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { ENVELOPE_MAX = 64 * 1024 * 1024, STATE_MAX = 4096, FREE_CHECK_MS = 1000, FULL_SAID_MS = 60000 };

static void give_back(struct spool *s)
{
    spool_table_close(s);
    if (s->bodies_fd >= 0)
        close(s->bodies_fd);
    if (s->directory_fd >= 0)
        close(s->directory_fd);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->body_lock);
    free(s->directory);
    free(s);
}

/* The folder itself is the lock: two programs must not clean up after one another. */
static bool open_directory(struct spool *s, struct buf *error)
{
    if (mkdir(s->directory, 0700) != 0 && errno != EEXIST) {
        buf_addf(error, "%s: %s", s->directory, strerror(errno));
        return false;
    }
    s->directory_fd = open(s->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->directory_fd >= 0 && flock(s->directory_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    buf_addf(error, "%s: %s", s->directory, errno == EWOULDBLOCK ? "another process has it open" : strerror(errno));
    return false;
}

static struct spool *make(const char *directory)
{
    struct spool *s = calloc(1, sizeof *s);
    pthread_condattr_t monotonic;

    if (!s || !(s->directory = strdup(directory))) {
        free(s);
        return NULL;
    }
    s->directory_fd = s->bodies_fd = -1;
    list_init(&s->queue);
    list_init(&s->retained);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->body_lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return s;
}

static bool look_at_file_system(struct spool *s)
{
    struct statvfs fs;

    if (fstatvfs(s->directory_fd, &fs) != 0)
        return false;
    atomic_store(&s->free_bytes, (uint64_t)fs.f_bavail * fs.f_frsize);
    return true;
}

static bool open_all(struct spool *s, struct buf *error)
{
    if (!open_directory(s, error) || !spool_recover_log(s->directory, error) || !spool_table_open(s, error) ||
        !spool_bodies_open(s, error) || !spool_bodies_sweep(s, spool_table_has, error))
        return false;
    atomic_store(&s->free_checked_ms, clock_mono_ms());
    if (!look_at_file_system(s) || fsync(s->directory_fd) != 0) { /* the database's own name */
        buf_addf(error, "%s: %s", s->directory, strerror(errno));
        return false;
    }
    return true;
}

struct spool *spool_open(const char *directory, uint64_t free_floor, void (*accepted)(void *arg, struct spool_message *m), void *arg,
                         struct buf *error)
{
    struct spool *s = make(directory);

    if (!s) {
        buf_addf(error, "%s: out of memory", directory);
        return NULL;
    }
    s->accepted = accepted;
    s->arg = arg;
    atomic_store(&s->free_floor, free_floor);
    if (!open_all(s, error)) {
        give_back(s);
        return NULL;
    }
    int trouble = pthread_create(&s->writer, NULL, spool_writer_run, s);
    if (trouble) {
        buf_addf(error, "%s: no thread: %s", directory, strerror(trouble));
        give_back(s);
        return NULL;
    }
    pthread_setname_np(s->writer, "spool");
    return s;
}

void spool_close(struct spool **s)
{
    if (!*s)
        return;
    pthread_mutex_lock(&(*s)->lock);
    (*s)->stopping = true;
    pthread_cond_signal(&(*s)->wake);
    pthread_mutex_unlock(&(*s)->lock);
    pthread_join((*s)->writer, NULL);
    give_back(*s);
    *s = NULL;
}

void spool_fail(struct spool *s, const char *what, const char *why)
{
    if (!atomic_exchange(&s->failed, true))
        log_error("spool: ALARM: %s: %s (%s): nothing is accepted until the spool is opened again", s->directory, what, why);
}

void spool_say_full(struct spool *s, const char *what, int error)
{
    int64_t now = clock_mono_ms(), said = atomic_load(&s->full_said_ms);

    if ((said == 0 || now - said >= FULL_SAID_MS) && atomic_compare_exchange_strong(&s->full_said_ms, &said, now))
        log_warning("spool: %s: %s: %s: mail is refused until there is room", s->directory, what, strerror(error));
}

enum spool_result spool_result_of_errno(struct spool *s, const char *what, int error)
{
    if (error == ENOSPC || error == EDQUOT || error == EFBIG || error == ENOMEM || error == EMFILE || error == ENFILE) {
        spool_say_full(s, what, error);
        return SPOOL_FULL;
    }
    spool_fail(s, what, strerror(error));
    return SPOOL_FAILED;
}

/* Encodes M, gives it an id, and puts a large body's file into place, all on the calling thread: the writer has only to insert. */
static enum spool_result prepare(struct spool *s, struct spool_message *m, struct spool_insert *in)
{
    struct spool_record *r = spool_record_of(m);

    *in = (struct spool_insert){.message = m, .envelope = buf_make(ENVELOPE_MAX)};
    in->id = atomic_fetch_add(&s->next_id, 1);
    r->body_size = m->body ? blob_size(m->body) : 0;
    r->body_in_file = m->body && (blob_file(m->body) >= 0 || r->body_size > BLOB_MEMORY_MAX);
    r->live = 0;
    for (size_t i = 0; i < m->recipient_count; i++) {
        r->done[i] = m->recipients[i].state == SPOOL_DONE;
        r->live += !r->done[i];
    }
    in->needs_file = r->body_in_file;
    if (!spool_envelope_encode(r, &in->envelope)) {
        buf_free(&in->envelope);
        return SPOOL_FULL;
    }
    if (!in->needs_file)
        return SPOOL_OK;
    enum spool_result placed = spool_body_place(s, in->id, m->body);
    in->needs_file = placed != SPOOL_OK;
    return placed;
}

enum spool_result spool_submit(struct spool *s, struct spool_message *m)
{
    return spool_submit_once(s, m, 0, NULL);
}

enum spool_result spool_submit_once(struct spool *s, struct spool_message *m, int64_t token, bool *was_there)
{
    struct spool_item item = {.kind = SPOOL_ITEM_SUBMIT};
    uint64_t size = m->body ? blob_size(m->body) : 0;

    bug_unless(m->id == 0 && m->recipient_count > 0);
    if (atomic_load(&s->failed))
        return SPOOL_FAILED;
    if (!spool_has_room(s, size))
        return SPOOL_FULL;
    enum spool_result result = prepare(s, m, &item.insert);
    item.insert.token = token;
    if (result == SPOOL_OK) {
        result = spool_ask(s, &item);
        if (was_there)
            *was_there = item.insert.was_there;
        if (item.insert.was_there && spool_record_of(m)->body_in_file)
            spool_body_remove(s, item.insert.id);
        /* After a failure the row may yet turn out to be there: then its file must be, too. */
        if (result == SPOOL_FULL && spool_record_of(m)->body_in_file)
            spool_body_remove(s, item.insert.id);
    }
    buf_free(&item.insert.envelope);
    return result;
}

/* Out of memory loses the outcome, not the mail: the row still stands, and the next start tries that recipient again. */
static void lose(struct spool_message *m, struct spool_message *report)
{
    log_error("spool: out of memory: an outcome of message %s is not recorded; it is tried again after a restart", m->reference);
    spool_message_unref(report);
}

void spool_outcome(struct spool *s, struct spool_message *m, size_t i, struct spool_message *report_or_null)
{
    struct spool_item *item = calloc(1, sizeof *item);

    bug_unless(m->id > 0 && i < m->recipient_count);
    if (!item) {
        lose(m, report_or_null);
        return;
    }
    item->kind = SPOOL_ITEM_OUTCOME;
    item->index = i;
    item->is_done = m->recipients[i].state == SPOOL_DONE;
    item->state = buf_make(STATE_MAX);
    bool lacks_memory = (!item->is_done || m->recipient_count > 1) && !spool_state_encode(&m->recipients[i], &item->state);
    /* A report's file that cannot be placed now is tried again with the commit: neither goes without the other. */
    if (!lacks_memory && report_or_null && prepare(s, report_or_null, &item->insert) != SPOOL_OK && !item->insert.envelope.at)
        lacks_memory = true;
    if (lacks_memory) {
        buf_free(&item->state);
        free(item);
        lose(m, report_or_null);
        return;
    }
    item->subject = spool_message_ref(m);
    spool_push(s, item);
}

enum spool_result spool_flush(struct spool *s)
{
    struct spool_item item = {.kind = SPOOL_ITEM_FLUSH};

    return spool_ask(s, &item);
}

void spool_set_free_floor(struct spool *s, uint64_t bytes)
{
    atomic_store(&s->free_floor, bytes);
}

/* What the file system has, and what the database holds free within itself. */
static uint64_t bytes_free(struct spool *s)
{
    int64_t now = clock_mono_ms(), checked = atomic_load(&s->free_checked_ms);

    if (now - checked >= FREE_CHECK_MS && atomic_compare_exchange_strong(&s->free_checked_ms, &checked, now) && !look_at_file_system(s))
        log_warning("spool: %s: free space: %s", s->directory, strerror(errno));
    return atomic_load(&s->free_bytes) + atomic_load(&s->reusable_bytes);
}

bool spool_has_room(struct spool *s, uint64_t size)
{
    uint64_t free = bytes_free(s), floor = atomic_load(&s->free_floor);

    return free >= floor && free - floor >= size;
}

bool spool_is_failed(const struct spool *s)
{
    return atomic_load(&s->failed);
}

void spool_stats(struct spool *s, struct spool_stats *out)
{
    *out = (struct spool_stats){
        .messages = atomic_load(&s->messages),
        .recipients = atomic_load(&s->recipients),
        .submitted = atomic_load(&s->submitted),
        .commits = atomic_load(&s->commits),
        .committed_items = atomic_load(&s->committed_items),
        .bytes_free = bytes_free(s),
        .failed = atomic_load(&s->failed),
    };
}
