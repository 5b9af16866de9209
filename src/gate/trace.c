/* trace.c: the trace fields that we put before the message (RFC 5321 §4.4, with-keywords of RFC 3848 and RFC 6531 §4.3). */
#include "gate/authentication.h"
#include "gate/lookup.h"
#include "gate/outgoing.h"
#include "gate/session.h"

#include "base/clock.h"
#include "mail/date.h"

enum { HEADER_BYTES_MAX = 96 * 1024 };

static const char *with_keyword(const struct session *s)
{
    static const char *const ascii[] = {"ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"}, *const utf8[] = {"UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA"};
    size_t i = (s->client.tls ? 1 : 0) + (s->outgoing && s->outgoing->by_auth ? 2 : 0);

    if (s->tx->mail.smtputf8)
        return utf8[i];
    return s->client.esmtp ? ascii[i] : "SMTP";
}

/* A HELO name may hold anything; in a header field only what cannot end or bend it. */
static void add_helo(struct buf *out, struct str helo)
{
    for (size_t i = 0; i < helo.len && i < 128; i++) {
        unsigned char c = (unsigned char)helo.at[i];
        bool safe = ascii_is_alnum(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
        buf_add_char(out, safe ? (char)c : '?');
    }
    if (!helo.len)
        buf_add_text(out, "unknown");
}

static void add_received(struct buf *out, const struct session *s)
{
    char ip[IP_TEXT_MAX], date[DATE_TEXT_MAX], tls[128];
    const struct ip *peer = &s->client.peer.ip;

    buf_add_text(out, "Received: ");
    if (s->service == SERVICE_MX || !setting_flag(outgoing_policy(s), SETTING_hide_client)) {
        buf_add_text(out, "from ");
        add_helo(out, s->client.helo);
        buf_addf(out, " (%s%s%s)\r\n\t", peer->family == 6 ? "[IPv6:" : "[", ip_format(peer, ip), "]");
    }
    buf_addf(out, "by %s (Postern) with %s id %s", s->runtime->host, with_keyword(s), s->tx->reference);
    if (s->client.tls) {
        tls_describe(s->stream.ssl, tls, sizeof tls);
        buf_addf(out, "\r\n\t(%s)", tls);
    }
    if (s->tx->count == 1) /* with more, naming one would tell the others of a blind copy */
        buf_addf(out, "\r\n\tfor <" STR_FMT ">", STR_ARG(address_text(&s->tx->recipients[0]->args.recipient)));
    buf_addf(out, ";\r\n\t%s\r\n", date_format(clock_wall_ms(), date));
}

static void add_evidence(struct buf *out, const struct findings *tags)
{
    for (size_t i = 0; tags && i < tags->count; i++)
        buf_addf(out, "X-Postern-Evidence: %s; %s\r\n", reason_row(tags->at[i].reason)->slug, tags->at[i].evidence);
}

/* The domain of the first author; "" where From names none. */
static struct str author_domain(const struct scan_report *report)
{
    struct str rest = report_records(report);
    struct record r;

    while (report_next(&rest, RECORD_MAILBOX, &r))
        if (str_is_case(r.mailbox.field, "From"))
            return r.mailbox.domain;
    return STR("");
}

/* Last of what is put before the message, when nothing changes it any more: what is signed here is what the courier sends, octet by octet. */
static bool add_signatures(struct buf *out, const struct session *s, const struct scan_report *report)
{
    if (s->service == SERVICE_MX)
        return true;
    struct str author = author_domain(report);
    if (!outgoing_may_sign(s, author))
        return true;
    return dkim_sign(s->gate->parts.signer, author, blob_bytes(s->tx->body), clock_wall_ms() / 1000, out);
}

struct blob *trace_header(const struct session *s, const struct findings *tags, const struct scan_report *report)
{
    struct buf text = buf_make(HEADER_BYTES_MAX);
    struct blob *header = NULL;

    bool sealed = authentication_seal(s, &text);
    authentication_results(s, &text);
    lookup_received_spf(s, &text); /* above our Received (RFC 7208 §9.1) */
    add_received(&text, s);
    add_evidence(&text, tags);
    if (sealed && add_signatures(&text, s, report) && !text.failed)
        header = blob_from(buf_str(&text));
    buf_free(&text);
    return header;
}
