/* digest_mail.c: see digest_mail.h. */
#include "courier/digest_mail.h"

#include "catalog/reason.h"

#include <stdio.h>
#include <string.h>
#include <unicode/ucal.h>
#include <unicode/ustring.h>

enum { TEXT_MAX = 4 * 1024 * 1024, DAY_MS = 86400000 };

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

struct local_time local_time_of(const char *zone, int64_t wall_ms)
{
    UErrorCode error = U_ZERO_ERROR;
    UChar name[64];
    int64_t offset_ms = 0;

    if (*zone && strlen(zone) < sizeof name / sizeof *name) {
        u_uastrcpy(name, zone);
        UCalendar *c = ucal_open(name, -1, NULL, UCAL_GREGORIAN, &error);
        ucal_setMillis(c, (UDate)wall_ms, &error);
        offset_ms = U_SUCCESS(error) ? ucal_get(c, UCAL_ZONE_OFFSET, &error) + ucal_get(c, UCAL_DST_OFFSET, &error) : 0;
        if (U_FAILURE(error))
            offset_ms = 0;
        if (c)
            ucal_close(c);
    }
    int64_t local_ms = wall_ms + offset_ms, day = floor_div(local_ms, DAY_MS), in_day = local_ms - day * DAY_MS;
    return (struct local_time){.day = day, .hour = (int)(in_day / 3600000), .minute = (int)(in_day / 60000 % 60), .weekday = (int)(((day % 7) + 11) % 7)};
}

static void format_time(const struct digest_look *look, int64_t time_ms, char to[32])
{
    static const char *const weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    struct local_time t = local_time_of(look->zone, time_ms);

    snprintf(to, 32, "%s %02d:%02d", weekdays[t.weekday], t.hour, t.minute);
}

/* What a person without our catalogue understands: "attachment blocked". */
static const char *words_for(struct str reason, char to[64])
{
    enum reason r = reason_find(reason);

    str_copy(to, 64, str_from(r == REASON_NONE ? "kept back by a rule" : reason_row(r)->slug));
    for (char *c = to; *c; c++)
        if (*c == '-')
            *c = ' ';
    return to;
}

static struct str one_line(struct str text)
{
    return text.len ? str_sub(text, 0, 200) : STR("(none)");
}

static void add_text_row(struct buf *out, const struct digest_look *look, const struct digest_row *row)
{
    char time[32], why[64];

    format_time(look, row->time_ms, time);
    buf_addf(out, "%s  " STR_FMT "\n    " STR_FMT "\n    why: %s", time, STR_ARG(one_line(row->from)), STR_ARG(one_line(row->subject)), words_for(row->reason, why));
    if (row->evidence.len)
        buf_addf(out, " (" STR_FMT ")", STR_ARG(row->evidence));
    buf_add_char(out, '\n');
    if (*row->release)
        buf_addf(out, "    release: %s%s\n    release, and allow this sender: %s%s\n", look->link_url, row->release, look->link_url, row->allow);
    buf_add_char(out, '\n');
}

static void add_html_row(struct buf *out, const struct digest_look *look, const struct digest_row *row)
{
    char time[32], why[64];

    format_time(look, row->time_ms, time);
    buf_addf(out, "<tr><td class=\"t\">%s</td><td><div class=\"f\">", time);
    notice_html_text(out, one_line(row->from));
    buf_add_text(out, "</div><div class=\"s\">");
    notice_html_text(out, one_line(row->subject));
    buf_addf(out, "</div><div class=\"w\">%s", words_for(row->reason, why));
    if (row->evidence.len) {
        buf_add_text(out, ": ");
        notice_html_text(out, row->evidence);
    }
    buf_add_text(out, "</div></td><td class=\"a\">");
    if (*row->release)
        buf_addf(out, "<a href=\"%s%s\">Release</a><br><a class=\"q\" href=\"%s%s\">and allow sender</a>", look->link_url, row->release, look->link_url, row->allow);
    buf_add_text(out, "</td></tr>\n");
}

static const char style[] =
    "<style>:root{color-scheme:light dark}body{font:15px/1.45 system-ui,sans-serif;margin:0;padding:24px 16px;color:#1c2530;background:#fff}"
    ".m{max-width:680px;margin:0 auto}h1{font-size:20px;margin:0 0 4px}p{margin:8px 0}table{border-collapse:collapse;width:100%;margin:16px 0}"
    "td{border-top:1px solid #d9dee4;padding:10px 8px;vertical-align:top}.t,.a{white-space:nowrap}.t,.w,.n{color:#5b6876;font-size:13px}"
    ".f{color:#5b6876}.s{font-weight:600;word-break:break-word}a{color:#0b63ce}.q{font-size:13px}"
    "@media(prefers-color-scheme:dark){body{color:#e7ecf1;background:#14191f}td{border-color:#313a44}.t,.w,.n,.f{color:#9aa7b4}a{color:#7db4ff}}</style>";

static void write_both(const struct digest *d, const struct digest_look *look, struct str to, struct buf *text, struct buf *html)
{
    buf_addf(text, "%lld new message%s for " STR_FMT " kept back in quarantine.\nNothing needs to be done: what is not released goes after %d days.\n\n", (long long)d->total,
             d->total == 1 ? "" : "s", STR_ARG(to), look->days_kept);
    buf_addf(html, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">%s</head><body><div class=\"m\">"
                   "<h1>%lld new message%s in quarantine</h1><p class=\"n\">for ", style, (long long)d->total, d->total == 1 ? "" : "s");
    notice_html_text(html, to);
    buf_addf(html, ". Nothing needs to be done: what is not released goes after %d days.</p><table role=\"presentation\">\n", look->days_kept);
    for (size_t i = 0; i < d->count; i++) {
        add_text_row(text, look, &d->rows[i]);
        add_html_row(html, look, &d->rows[i]);
    }
    buf_add_text(html, "</table>");
    if (d->total > (int64_t)d->count) {
        buf_addf(text, "and %lld older ones.\n\n", (long long)(d->total - (int64_t)d->count));
        buf_addf(html, "<p>and %lld older ones.</p>", (long long)(d->total - (int64_t)d->count));
    }
    static const char last[] = "Each link works once, for seven days, and opens a page that asks before anything happens. Messages with malware or phishing cannot be released from here.";
    buf_addf(text, "%s\n", last);
    buf_addf(html, "<p class=\"n\">%s</p></div></body></html>\n", last);
}

struct spool_message *digest_mail(struct dkim_signer *signer, const struct digest *d, const struct digest_look *look, const struct address *to, int64_t now_ms)
{
    struct buf text = buf_make(TEXT_MAX), html = buf_make(TEXT_MAX), subject = buf_make(200), list = buf_make(400);
    struct spool_message *m = NULL;

    write_both(d, look, address_text(to), &text, &html);
    buf_addf(&subject, "%lld new message%s in quarantine", (long long)d->total, d->total == 1 ? "" : "s");
    buf_addf(&list, "digest.%s", look->host);
    struct notice n = {.host = look->host, .from = look->from, .from_name = look->from_name, .to = *to, .subject = buf_str(&subject), .list_id = buf_text(&list),
                       .text = buf_str(&text), .html = buf_str(&html)};
    if (!text.failed && !html.failed && n.list_id)
        m = notice_make(signer, &n, now_ms);
    buf_free(&text);
    buf_free(&html);
    buf_free(&subject);
    buf_free(&list);
    return m;
}
