/* cut_through.c: see cut_through.h. */
#include "gate/cut_through.h"

#include "base/clock.h"
#include "courier/callout.h"
#include "gate/session.h"

#include <stdlib.h>

/* The sender waits: an answer that takes longer is not worth it, the message is queued instead. */
enum { OPEN_MS = 20 * 1000, FINAL_REPLY_MS = 5 * 60 * 1000 };

struct cut_through {
    struct courier *courier;
    struct smtp_client *client; /* NULL: given up for this message */
    const struct domain *domain;
    struct finding refusal;     /* of MAIL: holds for every recipient there */
    char host[300];
    size_t accepted;
};

/* A worker that waits for a destination serves nobody meanwhile: half of them are left to the others, whatever destinations do. */
bool destination_wait_begin(struct session *s)
{
    unsigned most = waiter_most(s->gate->parts.waiter) / 2;

    if (atomic_fetch_add(&s->gate->waiting, 1) < most)
        return true;
    atomic_fetch_sub(&s->gate->waiting, 1);
    return false;
}

void destination_wait_end(struct session *s)
{
    atomic_fetch_sub(&s->gate->waiting, 1);
}

/* The destination's words, without the code that the reply gets anyway. */
static struct finding pass_on(const struct smtp_client *client)
{
    const struct smtp_reply *r = &client->reply;
    bool is_final = r->code / 100 == 5;
    char text[REPLY_TEXT_MAX + 1];

    reply_one_line(r, text);
    struct finding f = is_final ? finding_make(REASON_DESTINATION_UNKNOWN, ": %s", text) : finding_make(REASON_DESTINATION_UNVERIFIED, "%s", text);
    if (r->enhanced[0] == reason_row(f.reason)->enhanced[0])
        str_copy(f.enhanced, sizeof f.enhanced, str_from(r->enhanced));
    return f;
}

static void say_mail(struct cut_through *c, const struct mail_args *mail)
{
    if (c->client->final_reply_ms > FINAL_REPLY_MS)
        c->client->final_reply_ms = FINAL_REPLY_MS;
    bool answered = smtp_client_mail(c->client, mail) == CLIENT_OK;
    if (answered && c->client->reply.code / 100 == 2)
        return;
    if (answered && c->client->reply.code != 421)
        c->refusal = pass_on(c->client);
    courier_close_client(c->courier, &c->client);
}

static struct cut_through *open_destination(struct session *s, const struct domain *domain)
{
    struct cut_through *c = calloc(1, sizeof *c);
    struct mail_args mail = s->tx->mail;

    mail.sender = courier_sender(s->gate->parts.secrets, s->tx->runtime->settings, domain->name, &s->tx->mail.sender, s->service != SERVICE_MX);

    if (!c)
        return NULL;
    c->courier = s->gate->parts.courier;
    c->domain = domain;
    if (mail.requiretls) /* the courier sees to the certificate and to what the hop promises (RFC 8689 §4.2.1) */
        return c;
    c->client = courier_open(c->courier, s->tx->runtime->settings, domain->name, clock_mono_ms() + OPEN_MS, c->host, sizeof c->host);
    if (c->client && mail.smtputf8 && !c->client->caps.smtputf8)
        courier_close_client(c->courier, &c->client);
    if (c->client)
        say_mail(c, &mail);
    return c;
}

/* Where the hop does not speak DSN, a report of success is ours to write: the courier does that. */
static bool duties_are_taken(const struct cut_through *c, const struct recipient *r)
{
    return c->client->caps.dsn || !(r->args.notify & DSN_NOTIFY_SUCCESS);
}

static struct finding ask(struct session *s, const struct recipient *r)
{
    struct transaction *tx = s->tx;

    if (!tx->cut && tx->count == 0)
        tx->cut = open_destination(s, r->domain);
    struct cut_through *c = tx->cut;
    if (!c || c->domain != r->domain)
        return finding_none();
    if (!c->client)
        return c->refusal;
    if (smtp_client_rcpt(c->client, &r->args) != CLIENT_OK) {
        courier_close_client(c->courier, &c->client);
        return finding_none();
    }
    callouts_hear(s->gate->parts.callouts, tx->runtime->settings, &r->args.recipient, c->client->reply.code, c->client->reply.enhanced, c->client->reply.text);
    if (c->client->reply.code / 100 != 2)
        return pass_on(c->client);
    c->accepted += duties_are_taken(c, r);
    return finding_none();
}

struct finding cut_through_rcpt(struct session *s, const struct recipient *r)
{
    if (!r->domain || !setting_flag(&r->domain->policy, SETTING_cut_through))
        return finding_none();
    if (!destination_wait_begin(s)) {
        cut_through_free(&s->tx->cut); /* queued as usual */
        return finding_none();
    }
    struct finding f = ask(s, r);
    destination_wait_end(s);
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
    *finding = pass_on(c->client);
    return CUT_ANSWERED;
}

enum cut_through_result cut_through_body(struct session *s, const struct blob *header, struct finding *finding)
{
    struct cut_through *c = s->tx->cut;

    if (!c || !c->client || c->accepted != s->tx->count || s->tx->mail.body == BODY_BINARYMIME || !destination_wait_begin(s))
        return CUT_NOT_USED;
    enum cut_through_result result = send_body(c, header, s->tx->body, finding);
    destination_wait_end(s);
    return result;
}

void cut_through_log(struct session *s)
{
    const struct cut_through *c = s->tx->cut;

    for (size_t i = 0; i < s->tx->count; i++)
        event_delivered(s, s->tx->recipients[i], c->host, &c->client->reply);
}

void cut_through_free(struct cut_through **c)
{
    if (!*c)
        return;
    courier_close_client((*c)->courier, &(*c)->client);
    free(*c);
    *c = NULL;
}
