/* tls_report_build.c: the record that asks for reports, and the report in its forms (RFC 8460 §3, §4.4, §5). Pure. */
#include "courier/tls_report_parts.h"

#include "base/clock.h"
#include "courier/report_pack.h"
#include "mail/date.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char version[] = "v=TLSRPTv1";

bool tls_report_is_ours(struct str txt)
{
    size_t n = sizeof version - 1;

    return str_starts(txt, str_from(version)) && txt.len > n && (txt.at[n] == ';' || txt.at[n] == ' ' || txt.at[n] == '\t');
}

static bool is_uri(struct str uri)
{
    for (size_t i = 0; i < uri.len; i++)
        if (uri.at[i] <= ' ' || uri.at[i] > '~')
            return false;
    return uri.len < 1000 && (str_starts_case(uri, STR("mailto:")) || str_starts_case(uri, STR("https://")));
}

size_t tls_report_uris(struct str txt, struct buf *out)
{
    struct str rest = txt;
    size_t count = 0;

    if (!tls_report_is_ours(txt))
        return 0;
    str_cut(&rest, ';');
    while (rest.at) {
        struct str value = str_trim(str_cut(&rest, ';')), name = str_cut(&value, '=');
        if (!str_is(name, "rua"))
            continue;
        while (value.at && count < TLS_REPORT_MOST_URIS) {
            struct str uri = str_trim(str_cut(&value, ','));
            if (!is_uri(uri))
                continue;
            buf_add_str(out, uri);
            buf_add_char(out, '\0');
            count++;
        }
        break; /* the first one counts */
    }
    return out->failed ? 0 : count;
}

static json_t *policy_row(json_t *counted)
{
    json_t *details = json_array(), *one;
    const char *key;

    json_object_foreach(json_object_get(counted, "details"), key, one)
        json_array_append(details, one);
    json_t *row = json_pack("{s:O, s:{s:I, s:I}}", "policy", json_object_get(counted, "policy"), "summary", "total-successful-session-count",
                            json_integer_value(json_object_get(counted, "successful")), "total-failure-session-count",
                            json_integer_value(json_object_get(counted, "failed")));
    if (row && json_array_size(details))
        json_object_set(row, "failure-details", details);
    json_decref(details);
    return row;
}

/* RFC 3339, whole seconds. */
static char *date_time(int64_t wall_ms, char to[40])
{
    clock_format_iso(wall_ms, to);
    memcpy(to + 19, "Z", 2);
    return to;
}

static char *to_text(const struct tls_report *t, const json_t *policies)
{
    json_t *rows = json_array(), *one, *copy = json_deep_copy(policies);
    char from[40], to[40];
    const char *key;

    json_object_foreach(copy, key, one)
        json_array_append_new(rows, policy_row(one));
    json_t *root = json_pack("{s:s, s:{s:s, s:s}, s:s, s:s, s:o}", "organization-name", t->host, "date-range", "start-datetime",
                             date_time(t->from_ms, from), "end-datetime", date_time(t->from_ms + TLS_REPORT_DAY_MS - 1000, to), "contact-info",
                             t->contact, "report-id", t->id, "policies", rows);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    json_decref(copy);
    return text;
}

bool tls_report_json(const struct tls_report *t, const json_t *policies, struct buf *out)
{
    char *text = to_text(t, policies);
    bool ok = text && report_gzip(str_from(text), out);

    free(text);
    return ok;
}

static const char *contact_domain(const struct tls_report *t)
{
    const char *at = strrchr(t->contact, '@');

    return at ? at + 1 : t->host;
}

void tls_report_file_name(const struct tls_report *t, char *to, size_t size)
{
    snprintf(to, size, "%s!%s!%lld!%lld.json.gz", contact_domain(t), t->domain, (long long)(t->from_ms / 1000),
             (long long)(t->from_ms / 1000 + TLS_REPORT_DAY_MS / 1000 - 1));
}

bool tls_report_mail(const struct tls_report *t, struct str report, const char *to, int64_t now_ms, struct buf *out)
{
    char date[DATE_TEXT_MAX], name[900];
    const char *domain = contact_domain(t);

    tls_report_file_name(t, name, sizeof name);
    buf_addf(out, "Date: %s\r\nFrom: TLS reports of %s <%s>\r\nTo: %s\r\n", date_format(now_ms, date), t->host, t->contact, to);
    buf_addf(out, "Subject: Report Domain: %s\r\n Submitter: %s\r\n Report-ID: <%s>\r\nMessage-ID: <%s>\r\n", t->domain, domain, t->id, t->id);
    /* TLS-Required: a report on a fault of TLS must not wait for its end (§3, §5.3) */
    buf_addf(out, "TLS-Report-Domain: %s\r\nTLS-Report-Submitter: %s\r\nTLS-Required: No\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
             t->domain, domain);
    buf_addf(out, "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"=_%.32s\"\r\n\r\n", t->id);
    buf_addf(out, "--=_%.32s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n", t->id);
    buf_addf(out, "This is an aggregate TLS report (RFC 8460) about mail from %s to %s.\r\n\r\n", t->host, t->domain);
    buf_addf(out, "--=_%.32s\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n", t->id);
    buf_addf(out, "Content-Disposition: attachment;\r\n filename=\"%s\"\r\n\r\n", name);
    report_base64(report, out);
    buf_addf(out, "--=_%.32s--\r\n", t->id);
    return !out->failed;
}
