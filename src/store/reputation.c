/* reputation.c: see reputation.h. */
#include "store/reputation_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double KNOWN_FROM = 3; /* messages */
static const double MOST = 1e9;     /* of a count in a file; more is none of ours */

void reputation_changed(struct reputation *r, struct reputation_entry *e)
{
    r->changed_count += list_is_empty(&e->changed);
    list_remove(&e->changed);
    list_add_tail(&r->changed, &e->changed);
}

void reputation_written(struct reputation *r, struct reputation_entry *e)
{
    r->changed_count -= !list_is_empty(&e->changed);
    list_remove(&e->changed);
}

static uint64_t hash_of(enum reputation_kind kind, struct str name)
{
    return hash_str(name) ^ ((uint64_t)kind * 0x9e3779b97f4a7c15U);
}

static struct reputation_entry *find(const struct reputation *r, enum reputation_kind kind, struct str name)
{
    for (struct hash_node *n = hash_first(&r->table, hash_of(kind, name)); n; n = hash_next(n)) {
        struct reputation_entry *e = container_of(n, struct reputation_entry, node);
        if (e->kind == kind && str_eq(str_n(e->name, e->len), name))
            return e;
    }
    return NULL;
}

static void drop(struct reputation *r, struct reputation_entry *e)
{
    r->stranger_count -= !e->is_known;
    hash_remove(&r->table, &e->node);
    list_remove(&e->used);
    reputation_written(r, e);
    free(e);
}

/* Strangers go before those we know, until they are a quarter of all. */
static void make_room(struct reputation *r)
{
    while (r->table.count >= r->most) {
        struct list *from = r->stranger_count > r->most / 4 || list_is_empty(&r->known) ? &r->strangers : &r->known;
        if (list_is_empty(from))
            return;
        r->evicted++;
        drop(r, container_of(from->next, struct reputation_entry, used));
    }
}

static struct reputation_entry *make(struct reputation *r, enum reputation_kind kind, struct str name)
{
    make_room(r);
    struct reputation_entry *e = calloc(1, sizeof *e + name.len);
    if (!e)
        return NULL;
    e->kind = (uint8_t)kind;
    e->len = (uint8_t)name.len;
    memcpy(e->name, name.at, name.len);
    list_init(&e->changed);
    if (!hash_insert(&r->table, &e->node, hash_of(kind, name))) {
        free(e);
        return NULL;
    }
    list_add_tail(&r->strangers, &e->used);
    r->stranger_count++;
    return e;
}

/* 2 to the power of -HALVES, to three digits and a half. */
static double left_after(double halves)
{
    static const double roots[] = {0.7071067811865476, 0.8408964152537145, 0.9170040432046712, 0.9576032806985737, 0.9785720620877001, 0.9892280131939755,
                                   0.9945994234836332, 0.9972960560854700, 0.9986471128909702, 0.9993233275026507, 0.9996616064962437, 0.9998307889369080};
    double left = 1, step = 0.5;

    if (halves > 64)
        return 0;
    for (; halves >= 1; halves--)
        left /= 2;
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++, step /= 2)
        if (halves >= step) {
            left *= roots[i];
            halves -= step;
        }
    return left;
}

/* A clock that was set back does not make counts grow. */
static struct reputation_count at(const struct reputation_entry *e, int64_t half_life_ms, int64_t wall_ms)
{
    double left = wall_ms > e->last_ms ? left_after((double)(wall_ms - e->last_ms) / (double)half_life_ms) : 1;

    return (struct reputation_count){e->good * left, e->bad * left};
}

static void place(struct reputation *r, struct reputation_entry *e)
{
    bool is_known = e->good + e->bad >= KNOWN_FROM;

    r->stranger_count -= !e->is_known;
    r->stranger_count += !is_known;
    e->is_known = is_known;
    list_remove(&e->used);
    list_add_tail(is_known ? &r->known : &r->strangers, &e->used);
}

void reputation_read(struct reputation *r, struct reputation_facts *facts, int64_t half_life_ms, int64_t wall_ms)
{
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < facts->count; i++) {
        const struct reputation_entry *e = find(r, facts->at[i].kind, str_from(facts->at[i].name));
        facts->at[i].count = e ? at(e, half_life_ms, wall_ms) : (struct reputation_count){0, 0};
    }
    pthread_mutex_unlock(&r->lock);
}

static void add_one(struct reputation *r, const struct reputation_fact *f, bool is_bad, double weight, int64_t half_life_ms, int64_t wall_ms)
{
    struct str name = str_from(f->name);
    struct reputation_entry *e = find(r, f->kind, name);

    if (!e)
        e = make(r, f->kind, name);
    if (!e)
        return;
    struct reputation_count now = at(e, half_life_ms, wall_ms);
    e->good = now.good + (is_bad ? 0 : weight);
    e->bad = now.bad + (is_bad ? weight : 0);
    e->last_ms = wall_ms;
    place(r, e);
    if (r->keeps)
        reputation_changed(r, e);
}

void reputation_add(struct reputation *r, const struct reputation_facts *facts, bool is_bad, double weight, int64_t half_life_ms, int64_t wall_ms)
{
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < facts->count; i++)
        add_one(r, &facts->at[i], is_bad, weight, half_life_ms, wall_ms);
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

bool reputation_forget(struct reputation *r, enum reputation_kind kind, struct str name)
{
    pthread_mutex_lock(&r->lock);
    struct reputation_entry *e = find(r, kind, name);
    if (e) {
        drop(r, e);
        if (r->keeps && !buf_addf(&r->gone, "%d - " STR_FMT "\n", (int)kind, STR_ARG(name)))
            r->is_due = true; /* no room for the line: the file is written without it */
        pthread_cond_signal(&r->wake);
    }
    pthread_mutex_unlock(&r->lock);
    return e != NULL;
}

void reputation_stats(struct reputation *r, struct reputation_stats *out)
{
    pthread_mutex_lock(&r->lock);
    *out = (struct reputation_stats){.entries = r->table.count, .strangers = r->stranger_count, .evicted = r->evicted, .unwritten = r->changed_count};
    pthread_mutex_unlock(&r->lock);
}

void reputation_line(const struct reputation_entry *e, struct buf *out)
{
    buf_addf(out, "%d %.4f %.4f %lld " STR_FMT "\n", e->kind, e->good, e->bad, (long long)e->last_ms, STR_ARG(str_n(e->name, e->len)));
}

static bool take_count(struct str text, double *out)
{
    char copy[32], *end;

    if (!text.len || !ascii_is_digit((unsigned char)text.at[0]) || !str_copy(copy, sizeof copy, text))
        return false;
    *out = strtod(copy, &end);
    return *end == '\0' && *out >= 0 && *out <= MOST;
}

bool reputation_take_line(struct reputation *r, struct str line)
{
    struct str rest = line, kind_text = str_cut(&rest, ' '), first = str_cut(&rest, ' ');
    uint64_t kind, last_ms = 0;
    double good = 0, bad = 0;
    bool gone = str_is(first, "-");

    if (!str_to_u64(kind_text, REPUTATION_KINDS - 1, &kind))
        return false;
    if (!gone && (!take_count(first, &good) || !take_count(str_cut(&rest, ' '), &bad) || !str_to_u64(str_cut(&rest, ' '), INT64_MAX, &last_ms)))
        return false;
    if (!rest.len || rest.len > UINT8_MAX || memchr(rest.at, ' ', rest.len))
        return false;
    struct reputation_entry *e = find(r, (enum reputation_kind)kind, rest);
    if (gone && e)
        drop(r, e);
    if (gone)
        return true;
    if (!e)
        e = make(r, (enum reputation_kind)kind, rest);
    if (!e)
        return true;
    e->good = good;
    e->bad = bad;
    e->last_ms = (int64_t)last_ms;
    place(r, e);
    return true;
}

struct reputation *reputation_open(const char *path, size_t most, struct buf *error)
{
    struct reputation *r = calloc(1, sizeof *r);
    pthread_condattr_t attributes;

    if (!r) {
        buf_add_text(error, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&r->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    list_init(&r->strangers);
    list_init(&r->known);
    list_init(&r->changed);
    r->most = most;
    r->fd = -1;
    r->gone = buf_make(64 * 1024);
    if (path && !reputation_file_open(r, path, error))
        reputation_close(&r);
    return r;
}

void reputation_close(struct reputation **pr)
{
    struct reputation *r = *pr;

    if (!r)
        return;
    reputation_file_close(r);
    while (!list_is_empty(&r->strangers))
        drop(r, container_of(r->strangers.next, struct reputation_entry, used));
    while (!list_is_empty(&r->known))
        drop(r, container_of(r->known.next, struct reputation_entry, used));
    hash_table_free(&r->table);
    buf_free(&r->gone);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r);
    *pr = NULL;
}
