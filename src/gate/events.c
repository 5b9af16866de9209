/* events.c: what happened in a session, as rows of the message log. */
#include "gate/authentication.h"
#include "gate/lookup.h"
#include "gate/lookup_client.h"
#include "gate/message_texts.h"
#include "gate/outgoing.h"
#include "gate/session.h"

#include "base/clock.h"

static const char *service_name(enum service service)
{
    static const char *const names[] = {[SERVICE_MX] = "mx", [SERVICE_SUBMISSION] = "submission", [SERVICE_SUBMISSIONS] = "submissions"};
    return names[service];
}

static void add_owner(struct event *e, const struct session *s, struct str domain)
{
    const struct domain *d = settings_domain((s->tx ? s->tx->runtime : s->runtime)->settings, domain);

    e->domain_id = d ? d->id : 0;
    e->tenant_id = d && d->tenant ? d->tenant->id : 0;
}

/* TLS is described into TLS, which must outlive the event. */
static struct event event_of(const struct session *s, enum event_kind kind, char *tls, size_t size)
{
    const struct iprev_verdict *iprev = client_lookup_known_iprev(s);

    tls_describe(s->stream.ssl, tls, size);
    struct event e = {
        .kind = kind,
        .wall_ms = clock_wall_ms(),
        .service = str_from(service_name(s->service)),
        .client_ip = s->client.peer.ip,
        .client_port = s->client.peer.port,
        .helo = s->client.helo,
        .tls = str_from(tls),
        .account = outgoing_account(s),
        .identity = outgoing_identity(s),
        .mechanism = outgoing_mechanism(s),
        .client_name = iprev && iprev->result == IPREV_PASS ? str_from(iprev->name) : str_n(NULL, 0),
    };
    if (s->outgoing) {
        e.account_id = s->outgoing->account.id;
        add_owner(&e, s, str_from(s->outgoing->account.domain_name));
    }
    if (s->tx) {
        e.reference = str_from(s->tx->reference);
        e.sender = address_text(&s->tx->mail.sender);
        e.recipient_count = s->tx->count;
        e.spf = str_from(lookup_spf_name(s));
        e.size = s->tx->body ? blob_size(s->tx->body) : s->tx->mail.size;
    }
    return e;
}

static void add_recipient(struct event *e, const struct session *s, const struct address *recipient)
{
    if (!recipient)
        return;
    e->recipient = address_text(recipient);
    e->domain = address_domain(recipient);
    if (!s->outgoing)
        add_owner(e, s, address_domain(recipient));
}

static void add_report(struct event *e, struct session *s, const struct scan_report *report)
{
    if (!report)
        return;
    if (s->tx && !s->tx->texts)
        s->tx->texts = message_texts_new(report);
    if (s->tx && s->tx->texts) {
        e->to = buf_str(&s->tx->texts->to);
        e->cc = buf_str(&s->tx->texts->cc);
        e->attachments = buf_str(&s->tx->texts->attachments);
    }
    e->dkim = authentication_dkim(s);
    e->dmarc = str_from(authentication_dmarc(s));
    e->subject = str_from(report->subject);
    e->from = str_from(report->from);
    e->message_id = str_from(s->tx && s->tx->message_id ? s->tx->message_id : report->message_id);
}

void event_refused(struct session *s, const struct finding *f, const char *reference, const struct address *recipient,
                   const struct findings *all, const struct scan_report *report)
{
    char tls[128];
    struct buf text = buf_make(4096), why = buf_make(512);
    enum event_kind kind = recipient || s->tx ? EVENT_REFUSED : EVENT_CONNECT_REFUSED;
    struct event e = event_of(s, kind, tls, sizeof tls);
    const struct reason_row *row = reason_row(f->reason);

    e.reference = str_from(reference);
    add_recipient(&e, s, recipient);
    add_report(&e, s, report);
    e.reason = f->reason;
    e.findings = all;
    e.next_try_ms = f->until_ms;
    e.action = action_name(row->kind == REASON_KIND_TEMPORARY ? ACTION_DEFER : ACTION_REFUSE);
    answer_text(s, f, reference, &text);
    e.reply = str_trim(buf_str(&text));
    buf_addf(&why, "%s/%s/%s", s->runtime->why_url, row->slug, reference);
    e.why = row->kind == REASON_KIND_PROTOCOL ? str_n(NULL, 0) : buf_str(&why);
    event_log_add(s->gate->parts.log, &e);
    buf_free(&text);
    buf_free(&why);
}

void event_auth_refused(struct session *s, const struct finding *f, const char *reference, struct str login, const char *mechanism)
{
    char tls[128];
    struct buf text = buf_make(4096);
    struct event e = event_of(s, EVENT_AUTH_REFUSED, tls, sizeof tls);

    e.reference = str_from(reference);
    e.account = login;
    e.mechanism = str_from(mechanism);
    e.reason = f->reason;
    e.next_try_ms = f->until_ms;
    e.action = action_name(ACTION_REFUSE);
    answer_text(s, f, reference, &text);
    e.reply = str_trim(buf_str(&text));
    event_log_add(s->gate->parts.log, &e);
    buf_free(&text);
}

void event_quarantined(struct session *s, const struct finding *f, const struct recipient *r, const struct findings *all, const struct scan_report *report, bool is_refused)
{
    char tls[128];
    struct buf text = buf_make(4096);
    struct event e = event_of(s, EVENT_QUARANTINED, tls, sizeof tls);

    add_recipient(&e, s, &r->args.recipient);
    add_report(&e, s, report);
    e.reason = f->reason;
    e.findings = all;
    e.standing = str_from(r->standing);
    e.action = action_name(ACTION_QUARANTINE);
    e.quarantine_id = r->quarantine_id;
    if (is_refused) {
        answer_text(s, f, s->tx->reference, &text);
        e.reply = str_trim(buf_str(&text));
    }
    event_log_add(s->gate->parts.log, &e);
    buf_free(&text);
}

void event_accepted(struct session *s, const struct recipient *r, const struct findings *all, const struct scan_report *report)
{
    char tls[128];
    struct event e = event_of(s, EVENT_ACCEPTED, tls, sizeof tls);

    add_recipient(&e, s, &r->args.recipient);
    add_report(&e, s, report);
    e.findings = all;
    e.standing = str_from(r->standing);
    e.action = action_name(ACTION_DELIVER);
    event_log_add(s->gate->parts.log, &e);
}

void event_copied(struct session *s, const struct address *to, struct str domain, const char *action, const struct scan_report *report)
{
    char tls[128];
    struct event e = event_of(s, EVENT_ACCEPTED, tls, sizeof tls);

    add_recipient(&e, s, to);
    add_report(&e, s, report);
    if (domain.len)
        e.domain = domain;
    e.action = action;
    event_log_add(s->gate->parts.log, &e);
}

void event_delivered(struct session *s, const struct recipient *r, const char *host, const struct smtp_reply *reply)
{
    char tls[128], text[REPLY_TEXT_MAX + 1];
    struct event e = event_of(s, EVENT_DELIVERED, tls, sizeof tls);

    reply_one_line(reply, text);
    add_recipient(&e, s, &r->args.recipient);
    e.reason = REASON_DELIVERED;
    e.action = action_name(ACTION_DELIVER);
    e.host = str_from(host);
    e.remote_reply = str_from(text);
    e.dsn = str_from(*reply->enhanced ? reply->enhanced : reason_row(REASON_DELIVERED)->enhanced);
    e.attempts = 1;
    event_log_add(s->gate->parts.log, &e);
}

void event_incomplete(struct session *s)
{
    char tls[128];

    for (size_t i = 0; i < s->tx->count; i++) {
        struct event e = event_of(s, EVENT_INCOMPLETE, tls, sizeof tls);
        add_recipient(&e, s, &s->tx->recipients[i]->args.recipient);
        e.findings = s->tx->recipients[i]->findings;
        e.standing = str_from(s->tx->recipients[i]->standing);
        event_log_add(s->gate->parts.log, &e);
    }
}
