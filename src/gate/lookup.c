/* lookup.c: see lookup.h. */
#include "gate/lookup.h"

#include "auth/received_spf.h"
#include "base/clock.h"
#include "gate/lookup_client.h"
#include "gate/session.h"

#include <stdlib.h>

struct lookup {
    struct dns_question *mx, *txt, *helo_txt; /* asked ahead; NULL: not asked */
    enum sender_dns dns;
    struct spf_verdict spf, helo;
    bool has_spf, has_helo;        /* evaluated */
};

/* What one recipient's checks look at. */
struct wanted {
    bool dns, spf, helo;
};

bool lookup_may_wait(struct session *s)
{
    unsigned most = waiter_most(s->gate->parts.waiter) * 3 / 8;

    if (atomic_fetch_add(&s->gate->asking, 1) < (most ? most : 1))
        return true;
    atomic_fetch_sub(&s->gate->asking, 1);
    return false;
}

void lookup_end_wait(struct session *s)
{
    atomic_fetch_sub(&s->gate->asking, 1);
}

static bool concerns(const struct session *s)
{
    return s->service == SERVICE_MX;
}

static struct str sender_domain(const struct session *s)
{
    const struct address *sender = &s->tx->mail.sender;

    return sender->is_literal ? str_n(NULL, 0) : address_domain(sender);
}

/* A name whose owner could have said something about it. */
static bool helo_is_name(const struct session *s)
{
    return domain_is_full(s->client.helo) && spf_domain_is_askable(s->client.helo);
}

static struct spf_query query_of(const struct session *s, bool of_helo)
{
    struct spf_query q = {.ip = s->client.peer.ip, .helo = s->client.helo, .receiver = str_from(s->tx->runtime->host), .now_ms = clock_wall_ms()};

    if (of_helo) {
        q.domain = s->client.helo;
    } else {
        q.local = address_local(&s->tx->mail.sender);
        q.domain = sender_domain(s);
    }
    return q;
}

static void ask_spf(struct session *s, bool of_helo, int64_t deadline_ms, struct spf_verdict *out)
{
    struct spf_query q = query_of(s, of_helo);

    q.deadline_ms = deadline_ms;
    spf_check(s->gate->parts.dns, &q, out);
}

static struct wanted wanted_by(const struct session *s, const struct policy *p, unsigned skips)
{
    bool has_domain = sender_domain(s).len > 0, spf = setting_action(p, SETTING_spf) != ACTION_OFF;

    return (struct wanted){.dns = has_domain && setting_action(p, SETTING_check_sender_dns) != ACTION_OFF && !(skips & SKIP_DNS),
                           .spf = has_domain && spf, .helo = spf && helo_is_name(s)};
}

/* Questions that may not have been asked at MAIL, for this recipient's domain wants more than the system. */
static void start(struct session *s, struct lookup *l, const struct wanted *w)
{
    struct dns *dns = s->gate->parts.dns;

    if (w->dns && !l->mx && l->dns == SENDER_DNS_NOT_ASKED)
        l->mx = sender_dns_start(dns, sender_domain(s));
    if (w->spf && !l->txt && !l->has_spf)
        l->txt = spf_start(dns, sender_domain(s), s->client.peer.ip.family);
    if (w->helo && !l->helo_txt && !l->has_helo)
        l->helo_txt = spf_start(dns, s->client.helo, s->client.peer.ip.family);
}

void lookup_begin(struct session *s)
{
    if (!concerns(s))
        return;
    struct lookup *l = s->tx->lookup = calloc(1, sizeof *l);
    struct wanted w = wanted_by(s, session_policy(s), s->ip_skips);
    if (l)
        start(s, l, &w);
}

static void look_up(struct session *s, struct lookup *l, const struct wanted *w)
{
    int64_t deadline_ms = clock_mono_ms() + setting_number(session_policy(s), SETTING_lookup_deadline);

    start(s, l, w);
    if (w->dns && l->dns == SENDER_DNS_NOT_ASKED)
        l->dns = sender_dns_check(s->gate->parts.dns, sender_domain(s), l->mx, deadline_ms);
    if (w->spf && !l->has_spf)
        ask_spf(s, false, deadline_ms, &l->spf);
    if (w->helo && !l->has_helo)
        ask_spf(s, true, deadline_ms, &l->helo);
    l->has_spf = l->has_spf || w->spf;
    l->has_helo = l->has_helo || w->helo;
}

static void say_too_busy(struct spf_verdict *v)
{
    *v = (struct spf_verdict){.result = SPF_TEMPERROR};
    str_copy(v->problem, sizeof v->problem, STR("too many questions are under way"));
}

/* For now nobody can be asked: as if the DNS did not answer. It is tried anew for the next recipient. */
static void be_too_busy(struct lookup *l, const struct wanted *w, struct sender_facts *out)
{
    if (w->dns && l->dns == SENDER_DNS_NOT_ASKED)
        out->dns = SENDER_DNS_FAILED;
    if (w->spf && !l->has_spf)
        say_too_busy(&l->spf);
    if (w->helo && !l->has_helo)
        say_too_busy(&l->helo);
}

void lookup_sender(struct session *s, const struct policy *p, unsigned skips, struct sender_facts *out)
{
    struct lookup *l = s->tx->lookup;

    *out = (struct sender_facts){0};
    if (!l)
        return;
    struct wanted w = wanted_by(s, p, skips);
    bool may_wait = lookup_may_wait(s);
    if (may_wait) {
        look_up(s, l, &w);
        client_lookup_facts(s, p, skips, out);
        lookup_end_wait(s);
    }
    out->dns = w.dns ? l->dns : SENDER_DNS_NOT_ASKED;
    out->spf = w.spf ? &l->spf : NULL;
    out->helo_spf = w.helo ? &l->helo : NULL;
    if (!may_wait)
        be_too_busy(l, &w, out);
}

/* The null sender has no domain of its own: what the HELO name's record says stands for it (RFC 7208 §2.4). */
static const struct spf_verdict *verdict_of(const struct session *s)
{
    const struct lookup *l = s->tx ? s->tx->lookup : NULL;

    if (!l)
        return NULL;
    return l->has_spf ? &l->spf : l->has_helo && address_is_null(&s->tx->mail.sender) ? &l->helo : NULL;
}

const struct spf_verdict *lookup_known_spf(const struct session *s, struct str *domain)
{
    const struct spf_verdict *v = verdict_of(s);

    *domain = str_n("", 0);
    if (v)
        *domain = v == &s->tx->lookup->helo ? s->client.helo : sender_domain(s);
    return v;
}

const struct spf_verdict *lookup_spf(struct session *s, struct str *domain)
{
    struct lookup *l = s->tx->lookup;
    bool has_domain = sender_domain(s).len > 0;
    const struct wanted w = {.spf = has_domain, .helo = !has_domain && address_is_null(&s->tx->mail.sender) && helo_is_name(s)};

    if (l)
        look_up(s, l, &w);
    return lookup_known_spf(s, domain);
}

bool lookup_helo_passes(const struct session *s)
{
    const struct lookup *l = s->tx ? s->tx->lookup : NULL;

    return l && l->has_helo && l->helo.result == SPF_PASS;
}

const char *lookup_spf_name(const struct session *s)
{
    const struct spf_verdict *v = verdict_of(s);

    return v ? spf_result_name(v->result) : "";
}

void lookup_received_spf(const struct session *s, struct buf *out)
{
    const struct spf_verdict *v = verdict_of(s);

    if (!v)
        return;
    struct spf_query q = query_of(s, v == &s->tx->lookup->helo);
    const struct received_spf r = {.query = &q, .verdict = v, .sender = address_text(&s->tx->mail.sender)};
    received_spf_write(out, &r);
}

void lookup_free(struct lookup **l)
{
    if (!*l)
        return;
    dns_done(&(*l)->mx);
    dns_done(&(*l)->txt);
    dns_done(&(*l)->helo_txt);
    free(*l);
    *l = NULL;
}
