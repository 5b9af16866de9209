/* lookup_client.c: see lookup_client.h. */
#include "gate/lookup_client.h"

#include "base/clock.h"
#include "gate/session.h"

#include <stdlib.h>

struct client_lookup {
    int64_t deadline_ms;
    struct dns_question *ptr;   /* NULL: not asked, or answered */
    struct iprev_verdict iprev;
};

static bool wants_ptr(const struct policy *p, unsigned skips)
{
    return setting_action(p, SETTING_check_ptr) != ACTION_OFF && !(skips & SKIP_PTR);
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

void client_lookup_begin(struct session *s)
{
    client_lookup_free(&s->asked);
    if (s->service == SERVICE_MX && s->client.peer.ip.family && wants_ptr(session_policy(s), s->ip_skips))
        start_ptr(s);
}

static const struct iprev_verdict *iprev_of(struct session *s)
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

void client_lookup_facts(struct session *s, const struct policy *p, unsigned skips, struct sender_facts *out)
{
    if (!s->client.peer.ip.family)
        return;
    if (wants_ptr(p, skips))
        out->iprev = iprev_of(s);
}

void client_lookup_free(struct client_lookup **c)
{
    if (!*c)
        return;
    dns_done(&(*c)->ptr);
    free(*c);
    *c = NULL;
}
