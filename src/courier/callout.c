/* callout.c: who asks, who waits, and what is remembered; see callout.h. */
#include "courier/callout_parts.h"

#include "base/clock.h"
#include "courier/parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WAITING_MAX = 20 /* for one destination; who comes beyond them is told to come again */, DOWN_MS = 30000, SLOTS_MANY = 1024 };

struct callouts *callouts_new(struct courier *courier, size_t most)
{
    struct callouts *c = calloc(1, sizeof *c);
    pthread_condattr_t attributes;

    if (!c)
        return NULL;
    c->courier = courier;
    c->most = most;
    list_init(&c->used);
    list_init(&c->questions);
    list_init(&c->all_slots);
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attributes);
    pthread_cond_init(&c->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    courier->callouts = c; /* it tells what it hears */
    return c;
}

static void slot_drop(struct callouts *c, struct callout_slot *s)
{
    hash_remove(&c->slots, &s->node);
    list_remove(&s->list);
    free(s);
}

void callouts_free(struct callouts **pc)
{
    struct callouts *c = *pc;

    if (!c)
        return;
    callouts_keep_stop(c);
    c->courier->callouts = NULL;
    while (!list_is_empty(&c->used))
        callout_forget(c, container_of(c->used.next, struct callout_entry, used));
    LIST_EACH_SAFE(&c->all_slots, l, next)
        slot_drop(c, container_of(l, struct callout_slot, list));
    hash_table_free(&c->entries);
    hash_table_free(&c->slots);
    pthread_cond_destroy(&c->changed);
    pthread_cond_destroy(&c->stop);
    pthread_mutex_destroy(&c->lock);
    free(c);
    *pc = NULL;
}

struct callout_entry *callout_find(struct callouts *c, const char *key)
{
    for (struct hash_node *n = hash_first(&c->entries, hash_str(str_from(key))); n; n = hash_next(n)) {
        struct callout_entry *e = container_of(n, struct callout_entry, node);
        if (strcmp(e->key, key) == 0)
            return e;
    }
    return NULL;
}

void callout_forget(struct callouts *c, struct callout_entry *e)
{
    hash_remove(&c->entries, &e->node);
    list_remove(&e->used);
    c->changes += e->result == CALLOUT_YES;
    free(e);
    c->count--;
}

const char *callout_entry_text(const struct callout_entry *e)
{
    return e->key + strlen(e->key) + 1;
}

void callout_remember(struct callouts *c, const char *key, enum callout_result result, int64_t asked_ms, const char *text)
{
    size_t key_len = strlen(key), text_len = strnlen(text, CALLOUT_TEXT_KEPT);
    struct callout_entry *e = callout_find(c, key);

    if (e)
        callout_forget(c, e);
    e = malloc(sizeof *e + key_len + text_len + 2);
    if (!e)
        return;
    *e = (struct callout_entry){.result = result, .asked_ms = asked_ms};
    memcpy(e->key, key, key_len + 1);
    memcpy(e->key + key_len + 1, text, text_len);
    e->key[key_len + 1 + text_len] = '\0';
    if (!hash_insert(&c->entries, &e->node, hash_str(str_from(key)))) {
        free(e);
        return;
    }
    list_add_tail(&c->used, &e->used);
    c->changes += result == CALLOUT_YES;
    if (++c->count > c->most)
        callout_forget(c, container_of(c->used.next, struct callout_entry, used));
}

void callout_domain_key(struct str domain, char to[CALLOUT_KEY_MAX])
{
    snprintf(to, CALLOUT_KEY_MAX, "d:" STR_FMT, STR_ARG(domain));
    str_lower(to, strlen(to));
}

static void make_key(const struct address *who, enum callout_kind kind, char to[CALLOUT_KEY_MAX])
{
    snprintf(to, CALLOUT_KEY_MAX, "%c:" STR_FMT, kind == CALLOUT_RECIPIENT ? 'r' : 's', STR_ARG(address_text(who)));
    size_t domain = 2 + (size_t)who->local_len;
    if (domain < strlen(to))
        str_lower(to + domain, strlen(to) - domain);
}

/* What holds for one question. */
struct asking {
    struct callouts *c;
    const struct settings *settings;
    const struct policy *policy;
    const struct address *who;
    enum callout_kind kind;
    char key[CALLOUT_KEY_MAX], domain_key[CALLOUT_KEY_MAX];
    int64_t deadline_ms;
    struct callout_answer *out;
};

static bool is_young(const struct asking *a, const struct callout_entry *e)
{
    int64_t life_ms = setting_number(a->policy, e->result == CALLOUT_YES ? SETTING_callout_positive : SETTING_callout_negative);
    int64_t age_ms = clock_wall_ms() - e->asked_ms;

    if (e->key[0] == 'd' && e->result == CALLOUT_NO) /* that a domain knows its addresses is as lasting as that it takes any */
        life_ms = setting_number(a->policy, SETTING_callout_positive);
    return age_ms >= 0 && age_ms < life_ms;
}

static void use(struct callouts *c, struct callout_entry *e)
{
    list_remove(&e->used);
    list_add_tail(&c->used, &e->used);
}

/* Under the lock: is the answer remembered? */
static bool is_remembered(struct asking *a)
{
    struct callout_entry *domain = a->kind == CALLOUT_RECIPIENT ? callout_find(a->c, a->domain_key) : NULL;
    struct callout_entry *e = callout_find(a->c, a->key);

    if (domain && domain->result == CALLOUT_YES && is_young(a, domain))
        e = domain;
    if (!e || !is_young(a, e))
        return false;
    use(a->c, e);
    *a->out = (struct callout_answer){.result = e->result, .asked_ms = e->asked_ms, .is_catch_all = e == domain};
    str_copy(a->out->text, sizeof a->out->text, str_from(callout_entry_text(e)));
    return true;
}

/* Under the lock: was it valid once? */
static bool was_valid(const struct asking *a)
{
    const struct callout_entry *e = callout_find(a->c, a->key), *domain = callout_find(a->c, a->domain_key);

    return (e && e->result == CALLOUT_YES) || (a->kind == CALLOUT_RECIPIENT && domain && domain->result == CALLOUT_YES);
}

static void not_known(struct asking *a, const char *why, bool is_down)
{
    *a->out = (struct callout_answer){.result = CALLOUT_UNKNOWN, .is_down = is_down, .asked_ms = clock_wall_ms(), .is_known = was_valid(a)};
    str_copy(a->out->text, sizeof a->out->text, str_from(why));
}

static struct callout_slot *slot_get(struct callouts *c, struct str domain)
{
    uint64_t hash = hash_str_case(domain);

    for (struct hash_node *n = hash_first(&c->slots, hash); n; n = hash_next(n)) {
        struct callout_slot *s = container_of(n, struct callout_slot, node);
        if (str_is_case(domain, s->domain))
            return s;
    }
    struct callout_slot *s = calloc(1, sizeof *s);
    if (!s || !str_copy(s->domain, sizeof s->domain, domain) || !hash_insert(&c->slots, &s->node, hash)) {
        free(s);
        return NULL;
    }
    list_add_tail(&c->all_slots, &s->list);
    return s;
}

/* Slots go with who uses them; those of hosts that are down are kept for half a minute, and looked through when they have become many. */
static void slot_let_go(struct callouts *c, struct callout_slot *s)
{
    int64_t now_ms = clock_mono_ms();

    if (--s->users == 0 && s->down_until_ms <= now_ms)
        slot_drop(c, s);
    if (c->slots.count <= SLOTS_MANY)
        return;
    LIST_EACH_SAFE(&c->all_slots, l, next) {
        struct callout_slot *one = container_of(l, struct callout_slot, list);
        if (one->users == 0 && (one->down_until_ms <= now_ms || c->slots.count > 2 * SLOTS_MANY))
            slot_drop(c, one);
    }
}

/* Under the lock, which is given up meanwhile. False at the deadline. */
static bool wait_for_change(struct callouts *c, int64_t deadline_ms)
{
    int64_t left_ms = deadline_ms - clock_mono_ms();
    struct timespec until;

    if (left_ms <= 0)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += left_ms / 1000;
    until.tv_nsec += left_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return pthread_cond_timedwait(&c->changed, &c->lock, &until) != ETIMEDOUT;
}

static struct callout_question *find_question(struct callouts *c, const char *key)
{
    LIST_EACH(&c->questions, l) {
        struct callout_question *q = container_of(l, struct callout_question, list);
        if (strcmp(q->key, key) == 0)
            return q;
    }
    return NULL;
}

static void question_unref(struct callout_question *q)
{
    if (--q->refs == 0)
        free(q);
}

/* Somebody asks the same: his answer is ours. */
static void join(struct asking *a, struct callout_question *q)
{
    q->refs++;
    while (!q->done && wait_for_change(a->c, a->deadline_ms))
        continue;
    if (q->done)
        *a->out = q->answer;
    else
        not_known(a, "no answer in time", false);
    question_unref(q);
}

static void keep(struct asking *a, struct callout_slot *slot, enum callout_result catch_all_before, enum callout_result catch_all)
{
    struct callout_answer *out = a->out;

    if (catch_all != CALLOUT_UNKNOWN && catch_all != catch_all_before)
        callout_remember(a->c, a->domain_key, catch_all, out->asked_ms, "");
    if (out->result != CALLOUT_UNKNOWN && !out->is_catch_all)
        callout_remember(a->c, a->key, out->result, out->asked_ms, out->result == CALLOUT_NO ? out->text : "");
    if (out->result == CALLOUT_UNKNOWN)
        out->is_known = was_valid(a);
    slot->down_until_ms = out->is_down ? clock_mono_ms() + DOWN_MS : 0;
    if (out->is_down)
        str_copy(slot->down_text, sizeof slot->down_text, str_from(out->text));
}

/* Under the lock, which is given up while the destination is asked. */
static void ask(struct asking *a, struct callout_slot *slot)
{
    struct callout_question *q = calloc(1, sizeof *q);
    const struct callout_entry *domain = callout_find(a->c, a->domain_key);
    enum callout_result before = domain && is_young(a, domain) ? domain->result : CALLOUT_UNKNOWN, catch_all = before;

    if (!q) {
        not_known(a, "out of memory", false);
        return;
    }
    q->key = a->key;
    q->refs = 1;
    list_add_tail(&a->c->questions, &q->list);
    slot->active++;
    pthread_mutex_unlock(&a->c->lock);
    callout_probe(a->c->courier, a->settings, a->who, a->kind, &catch_all, a->out);
    pthread_mutex_lock(&a->c->lock);
    slot->active--;
    keep(a, slot, before, catch_all);
    list_remove(&q->list);
    q->answer = *a->out;
    q->done = true;
    question_unref(q);
    pthread_cond_broadcast(&a->c->changed);
}

/* Under the lock. Waits for its turn at the destination, in which another's answer may come to serve. */
static void take_turn(struct asking *a, struct callout_slot *slot)
{
    unsigned most = (unsigned)setting_number(a->policy, SETTING_max_callouts);

    for (;;) {
        struct callout_question *same = find_question(a->c, a->key);
        if (is_remembered(a))
            return;
        if (slot->down_until_ms > clock_mono_ms()) {
            not_known(a, slot->down_text, true);
            return;
        }
        if (same) {
            join(a, same);
            return;
        }
        if (slot->active < most) {
            ask(a, slot);
            return;
        }
        if (slot->waiting >= WAITING_MAX) {
            not_known(a, "too many questions to it at once", false);
            return;
        }
        slot->waiting++;
        bool changed = wait_for_change(a->c, a->deadline_ms);
        slot->waiting--;
        if (!changed) {
            not_known(a, "no answer in time", false);
            return;
        }
    }
}

void callout_ask(struct callouts *c, const struct settings *settings, const struct address *who, enum callout_kind kind, bool may_ask,
                 struct callout_answer *out)
{
    const struct domain *ours = settings_domain(settings, address_domain(who));
    const struct policy *p = ours ? &ours->policy : settings_system(settings);
    struct asking a = {.c = c, .settings = settings, .policy = p, .who = who, .kind = kind, .out = out,
                       .deadline_ms = clock_mono_ms() + setting_number(settings_system(settings), SETTING_callout_timeout)};

    make_key(who, kind, a.key);
    callout_domain_key(address_domain(who), a.domain_key);
    pthread_mutex_lock(&c->lock);
    struct callout_slot *slot = NULL;
    if (!is_remembered(&a)) {
        slot = may_ask ? slot_get(c, address_domain(who)) : NULL;
        if (!slot)
            not_known(&a, may_ask ? "out of memory" : "too many questions at once", false);
    }
    if (slot) {
        slot->users++;
        take_turn(&a, slot);
        slot_let_go(c, slot);
    }
    pthread_mutex_unlock(&c->lock);
}

struct callout_slot *callout_host_begin(struct callouts *c, const char *host, unsigned most, int64_t deadline_ms, bool *timely)
{
    *timely = true;
    pthread_mutex_lock(&c->lock);
    struct callout_slot *slot = slot_get(c, str_from(host));
    if (slot) {
        slot->users++;
        slot->waiting++;
        while (*timely && slot->active >= most)
            *timely = slot->waiting <= WAITING_MAX && wait_for_change(c, deadline_ms);
        slot->waiting--;
        slot->active += *timely;
        if (!*timely)
            slot_let_go(c, slot);
    }
    pthread_mutex_unlock(&c->lock);
    return *timely ? slot : NULL;
}

void callout_host_end(struct callouts *c, struct callout_slot *slot)
{
    if (!slot)
        return;
    pthread_mutex_lock(&c->lock);
    slot->active--;
    slot_let_go(c, slot);
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

void callouts_hear(struct callouts *c, const struct settings *settings, const struct address *who, int code, const char *enhanced, const char *text)
{
    const struct domain *ours = c ? settings_domain(settings, address_domain(who)) : NULL;
    enum callout_result result = code / 100 == 2 ? CALLOUT_YES : code / 100 == 5 && strcmp(enhanced, "5.1.1") == 0 ? CALLOUT_NO : CALLOUT_UNKNOWN;
    char key[CALLOUT_KEY_MAX], domain_key[CALLOUT_KEY_MAX];

    if (!ours || result == CALLOUT_UNKNOWN || !setting_flag(&ours->policy, SETTING_recipient_callout))
        return;
    make_key(who, CALLOUT_RECIPIENT, key);
    callout_domain_key(address_domain(who), domain_key);
    pthread_mutex_lock(&c->lock);
    struct callout_entry *domain = callout_find(c, domain_key);
    bool takes_any = domain && domain->result == CALLOUT_YES;
    if (takes_any && result == CALLOUT_NO)
        callout_forget(c, domain); /* not any more */
    if (!takes_any || result == CALLOUT_NO)
        callout_remember(c, key, result, clock_wall_ms(), result == CALLOUT_NO ? text : "");
    pthread_mutex_unlock(&c->lock);
}
