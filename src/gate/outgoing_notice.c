/* outgoing_notice.c: what the owner of an outgoing account is told by mail: that it was locked, with a link that unlocks it; and each message that was blocked, as an ARF report. */
#include "base/clock.h"
#include "base/log.h"
#include "courier/feedback.h"
#include "courier/notice.h"
#include "gate/outgoing_parts.h"
#include "gate/session.h"
#include "mail/date.h"
#include "mail/header.h"
#include "store/account_lock.h"

#include <stdio.h>

enum { TEXT_MAX = 64 * 1024, HEADER_SHOWN_MAX = 32 * 1024, REPORTS_PER_DAY = 100 };

/* The domain's contact; of a user without one, his own address. */
static bool find_owner(struct session *s, char *to, size_t size)
{
    const struct account *a = &s->outgoing->account;
    struct db *d = accounts_borrow(s->gate->parts.accounts);

    *to = '\0';
    if (!d)
        return false;
    struct db_rows *r = DB_QUERY(d, "SELECT contact FROM domain WHERE id = $1", DB_N(a->domain));
    bool fits = db_next(r) && str_copy(to, size, db_text(r, 0));
    if (db_done(&r) != DB_OK || !fits)
        *to = '\0';
    accounts_return(s->gate->parts.accounts, d);
    if (!*to && a->kind == ACCOUNT_USER)
        str_copy(to, size, str_from(a->login));
    return *to != '\0';
}

static void submit(struct session *s, struct spool_message *take, const char *to, const char *what)
{
    if (!take || spool_submit(s->gate->parts.spool, take) != SPOOL_OK)
        log_error("account %s: %s could not be told %s", s->outgoing->account.login, to, what);
    spool_message_unref(take);
}

static void nobody_is_told(const struct session *s, const char *what)
{
    log_info("account %s: nobody is told %s: its domain has no contact", s->outgoing->account.login, what);
}

/* Where browsers reach the console, or else the public pages. */
static void unlock_url(const struct session *s, const char *token, char *to, size_t size)
{
    const char *console = setting_text(settings_system(s->tx->runtime->settings), SETTING_console_url);
    struct str base = str_from(*console ? console : s->runtime->why_url);

    if (!*console && str_ends_case(base, STR("/why")))
        base.len -= 4;
    snprintf(to, size, STR_FMT "/unlock/%s", STR_ARG(base), token);
}

/* Names in a text for people: nothing that would break a line. */
static void add_name(struct buf *out, const char *name)
{
    for (const char *c = name; *c; c++)
        buf_add_char(out, (unsigned char)*c < ' ' || *c == 127 ? '?' : *c);
}

static void add_words(struct session *s, const char *rule, int64_t until_ms, const char *url, struct buf *text)
{
    char date[DATE_TEXT_MAX];

    buf_add_text(text, "The account ");
    add_name(text, s->outgoing->account.login);
    if (*s->tx->turn->identity) {
        buf_add_text(text, ", user ");
        add_name(text, s->tx->turn->identity);
        buf_add_char(text, ',');
    }
    buf_addf(text, " may not send mail through the mail gateway %s any more. What it sent was refused too often: %s.\n\n", s->runtime->host, rule);
    buf_add_text(text, "Mostly that means that somebody else knows the password, or that a device or a web application is misused. Change the password, and look for the cause.\n\n");
    if (until_ms)
        buf_addf(text, "The lock ends by itself at %s.\nTo end it sooner, open this page (once, within %d days):\n\n", date_format(until_ms, date), UNLOCK_DAYS);
    else
        buf_addf(text, "The lock does not end by itself. When the cause is removed, open this page (once, within %d days), or ask the operator of the gateway:\n\n", UNLOCK_DAYS);
    buf_addf(text, "%s\n", url);
}

static void postmaster_of(const struct session *s, char *to, size_t size)
{
    const char *set = setting_text(settings_system(s->tx->runtime->settings), SETTING_postmaster);

    if (*set)
        str_copy(to, size, str_from(set));
    else
        snprintf(to, size, "postmaster@%s", s->runtime->host);
}

void outgoing_tell_lock(struct session *s, const char *rule, int64_t until_ms, const char *token)
{
    char to[ACCOUNT_LOGIN_MAX + 1], from[340], url[400];
    struct buf text = buf_make(TEXT_MAX);
    struct notice n = {.host = s->runtime->host, .from = from, .from_name = "Mail gateway", .subject = STR("Sending is locked for one of your accounts"), .list_id = ""};

    if (!find_owner(s, to, sizeof to) || address_parse(str_from(to), false, &n.to, NULL) != ADDRESS_OK) {
        nobody_is_told(s, "of its lock");
        return;
    }
    postmaster_of(s, from, sizeof from);
    unlock_url(s, token, url, sizeof url);
    add_words(s, rule, until_ms, url, &text);
    n.text = buf_str(&text);
    submit(s, text.failed ? NULL : notice_make(s->gate->parts.signer, &n, clock_wall_ms()), to, "of its lock");
    buf_free(&text);
}

/* The message's own header, up to a ceiling: the content is what should not go on. */
static void add_header(struct session *s, struct buf *out)
{
    struct header_walk walk = header_walk(blob_bytes(s->tx->body));
    struct header_field field;

    while (header_next(&walk, &field) && out->len + field.raw.len < HEADER_SHOWN_MAX)
        for (size_t i = 0; i < field.raw.len; i++) {
            char c = field.raw.at[i];
            if (c == '\n')
                buf_add_text(out, "\r\n");
            else if (c != '\r' && c != '\0')
                buf_add_char(out, c);
        }
}

/* RFC 5965 §3: words for people, fields for programs, the header of what was blocked. */
static void build_report(struct session *s, const struct finding *by, struct buf *out)
{
    char boundary[REFERENCE_LEN + 1], ip[IP_TEXT_MAX], date[DATE_TEXT_MAX];
    const struct reason_row *row = reason_row(by->reason);

    random_reference(boundary);
    buf_addf(out, "Content-Type: multipart/report; report-type=feedback-report;\r\n\tboundary=\"%s\"\r\n\r\n--%s\r\n", boundary, boundary);
    buf_add_text(out, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nA message of the account ");
    add_name(out, s->outgoing->account.login);
    buf_addf(out, " was blocked by the mail gateway %s:\r\n%s (%s/%s/%s).\r\n\r\n--%s\r\n", s->runtime->host, row->slug, s->runtime->why_url, row->slug, s->tx->reference, boundary);
    buf_addf(out, "Content-Type: message/feedback-report\r\n\r\nFeedback-Type: %s\r\nUser-Agent: Postern\r\nVersion: 1\r\n",
             by->reason == REASON_VIRUS || by->reason == REASON_LINK_MALWARE ? "virus" : by->reason == REASON_PHISH || by->reason == REASON_LINK_PHISHING ? "fraud" : "abuse");
    buf_addf(out, "Original-Mail-From: <" STR_FMT ">\r\n", STR_ARG(address_text(&s->tx->mail.sender)));
    buf_addf(out, "Arrival-Date: %s\r\nSource-IP: %s\r\nReported-Domain: %s\r\nReporting-MTA: dns; %s\r\n", date_format(clock_wall_ms(), date),
             ip_format(&s->client.peer.ip, ip), s->outgoing->account.domain_name, s->runtime->host);
    buf_addf(out, "Incidents: 1\r\n\r\n--%s\r\nContent-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", boundary);
    add_header(s, out);
    buf_addf(out, "\r\n--%s--\r\n", boundary);
}

static bool has_had_enough(struct session *s)
{
    const struct limit_counts one = {.messages = 1};
    const struct limit_rules rules = {.messages = {LIMIT_NONE, LIMIT_NONE, REPORTS_PER_DAY, LIMIT_NONE, LIMIT_NONE}, .recipients_per_day = LIMIT_NONE,
                                      .invalid_percent = LIMIT_NONE};
    struct limit_answer a;
    char key[40];

    snprintf(key, sizeof key, "r:%lld", (long long)s->outgoing->account.id);
    const struct limit_query q = {str_from(key), &rules};
    limits_take(s->gate->parts.limits, &q, 1, &one, clock_wall_ms(), &a);
    return a.result != LIMIT_FITS;
}

void outgoing_report(struct session *s, const struct finding *by)
{
    char to[ACCOUNT_LOGIN_MAX + 1];
    struct buf out = buf_make(TEXT_MAX * 2);

    if (!s->tx->turn || !s->tx->body || reason_row(by->reason)->kind != REASON_KIND_PERMANENT || !setting_flag(s->tx->turn->policy, SETTING_abuse_reports) ||
        has_had_enough(s))
        return;
    if (!find_owner(s, to, sizeof to)) {
        nobody_is_told(s, "of a blocked message");
        return;
    }
    build_report(s, by, &out);
    struct spool_message *m = out.failed ? NULL : feedback_mail(s->tx->runtime->settings, s->gate->parts.signer, str_from(to), "A message of one of your accounts was blocked",
                                                                buf_str(&out), clock_wall_ms());
    submit(s, m, to, "of a blocked message");
    buf_free(&out);
}
