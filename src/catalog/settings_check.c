/* settings_check.c: see settings_check.h. */
#include "catalog/settings_check.h"

#include "catalog/schedule.h"
#include "catalog/tls_policy.h"
#include "net/dnsbl.h"

#include <string.h>

static void say(struct buf *error, const char *setting, const char *value, const char *what)
{
    buf_addf(error, "%s%s: \"%s\" %s", error->len ? "\n" : "", setting, value, what);
}

static void check_endpoints(const struct policy *p, enum setting s, uint16_t default_port, struct buf *error)
{
    const struct setting_list *list = setting_list(p, s);
    struct endpoint e;

    for (size_t i = 0; i < list->count; i++)
        if (!endpoint_parse(str_from(list->at[i]), default_port, &e))
            say(error, setting_row(s)->name, list->at[i], "is not an address with a port, such as 192.0.2.1:25 or [::]:25");
}

static bool is_label(struct str label, bool *all_digits)
{
    *all_digits = true;
    if (!label.len || label.len > 63 || label.at[0] == '-' || label.at[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        if (!ascii_is_alnum((unsigned char)label.at[i]) && label.at[i] != '-')
            return false;
        *all_digits = *all_digits && ascii_is_digit((unsigned char)label.at[i]);
    }
    return true;
}

/* Two labels or more, the last one not a number (RFC 5321 §2.3.5): what other servers expect of a name in HELO. */
static bool is_full_name(struct str name)
{
    size_t labels = 0;
    bool all_digits = false;

    do {
        struct str label = str_cut(&name, '.');
        if (!is_label(label, &all_digits))
            return false;
        labels++;
    } while (name.at);
    return labels > 1 && !all_digits;
}

static void check_host_name(const struct policy *p, struct buf *error)
{
    char own[256];

    if (!is_full_name(str_from(settings_host_name(p, own, sizeof own))))
        say(error, "host_name", own, "is not a full host name such as mx1.example.net");
}

static void check_certificates(const struct policy *p, struct buf *error)
{
    const struct setting_list *list = setting_list(p, SETTING_tls_certificates);

    for (size_t i = 0; i < list->count; i++) {
        const char *colon = strchr(list->at[i], ':');
        if (!colon || colon == list->at[i] || !colon[1])
            say(error, "tls_certificates", list->at[i], "is not certificate-file:key-file");
    }
    if (!list->count && setting_list(p, SETTING_listen_submissions)->count)
        say(error, "listen_submissions", setting_list(p, SETTING_listen_submissions)->at[0], "needs tls_certificates");
}

static void check_addresses(const struct policy *p, struct buf *error)
{
    const struct setting_list *list = setting_list(p, SETTING_source_addresses);
    struct ip ip;

    for (size_t i = 0; i < list->count; i++)
        if (!ip_parse(str_from(list->at[i]), &ip))
            say(error, "source_addresses", list->at[i], "is not an address");
}

static void check_tls_policies(const struct policy *p, struct buf *error)
{
    const struct setting_list *list = setting_list(p, SETTING_tls_policies);
    struct tls_policy one;
    struct buf why = buf_make(1000);

    for (size_t i = 0; i < list->count; i++) {
        buf_clear(&why);
        if (!tls_policy_parse(str_from(list->at[i]), &one, &why))
            buf_addf(error, "%stls_policies: " STR_FMT, error->len ? "\n" : "", STR_ARG(buf_str(&why)));
    }
    buf_free(&why);
}

static void check_policy(const struct policy *p, struct buf *error)
{
    struct retry_schedule schedule;
    struct buf why = buf_make(200);

    if (!schedule_parse(setting_list(p, SETTING_retry_schedule), &schedule, &why))
        buf_addf(error, "%sretry_schedule: " STR_FMT, error->len ? "\n" : "", STR_ARG(buf_str(&why)));
    buf_free(&why);
    check_addresses(p, error);
}

static void check_block_lists(const struct policy *p, struct buf *error)
{
    const struct setting_list *list = setting_list(p, SETTING_dnsbl_zones);
    struct dnsbl_entry entry;

    for (size_t i = 0; i < list->count; i++)
        if (!dnsbl_entry_parse(str_from(list->at[i]), &entry))
            say(error, "dnsbl_zones", list->at[i], "is not zone[/answers][:weight], such as bl.example/127.0.0.2,127.0.0.4-11:5");
}

/* What goes into From as it is: its finer grammar is mail's to judge, but nothing may break out of the field. */
static void check_reports_from(const struct policy *p, struct buf *error)
{
    struct str from = str_from(setting_text(p, SETTING_dmarc_reports_from));
    ptrdiff_t at = str_find_last(from, '@');
    bool fine = !from.len || (at > 0 && is_full_name(str_from_index(from, (size_t)at + 1)));

    for (size_t i = 0; i < from.len; i++)
        fine = fine && from.at[i] > ' ' && from.at[i] < 127 && !strchr("<>\"(),;:\\", from.at[i]);
    if (!fine)
        say(error, "dmarc_reports_from", from.at, "is not an address such as dmarc@example.net");
}

bool settings_check(const struct settings *s, struct buf *error)
{
    const struct policy *p = settings_system(s);
    size_t before = error->len;

    check_host_name(p, error);
    check_endpoints(p, SETTING_listen_mx, 0, error);
    check_endpoints(p, SETTING_listen_submission, 0, error);
    check_endpoints(p, SETTING_listen_submissions, 0, error);
    check_endpoints(p, SETTING_listen_console, 0, error);
    check_endpoints(p, SETTING_resolver, 53, error);
    check_certificates(p, error);
    check_tls_policies(p, error);
    check_block_lists(p, error);
    check_reports_from(p, error);
    check_policy(p, error);
    for (size_t i = 0; i < settings_domain_count(s); i++) {
        const char *srs_domain = setting_text(&settings_domain_at(s, i)->policy, SETTING_srs_domain);
        if (*srs_domain && !settings_domain(s, str_from(srs_domain)))
            say(error, "srs_domain", srs_domain, "is no domain of this gateway, so what comes back would not come here");
        check_policy(&settings_domain_at(s, i)->policy, error);
    }
    return error->len == before;
}
