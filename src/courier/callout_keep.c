/* callout_keep.c: what is remembered, for operators, for owners who have just added a mailbox, and over a restart. */
#include "courier/callout_parts.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "mail/date.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = CALLOUT_KEY_MAX + 64, ROWS_USUAL = 1000, SAVE_EVERY_S = 10 };

void callouts_forget_negative(struct callouts *c)
{
    pthread_mutex_lock(&c->lock);
    LIST_EACH_SAFE(&c->used, l, next) {
        struct callout_entry *e = container_of(l, struct callout_entry, used);
        if (e->result == CALLOUT_NO && e->key[0] != 'd')
            callout_forget(c, e);
    }
    pthread_mutex_unlock(&c->lock);
}

/* The oldest first, so that reading them leaves the order as it was. Nobody waits for the disk. */
static void gather(struct callouts *c, struct buf *out, uint64_t *changes)
{
    pthread_mutex_lock(&c->lock);
    LIST_EACH(&c->used, l) {
        const struct callout_entry *e = container_of(l, struct callout_entry, used);
        if (e->result == CALLOUT_YES)
            buf_addf(out, "%lld %s\n", (long long)e->asked_ms, e->key);
    }
    *changes = c->changes;
    pthread_mutex_unlock(&c->lock);
}

static bool write_file(const char *path, struct str text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    bool fine = fd >= 0 && file_write_all(fd, text.at, text.len) && fsync(fd) == 0;

    if (fd >= 0)
        fine = close(fd) == 0 && fine;
    return fine;
}

/* *CHANGES: how far the file goes, where it was written. */
static bool save(struct callouts *c, uint64_t *changes)
{
    struct buf text = buf_make(c->most * LINE_MAX_BYTES);
    char aside[512];
    uint64_t now;

    snprintf(aside, sizeof aside, "%s.new", c->path);
    gather(c, &text, &now);
    bool fine = !text.failed && write_file(aside, buf_str(&text)) && rename(aside, c->path) == 0;
    buf_free(&text);
    if (fine)
        *changes = now;
    else
        unlink(aside);
    return fine;
}

/* False at the stop. */
static bool pause_a_while(struct callouts *c)
{
    struct timespec until;
    int late = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += SAVE_EVERY_S;
    pthread_mutex_lock(&c->lock);
    while (!c->stopping && late != ETIMEDOUT)
        late = pthread_cond_timedwait(&c->stop, &c->lock, &until);
    bool goes_on = !c->stopping;
    pthread_mutex_unlock(&c->lock);
    return goes_on;
}

static bool has_changed(struct callouts *c, uint64_t since)
{
    pthread_mutex_lock(&c->lock);
    bool changed = c->changes != since;
    pthread_mutex_unlock(&c->lock);
    return changed;
}

static void *keeper(void *arg)
{
    struct callouts *c = arg;
    uint64_t saved = 0; /* what was read counts as changed, once */
    bool goes_on = true, fine = true;

    while (goes_on) {
        goes_on = pause_a_while(c);
        if (!has_changed(c, saved))
            continue;
        bool was_fine = fine;
        fine = save(c, &saved);
        if (!fine && was_fine)
            log_warning("%s cannot be written, addresses will be asked about anew: %s", c->path, strerror(errno));
    }
    return NULL;
}

static void load_line(struct callouts *c, struct str line)
{
    struct str key = line, time = str_cut(&key, ' ');
    char text[CALLOUT_KEY_MAX];
    uint64_t asked_ms;

    if (!str_to_u64(time, INT64_MAX, &asked_ms) || (int64_t)asked_ms > clock_wall_ms() || key.len < 3 || key.at[1] != ':' ||
        !memchr("rsd", key.at[0], 3) || !str_copy(text, sizeof text, key))
        return;
    pthread_mutex_lock(&c->lock);
    callout_remember(c, text, CALLOUT_YES, (int64_t)asked_ms, "");
    pthread_mutex_unlock(&c->lock);
}

static void load(struct callouts *c)
{
    char line[LINE_MAX_BYTES];
    FILE *f = fopen(c->path, "re");

    while (f && fgets(line, sizeof line, f)) {
        struct str s = str_from(line);
        if (s.len && s.at[s.len - 1] == '\n') /* a cut line is none */
            load_line(c, str_sub(s, 0, s.len - 1));
    }
    if (f)
        fclose(f);
}

bool callouts_keep(struct callouts *c, const char *path)
{
    c->path = strdup(path);
    if (!c->path)
        return false;
    load(c);
    errno = pthread_create(&c->keeper, NULL, keeper, c);
    if (errno == 0)
        return true;
    free(c->path);
    c->path = NULL;
    return false;
}

void callouts_keep_stop(struct callouts *c)
{
    if (!c->path)
        return;
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_signal(&c->stop);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->keeper, NULL);
    free(c->path);
    c->path = NULL;
}

/* WHAT: an address, a domain (all its addresses and what is known of itself), or "" for everything. */
static bool matches(const struct callout_entry *e, struct str what)
{
    struct str key = str_from_index(str_from(e->key), 2);
    ptrdiff_t at = str_find_last(key, '@');

    if (!what.len)
        return true;
    return str_find_last(what, '@') >= 0 ? str_eq_case(key, what) : str_eq_case(at >= 0 ? str_from_index(key, (size_t)at + 1) : key, what);
}

static json_t *row(const struct callout_entry *e)
{
    static const char *const kinds[] = {['r'] = "recipient", ['s'] = "sender", ['d'] = "catch-all"};
    int64_t age_ms = clock_wall_ms() - e->asked_ms;

    return json_pack("{s:s, s:s, s:s, s:I, s:s}", "what", kinds[(unsigned char)e->key[0]], "address", e->key + 2, "answer",
                     e->result == CALLOUT_YES ? "yes" : "no", "age_s", (json_int_t)(age_ms / 1000), "text", callout_entry_text(e));
}

static json_t *show(struct callouts *c, struct str what, json_int_t limit)
{
    json_t *rows = json_array();
    size_t count = 0;

    for (struct list *l = c->used.prev; l != &c->used; l = l->prev) { /* the latest first */
        const struct callout_entry *e = container_of(l, struct callout_entry, used);
        if (!matches(e, what))
            continue;
        if (json_array_size(rows) < (size_t)limit)
            json_array_append_new(rows, row(e));
        count++;
    }
    return json_pack("{s:b, s:o, s:I}", "ok", 1, "rows", rows, "count", (json_int_t)count);
}

static json_t *clear(struct callouts *c, struct str what)
{
    json_int_t cleared = 0;

    LIST_EACH_SAFE(&c->used, l, next) {
        struct callout_entry *e = container_of(l, struct callout_entry, used);
        if (!matches(e, what))
            continue;
        callout_forget(c, e);
        cleared++;
    }
    LIST_EACH(&c->all_slots, l) {
        struct callout_slot *s = container_of(l, struct callout_slot, list);
        if (!what.len || str_is_case(what, s->domain)) /* it is up again, says who clears */
            s->down_until_ms = 0;
    }
    return json_pack("{s:b, s:I}", "ok", 1, "cleared", cleared);
}

json_t *callouts_control(struct callouts *c, const json_t *request)
{
    const char *verb = json_string_value(json_object_get(request, "verb")), *what = json_string_value(json_object_get(request, "what"));
    json_int_t limit = json_integer_value(json_object_get(request, "limit"));
    json_t *result = NULL;

    pthread_mutex_lock(&c->lock);
    if (verb && strcmp(verb, "show") == 0)
        result = show(c, str_from(what), limit > 0 ? limit : ROWS_USUAL);
    else if (verb && strcmp(verb, "clear") == 0)
        result = clear(c, str_from(what));
    pthread_mutex_unlock(&c->lock);
    return result ? result : json_pack("{s:b, s:s}", "ok", 0, "error", "no such verb");
}
