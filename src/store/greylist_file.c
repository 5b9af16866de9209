/*
 * greylist_file.c: the append log of the greylist. A thread of its own writes what waits, at once when it is idle. When the file holds many lines
 * for each entry it is written anew beside the old one and put in its place: at every moment one whole file is there.
 */
#include "store/greylist_parts.h"
#include "store/line_file.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUND = 512 /* entries under one lock */, SLACK_LINES = 20000, TRY_AGAIN_MS = 10000, COMPLAIN_MS = 60000 };

static const char head[] = "postern greylist 1\n";

static void complain(struct greylist *g, const char *what)
{
    int trouble = errno;
    int64_t now_ms = clock_mono_ms();

    if (now_ms < g->complain_from_ms)
        return;
    g->complain_from_ms = now_ms + COMPLAIN_MS;
    log_error("%s: %s: %s; the greylist goes on in memory, and is written again as soon as it can be", g->path, what, strerror(trouble));
}

/* Lines of the next entries, from the cursor on. False when there are no more in this list. */
static bool gather(struct greylist *g, struct list *list, struct buf *out)
{
    int seen = 0;

    pthread_mutex_lock(&g->lock);
    struct list *it = g->cursor.next == &g->cursor ? list->next : g->cursor.next;
    list_remove(&g->cursor);
    while (it != list && seen++ < ROUND) {
        struct greylist_entry *e = container_of(it, struct greylist_entry, used);
        if (e->snapshot != g->snapshot) /* one that was used meanwhile comes by twice */
            greylist_line(e, '+', out);
        e->snapshot = g->snapshot;
        it = it->next;
    }
    bool goes_on = it != list;
    if (goes_on)
        list_insert_after(it->prev, &g->cursor);
    pthread_mutex_unlock(&g->lock);
    return goes_on;
}

static bool write_all_entries(struct greylist *g, int fd, uint64_t *lines)
{
    struct list *const lists[] = {&g->known, &g->grey}; /* who comes to be known meanwhile is written with what waits */
    struct buf text = buf_make(ROUND * GREYLIST_LINE_MAX);
    bool ok = file_write_all(fd, head, sizeof head - 1);

    g->snapshot = g->snapshot == UINT8_MAX ? 1 : (uint8_t)(g->snapshot + 1);
    for (size_t i = 0; ok && i < 2; i++) {
        bool goes_on = true;
        while (ok && goes_on) {
            buf_clear(&text);
            goes_on = gather(g, lists[i], &text);
            for (size_t k = 0; k < text.len; k++)
                *lines += text.at[k] == '\n';
            ok = !text.failed && file_write_all(fd, text.at, text.len);
        }
        pthread_mutex_lock(&g->lock);
        list_remove(&g->cursor);
        pthread_mutex_unlock(&g->lock);
    }
    buf_free(&text);
    return ok;
}

/* What waits stays waiting: it goes behind the new file's entries, which are never newer. */
static bool write_anew(struct greylist *g)
{
    char path[PATH_MAX];
    uint64_t lines = 0;

    snprintf(path, sizeof path, "%s.new", g->path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    bool ok = fd >= 0 && write_all_entries(g, fd, &lines) && fsync(fd) == 0 && rename(path, g->path) == 0 && file_sync_folder_of(g->path);
    if (!ok) {
        complain(g, "writing it anew");
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (g->fd >= 0)
        close(g->fd);
    g->fd = fd;
    g->lines = lines;
    return true;
}

static bool is_due(struct greylist *g)
{
    pthread_mutex_lock(&g->lock);
    bool due = g->needs_snapshot || g->lines > 2 * (uint64_t)g->table.count + SLACK_LINES;
    pthread_mutex_unlock(&g->lock);
    return due && clock_mono_ms() >= g->try_from_ms;
}

static void lost(struct greylist *g)
{
    pthread_mutex_lock(&g->lock);
    g->needs_snapshot = true;
    pthread_mutex_unlock(&g->lock);
}

static void write_lines(struct greylist *g, struct buf *lines)
{
    if (lines->len == 0)
        return;
    if (g->fd < 0 || !file_write_all(g->fd, lines->at, lines->len)) { /* perhaps half a line: the whole file is written anew */
        complain(g, "appending");
        lost(g);
    }
    for (size_t i = 0; i < lines->len; i++)
        g->lines += lines->at[i] == '\n';
    buf_clear(lines);
}

static void renew(struct greylist *g)
{
    pthread_mutex_lock(&g->lock);
    g->needs_snapshot = false; /* what is lost from here on sets it again */
    pthread_mutex_unlock(&g->lock);
    if (write_anew(g))
        return;
    lost(g);
    g->try_from_ms = clock_mono_ms() + TRY_AGAIN_MS;
}

static bool wait_for_lines(struct greylist *g, struct buf *lines)
{
    pthread_mutex_lock(&g->lock);
    while (!g->stopping && !g->pending.len)
        pthread_cond_wait(&g->wake, &g->lock);
    struct buf taken = g->pending;
    g->pending = *lines; /* empty, with its memory */
    *lines = taken;
    bool goes_on = !g->stopping;
    pthread_mutex_unlock(&g->lock);
    return goes_on;
}

static void *writer(void *arg)
{
    struct greylist *g = arg;
    struct buf lines = buf_make(GREYLIST_PENDING_MAX);
    bool goes_on = true;

    while (goes_on) {
        goes_on = wait_for_lines(g, &lines);
        write_lines(g, &lines);
        if (is_due(g))
            renew(g);
    }
    buf_free(&lines);
    return NULL;
}

static bool take_line(void *arg, struct str line)
{
    return greylist_take_line(arg, line);
}

static bool load(struct greylist *g)
{
    const struct line_file file = {.path = g->path, .head = head, .name = "a greylist", .owner = "the greylist's", .take = take_line, .arg = g};

    g->fd = line_file_open(&file, &g->lines);
    return g->fd >= 0;
}

bool greylist_file_open(struct greylist *g, const char *path, struct buf *error)
{
    g->path = strdup(path);
    if (!g->path) {
        buf_add_text(error, "out of memory");
        return false;
    }
    if (!load(g)) {
        buf_addf(error, "%s: %s", path, strerror(errno));
        return false;
    }
    g->stats = (struct greylist_stats){0}; /* what loading threw out is nobody's loss */
    g->keeps = true;
    if (pthread_create(&g->thread, NULL, writer, g) == 0)
        return true;
    g->keeps = false;
    buf_addf(error, "threads: %s", strerror(errno));
    return false;
}

void greylist_file_close(struct greylist *g)
{
    if (g->keeps) {
        pthread_mutex_lock(&g->lock);
        g->stopping = true;
        pthread_cond_signal(&g->wake);
        pthread_mutex_unlock(&g->lock);
        pthread_join(g->thread, NULL);
        g->keeps = false;
    }
    if (g->fd >= 0)
        close(g->fd);
    free(g->path);
}
