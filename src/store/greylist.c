/* greylist.c: see greylist.h. First contacts and what is known are two lists, so that a flood of strangers throws out strangers. */
#include "store/greylist_parts.h"

#include "mail/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t SAVE_AGAIN_MS = 24 * 3600 * 1000; /* a later sight is worth a line only after so long */

char *greylist_network(const struct ip *client, char to[64])
{
    struct ip net = *client;
    char text[IP_TEXT_MAX];

    memset(net.bytes + (net.family == 6 ? 8 : 3), 0, net.family == 6 ? 8 : 13);
    snprintf(to, 64, "%s/%d", ip_format(&net, text), net.family == 6 ? 64 : 24);
    return to;
}

void greylist_sender(struct str sender, char *to, size_t size)
{
    ptrdiff_t at = str_find_last(sender, '@');
    size_t local = at < 0 ? sender.len : (size_t)at, n = 0;

    for (size_t i = 0; i < sender.len && n + 1 < size; i++) {
        char c = (char)ascii_lower((unsigned char)sender.at[i]);
        if (i < local && c == '+' && i > 0) {
            i = local - 1;
            continue;
        }
        if (i < local && ascii_is_digit((unsigned char)c)) {
            if (n && to[n - 1] == '#')
                continue;
            c = '#';
        }
        to[n++] = c;
    }
    to[n] = '\0';
}

/* xtext keeps blanks and controls out of the line (RFC 3461 §4). */
static void add_word(struct buf *key, struct str word)
{
    if (key->len)
        buf_add_char(key, ' ');
    if (!word.len)
        buf_add_text(key, "<>");
    xtext_encode(key, word);
}

bool greylist_is_known(const struct greylist_entry *e)
{
    return e->kind != 't' || e->count > 0;
}

static uint64_t hash_of(char kind, struct str key)
{
    return hash_str(key) ^ ((uint64_t)(unsigned char)kind * 0x9e3779b97f4a7c15U);
}

static struct greylist_entry *find(const struct greylist *g, char kind, struct str key)
{
    for (struct hash_node *n = hash_first(&g->table, hash_of(kind, key)); n; n = hash_next(n)) {
        struct greylist_entry *e = container_of(n, struct greylist_entry, node);
        if (e->kind == kind && str_eq(str_n(e->key, e->len), key))
            return e;
    }
    return NULL;
}

static void drop(struct greylist *g, struct greylist_entry *e)
{
    g->grey_count -= !greylist_is_known(e);
    hash_remove(&g->table, &e->node);
    list_remove(&e->used);
    free(e);
}

static struct greylist_entry *oldest(struct greylist *g, struct list *list)
{
    struct list *first = list->next == &g->cursor ? g->cursor.next : list->next;

    return first == list ? NULL : container_of(first, struct greylist_entry, used);
}

/* Strangers go before those we know, until they are a quarter of all. */
static void make_room(struct greylist *g)
{
    while (g->table.count >= g->most) {
        struct greylist_entry *e = oldest(g, g->grey_count > g->most / 4 ? &g->grey : &g->known);
        if (!e)
            e = oldest(g, &g->grey);
        if (!e)
            return;
        g->stats.evicted++;
        drop(g, e);
    }
}

static void place(struct greylist *g, struct greylist_entry *e)
{
    list_remove(&e->used);
    list_add_tail(greylist_is_known(e) ? &g->known : &g->grey, &e->used);
}

static struct greylist_entry *make(struct greylist *g, char kind, struct str key, int64_t now_ms)
{
    if (key.len > GREYLIST_KEY_MAX)
        return NULL;
    make_room(g);
    struct greylist_entry *e = calloc(1, sizeof *e + key.len);
    if (!e)
        return NULL;
    e->kind = kind;
    e->len = (uint16_t)key.len;
    memcpy(e->key, key.at, key.len);
    e->first_ms = e->last_ms = now_ms;
    if (!hash_insert(&g->table, &e->node, hash_of(kind, key))) {
        free(e);
        return NULL;
    }
    list_init(&e->used);
    g->grey_count += !greylist_is_known(e);
    place(g, e);
    return e;
}

void greylist_line(const struct greylist_entry *e, char sign, struct buf *out)
{
    buf_addf(out, "%c%c %lld %lld %u " STR_FMT "\n", sign, e->kind, (long long)e->first_ms, (long long)e->last_ms, (unsigned)e->count, (int)e->len,
             e->key);
}

static void save(struct greylist *g, struct greylist_entry *e, char sign)
{
    e->saved_ms = e->last_ms;
    if (!g->keeps)
        return;
    bool was_idle = g->pending.len == 0;
    size_t before = g->pending.len;
    greylist_line(e, sign, &g->pending);
    if (g->pending.failed) { /* the disk does not follow; all of it is written once it does */
        buf_truncate(&g->pending, before);
        g->pending.failed = false;
        g->stats.lost++;
        g->needs_snapshot = true;
    }
    if (was_idle)
        pthread_cond_signal(&g->wake);
}

static void see(struct greylist *g, struct greylist_entry *e, int64_t now_ms)
{
    e->last_ms = now_ms;
    place(g, e);
    if (now_ms - e->saved_ms >= SAVE_AGAIN_MS)
        save(g, e, '+');
}

/* The entry, unless it has not been seen for LIFE_MS. */
static struct greylist_entry *alive(struct greylist *g, char kind, struct str key, int64_t now_ms, int64_t life_ms)
{
    struct greylist_entry *e = find(g, kind, key);

    if (e && now_ms - e->last_ms >= life_ms) {
        drop(g, e);
        return NULL;
    }
    return e;
}

static void count_one(struct greylist *g, char kind, struct str key, int64_t now_ms, int64_t life_ms)
{
    struct greylist_entry *e = alive(g, kind, key, now_ms, life_ms);

    if (!e)
        e = make(g, kind, key, now_ms);
    if (!e)
        return;
    e->count++;
    see(g, e, now_ms);
    save(g, e, '+');
}

/* What is remembered of one question. */
struct keys {
    char network[64], sender[400];
    struct buf triplet, pair, correspondent;
};

static void keys_make(struct keys *k, const struct greylist_query *q)
{
    struct str network = str_from(greylist_network(&q->client, k->network));

    greylist_sender(q->sender, k->sender, sizeof k->sender);
    k->triplet = k->pair = k->correspondent = buf_make(GREYLIST_KEY_MAX * 4);
    add_word(&k->pair, network);
    add_word(&k->pair, str_from(k->sender));
    buf_add_str(&k->triplet, buf_str(&k->pair));
    add_word(&k->triplet, q->domain);
    add_word(&k->correspondent, str_from(k->sender));
    add_word(&k->correspondent, q->domain);
}

static void keys_free(struct keys *k)
{
    buf_free(&k->triplet);
    buf_free(&k->pair);
    buf_free(&k->correspondent);
}

static bool passes(struct greylist *g, struct greylist_entry *e, uint32_t wanted, enum greylist_outcome outcome, int64_t now_ms,
                   struct greylist_answer *out)
{
    if (!e || !wanted || e->count < wanted)
        return false;
    see(g, e, now_ms);
    *out = (struct greylist_answer){.outcome = outcome, .count = e->count};
    return true;
}

static bool is_known(struct greylist *g, const struct keys *k, const struct greylist_rules *r, int64_t now_ms, struct greylist_answer *out)
{
    struct greylist_entry *friend = alive(g, 'c', buf_str(&k->correspondent), now_ms, r->white_ms);

    return passes(g, friend, friend != NULL, GREYLIST_CORRESPONDENT, now_ms, out) ||
           passes(g, alive(g, 'n', str_from(k->network), now_ms, r->white_ms), r->networks_after, GREYLIST_KNOWN_NETWORK, now_ms, out) ||
           passes(g, alive(g, 'p', buf_str(&k->pair), now_ms, r->white_ms), r->pairs_after, GREYLIST_KNOWN_PAIR, now_ms, out);
}

/* It came back in time: known from now on, and one more for its network. */
static void whiten(struct greylist *g, struct greylist_entry *e, const struct keys *k, const struct greylist_rules *r, int64_t now_ms)
{
    e->count = 1;
    g->grey_count--;
    see(g, e, now_ms);
    save(g, e, '+');
    count_one(g, 'p', buf_str(&k->pair), now_ms, r->white_ms); /* may throw E out */
    count_one(g, 'n', str_from(k->network), now_ms, r->white_ms);
}

/* The oldest first contact is younger than an eighth of its life: so many come that none would be there when its sender is back. */
static bool is_flooded(struct greylist *g, const struct greylist_rules *r, int64_t now_ms)
{
    const struct greylist_entry *e = g->table.count >= g->most ? oldest(g, &g->grey) : NULL;

    return e && g->grey_count > g->most / 4 && now_ms - e->first_ms < r->grey_ms / 8;
}

/* What has had its time goes, a few at each first contact, so that nothing is kept longer than it counts. */
static void sweep(struct greylist *g, const struct greylist_rules *r, int64_t now_ms)
{
    for (int i = 0; i < 4; i++) {
        struct greylist_entry *stranger = oldest(g, &g->grey), *friend = oldest(g, &g->known);
        if (stranger && now_ms - stranger->first_ms >= r->grey_ms)
            drop(g, stranger);
        if (friend && now_ms - friend->last_ms >= r->white_ms)
            drop(g, friend);
    }
}

static void first_contact(struct greylist *g, const struct keys *k, const struct greylist_query *q, int64_t now_ms, struct greylist_answer *out)
{
    *out = (struct greylist_answer){.outcome = GREYLIST_FIRST, .wait_ms = q->rules->delay_ms};
    if (q->only_look)
        return;
    sweep(g, q->rules, now_ms);
    struct greylist_entry *e = is_flooded(g, q->rules, now_ms) ? NULL : make(g, 't', buf_str(&k->triplet), now_ms);
    if (e) {
        save(g, e, '+');
        return;
    }
    g->stats.no_room++;
    *out = (struct greylist_answer){.outcome = GREYLIST_NO_ROOM};
}

static void ask(struct greylist *g, const struct keys *k, const struct greylist_query *q, int64_t now_ms, struct greylist_answer *out)
{
    const struct greylist_rules *r = q->rules;
    struct greylist_entry *e = find(g, 't', buf_str(&k->triplet));

    if (is_known(g, k, r, now_ms, out))
        return;
    if (e && now_ms - (e->count ? e->last_ms : e->first_ms) >= (e->count ? r->white_ms : r->grey_ms)) {
        drop(g, e);
        e = NULL;
    }
    if (!e) {
        first_contact(g, k, q, now_ms, out);
        return;
    }
    if (e->first_ms > now_ms) /* the clock was set back */
        e->first_ms = now_ms;
    int64_t age_ms = now_ms - e->first_ms;
    if (passes(g, e, 1, GREYLIST_KNOWN, now_ms, out))
        return;
    if (age_ms < r->delay_ms) {
        *out = (struct greylist_answer){.outcome = GREYLIST_EARLY, .wait_ms = r->delay_ms - age_ms};
        return;
    }
    *out = (struct greylist_answer){.outcome = GREYLIST_WAITED, .waited_ms = age_ms};
    whiten(g, e, k, r, now_ms);
}

void greylist_ask(struct greylist *g, const struct greylist_query *q, int64_t wall_ms, struct greylist_answer *out)
{
    struct keys k;

    keys_make(&k, q);
    pthread_mutex_lock(&g->lock);
    if (k.triplet.failed || k.correspondent.failed)
        *out = (struct greylist_answer){.outcome = GREYLIST_NO_ROOM};
    else
        ask(g, &k, q, wall_ms, out);
    pthread_mutex_unlock(&g->lock);
    keys_free(&k);
}

void greylist_learn(struct greylist *g, struct str remote, struct str own, int64_t wall_ms)
{
    struct buf key = buf_make(GREYLIST_KEY_MAX * 4);
    char sender[400];

    greylist_sender(remote, sender, sizeof sender);
    add_word(&key, str_from(sender));
    add_word(&key, own);
    pthread_mutex_lock(&g->lock);
    struct greylist_entry *e = key.failed ? NULL : find(g, 'c', buf_str(&key));
    if (e) {
        see(g, e, wall_ms);
    } else if (!key.failed && (e = make(g, 'c', buf_str(&key), wall_ms))) {
        e->count = 1;
        save(g, e, '+');
    }
    pthread_mutex_unlock(&g->lock);
    buf_free(&key);
}

static bool is_of(const struct greylist_entry *e, struct str network)
{
    struct str key = str_n(e->key, e->len);

    return e->kind != 'c' && str_starts(key, network) && (key.len == network.len || key.at[network.len] == ' ');
}

size_t greylist_forget(struct greylist *g, const struct ip *client)
{
    struct list *const lists[] = {&g->grey, &g->known};
    char text[64];
    struct str network = str_from(greylist_network(client, text));
    size_t count = 0;

    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < 2; i++)
        LIST_EACH_SAFE(lists[i], it, after) {
            struct greylist_entry *e = container_of(it, struct greylist_entry, used);
            if (it == &g->cursor || !is_of(e, network))
                continue;
            save(g, e, '-');
            drop(g, e);
            count++;
        }
    pthread_mutex_unlock(&g->lock);
    return count;
}

void greylist_stats(struct greylist *g, struct greylist_stats *out)
{
    pthread_mutex_lock(&g->lock);
    *out = g->stats;
    out->entries = g->table.count;
    out->grey = g->grey_count;
    pthread_mutex_unlock(&g->lock);
}

void greylist_list(struct greylist *g, struct str needle, size_t most, struct buf *out)
{
    struct list *const lists[] = {&g->grey, &g->known};

    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < 2; i++)
        for (struct list *it = lists[i]->prev; it != lists[i] && most; it = it->prev) {
            const struct greylist_entry *e = container_of(it, struct greylist_entry, used);
            size_t before = out->len;
            if (it == &g->cursor)
                continue;
            greylist_line(e, '+', out);
            if (needle.len && str_find_str(str_from_index(buf_str(out), before), needle) < 0)
                buf_truncate(out, before);
            else
                most--;
        }
    pthread_mutex_unlock(&g->lock);
}

static bool take_number(struct str *rest, uint64_t most, int64_t *out)
{
    uint64_t number;

    if (!str_to_u64(str_cut(rest, ' '), most, &number))
        return false;
    *out = (int64_t)number;
    return true;
}

bool greylist_take_line(struct greylist *g, struct str line)
{
    int64_t first_ms, last_ms, count;

    if (line.len < 4 || (line.at[0] != '+' && line.at[0] != '-') || !strchr("tpnc", line.at[1]) || line.at[2] != ' ')
        return false;
    struct str rest = str_from_index(line, 3);
    if (!take_number(&rest, INT64_MAX, &first_ms) || !take_number(&rest, INT64_MAX, &last_ms) || !take_number(&rest, UINT32_MAX, &count) || !rest.len ||
        rest.len > GREYLIST_KEY_MAX)
        return false;
    struct greylist_entry *e = find(g, line.at[1], rest);
    if (line.at[0] == '-') {
        if (e)
            drop(g, e);
        return true;
    }
    if (!e && !(e = make(g, line.at[1], rest, first_ms)))
        return true; /* no memory: less is known */
    g->grey_count -= !greylist_is_known(e);
    e->first_ms = first_ms;
    e->last_ms = e->saved_ms = last_ms;
    e->count = (uint32_t)count;
    g->grey_count += !greylist_is_known(e);
    place(g, e);
    return true;
}

struct greylist *greylist_open(const char *path, size_t most, struct buf *error)
{
    struct greylist *g = calloc(1, sizeof *g);

    if (!g) {
        buf_add_text(error, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->wake, NULL);
    list_init(&g->grey);
    list_init(&g->known);
    list_init(&g->cursor);
    g->pending = buf_make(GREYLIST_PENDING_MAX);
    g->most = most;
    g->fd = -1;
    if (path && !greylist_file_open(g, path, error))
        greylist_close(&g);
    return g;
}

void greylist_close(struct greylist **pg)
{
    struct greylist *g = *pg;

    if (!g)
        return;
    greylist_file_close(g);
    while (!list_is_empty(&g->grey))
        drop(g, container_of(g->grey.next, struct greylist_entry, used));
    while (!list_is_empty(&g->known))
        drop(g, container_of(g->known.next, struct greylist_entry, used));
    hash_table_free(&g->table);
    buf_free(&g->pending);
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->wake);
    free(g);
    *pg = NULL;
}
