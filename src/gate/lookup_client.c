/* lookup_client.c: see lookup_client.h. */
#include "gate/lookup_client.h"

#include "base/clock.h"
#include "gate/session.h"

#include <stdlib.h>

struct client_lookup {
    int64_t deadline_ms;
    struct dns_question *ptr;   /* NULL: not asked, or answered */
    struct iprev_verdict iprev;
    struct dnsbl_questions *lists; /* NULL: not asked, or answered */
    struct dnsbl_verdict *listed;  /* owned; NULL: not judged */
    bool asked_lists;
};

static bool wants_ptr(const struct policy *p, unsigned skips)
{
    return setting_action(p, SETTING_check_ptr) != ACTION_OFF && !(skips & SKIP_PTR);
}

static bool wants_lists(const struct policy *p, unsigned skips)
{
    return setting_action(p, SETTING_dnsbl) != ACTION_OFF && !(skips & SKIP_DNSBL);
}

static struct client_lookup *make(struct session *s)
{
    if (!s->asked && (s->asked = calloc(1, sizeof *s->asked)))
        s->asked->deadline_ms = clock_mono_ms() + setting_number(session_policy(s), SETTING_client_lookup_deadline);
    return s->asked;
}

static void start_ptr(struct session *s)
{
    struct client_lookup *c = make(s);

    if (c && !c->ptr && c->iprev.result == IPREV_NOT_ASKED)
        c->ptr = iprev_start(s->gate->parts.dns, &s->client.peer.ip);
}

static void start_lists(struct session *s)
{
    struct client_lookup *c = make(s);

    if (c && !c->asked_lists)
        c->lists = dnsbl_ask(s->runtime->dnsbl, s->gate->parts.dns, &s->client.peer.ip);
    if (c)
        c->asked_lists = true;
}

void client_lookup_begin(struct session *s)
{
    const struct policy *p = session_policy(s);

    client_lookup_free(&s->asked);
    if (s->service != SERVICE_MX || !s->client.peer.ip.family)
        return;
    if (wants_ptr(p, s->ip_skips) || (setting_flag(p, SETTING_greylist) && !(s->ip_skips & SKIP_GREYLISTING)))
        start_ptr(s); /* the greylist spares large senders, whom it knows by name */
    if (wants_lists(p, s->ip_skips) && dnsbl_zone_count(s->runtime->dnsbl))
        start_lists(s);
}

/* Most clients are in no list: only for those who are the verdict takes memory. */
static const struct dnsbl_verdict *listed(struct session *s)
{
    struct dnsbl_verdict v;

    start_lists(s);
    struct client_lookup *c = s->asked;
    if (c && c->lists) {
        dnsbl_judge(c->lists, c->deadline_ms, &v);
        dnsbl_done(&c->lists);
        if ((v.weight || v.is_welcome) && (c->listed = malloc(sizeof v)))
            *c->listed = v;
    }
    return c ? c->listed : NULL;
}

const struct iprev_verdict *client_lookup_iprev(struct session *s)
{
    start_ptr(s); /* where only the recipient's domain wants it */
    struct client_lookup *c = s->asked;
    if (!c)
        return NULL;
    if (c->iprev.result == IPREV_NOT_ASKED)
        iprev_check(s->gate->parts.dns, &s->client.peer.ip, c->ptr, c->deadline_ms, &c->iprev);
    dns_done(&c->ptr);
    return &c->iprev;
}

void client_lookup_settle(struct session *s)
{
    if (s->asked && s->asked->ptr)
        client_lookup_iprev(s);
}

const struct iprev_verdict *client_lookup_known_iprev(const struct session *s)
{
    return s->asked && s->asked->iprev.result != IPREV_NOT_ASKED ? &s->asked->iprev : NULL;
}

void client_lookup_facts(struct session *s, const struct policy *p, unsigned skips, struct sender_facts *out)
{
    if (!s->client.peer.ip.family)
        return;
    if (wants_ptr(p, skips))
        out->iprev = client_lookup_iprev(s);
    if (wants_lists(p, skips) && dnsbl_zone_count(s->runtime->dnsbl))
        out->dnsbl = listed(s);
}

void client_lookup_free(struct client_lookup **c)
{
    if (!*c)
        return;
    dns_done(&(*c)->ptr);
    dnsbl_done(&(*c)->lists);
    free((*c)->listed);
    free(*c);
    *c = NULL;
}
