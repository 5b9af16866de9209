/* digest_work.c: see digest_work.h. */
#include "relay/digest_work.h"

#include "base/arena.h"
#include "base/log.h"
#include "courier/digest_mail.h"
#include "store/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX = 4 * 1024 * 1024, MOST_AT_ONCE = 100000, MONDAY = 1, WEEK_DAYS = 7, URL_MAX = 300 };

struct wanting {
    char *recipient; /* owned */
    int64_t sent_ms;
};

struct gathering {
    struct wanting *at; /* owned */
    size_t count, room;
};

static void gather(void *arg, struct str recipient, int64_t sent_ms)
{
    struct gathering *g = arg;

    if (g->count == g->room && g->count < MOST_AT_ONCE) {
        size_t room = g->room ? g->room * 2 : 64;
        struct wanting *more = realloc(g->at, room * sizeof *more);
        if (!more)
            return; /* those left out have theirs at the next look */
        g->at = more;
        g->room = room;
    }
    char *copy = g->count < g->room ? strndup(recipient.at, recipient.len) : NULL;
    if (copy)
        g->at[g->count++] = (struct wanting){copy, sent_ms};
}

/* Is it time, by the clock of the domain, and not yet done today (this week)? */
static bool is_due(const struct policy *p, int64_t sent_ms, int64_t now_ms, int64_t *day)
{
    const char *zone = setting_text(p, SETTING_time_zone), *how = setting_text(p, SETTING_digest);
    struct local_time now = local_time_of(zone, now_ms), then = local_time_of(zone, sent_ms);

    *day = now.day;
    if (strcmp(how, "off") == 0 || now.hour < setting_number(p, SETTING_digest_hour))
        return false;
    if (strcmp(how, "weekly") != 0)
        return !sent_ms || then.day < now.day;
    int64_t monday = now.day - (now.weekday + WEEK_DAYS - MONDAY) % WEEK_DAYS;
    return !sent_ms || then.day < monday;
}

static void look_of(const struct settings *s, const struct policy *p, struct digest_look *look, char host[256], char from[400], char url[URL_MAX])
{
    const struct policy *system = settings_system(s);
    const char *set = setting_text(p, SETTING_digest_from), *base = setting_text(system, SETTING_console_url);

    settings_host_name(system, host, 256);
    if (*set)
        snprintf(from, 400, "%s", set);
    else
        snprintf(from, 400, "postmaster@%s", host);
    if (*base)
        snprintf(url, URL_MAX, "%s/digest/", base);
    else
        snprintf(url, URL_MAX, "https://%s/digest/", host);
    *look = (struct digest_look){.host = host, .from = from, .from_name = setting_text(p, SETTING_digest_from_name), .link_url = url, .zone = setting_text(p, SETTING_time_zone),
                                 .days_kept = (int)(setting_number(p, SETTING_quarantine_retention) / 86400000)};
}

/* The digest is in the queue before the store says so; killed between, the spool knows its number. */
static bool submit(const struct digest_work *w, struct spool_message *m, struct str recipient, int64_t day, const struct digest *d, int64_t now_ms)
{
    bool was_there;

    return spool_submit_once(w->spool, m, digest_number(recipient, day), &was_there) == SPOOL_OK && digest_sent(w->db, recipient, d->up_to, now_ms) == DB_OK;
}

static bool send_to(const struct digest_work *w, const struct settings *s, const struct policy *p, struct str recipient, const struct address *to, int64_t day, int64_t now_ms)
{
    struct arena arena = arena_make(ARENA_MAX);
    struct digest *d = calloc(1, sizeof *d);
    char host[256], from[400], url[URL_MAX];
    struct digest_look look;
    bool ok = false;

    if (d) {
        d->arena = &arena;
        look_of(s, p, &look, host, from, url);
        ok = digest_collect(w->db, recipient, now_ms, d) == DB_OK;
        struct spool_message *m = ok && d->count ? digest_mail(w->signer, d, &look, to, now_ms) : NULL;
        ok = ok && (!d->count || (m && submit(w, m, recipient, day, d, now_ms)));
        if (m)
            spool_message_unref(m);
    }
    arena_free(&arena);
    free(d);
    return ok;
}

static void consider(const struct digest_work *w, const struct settings *s, const struct wanting *one, int64_t now_ms)
{
    struct str recipient = str_from(one->recipient);
    struct address to;
    int64_t day;

    if (address_parse(recipient, true, &to, NULL) != ADDRESS_OK)
        return;
    const struct domain *domain = settings_domain(s, address_domain(&to));
    const struct policy *p = domain ? settings_mailbox(s, domain, address_local(&to)) : NULL;
    if (p && is_due(p, one->sent_ms, now_ms, &day) && !send_to(w, s, p, recipient, &to, day, now_ms))
        log_warning("the digest for %s could not be sent now; it is tried again", one->recipient);
}

void digests_send(const struct digest_work *w, int64_t now_ms)
{
    struct gathering g = {0};
    struct settings *s = settings_take(w->settings);

    if (!digest_recipients(w->db, gather, &g))
        log_warning("digests: %s", db_error(w->db));
    for (size_t i = 0; i < g.count; i++) {
        if (!w->is_stopping(w->arg))
            consider(w, s, &g.at[i], now_ms);
        free(g.at[i].recipient);
    }
    free(g.at);
    settings_unref(s);
    if (digest_forget_links(w->db, now_ms) != DB_OK)
        log_warning("digests: old links stay for now: %s", db_error(w->db));
}
