/*
 * reputation_file.c: the append log of the reputation. A thread of its own writes what has changed, a second after it did, each name once however often
 * it was counted meanwhile. Written anew beside the old one, the file takes its place when all is in it. What cannot be written waits and loses nothing.
 */
#include "store/reputation_parts.h"
#include "store/line_file.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUND = 512 /* entries under one lock */, SLACK_LINES = 20000, PAUSE_S = 1, TRY_AGAIN_S = 10, GONE_MAX = 64 * 1024 };

static const char head[] = "postern reputation 1\n";

static void path_anew(const struct reputation *r, char to[PATH_MAX])
{
    snprintf(to, PATH_MAX, "%s.new", r->path);
}

/* The whole file is due, so what was to be written is not lost. */
static bool fail(struct reputation *r, const char *what)
{
    if (!r->has_failed)
        log_error("%s: %s: %s; reputation goes on in memory, and is written as soon as it can be", r->path, what, strerror(errno));
    r->has_failed = true;
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    r->is_new = false;
    pthread_mutex_lock(&r->lock);
    r->is_due = true;
    pthread_mutex_unlock(&r->lock);
    return false;
}

static void mark_all(struct reputation *r)
{
    struct list *const lists[] = {&r->strangers, &r->known};

    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < 2; i++)
        LIST_EACH(lists[i], it)
            reputation_changed(r, container_of(it, struct reputation_entry, used));
    r->is_due = false; /* what is lost from here on sets it again */
    pthread_mutex_unlock(&r->lock);
}

static bool begin_anew(struct reputation *r)
{
    char path[PATH_MAX];

    path_anew(r, path);
    if (r->fd >= 0)
        close(r->fd);
    r->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (r->fd < 0 || !file_write_all(r->fd, head, sizeof head - 1))
        return fail(r, "writing it anew");
    r->is_new = true;
    r->lines = 0;
    mark_all(r);
    return true;
}

static bool put_in_place(struct reputation *r)
{
    char path[PATH_MAX];

    path_anew(r, path);
    if (fsync(r->fd) < 0 || rename(path, r->path) < 0 || !file_sync_folder_of(r->path))
        return fail(r, "writing it anew");
    r->is_new = false;
    return true;
}

/* What was forgotten first: a name that came back since is among the others. False when nothing more waits. */
static bool gather(struct reputation *r, struct buf *out)
{
    pthread_mutex_lock(&r->lock);
    buf_add_str(out, buf_str(&r->gone));
    buf_clear(&r->gone);
    for (int i = 0; i < ROUND && !list_is_empty(&r->changed); i++) {
        struct reputation_entry *e = container_of(r->changed.next, struct reputation_entry, changed);
        reputation_line(e, out);
        reputation_written(r, e);
    }
    bool goes_on = !list_is_empty(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return goes_on;
}

static bool write_all(struct reputation *r)
{
    struct buf lines = buf_make(ROUND * REPUTATION_LINE_MAX + GONE_MAX);
    bool goes_on = true, ok = true;

    while (ok && goes_on) {
        buf_clear(&lines);
        goes_on = gather(r, &lines);
        for (size_t k = 0; k < lines.len; k++)
            r->lines += lines.at[k] == '\n';
        ok = !lines.failed && file_write_all(r->fd, lines.at, lines.len); /* perhaps half a line: the whole file is written anew */
    }
    buf_free(&lines);
    return ok || fail(r, "appending");
}

static bool is_due(struct reputation *r)
{
    pthread_mutex_lock(&r->lock);
    bool due = r->is_due || r->lines > 2 * (uint64_t)r->table.count + SLACK_LINES;
    pthread_mutex_unlock(&r->lock);
    return due;
}

static void write_changes(struct reputation *r)
{
    if (is_due(r) && !begin_anew(r))
        return;
    if (write_all(r) && (!r->is_new || put_in_place(r)))
        r->has_failed = false;
}

/* Until something has changed, and a while longer, since more will. False at the stop. */
static bool wait_for_changes(struct reputation *r)
{
    struct timespec until;
    int late = 0;

    pthread_mutex_lock(&r->lock);
    while (!r->stopping && list_is_empty(&r->changed) && !r->gone.len && !r->is_due)
        pthread_cond_wait(&r->wake, &r->lock);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += r->has_failed ? TRY_AGAIN_S : PAUSE_S;
    while (!r->stopping && late != ETIMEDOUT)
        late = pthread_cond_timedwait(&r->wake, &r->lock, &until);
    bool goes_on = !r->stopping;
    pthread_mutex_unlock(&r->lock);
    return goes_on;
}

static void *writer(void *arg)
{
    struct reputation *r = arg;
    bool goes_on = true;

    while (goes_on) {
        goes_on = wait_for_changes(r);
        write_changes(r);
    }
    return NULL;
}

static bool take_line(void *arg, struct str line)
{
    return reputation_take_line(arg, line);
}

static bool load(struct reputation *r)
{
    const struct line_file file = {.path = r->path, .head = head, .name = "a reputation file", .owner = "the reputation's", .take = take_line, .arg = r};

    r->fd = line_file_open(&file, &r->lines);
    return r->fd >= 0;
}

bool reputation_file_open(struct reputation *r, const char *path, struct buf *error)
{
    r->path = strdup(path);
    if (!r->path || !load(r)) {
        buf_addf(error, "%s: %s", path, strerror(errno));
        return false;
    }
    r->evicted = 0; /* what loading threw out is nobody's loss */
    r->keeps = true;
    if (pthread_create(&r->thread, NULL, writer, r) == 0)
        return true;
    r->keeps = false;
    buf_addf(error, "threads: %s", strerror(errno));
    return false;
}

void reputation_file_close(struct reputation *r)
{
    if (r->keeps) {
        pthread_mutex_lock(&r->lock);
        r->stopping = true;
        pthread_cond_signal(&r->wake);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->thread, NULL);
        r->keeps = false;
    }
    if (r->fd >= 0)
        close(r->fd);
    free(r->path);
}
