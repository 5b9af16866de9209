/*
 * event_text.c: an event in the lines that Postfix's daemons would have written for it, so that pflogsumm, fail2ban and an
 * administrator's habits go on working. Our reference stands where Postfix has its queue id. What Postfix has no place
 * for (reason, address of the page) follows at the line's end, outside the texts that pflogsumm counts by.
 *
 * Nothing that a client or a remote server says can begin a line, begin a field or close one: controls, the bracket of "=<" and, within
 * fields, all angle brackets become '?'.
 */
#include "store/event_parts.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static bool is_unprintable(struct str s, size_t i, bool utf8)
{
    unsigned char c = (unsigned char)s.at[i];

    if (c < 0x80)
        return c < 0x20 || c == 0x7F;
    return !utf8 || (c == 0xC2 && (unsigned char)s.at[i + 1] < 0xA0); /* C1 controls */
}

static void add_safe(struct buf *out, struct str s, const char *also)
{
    s = str_sub(s, 0, EVENT_TEXT_MAX);
    bool utf8 = utf8_is_valid(s);
    for (size_t i = 0; i < s.len; i++) {
        bool bad = is_unprintable(s, i, utf8) || (s.at[i] == '<' && i && s.at[i - 1] == '='); /* no field but ours */
        buf_add_char(out, bad || (also[0] && strchr(also, s.at[i])) ? '?' : s.at[i]);
        if (bad && utf8 && (unsigned char)s.at[i] >= 0x80)
            i++; /* both bytes */
    }
}

static void add_field(struct buf *out, const char *name, struct str value)
{
    buf_add_text(out, name);
    buf_add_text(out, "=<");
    add_safe(out, value, "<>");
    buf_add_char(out, '>');
}

/* "2026-11-24T14:11:00.123000+00:00 host postfix/smtpd[123]: REFERENCE: ", as rsyslog writes it on Debian 12. */
static void begin_line(const struct event *e, const struct event_text_context *context, const char *daemon, struct buf *out)
{
    time_t seconds = (time_t)(e->wall_ms / 1000);
    struct tm local;
    char stamp[40], zone[8];

    localtime_r(&seconds, &local);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &local);
    strftime(zone, sizeof zone, "%z", &local); /* +hhmm */
    buf_addf(out, "%s.%03d000%.3s:%s %s postfix/%s[%d]: ", stamp, (int)(e->wall_ms % 1000), zone, zone + 3, context->host_name, daemon,
             context->process_id);
}

static void begin_queued(const struct event *e, const struct event_text_context *context, const char *daemon, struct buf *out)
{
    begin_line(e, context, daemon, out);
    add_safe(out, e->reference.len ? e->reference : STR("NOQUEUE"), " :");
    buf_add_text(out, ": ");
}

/* Submission services show in the daemon's name, by the names that pflogsumm knows. */
static const char *smtpd_name(const struct event *e)
{
    if (str_is(e->service, "submission"))
        return "submission/smtpd";
    return str_is(e->service, "submissions") ? "smtps/smtpd" : "smtpd";
}

static void add_client(const struct event *e, struct buf *out)
{
    char ip[IP_TEXT_MAX];

    buf_addf(out, "unknown[%s]", ip_format(&e->client_ip, ip));
}

static void end_line(const struct event *e, struct buf *out)
{
    if (e->reason != REASON_NONE)
        buf_addf(out, ", reason=%s", reason_row(e->reason)->id);
    if (e->why.len) {
        buf_add_text(out, ", ");
        add_field(out, "why", e->why);
    }
    buf_add_char(out, '\n');
}

/* The reply without "See <address>": with a reference in each, no two texts would be alike and nothing could be counted. */
static struct str without_why(const struct event *e)
{
    ptrdiff_t at = e->why.len ? str_find_str(e->reply, e->why) : -1;

    if (at < 0)
        return e->reply;
    struct str text = str_trim(str_sub(e->reply, 0, (size_t)at));
    if (str_ends_case(text, STR("See")))
        text.len -= 3;
    return str_trim(text);
}

/* The stage in which it was answered: findings of connection, HELO and MAIL wait for RCPT. */
static const char *stage_name(const struct event *e)
{
    enum reason_stage stage = e->reason == REASON_NONE ? STAGE_ANY : reason_row(e->reason)->stage;

    if (e->kind == EVENT_CONNECT_REFUSED)
        return "CONNECT";
    if (stage == STAGE_DATA)
        return "END-OF-MESSAGE";
    return e->recipient.len ? "RCPT" : "MAIL";
}

/* As Postfix says that it holds a message. */
static void kept_back(const struct event *e, const struct event_text_context *context, struct buf *out)
{
    begin_queued(e, context, "cleanup", out);
    buf_add_text(out, "hold: message from ");
    add_client(e, out);
    buf_add_text(out, "; ");
    add_field(out, "from", e->sender);
    buf_add_char(out, ' ');
    add_field(out, "to", e->recipient);
    buf_add_text(out, e->helo.len ? " proto=ESMTP" : " proto=SMTP");
    if (e->helo.len)
        add_field(out, "helo", e->helo);
    buf_add_text(out, ": quarantined");
    end_line(e, out);
}

static void refused(const struct event *e, const struct event_text_context *context, struct buf *out)
{
    begin_queued(e, context, smtpd_name(e), out);
    buf_addf(out, "reject: %s from ", stage_name(e));
    add_client(e, out);
    buf_add_text(out, ": ");
    add_safe(out, without_why(e), ";");
    buf_add_text(out, "; ");
    if (e->kind != EVENT_CONNECT_REFUSED) {
        add_field(out, "from", e->sender);
        buf_add_char(out, ' ');
    }
    if (e->recipient.len) {
        add_field(out, "to", e->recipient);
        buf_add_char(out, ' ');
    }
    buf_add_text(out, e->helo.len ? "proto=ESMTP " : "proto=SMTP");
    if (e->helo.len)
        add_field(out, "helo", e->helo);
    end_line(e, out);
}

/* The words that fail2ban's filter of Postfix looks for. */
static void auth_refused(const struct event *e, const struct event_text_context *context, struct buf *out)
{
    begin_line(e, context, smtpd_name(e), out);
    buf_add_text(out, "warning: ");
    add_client(e, out);
    buf_add_text(out, ": SASL ");
    add_safe(out, e->mechanism.len ? e->mechanism : STR("LOGIN"), " :");
    buf_addf(out, " authentication failed: %s, sasl_username=", e->reason == REASON_AUTH_FAILED ? "authentication failure" : "not tried");
    add_safe(out, e->account, ", ");
    end_line(e, out);
}

/* Our own reports come from nobody: they have no smtpd line, as Postfix's have none. */
static void introduce(const struct event *e, const struct event_text_context *context, unsigned fresh, struct buf *out)
{
    if ((fresh & EVENT_INTRODUCED) && e->client_ip.family) {
        begin_queued(e, context, smtpd_name(e), out);
        buf_add_text(out, "client=");
        add_client(e, out);
        if (e->account.len && e->mechanism.len) {
            buf_add_text(out, ", sasl_method=");
            add_safe(out, e->mechanism, ", ");
            buf_add_text(out, ", sasl_username=");
            add_safe(out, e->account, ", ");
        }
        buf_add_char(out, '\n');
    }
    if (fresh & EVENT_IDENTIFIED) {
        bool has_brackets = e->message_id.len && e->message_id.at[0] == '<';
        begin_queued(e, context, "cleanup", out);
        buf_add_text(out, has_brackets ? "message-id=" : "message-id=<");
        add_safe(out, e->message_id, "");
        buf_add_text(out, has_brackets ? "\n" : ">\n");
    }
    if (fresh & EVENT_INTRODUCED) {
        begin_queued(e, context, "qmgr", out);
        add_field(out, "from", e->sender);
        buf_addf(out, ", size=%llu, nrcpt=%zu (queue active)\n", (unsigned long long)e->size, e->recipient_count ? e->recipient_count : 1);
    }
}

/* Postfix's precision: two significant digits below 100 seconds. */
static void add_delay(int64_t ms, struct buf *out)
{
    double seconds = ms > 0 ? (double)ms / 1000 : 0;

    buf_addf(out, seconds >= 10 ? "%.0f" : seconds >= 1 ? "%.1f" : seconds > 0 ? "%.2f" : "%.0f", seconds);
}

static struct str default_dsn(const struct event *e)
{
    return e->kind == EVENT_DELIVERED ? STR("2.0.0") : e->kind == EVENT_DEFERRED ? STR("4.0.0") : STR("5.0.0");
}

/* "550 …", "550-…": the server's words. Ours may begin with digits, too: "192.0.2.1[192.0.2.1]:25 does not offer SMTPUTF8". */
static bool is_reply(struct str text)
{
    for (size_t i = 0; i < 3; i++)
        if (i >= text.len || !ascii_is_digit((unsigned char)text.at[i]))
            return false;
    return text.len == 3 || text.at[3] == ' ' || text.at[3] == '-';
}

static void attempt(const struct event *e, const struct event_text_context *context, const char *daemon, const char *status, const char *prefix,
                    struct buf *out)
{
    bool remote = is_reply(e->remote_reply);

    begin_queued(e, context, daemon, out);
    add_field(out, "to", e->recipient);
    buf_add_text(out, ", relay=");
    add_safe(out, e->host.len ? e->host : STR("none"), ", ");
    buf_add_text(out, ", delay=");
    add_delay(e->delay_ms, out);
    buf_add_text(out, ", dsn=");
    add_safe(out, e->dsn.len ? e->dsn : default_dsn(e), ", ");
    buf_addf(out, ", status=%s (%s", status, prefix);
    if (remote && e->kind != EVENT_DELIVERED && e->host.len) {
        buf_add_text(out, "host ");
        add_safe(out, e->host, "()");
        buf_add_text(out, " said: ");
    }
    add_safe(out, e->remote_reply.len ? e->remote_reply : e->reply, "");
    buf_add_char(out, ')');
    end_line(e, out);
}

/* One line of the queue's own. */
static void queue_line(const struct event *e, const struct event_text_context *context, const char *daemon, const char *what, struct buf *out)
{
    begin_queued(e, context, daemon, out);
    buf_add_text(out, what);
    if (e->recipient.len)
        add_field(out, ", to", e->recipient);
    end_line(e, out);
}

static void incomplete(const struct event *e, const struct event_text_context *context, struct buf *out)
{
    begin_line(e, context, smtpd_name(e), out);
    buf_add_text(out, "lost connection after RCPT from ");
    add_client(e, out);
    buf_add_text(out, ", reference=");
    add_safe(out, e->reference, " ");
    buf_add_text(out, ", ");
    add_field(out, "from", e->sender);
    buf_add_text(out, ", ");
    add_field(out, "to", e->recipient);
    end_line(e, out);
}

void event_text(const struct event *e, const struct event_text_context *context, unsigned fresh, struct buf *out)
{
    introduce(e, context, fresh, out);
    switch (e->kind) {
    case EVENT_AUTH_REFUSED:
        auth_refused(e, context, out);
        return;
    case EVENT_QUARANTINED:
        (e->reply.len ? refused : kept_back)(e, context, out);
        return;
    case EVENT_QUARANTINE_RELEASED:
        queue_line(e, context, "cleanup", "released from quarantine", out);
        return;
    case EVENT_CONNECT_REFUSED:
    case EVENT_REFUSED:
        refused(e, context, out);
        return;
    case EVENT_ACCEPTED:
        return; /* introducing it was all */
    case EVENT_DELIVERED:
        attempt(e, context, "smtp", "sent", "", out);
        return;
    case EVENT_DEFERRED:
        attempt(e, context, "smtp", "deferred", "", out);
        return;
    case EVENT_BOUNCED:
        attempt(e, context, "smtp", "bounced", "", out);
        return;
    case EVENT_EXPIRED:
        attempt(e, context, "error", "bounced", "delivery time expired: ", out);
        return;
    case EVENT_FROZEN:
        queue_line(e, context, "qmgr", "frozen: undeliverable report", out);
        return;
    case EVENT_DELAY_NOTICE:
        queue_line(e, context, "bounce", "sender delay notification", out);
        return;
    case EVENT_REMOVED:
        queue_line(e, context, "postsuper", "removed", out);
        return;
    case EVENT_HELD:
        queue_line(e, context, "postsuper", "placed on hold", out);
        return;
    case EVENT_RELEASED:
        queue_line(e, context, "postsuper", "released from hold", out);
        return;
    case EVENT_INCOMPLETE:
        incomplete(e, context, out);
        return;
    }
}
