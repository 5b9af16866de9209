/*
 * dsn.c: delivery status notifications: multipart/report (RFC 6522) with a part for people, one for programs (RFC 3464; RFC 6533 for
 * internationalised mail) and the original or its header (RET of RFC 3461 §4.3).
 */
#include "base/clock.h"
#include "base/log.h"
#include "courier/parts.h"
#include "mail/date.h"
#include "mail/header.h"

#include <stdio.h>
#include <string.h>

enum { REPORT_MAX = 16 * 1024 * 1024, RETURNED_MAX = 1024 * 1024, HEADER_MAX = 256 * 1024, WRAP = 76,
       SIGNATURES_BYTES_MAX = 96 * 1024 };

struct writing {
    struct buf *out;
    const struct settings *settings;
    const struct spool_message *m;
    const struct dsn_recipient *list;
    size_t count;
    int64_t now_ms, give_up_ms;
    char host[256], boundary[48], postmaster[340];
};

static const char *action_text(enum dsn_action a)
{
    static const char *const names[] = {[DSN_FAILED] = "failed", [DSN_DELAYED] = "delayed", [DSN_RELAYED] = "relayed", [DSN_DELIVERED] = "delivered"};
    return names[a];
}

static enum dsn_action worst(const struct writing *w)
{
    enum dsn_action a = DSN_DELIVERED;

    for (size_t i = 0; i < w->count; i++)
        if (w->list[i].action < a)
            a = w->list[i].action;
    return a;
}

/* Text in lines of at most WRAP characters, each with PREFIX; anything that is not printable is shown as '?'. */
static void add_wrapped(struct buf *out, const char *prefix, struct str text)
{
    size_t column = 0;

    for (struct str word = str_word(&text); word.len; word = str_word(&text)) {
        if (column && column + 1 + word.len > WRAP) {
            buf_add_text(out, "\r\n");
            column = 0;
        }
        if (column) {
            buf_add_char(out, ' ');
            column++;
        } else {
            buf_add_text(out, prefix);
            column = strlen(prefix);
        }
        for (size_t i = 0; i < word.len; i++) {
            unsigned char c = (unsigned char)word.at[i];
            buf_add_char(out, c < 0x20 || c == 0x7F ? '?' : (char)c);
        }
        column += word.len;
    }
    if (column)
        buf_add_text(out, "\r\n");
}

/* One field line with what came from outside: no line may break out of it. */
static void add_field(struct buf *out, const char *name, struct str value)
{
    buf_addf(out, "%s: ", name);
    for (size_t i = 0; i < value.len && i < 900; i++) {
        unsigned char c = (unsigned char)value.at[i];
        buf_add_char(out, c < 0x20 || c == 0x7F ? ' ' : (char)c);
    }
    buf_add_text(out, "\r\n");
}

static void add_head(struct writing *w)
{
    static const char *const subjects[] = {[DSN_FAILED] = "Undelivered mail returned to sender", [DSN_DELAYED] = "Delivery is delayed",
                                           [DSN_RELAYED] = "Mail was passed on", [DSN_DELIVERED] = "Mail was delivered"};
    char date[DATE_TEXT_MAX];

    buf_addf(w->out, "Date: %s\r\nFrom: Mail delivery at %s <%s>\r\n", date_format(w->now_ms, date), w->host, w->postmaster);
    buf_addf(w->out, "To: <" STR_FMT ">\r\nSubject: %s\r\n", STR_ARG(address_text(&w->m->mail.sender)), subjects[worst(w)]);
    buf_addf(w->out, "Message-ID: <%s.report@%s>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n", w->boundary, w->host);
    buf_addf(w->out, "Content-Type: multipart/report; report-type=%s;\r\n\tboundary=\"%s\"\r\n\r\n",
             w->m->mail.smtputf8 ? "global-delivery-status" : "delivery-status", w->boundary);
}

static const char *advice(const struct dsn_recipient *r)
{
    switch (r->outcome->reason) {
    case REASON_DELIVERY_ADDRESS:
    case REASON_DELIVERY_ADDRESS_INVALID:
    case REASON_DELIVERY_NOT_LOCAL:
        return "Check the address for typing errors, or ask the recipient for the right one.";
    case REASON_DELIVERY_NO_DOMAIN:
        return "Check what stands behind the @ for typing errors.";
    case REASON_DELIVERY_NULL_MX:
        return "This domain never accepts mail. Reach the recipient in another way.";
    case REASON_DELIVERY_TOO_LARGE:
        return "Send a smaller message, or share the attachment in another way.";
    case REASON_DELIVERY_MAILBOX_FULL:
        return "The recipient must make room; try again later.";
    case REASON_DELIVERY_NO_RESPONSE:
    case REASON_DELIVERY_BAD_CONNECTION:
    case REASON_DELIVERY_EXPIRED:
        return "The recipient's server could not be reached for a long time. Try again later, or reach the recipient in another way.";
    case REASON_DELIVERY_DANE_FAILED:
    case REASON_DELIVERY_STS_FAILED:
    case REASON_DELIVERY_TLS_FAILED:
        return "No server of the recipient's could be trusted with the message. Its postmaster can tell more; reach the recipient in another way.";
    default:
        return "The words of the recipient's server above say why; its postmaster can tell more.";
    }
}

static void add_for_people(struct writing *w)
{
    char date[DATE_TEXT_MAX];

    buf_addf(w->out, "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nContent-Description: Notification\r\n\r\n",
             w->boundary);
    buf_addf(w->out, "This is the mail gateway %s.\r\n\r\n", w->host);
    for (size_t i = 0; i < w->count; i++) {
        const struct dsn_recipient *r = &w->list[i];
        buf_addf(w->out, "<" STR_FMT ">\r\n", STR_ARG(address_text(&r->recipient->args.recipient)));
        if (r->action == DSN_FAILED)
            buf_addf(w->out, "Your message could not be delivered. %s%s\r\n", reason_row(r->outcome->reason)->text,
                     strchr(reason_row(r->outcome->reason)->text, '{') ? "" : ".");
        else if (r->action == DSN_DELAYED)
            buf_addf(w->out, "Your message has not been delivered yet. You need not do anything: it is tried again\r\nuntil %s.\r\n",
                     date_format(w->give_up_ms, date));
        else
            buf_addf(w->out, "Your message was %s.\r\n",
                     r->action == DSN_DELIVERED ? "delivered to the mailbox" : "passed on to a server that does not send further reports");
        if (r->outcome->text[0]) {
            buf_addf(w->out, "\r\n%s%s%s:\r\n", r->outcome->is_remote ? "The server " : "The gateway", r->outcome->is_remote ? r->host : "",
                     r->outcome->is_remote ? " said" : " says");
            add_wrapped(w->out, "    ", str_from(r->outcome->text));
        }
        if (r->action == DSN_FAILED)
            buf_addf(w->out, "\r\n%s\r\n", advice(r));
        buf_add_text(w->out, "\r\n");
    }
    buf_addf(w->out, "The reference at this gateway is %s.\r\n", w->m->reference);
}

/* ORCPT as sent, "type;xtext": the address goes decoded into Original-Recipient (RFC 3464 §2.3.1). */
static void add_original_recipient(struct writing *w, const char *orcpt)
{
    char text[ORCPT_MAX + 1];
    struct str address = str_from(orcpt), type = str_cut(&address, ';');
    size_t len;

    if (!address.at)
        return;
    bool is_xtext = xtext_decode(address, text, sizeof text - 1, &len); /* or UTF-8 as it is: RFC 6533 §3 */
    struct buf value = buf_make(2 * ORCPT_MAX);
    buf_addf(&value, STR_FMT ";" STR_FMT, STR_ARG(type), STR_ARG(is_xtext ? str_n(text, len) : address));
    add_field(w->out, "Original-Recipient", buf_str(&value));
    buf_free(&value);
}

/* RFC 3464 §2.3.5, RFC 1123: an address stands in brackets. */
static void add_remote(struct writing *w, struct str name)
{
    struct ip ip;
    const char *open = !ip_parse(name, &ip) ? "" : ip.family == 6 ? "[IPv6:" : "[";

    buf_addf(w->out, "Remote-MTA: dns;%s" STR_FMT "%s\r\n", open, STR_ARG(name), *open ? "]" : "");
}

static void add_recipient_block(struct writing *w, const struct dsn_recipient *r)
{
    char date[DATE_TEXT_MAX];
    const char *type = w->m->mail.smtputf8 && r->recipient->args.recipient.is_utf8 ? "utf-8" : "rfc822";

    buf_add_text(w->out, "\r\n");
    if (r->recipient->args.orcpt[0])
        add_original_recipient(w, r->recipient->args.orcpt);
    buf_addf(w->out, "Final-Recipient: %s;" STR_FMT "\r\nAction: %s\r\nStatus: %s\r\n", type, STR_ARG(address_text(&r->recipient->args.recipient)),
             action_text(r->action), r->outcome->status);
    if (r->outcome->is_remote) {
        struct str host = str_from(r->host), name = str_cut(&host, '[');
        if (name.len && name.at[0] != '/')
            add_remote(w, name);
        struct buf value = buf_make(1024);
        buf_addf(&value, "smtp;%s", r->outcome->text);
        add_field(w->out, "Diagnostic-Code", buf_str(&value));
        buf_free(&value);
    } else if (r->outcome->text[0]) {
        struct buf value = buf_make(1024);
        buf_addf(&value, "x-postern;%s", r->outcome->text);
        add_field(w->out, "Diagnostic-Code", buf_str(&value));
        buf_free(&value);
    }
    buf_addf(w->out, "Last-Attempt-Date: %s\r\n", date_format(w->now_ms, date));
    if (r->action == DSN_DELAYED)
        buf_addf(w->out, "Will-Retry-Until: %s\r\n", date_format(w->give_up_ms, date));
}

static void add_for_programs(struct writing *w)
{
    char date[DATE_TEXT_MAX], text[ENVID_MAX + 1];
    size_t len;

    buf_addf(w->out, "\r\n--%s\r\nContent-Type: message/%s\r\n%sContent-Description: Delivery report\r\n\r\n", w->boundary,
             w->m->mail.smtputf8 ? "global-delivery-status" : "delivery-status",
             w->m->mail.smtputf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
    buf_addf(w->out, "Reporting-MTA: dns;%s\r\n", w->host);
    if (w->m->mail.envid[0] && xtext_decode(str_from(w->m->mail.envid), text, sizeof text - 1, &len))
        add_field(w->out, "Original-Envelope-Id", str_n(text, len));
    if (w->m->helo[0]) {
        struct buf value = buf_make(300);
        buf_addf(&value, "dns;%s", w->m->helo);
        add_field(w->out, "Received-From-MTA", buf_str(&value));
        buf_free(&value);
    }
    buf_addf(w->out, "Arrival-Date: %s\r\n", date_format(w->m->received_ms, date));
    for (size_t i = 0; i < w->count; i++)
        add_recipient_block(w, &w->list[i]);
}

/* Original bytes inside our report: no line of it can be our boundary, which is random; line endings are CR LF already. */
static void add_original(struct writing *w, struct str body)
{
    bool failed = worst(w) == DSN_FAILED;
    bool whole = failed && !w->m->mail.requiretls && /* RFC 8689 §5: as if RET=HDRS were there */
                 w->m->mail.ret != DSN_RET_HDRS && (w->m->mail.ret == DSN_RET_FULL || body.len <= RETURNED_MAX / 16) &&
                 body.len <= RETURNED_MAX;
    bool global = w->m->mail.smtputf8;
    struct str part = body;

    if (!whole) {
        struct header_walk walk = header_walk(body);
        struct header_field field;
        while (header_next(&walk, &field))
            continue;
        part = str_sub(body, 0, walk.offset < HEADER_MAX ? walk.offset : HEADER_MAX);
    }
    /* the line break before a boundary is the boundary's: the last field needs one of its own (RFC 3464 §2.1) */
    buf_addf(w->out, "\r\n--%s\r\nContent-Type: %s\r\n%sContent-Description: %s\r\n\r\n", w->boundary,
             whole ? (global ? "message/global" : "message/rfc822") : (global ? "message/global-headers" : "text/rfc822-headers"),
             w->m->is_8bit || global ? "Content-Transfer-Encoding: 8bit\r\n" : "", whole ? "Undelivered message" : "Header of the message");
    if (whole && w->m->header)
        buf_add_str(w->out, blob_bytes(w->m->header));
    buf_add_str(w->out, part);
    if (part.len && part.at[part.len - 1] != '\n')
        buf_add_text(w->out, "\r\n");
    buf_addf(w->out, "\r\n--%s--\r\n", w->boundary);
}

static void names(struct writing *w)
{
    const struct policy *system = settings_system(w->settings);
    const char *postmaster = setting_text(system, SETTING_postmaster);

    settings_host_name(system, w->host, sizeof w->host);
    if (*postmaster)
        str_copy(w->postmaster, sizeof w->postmaster, str_from(postmaster));
    else
        snprintf(w->postmaster, sizeof w->postmaster, "postmaster@%s", w->host);
    snprintf(w->boundary, sizeof w->boundary, "%016llx%016llx", (unsigned long long)random_u64(), (unsigned long long)random_u64());
}

static struct spool_message *to_message(const struct writing *w)
{
    struct spool_message *report = spool_message_new(1);

    if (!report)
        return NULL;
    random_reference(report->reference);
    report->received_ms = w->now_ms;
    report->is_outgoing = true;
    report->is_8bit = w->m->is_8bit || w->m->mail.smtputf8;
    report->mail.body = report->is_8bit ? BODY_8BITMIME : BODY_7BIT;
    report->mail.smtputf8 = w->m->mail.smtputf8;
    report->mail.requiretls = w->m->mail.requiretls; /* RFC 8689 §5: as private as what it speaks of */
    report->mail.size = w->out->len;
    report->recipients[0].args.recipient = w->m->mail.sender;
    report->recipients[0].args.notify = DSN_NOTIFY_NEVER;
    report->recipients[0].next_try_ms = w->now_ms;
    report->body = blob_from(buf_str(w->out));
    if (!report->body) {
        spool_message_unref(report);
        return NULL;
    }
    return report;
}

struct spool_message *dsn_build(const struct settings *settings, const struct spool_message *m, const struct str body,
                                const struct dsn_recipient *list, size_t count, int64_t now_ms, int64_t give_up_ms)
{
    struct buf out = buf_make(REPORT_MAX);
    struct writing w = {.out = &out, .settings = settings, .m = m, .list = list, .count = count, .now_ms = now_ms, .give_up_ms = give_up_ms};

    if (address_is_null(&m->mail.sender))
        return NULL; /* RFC 5321 §6.1: a report is never answered by a report */
    names(&w);
    add_head(&w);
    add_for_people(&w);
    add_for_programs(&w);
    add_original(&w, body);
    struct spool_message *report = out.failed ? NULL : to_message(&w);
    buf_free(&out);
    return report;
}

struct spool_message *dsn_sign(const struct courier *c, const struct settings *settings, struct spool_message *report)
{
    struct buf header = buf_make(SIGNATURES_BYTES_MAX);
    struct writing w = {.settings = settings};

    if (!report || !c->parts.signer)
        return report;
    names(&w);
    struct str author = str_from(w.postmaster);
    struct str domain = str_from_index(author, (size_t)(str_find_last(author, '@') + 1));
    if (!dkim_sign(c->parts.signer, domain, blob_bytes(report->body), report->received_ms / 1000, &header) || header.failed)
        log_error("report %s could not be signed: it goes without", report->reference);
    else if (header.len)
        report->header = blob_from(buf_str(&header));
    buf_free(&header);
    return report;
}
