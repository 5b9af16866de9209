/* settings_check.c: see settings_check.h. */
#include "catalog/settings_check.h"

#include "catalog/setting_parts.h"

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

static void check_addresses(const struct setting_list *list, struct buf *error)
{
    struct ip ip;

    for (size_t i = 0; i < list->count; i++)
        if (!ip_parse(str_from(list->at[i]), &ip))
            say(error, "source_addresses", list->at[i], "is not an address");
}

static void check_tls_policies(const struct setting_list *list, struct buf *error)
{
    struct tls_policy one;
    struct buf why = buf_make(1000);

    for (size_t i = 0; i < list->count; i++) {
        buf_clear(&why);
        if (!tls_policy_parse(str_from(list->at[i]), &one, &why))
            buf_addf(error, "%stls_policies: " STR_FMT, error->len ? "\n" : "", STR_ARG(buf_str(&why)));
    }
    buf_free(&why);
}

static void check_schedule(const struct setting_list *list, struct buf *error)
{
    struct retry_schedule schedule;
    struct buf why = buf_make(200);

    if (!schedule_parse(list, &schedule, &why))
        buf_addf(error, "%sretry_schedule: " STR_FMT, error->len ? "\n" : "", STR_ARG(buf_str(&why)));
    buf_free(&why);
}

static void check_block_lists(const struct setting_list *list, struct buf *error)
{
    struct dnsbl_entry entry;

    for (size_t i = 0; i < list->count; i++)
        if (!dnsbl_entry_parse(str_from(list->at[i]), &entry))
            say(error, "dnsbl_zones", list->at[i], "is not zone[/answers][:weight], such as bl.example/127.0.0.2,127.0.0.4-11:5");
}

/* What goes into From as it is: its finer grammar is mail's to judge, but nothing may break out of the field. */
static void check_reports_from(struct str from, struct buf *error)
{
    ptrdiff_t at = str_find_last(from, '@');
    bool fine = !from.len || (at > 0 && is_full_name(str_from_index(from, (size_t)at + 1)));

    for (size_t i = 0; i < from.len; i++)
        fine = fine && from.at[i] > ' ' && from.at[i] < 127 && !strchr("<>\"(),;:\\", from.at[i]);
    if (!fine)
        say(error, "dmarc_reports_from", from.at, "is not an address such as dmarc@example.net");
}

static void check_pattern(const char *pattern, struct buf *error)
{
    regex_t compiled;
    char why[200];

    if (!pattern_is_modest(pattern)) {
        buf_addf(error, "%srestricted_local_part: \"%s\": too many repetitions", error->len ? "\n" : "", pattern);
        return;
    }
    int code = *pattern ? regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) : 0;

    if (code) {
        regerror(code, &compiled, why, sizeof why);
        buf_addf(error, "%srestricted_local_part: \"%s\": %s", error->len ? "\n" : "", pattern, why);
    } else if (*pattern) {
        regfree(&compiled);
    }
}

bool setting_value_check(enum setting id, const struct setting_value *v, struct buf *error)
{
    size_t before = error->len;

    switch (id) {
    case SETTING_source_addresses: check_addresses(&v->list, error); break;
    case SETTING_tls_policies: check_tls_policies(&v->list, error); break;
    case SETTING_retry_schedule: check_schedule(&v->list, error); break;
    case SETTING_dnsbl_zones: check_block_lists(&v->list, error); break;
    case SETTING_dmarc_reports_from: check_reports_from(str_from(v->text), error); break;
    case SETTING_restricted_local_part: check_pattern(v->text, error); break;
    default: break;
    }
    return error->len == before;
}

/* That RESTRICTED_LOCAL_PART is a pattern is said where it is compiled. */
static void check_values(const struct policy *p, struct buf *error)
{
    static const enum setting checked[] = {SETTING_tls_policies, SETTING_dnsbl_zones, SETTING_dmarc_reports_from, SETTING_retry_schedule, SETTING_source_addresses};

    for (size_t i = 0; i < sizeof checked / sizeof *checked; i++)
        if (p->level == LEVEL_S || setting_is_set(p, checked[i]))
            setting_value_check(checked[i], setting_value(p, checked[i]), error);
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
    check_values(p, error);
    for (size_t i = 0; i < settings_domain_count(s); i++) {
        const char *srs_domain = setting_text(&settings_domain_at(s, i)->policy, SETTING_srs_domain);
        if (*srs_domain && !settings_domain(s, str_from(srs_domain)))
            say(error, "srs_domain", srs_domain, "is no domain of this gateway, so what comes back would not come here");
        check_values(&settings_domain_at(s, i)->policy, error);
    }
    return error->len == before;
}
