/*
 * event_json.c: an event as one JSON object on a line, and as journald's fields. Names are part of what operators build upon: they are
 * listed in event_log.h and do not change.
 */
#include "store/event_parts.h"

#include "base/clock.h"
#include "base/json_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FIELDS_MAX = 40 };

struct event_field {
    const char *name;
    struct str text;
    uint64_t number; /* when text.at is NULL */
};

struct event_fields {
    struct event_field at[FIELDS_MAX];
    size_t count;
    char time[32], quarantine[24], next_try[32], client_ip[IP_TEXT_MAX];
};

const char *event_name(enum event_kind kind)
{
    static const char *const names[] = {
        [EVENT_CONNECT_REFUSED] = "connect-refused", [EVENT_AUTH_REFUSED] = "auth-refused", [EVENT_REFUSED] = "refused", [EVENT_ACCEPTED] = "accepted",
        [EVENT_DELIVERED] = "delivered", [EVENT_DEFERRED] = "deferred", [EVENT_BOUNCED] = "bounced", [EVENT_EXPIRED] = "expired",
        [EVENT_FROZEN] = "frozen", [EVENT_DELAY_NOTICE] = "delay-notice", [EVENT_REMOVED] = "removed", [EVENT_HELD] = "held",
        [EVENT_RELEASED] = "released", [EVENT_INCOMPLETE] = "incomplete", [EVENT_QUARANTINED] = "quarantined", [EVENT_QUARANTINE_RELEASED] = "quarantine-released",
    };
    return names[kind];
}

/* A refusal for good, one that asks the sender to come again (policy), or one of the moment (a limit, no room, an error). */
static const char *refusal_status(const struct event *e)
{
    if (e->reply.len && e->reply.at[0] == '5')
        return "rejected";
    return e->reason != REASON_NONE && reason_row(e->reason)->kind == REASON_KIND_TEMPORARY ? "delayed" : "not-accepted";
}

const char *event_status(const struct event *e)
{
    switch (e->kind) {
    case EVENT_CONNECT_REFUSED:
    case EVENT_AUTH_REFUSED:
    case EVENT_REFUSED: return refusal_status(e);
    case EVENT_ACCEPTED: return "accepted";
    case EVENT_DELIVERED: return "delivered";
    case EVENT_BOUNCED: return "bounced";
    case EVENT_EXPIRED: return "queue-expired";
    case EVENT_FROZEN: return "queue-frozen";
    case EVENT_REMOVED: return "queue-removed";
    case EVENT_DEFERRED:
    case EVENT_DELAY_NOTICE:
    case EVENT_HELD:
    case EVENT_RELEASED: return "queued";
    case EVENT_QUARANTINED: return "quarantined";
    case EVENT_QUARANTINE_RELEASED: return "released";
    case EVENT_INCOMPLETE: return "not-accepted";
    }
    return "";
}

static void put(struct event_fields *fields, const char *name, struct str text)
{
    if (text.len && fields->count < FIELDS_MAX)
        fields->at[fields->count++] = (struct event_field){name, str_sub(text, 0, EVENT_TEXT_MAX), 0};
}

static void put_number(struct event_fields *fields, const char *name, uint64_t number)
{
    if (number && fields->count < FIELDS_MAX)
        fields->at[fields->count++] = (struct event_field){name, {NULL, 0}, number};
}

/* All but the findings, in the order they are written. */
static void collect(const struct event *e, struct event_fields *f)
{
    f->count = 0;
    put(f, "time", str_from(clock_format_iso(e->wall_ms, f->time)));
    put(f, "event", str_from(event_name(e->kind)));
    put(f, "status", str_from(event_status(e)));
    put(f, "reference", e->reference);
    put(f, "service", e->service);
    if (e->client_ip.family)
        put(f, "client_ip", str_from(ip_format(&e->client_ip, f->client_ip)));
    put_number(f, "client_port", e->client_port);
    put(f, "helo", e->helo);
    put(f, "tls", e->tls);
    put(f, "sender", e->sender);
    put(f, "recipient", e->recipient);
    put_number(f, "recipients", e->recipient_count);
    put(f, "domain", e->domain);
    put(f, "account", e->account);
    put(f, "identity", e->identity);
    put(f, "mechanism", e->mechanism);
    put(f, "spf", e->spf);
    put(f, "standing", e->standing);
    put(f, "dkim", e->dkim);
    put(f, "dmarc", e->dmarc);
    put(f, "subject", e->subject);
    put(f, "from", e->from);
    put(f, "message_id", e->message_id);
    put_number(f, "size", e->size);
    if (e->quarantine_id) {
        snprintf(f->quarantine, sizeof f->quarantine, "%" PRId64, e->quarantine_id); /* a text: more digits than a double has */
        put(f, "quarantine", str_from(f->quarantine));
    }
    if (e->reason != REASON_NONE)
        put(f, "reason", str_from(reason_row(e->reason)->id));
    put(f, "action", str_from(e->action));
    put(f, "reply", e->reply);
    put(f, "why", e->why);
    put(f, "host", e->host);
    put(f, "remote_reply", e->remote_reply);
    put(f, "dsn", e->dsn);
    put(f, "tls_policy", e->tls_policy);
    put_number(f, "attempts", e->attempts);
    if (e->next_try_ms > 0)
        put(f, "next_try", str_from(clock_format_iso(e->next_try_ms, f->next_try)));
    put_number(f, "delay_ms", e->delay_ms > 0 ? (uint64_t)e->delay_ms : 0);
}

static void add_number(struct buf *out, uint64_t number)
{
    char digits[24];

    buf_add(out, digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu64, number));
}

void event_findings_json(const struct findings *list, struct buf *out)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        buf_add_text(out, i ? ",{\"reason\":" : "{\"reason\":");
        json_out_string(out, str_from(reason_row(list->at[i].reason)->id));
        if (list->at[i].evidence[0]) {
            buf_add_text(out, ",\"evidence\":");
            json_out_string(out, str_from(list->at[i].evidence));
        }
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

void event_json(const struct event *e, struct buf *out)
{
    struct event_fields fields;

    collect(e, &fields);
    for (size_t i = 0; i < fields.count; i++) {
        const struct event_field *f = &fields.at[i];
        buf_add_text(out, i ? ",\"" : "{\"");
        buf_add_text(out, f->name);
        buf_add_text(out, "\":");
        if (f->text.at)
            json_out_string(out, f->text);
        else
            add_number(out, f->number);
    }
    if (e->findings && e->findings->count) {
        buf_add_text(out, ",\"findings\":");
        event_findings_json(e->findings, out);
    }
    buf_add_text(out, "}\n");
}

/* Begins a field: leaves room for its length, which end_field() fills in. */
static size_t begin_field(struct buf *out, const char *prefix, const char *name)
{
    size_t at = out->len;

    buf_add(out, (char[sizeof(uint32_t)]){0}, sizeof(uint32_t));
    buf_add_text(out, prefix);
    for (const char *c = name; *c; c++)
        buf_add_char(out, *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c);
    buf_add_char(out, '=');
    return at;
}

static void end_field(struct buf *out, size_t at)
{
    uint32_t len = (uint32_t)(out->len - at - sizeof len);

    if (!out->failed)
        memcpy(out->at + at, &len, sizeof len);
}

static void journal_message(const struct event *e, struct buf *out)
{
    size_t at = begin_field(out, "", "MESSAGE");
    struct str reply = e->remote_reply.len ? e->remote_reply : e->reply;

    buf_addf(out, "%s " STR_FMT ": <" STR_FMT "> to <" STR_FMT ">", event_status(e), STR_ARG(e->reference), STR_ARG(e->sender),
             STR_ARG(e->recipient));
    if (reply.len)
        buf_addf(out, ": " STR_FMT, STR_ARG(str_sub(reply, 0, EVENT_TEXT_MAX)));
    end_field(out, at);
}

void event_journal(const struct event *e, struct buf *out)
{
    struct event_fields fields;

    collect(e, &fields);
    uint32_t count = (uint32_t)fields.count + 1;
    buf_add(out, &count, sizeof count);
    journal_message(e, out);
    for (size_t i = 0; i < fields.count; i++) {
        size_t at = begin_field(out, "POSTERN_", fields.at[i].name);
        if (fields.at[i].text.at)
            buf_add_str(out, fields.at[i].text);
        else
            add_number(out, fields.at[i].number);
        end_field(out, at);
    }
}
