/* sts.c: see sts.h. Who asks, and what is remembered. */
#include "courier/sts_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GRACE_MS = 1000 }; /* the fetch ends itself, and says why */

struct sts_entry *sts_entry_find(struct sts *s, const char *domain)
{
    for (struct hash_node *n = hash_first(&s->table, hash_str(str_from(domain))); n; n = hash_next(n)) {
        struct sts_entry *e = container_of(n, struct sts_entry, node);
        if (strcmp(e->domain, domain) == 0)
            return e;
    }
    return NULL;
}

static void forget(struct sts *s, struct sts_entry *e)
{
    hash_remove(&s->table, &e->node);
    list_remove(&e->used);
    list_remove(&e->wanted);
    s->count--;
    sts_policy_clear(&e->policy);
    free(e);
}

/* The one that nobody has asked for longest goes; one that is in use stays. */
static void make_room(struct sts *s)
{
    LIST_EACH_SAFE(&s->used, l, after) {
        struct sts_entry *e = container_of(l, struct sts_entry, used);
        if (s->count < STS_MOST_ENTRIES)
            return;
        if (!e->waiting && !e->is_wanted)
            forget(s, e);
    }
}

struct sts_entry *sts_entry_make(struct sts *s, const char *domain)
{
    make_room(s);
    struct sts_entry *e = s->count < STS_MOST_ENTRIES ? calloc(1, sizeof *e) : NULL;

    if (!e || !str_copy(e->domain, sizeof e->domain, str_from(domain)) || !hash_insert(&s->table, &e->node, hash_str(str_from(domain)))) {
        free(e);
        return NULL;
    }
    list_init(&e->wanted);
    list_add_tail(&s->used, &e->used);
    s->count++;
    return e;
}

/* A policy with max_age 0 holds as long as it is not fetched again: otherwise it would never hold. */
bool sts_entry_holds(const struct sts_entry *e, int64_t wall_ms)
{
    int64_t age_ms = (int64_t)e->policy.max_age_s * 1000;

    return e->has_policy && wall_ms < e->fetched_ms + (age_ms > STS_RETRY_MS ? age_ms : STS_RETRY_MS);
}

void sts_entry_want(struct sts *s, struct sts_entry *e, const char *id)
{
    if (e->is_wanted)
        return;
    e->is_wanted = true;
    e->tried_ms = clock_wall_ms();
    str_copy(e->tried_id, sizeof e->tried_id, str_from(id));
    list_add_tail(&s->wanted, &e->wanted);
    curl_multi_wakeup(s->multi);
}

void sts_take_policy(struct sts *s, struct sts_entry *e, struct sts_policy *take, int64_t wall_ms)
{
    sts_policy_clear(&e->policy);
    e->policy = *take;
    *take = (struct sts_policy){0};
    e->has_policy = true;
    e->fetched_ms = wall_ms;
    s->is_changed = true;
}

/* RFC 8461 §3.1: exactly one record, and a good one. False: none that can be used, as WHY says. */
static bool published_id(struct dns *dns, struct str domain, char *id, char *why, size_t size)
{
    char name[STS_DOMAIN_MAX + 16];
    size_t ours = 0;
    bool good = false;

    snprintf(name, sizeof name, "_mta-sts." STR_FMT, STR_ARG(domain));
    struct dns_question *q = dns_start(dns, str_from(name), DNS_TXT);
    const struct dns_answer *answer = dns_wait(q);
    for (size_t i = 0; i < answer->count; i++) {
        if (!sts_record_is_ours(answer->at[i].data))
            continue;
        ours++;
        good = sts_record_id(answer->at[i].data, id);
    }
    if (answer->status == DNS_FAILED)
        snprintf(why, size, "%s cannot be looked up", name);
    else if (ours > 1)
        snprintf(why, size, "there are several records at %s", name);
    else if (ours && !good)
        snprintf(why, size, "the record at %s cannot be read", name);
    else
        snprintf(why, size, "no MTA-STS");
    dns_done(&q);
    return ours == 1 && good;
}

/* Under the lock. */
static void wait_for_fetch(struct sts *s, struct sts_entry *e, int64_t deadline_ms)
{
    deadline_ms -= clock_offset_ms(); /* the condition's clock is not turned */
    struct timespec until = {.tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000};

    e->waiting++;
    while (e->is_wanted && !s->stop && pthread_cond_timedwait(&s->fetched, &s->lock, &until) == 0)
        continue;
    e->waiting--;
}

/* Under the lock: has this id failed a moment ago, or been fetched already? Then asking again would only be a burden (§3.3). */
static bool is_worth_a_fetch(const struct sts_entry *e, const char *id, int64_t wall_ms)
{
    if (sts_entry_holds(e, wall_ms) && strcmp(e->id, id) == 0)
        return false;
    return strcmp(e->tried_id, id) != 0 || wall_ms >= e->tried_ms + STS_RETRY_MS;
}

/* Under the lock. */
static void tell(const struct sts_entry *e, struct str host, int64_t wall_ms, struct sts_finding *found)
{
    if (!sts_entry_holds(e, wall_ms)) {
        snprintf(found->why, sizeof found->why, "the MTA-STS policy of %s could not be fetched: %s", e->domain,
                 e->trouble[0] ? e->trouble : "it takes too long");
        return;
    }
    found->mode = e->policy.mode;
    found->result = e->policy.mode == STS_MODE_NONE ? STS_NO_POLICY : STS_FOUND;
    found->names_host = sts_policy_names(&e->policy, host);
    snprintf(found->why, sizeof found->why, "%s, policy %s of %s%s" STR_FMT "%s%s%s", sts_mode_name(e->policy.mode), e->id, e->domain,
             found->names_host ? " names " : " does not name ", STR_ARG(host), e->trouble[0] ? " (fetching a newer one failed: " : "", e->trouble,
             e->trouble[0] ? ")" : "");
}

/* Under the lock: what is known, or will be in a moment. NULL: nothing, and nothing is published. */
static struct sts_entry *find_or_fetch(struct sts *s, const char *domain, const char *id, bool is_published, int64_t deadline_ms)
{
    struct sts_entry *e = sts_entry_find(s, domain);
    int64_t wall_ms = clock_wall_ms();

    if (!is_published)
        return e && sts_entry_holds(e, wall_ms) ? e : NULL;
    e = e ? e : sts_entry_make(s, domain);
    if (!e)
        return NULL;
    if (is_worth_a_fetch(e, id, wall_ms) && !s->stop)
        sts_entry_want(s, e, id);
    if (e->is_wanted && (!sts_entry_holds(e, wall_ms) || strcmp(e->id, id) != 0)) /* one that is only kept fresh is good as it is */
        wait_for_fetch(s, e, deadline_ms);
    return e;
}

void sts_find(struct sts *s, struct str domain, struct str host, int64_t deadline_ms, struct sts_finding *found)
{
    char id[STS_ID_MAX + 1] = "", name[STS_DOMAIN_MAX + 1];
    int64_t own_ms = clock_mono_ms() + s->timeout_ms + GRACE_MS;

    *found = (struct sts_finding){.result = STS_NO_POLICY};
    if (!str_copy(name, sizeof name, domain)) {
        snprintf(found->why, sizeof found->why, "no MTA-STS");
        return;
    }
    bool is_published = published_id(s->dns, domain, id, found->why, sizeof found->why);
    pthread_mutex_lock(&s->lock);
    struct sts_entry *e = find_or_fetch(s, name, id, is_published, own_ms < deadline_ms ? own_ms : deadline_ms);
    if (s->stop)
        found->result = STS_STOPPED;
    else if (e) {
        e->used_ms = clock_wall_ms();
        list_remove(&e->used);
        list_add_tail(&s->used, &e->used);
        tell(e, host, e->used_ms, found);
    }
    pthread_mutex_unlock(&s->lock);
}

void sts_tell(struct sts *s, struct str domain, json_t **lines, json_t **mx)
{
    char name[STS_DOMAIN_MAX + 1];

    *lines = *mx = NULL;
    if (!str_copy(name, sizeof name, domain))
        return;
    pthread_mutex_lock(&s->lock);
    const struct sts_entry *e = sts_entry_find(s, name);
    if (e && e->has_policy) {
        const char *at = e->policy.mx;
        *lines = json_pack("[s, s+]", "version: STSv1", "mode: ", sts_mode_name(e->policy.mode));
        *mx = json_array();
        for (size_t i = 0; i < e->policy.mx_count; i++, at += strlen(at) + 1) {
            json_array_append_new(*lines, json_sprintf("mx: %s", at));
            json_array_append_new(*mx, json_string(at));
        }
        json_array_append_new(*lines, json_sprintf("max_age: %u", (unsigned)e->policy.max_age_s));
    }
    pthread_mutex_unlock(&s->lock);
}

size_t sts_count(struct sts *s)
{
    pthread_mutex_lock(&s->lock);
    size_t count = s->count;
    pthread_mutex_unlock(&s->lock);
    return count;
}

static struct sts *make(const struct sts_options *o)
{
    struct sts *s = calloc(1, sizeof *s);
    pthread_condattr_t attributes;

    if (!s)
        return NULL;
    s->dns = o->dns;
    s->port = o->port;
    s->timeout_ms = o->timeout_ms;
    s->reports = o->reports;
    str_copy(s->roots, sizeof s->roots, str_from(o->roots));
    snprintf(s->path, sizeof s->path, "%s/mta-sts", o->directory);
    list_init(&s->used);
    list_init(&s->wanted);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->fetched, &attributes);
    pthread_condattr_destroy(&attributes);
    return s;
}

struct sts *sts_new(const struct sts_options *options, struct buf *error)
{
    struct sts *s = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? make(options) : NULL;

    if (s)
        s->multi = curl_multi_init();
    if (!s || !s->multi) {
        buf_add_text(error, "MTA-STS: out of memory");
        sts_free(&s);
        return NULL;
    }
    sts_file_read(s);
    if (pthread_create(&s->thread, NULL, sts_thread, s) != 0) {
        buf_add_text(error, "MTA-STS: no thread");
        s->stop = true;
        sts_free(&s);
        return NULL;
    }
    pthread_setname_np(s->thread, "mta-sts");
    return s;
}

void sts_stop(struct sts *s)
{
    pthread_mutex_lock(&s->lock);
    bool was_running = !s->stop;
    s->stop = true;
    pthread_cond_broadcast(&s->fetched);
    pthread_mutex_unlock(&s->lock);
    if (!was_running)
        return;
    curl_multi_wakeup(s->multi);
    pthread_join(s->thread, NULL);
    sts_file_write(s);
}

void sts_free(struct sts **ps)
{
    struct sts *s = *ps;

    if (!s)
        return;
    if (s->multi) {
        sts_stop(s);
        curl_multi_cleanup(s->multi);
    }
    while (!list_is_empty(&s->used))
        forget(s, container_of(s->used.next, struct sts_entry, used));
    hash_table_free(&s->table);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->fetched);
    free(s);
    *ps = NULL;
}
