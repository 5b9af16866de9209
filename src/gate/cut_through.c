/* cut_through.c: see cut_through.h. */
#include "gate/cut_through.h"

#include "base/clock.h"
#include "gate/session.h"

#include <stdlib.h>

enum { OPEN_MS = 20000 };

struct cut_through {
    struct courier *courier;
    struct smtp_client *client; /* NULL: given up for this message */
    const struct domain *domain;
    char host[300];
    size_t accepted;
};

/* A worker that waits for a destination serves nobody meanwhile: half of them are left to the others, whatever destinations do. */
static bool begin_wait(struct session *s)
{
    unsigned most = waiter_most(s->gate->parts.waiter) / 2;

    if (atomic_fetch_add(&s->gate->waiting, 1) < most)
        return true;
    atomic_fetch_sub(&s->gate->waiting, 1);
    return false;
}

static void end_wait(struct session *s)
{
    atomic_fetch_sub(&s->gate->waiting, 1);
}

static struct cut_through *open_destination(struct session *s, const struct domain *domain)
{
    struct cut_through *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->courier = s->gate->parts.courier;
    c->domain = domain;
    c->client = courier_open(s->gate->parts.courier, s->tx->runtime->settings, domain->name, clock_mono_ms() + OPEN_MS, c->host,
                             sizeof c->host);
    if (c->client && (smtp_client_mail(c->client, &s->tx->mail) != CLIENT_OK || c->client->reply.code / 100 != 2))
        courier_close_client(c->courier, &c->client);
    return c;
}

/* The destination's words, without the code that the reply gets anyway. */
static struct finding pass_on(const struct smtp_client *client, enum reason permanent, enum reason temporary)
{
    const struct smtp_reply *r = &client->reply;
    struct finding f = finding_make(r->code / 100 == 5 ? permanent : temporary, ": %s", r->text);
    char class = reason_row(f.reason)->enhanced[0];

    for (char *at = f.evidence; *at; at++)
        if (*at == '\n')
            *at = ' ';
    if (r->enhanced[0] == class)
        str_copy(f.enhanced, sizeof f.enhanced, str_from(r->enhanced));
    return f;
}

static struct finding ask(struct session *s, const struct recipient *r)
{
    struct transaction *tx = s->tx;

    if (!tx->cut && tx->count == 0)
        tx->cut = open_destination(s, r->domain);
    struct cut_through *c = tx->cut;
    if (!c || !c->client || c->domain != r->domain)
        return finding_none();
    if (smtp_client_rcpt(c->client, &r->args) != CLIENT_OK) {
        courier_close_client(c->courier, &c->client);
        return finding_none();
    }
    if (c->client->reply.code / 100 == 2) {
        c->accepted++;
        return finding_none();
    }
    return pass_on(c->client, REASON_DESTINATION_UNKNOWN, REASON_DESTINATION_UNVERIFIED);
}

struct finding cut_through_rcpt(struct session *s, const struct recipient *r)
{
    if (!r->domain || !setting_flag(&r->domain->policy, SETTING_cut_through))
        return finding_none();
    if (!begin_wait(s)) {
        cut_through_free(&s->tx->cut); /* queued as usual */
        return finding_none();
    }
    struct finding f = ask(s, r);
    end_wait(s);
    return f;
}

static enum cut_through_result send_body(struct cut_through *c, const struct blob *header, const struct blob *body, struct finding *finding)
{
    struct str pieces[2] = {blob_bytes(header), blob_bytes(body)};

    if (smtp_client_body(c->client, pieces, 2) != CLIENT_OK) {
        courier_close_client(c->courier, &c->client);
        *finding = finding_make(REASON_INTERNAL_ERROR, "the destination was lost in the middle");
        return CUT_ANSWERED;
    }
    if (c->client->reply.code / 100 == 2)
        return CUT_DELIVERED;
    *finding = pass_on(c->client, REASON_DESTINATION_UNKNOWN, REASON_DESTINATION_UNVERIFIED);
    return CUT_ANSWERED;
}

enum cut_through_result cut_through_body(struct session *s, const struct blob *header, struct finding *finding)
{
    struct cut_through *c = s->tx->cut;

    if (!c || !c->client || c->accepted != s->tx->count || s->tx->mail.body == BODY_BINARYMIME || !begin_wait(s))
        return CUT_NOT_USED;
    enum cut_through_result result = send_body(c, header, s->tx->body, finding);
    end_wait(s);
    return result;
}

void cut_through_free(struct cut_through **c)
{
    if (!*c)
        return;
    courier_close_client((*c)->courier, &(*c)->client);
    free(*c);
    *c = NULL;
}
