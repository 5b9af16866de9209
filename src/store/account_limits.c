/* account_limits.c: see account_limits.h. */
#include "store/account_limits_parts.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int64_t lengths_ms[LIMIT_WINDOWS] = {[LIMIT_MINUTE] = 60000LL, [LIMIT_HOUR] = 3600000LL, [LIMIT_DAY] = 86400000LL, [LIMIT_WEEK] = 7 * 86400000LL,
                                                  [LIMIT_MONTH] = 30 * 86400000LL};

const char *limit_window_name(enum limit_window w)
{
    static const char *const names[] = {"minute", "hour", "day", "week", "month"};
    return names[w];
}

struct limits *limits_open(const char *path, size_t most_keys, struct buf *error)
{
    struct limits *l = calloc(1, sizeof *l);

    if (!l) {
        buf_add_text(error, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&l->lock, NULL);
    list_init(&l->used);
    l->most = most_keys;
    l->fd = -1;
    l->path = *path ? strdup(path) : NULL;
    if (!*path || (l->path && limits_file_open(l, clock_wall_ms(), error)))
        return l;
    if (!l->path)
        buf_add_text(error, "out of memory");
    limits_close(&l);
    return NULL;
}

static void drop(struct limits *l, struct limited *it)
{
    hash_remove(&l->table, &it->node);
    list_remove(&it->used);
    l->entries -= it->count;
    free(it->at);
    free(it);
}

void limits_close(struct limits **l)
{
    if (!*l)
        return;
    while (!list_is_empty(&(*l)->used))
        drop(*l, container_of((*l)->used.next, struct limited, used));
    hash_table_free(&(*l)->table);
    if ((*l)->fd >= 0)
        close((*l)->fd);
    pthread_mutex_destroy(&(*l)->lock);
    free((*l)->path);
    free(*l);
    *l = NULL;
}

static struct limited *find(const struct limits *l, struct str key)
{
    for (struct hash_node *n = hash_first(&l->table, hash_str(key)); n; n = hash_next(n)) {
        struct limited *it = container_of(n, struct limited, node);
        if (str_eq(str_n(it->key, it->len), key))
            return it;
    }
    return NULL;
}

static struct limited *find_or_make(struct limits *l, struct str key)
{
    struct limited *it = find(l, key);

    if (it) {
        list_remove(&it->used);
        list_add_tail(&l->used, &it->used);
        return it;
    }
    if (l->table.count >= l->most)
        drop(l, container_of(l->used.next, struct limited, used));
    it = calloc(1, sizeof *it + key.len);
    if (!it)
        return NULL;
    memcpy(it->key, key.at, key.len);
    it->len = key.len;
    if (!hash_insert(&l->table, &it->node, hash_str(key))) {
        free(it);
        return NULL;
    }
    list_add_tail(&l->used, &it->used);
    return it;
}

static void merge(struct limit_entry *into, const struct limit_entry *from)
{
    into->counts.messages += from->counts.messages;
    into->counts.recipients += from->counts.recipients;
    into->counts.invalid += from->counts.invalid;
}

/* The older half in pairs: their times become the later ones. */
static void halve_old_ones(struct limited *it)
{
    size_t half = it->count / 2 & ~(size_t)1, to = 0;

    for (size_t i = 0; i < half; i += 2) {
        it->at[to] = it->at[i + 1];
        merge(&it->at[to++], &it->at[i]);
    }
    memmove(it->at + to, it->at + half, (it->count - half) * sizeof *it->at);
    it->count -= half - to;
}

static bool have_room(struct limited *it)
{
    if (it->count == LIMIT_ENTRIES_MAX)
        halve_old_ones(it);
    if (it->count < it->room)
        return true;
    size_t room = it->room ? it->room * 2 : 4;
    struct limit_entry *at = realloc(it->at, room * sizeof *at);
    if (!at)
        return false;
    it->at = at;
    it->room = room;
    return true;
}

/* What no window can hold any more; KEEP_MS the longest one that is limited. */
static void forget_old(struct limits *l, struct limited *it, int64_t now_ms, int64_t keep_ms)
{
    size_t old = 0;

    while (old < it->count && now_ms - it->at[old].when_ms >= keep_ms)
        old++;
    if (!old)
        return;
    memmove(it->at, it->at + old, (it->count - old) * sizeof *it->at);
    it->count -= old;
    l->entries -= old;
}

bool limits_add(struct limits *l, struct str key, const struct limit_counts *more, int64_t when_ms)
{
    struct limited *it = find_or_make(l, str_sub(key, 0, LIMIT_KEY_MAX));

    if (!it)
        return false;
    size_t before = it->count;
    if (!have_room(it))
        return false;
    size_t at = it->count;
    while (at > 0 && it->at[at - 1].when_ms > when_ms) /* a clock that was set back */
        at--;
    memmove(it->at + at + 1, it->at + at, (it->count - at) * sizeof *it->at);
    it->at[at] = (struct limit_entry){when_ms, *more};
    it->count++;
    l->entries += it->count - before;
    return true;
}

void limits_remove(struct limits *l, struct str key, const struct limit_counts *less, int64_t when_ms)
{
    struct limited *it = find(l, str_sub(key, 0, LIMIT_KEY_MAX));

    for (size_t i = it ? it->count : 0; i-- > 0;) {
        struct limit_counts *c = &it->at[i].counts;
        if (it->at[i].when_ms < when_ms || c->messages < less->messages || c->recipients < less->recipients || c->invalid < less->invalid)
            continue;
        if (it->at[i].when_ms > when_ms && i > 0 && it->at[i - 1].when_ms >= when_ms)
            continue; /* the one of that very time comes first */
        c->messages -= less->messages;
        c->recipients -= less->recipients;
        c->invalid -= less->invalid;
        return;
    }
}

static struct limit_counts sum(const struct limited *it, int64_t now_ms, int64_t length_ms)
{
    struct limit_counts sum = {0};

    for (size_t i = it ? it->count : 0; i-- > 0 && now_ms - it->at[i].when_ms < length_ms;) {
        sum.messages += it->at[i].counts.messages;
        sum.recipients += it->at[i].counts.recipients;
        sum.invalid += it->at[i].counts.invalid;
    }
    return sum;
}

static uint32_t part_of(const struct limit_counts *c, int what)
{
    return what == LIMIT_MESSAGES ? c->messages : c->recipients;
}

/* When enough of what is in the window has left it. */
static int64_t free_again_ms(const struct limited *it, int64_t now_ms, int64_t length_ms, int what, int64_t too_many)
{
    for (size_t i = 0; i < it->count; i++) {
        if (now_ms - it->at[i].when_ms >= length_ms)
            continue;
        too_many -= part_of(&it->at[i].counts, what);
        if (too_many <= 0)
            return it->at[i].when_ms + length_ms;
    }
    return 0;
}

static bool is_over(const struct limited *it, int64_t now_ms, enum limit_window w, int what, int64_t most, uint32_t more, struct limit_answer *out)
{
    if (most == LIMIT_NONE)
        return false;
    struct limit_counts have = sum(it, now_ms, lengths_ms[w]);
    int64_t too_many = (int64_t)part_of(&have, what) + more - most;
    if (too_many <= 0)
        return false;
    *out = (struct limit_answer){.window = w, .most = most};
    out->result = what == LIMIT_MESSAGES ? LIMIT_MESSAGES : LIMIT_RECIPIENTS;
    out->until_ms = it && more <= most ? free_again_ms(it, now_ms, lengths_ms[w], what, too_many) : 0;
    return true;
}

/* Refused recipients among all that were given within a day. */
static bool has_too_many_invalid(const struct limited *it, int64_t now_ms, int64_t percent, struct limit_answer *out)
{
    if (percent == LIMIT_NONE || !it)
        return false;
    struct limit_counts have = sum(it, now_ms, lengths_ms[LIMIT_DAY]);
    uint64_t all = (uint64_t)have.recipients + have.invalid;
    if (all < INVALID_FROM || have.invalid * 100ULL <= (uint64_t)percent * all)
        return false;
    *out = (struct limit_answer){.result = LIMIT_INVALID, .window = LIMIT_DAY, .most = percent};
    for (size_t i = 0; i < it->count; i++) { /* when the first of them leave; others may come on top */
        if (now_ms - it->at[i].when_ms >= lengths_ms[LIMIT_DAY] || !it->at[i].counts.invalid)
            continue;
        out->until_ms = it->at[i].when_ms + lengths_ms[LIMIT_DAY];
        break;
    }
    return true;
}

static int64_t longest_ms(const struct limit_rules *r)
{
    for (int w = LIMIT_MONTH; w > LIMIT_DAY; w--)
        if (r->messages[w] != LIMIT_NONE)
            return lengths_ms[w];
    return lengths_ms[LIMIT_DAY];
}

static bool fits(struct limits *l, const struct limit_query *q, const struct limit_counts *more, int64_t now_ms, struct limit_answer *out)
{
    struct limited *it = find(l, str_sub(q->key, 0, LIMIT_KEY_MAX));

    if (it)
        forget_old(l, it, now_ms, longest_ms(q->rules));
    for (enum limit_window w = LIMIT_MINUTE; w < LIMIT_WINDOWS; w++)
        if (is_over(it, now_ms, w, LIMIT_MESSAGES, q->rules->messages[w], more->messages, out))
            return false;
    if (is_over(it, now_ms, LIMIT_DAY, LIMIT_RECIPIENTS, q->rules->recipients_per_day, more->recipients, out))
        return false;
    return !has_too_many_invalid(it, now_ms, q->rules->invalid_percent, out);
}

static bool all_fit(struct limits *l, const struct limit_query *queries, size_t count, const struct limit_counts *more, int64_t now_ms, struct limit_answer *out)
{
    *out = (struct limit_answer){.result = LIMIT_FITS};
    for (size_t i = 0; i < count; i++)
        if (!fits(l, &queries[i], more, now_ms, out))
            return false;
    return true;
}

void limits_look(struct limits *l, const struct limit_query *queries, size_t count, const struct limit_counts *more, int64_t now_ms, struct limit_answer *out)
{
    pthread_mutex_lock(&l->lock);
    all_fit(l, queries, count, more, now_ms, out);
    pthread_mutex_unlock(&l->lock);
}

void limits_take(struct limits *l, const struct limit_query *queries, size_t count, const struct limit_counts *more, int64_t now_ms, struct limit_answer *out)
{
    pthread_mutex_lock(&l->lock);
    if (all_fit(l, queries, count, more, now_ms, out))
        for (size_t i = 0; i < count; i++)
            if (limits_add(l, queries[i].key, more, now_ms))
                limits_file_note(l, '+', queries[i].key, more, now_ms);
    pthread_mutex_unlock(&l->lock);
}

void limits_give_back(struct limits *l, const struct limit_query *queries, size_t count, const struct limit_counts *taken, int64_t when_ms)
{
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < count; i++) {
        limits_remove(l, queries[i].key, taken, when_ms);
        limits_file_note(l, '-', queries[i].key, taken, when_ms);
    }
    pthread_mutex_unlock(&l->lock);
}

void limits_note(struct limits *l, struct str key, const struct limit_rules *rules, const struct limit_counts *more, int64_t now_ms)
{
    pthread_mutex_lock(&l->lock);
    struct limited *it = find(l, str_sub(key, 0, LIMIT_KEY_MAX));
    if (it)
        forget_old(l, it, now_ms, longest_ms(rules));
    if (limits_add(l, key, more, now_ms))
        limits_file_note(l, '+', key, more, now_ms);
    pthread_mutex_unlock(&l->lock);
}

void limits_forget(struct limits *l, struct str key)
{
    pthread_mutex_lock(&l->lock);
    struct limited *it = find(l, str_sub(key, 0, LIMIT_KEY_MAX));
    for (size_t i = 0; it && i < it->count; i++) {
        limits_file_note(l, '-', key, &it->at[i].counts, it->at[i].when_ms);
        it->at[i].counts = (struct limit_counts){0};
    }
    pthread_mutex_unlock(&l->lock);
}

struct limit_counts limits_counted(struct limits *l, struct str key, enum limit_window window, int64_t now_ms)
{
    return limits_within(l, key, lengths_ms[window], now_ms);
}

struct limit_counts limits_within(struct limits *l, struct str key, int64_t length_ms, int64_t now_ms)
{
    pthread_mutex_lock(&l->lock);
    struct limit_counts counts = sum(find(l, str_sub(key, 0, LIMIT_KEY_MAX)), now_ms, length_ms);
    pthread_mutex_unlock(&l->lock);
    return counts;
}
