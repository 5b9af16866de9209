/*
 * tls_report_send.c: the thread that sends yesterday's reports to whoever asks for them (RFC 8460 §3, §5): by mail through our own queue, or by HTTPS.
 * One after the other, since nobody waits for them. What cannot be delivered is tried again for a day.
 */
#include "courier/tls_report_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LOOK_MS = 1000, SAVE_MS = 3600 * 1000, POST_MS = 60 * 1000, FIRST_RETRY_MS = 15 * 60 * 1000, NAME_MAX_BYTES = 256, SIGNATURES_BYTES_MAX = 96 * 1024 };

struct sending {
    struct tls_reports *reports;
    struct settings *settings;
    struct tls_report report;
    char host[NAME_MAX_BYTES], contact[400], domain[NAME_MAX_BYTES];
    struct buf gz;
};

static size_t drop(char *at, size_t size, size_t count, void *arg)
{
    (void)at;
    (void)arg;
    return size * count;
}

/* "host:port:address" from our own DNS: the library asks nobody. NULL: no address. */
static struct curl_slist *resolve(struct dns *dns, const char *url)
{
    CURLU *u = curl_url();
    char *host = NULL, *port = NULL, line[NAME_MAX_BYTES + 80], ip[IP_TEXT_MAX];
    struct curl_slist *list = NULL;

    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK && strlen(host) < NAME_MAX_BYTES) {
        struct dns_question *q4 = dns_start(dns, str_from(host), DNS_A), *q6 = dns_start(dns, str_from(host), DNS_AAAA);
        const struct dns_answer *a4 = dns_wait(q4), *a6 = dns_wait(q6), *a = a4->count ? a4 : a6;
        if (a->count) {
            snprintf(line, sizeof line, "%s:%s:%s%s%s", host, port, a == a6 ? "[" : "", ip_format(&a->at[0].ip, ip), a == a6 ? "]" : "");
            list = curl_slist_append(NULL, line);
        }
        dns_done(&q4);
        dns_done(&q6);
    }
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return list;
}

static bool set_post(const struct sending *s, CURL *c, const char *url, struct curl_slist *addresses, struct curl_slist *headers)
{
    const char *roots = setting_text(settings_system(s->settings), SETTING_tls_roots);

    return curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK && curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_RESOLVE, addresses) == CURLE_OK && curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK && curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK && curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)POST_MS) == CURLE_OK && curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_POSTFIELDS, s->gz.at) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)s->gz.len) == CURLE_OK && curl_easy_setopt(c, CURLOPT_USERAGENT, "postern") == CURLE_OK &&
           (!*roots || curl_easy_setopt(c, CURLOPT_CAINFO, roots) == CURLE_OK);
}

static bool post(const struct sending *s, const char *url)
{
    struct curl_slist *addresses = resolve(s->reports->parts.dns, url);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/tlsrpt+gzip");
    CURL *c = addresses && headers ? curl_easy_init() : NULL;
    CURLcode result = c && set_post(s, c, url, addresses, headers) ? curl_easy_perform(c) : CURLE_COULDNT_RESOLVE_HOST;
    long code = 0;

    if (result == CURLE_OK)
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &code);
    if (result != CURLE_OK || code / 100 != 2)
        log_warning("TLS reports: %s did not take the report on %s: %s (HTTP status %ld)", url, s->domain, curl_easy_strerror(result), code);
    curl_easy_cleanup(c);
    curl_slist_free_all(addresses);
    curl_slist_free_all(headers);
    return code / 100 == 2;
}

static struct spool_message *to_message(const struct sending *s, struct str text, const struct address *to, int64_t now_ms)
{
    struct spool_message *m = spool_message_new(1);
    const char *why;

    if (!m)
        return NULL;
    random_reference(m->reference);
    m->received_ms = now_ms;
    m->is_outgoing = true;
    m->mail.body = BODY_7BIT;
    m->mail.size = text.len;
    m->recipients[0].args.recipient = *to;
    m->recipients[0].args.notify = DSN_NOTIFY_NEVER;
    m->recipients[0].next_try_ms = now_ms;
    m->body = blob_from(text);
    if (m->body && address_parse(str_from(s->contact), false, &m->mail.sender, &why) == ADDRESS_OK)
        return m;
    spool_message_unref(m);
    return NULL;
}

static void sign(const struct sending *s, struct spool_message *m)
{
    struct buf header = buf_make(SIGNATURES_BYTES_MAX);
    struct str author = str_from(s->contact);

    if (s->reports->parts.signer &&
        dkim_sign(s->reports->parts.signer, str_from_index(author, (size_t)(str_find_last(author, '@') + 1)), blob_bytes(m->body),
                  m->received_ms / 1000, &header) && header.len)
        m->header = blob_from(buf_str(&header));
    if (!m->header)
        log_warning("TLS reports: no signing key for %s: the report on %s goes unsigned, and will hardly be read (RFC 8460 §3)", s->contact, s->domain);
    buf_free(&header);
}

/* "mailto:reports@example.net?subject=…": the address alone. */
static bool mail(const struct sending *s, const char *uri)
{
    struct str rest = str_from_index(str_from(uri), 7), text = str_cut(&rest, '?');
    struct buf out = buf_make(2 * TLS_REPORT_BYTES_MAX);
    struct address to;
    char field[400];
    const char *why;
    int64_t now_ms = clock_wall_ms();

    if (!str_copy(field, sizeof field, text) || address_parse(text, false, &to, &why) != ADDRESS_OK) {
        log_warning("TLS reports: %s asks for them at %s, which is no address", s->domain, uri);
        buf_free(&out);
        return false;
    }
    struct spool_message *m = tls_report_mail(&s->report, buf_str(&s->gz), field, now_ms, &out) ? to_message(s, buf_str(&out), &to, now_ms) : NULL;
    if (m)
        sign(s, m);
    bool ok = m && spool_submit(s->reports->spool, m) == SPOOL_OK;
    if (m)
        spool_message_unref(m);
    buf_free(&out);
    return ok;
}

enum asked { ASKED_FOR, NOT_ASKED_FOR, ASKED_UNKNOWN };

/* Exactly one record (§3). */
static enum asked who_asks(const struct sending *s, struct buf *uris, size_t *count)
{
    char name[NAME_MAX_BYTES + 16];
    size_t ours = 0;

    snprintf(name, sizeof name, "_smtp._tls.%s", s->domain);
    struct dns_question *q = dns_start(s->reports->parts.dns, str_from(name), DNS_TXT);
    const struct dns_answer *answer = dns_wait(q);
    for (size_t i = 0; i < answer->count; i++) {
        if (!tls_report_is_ours(answer->at[i].data))
            continue;
        ours++;
        buf_clear(uris);
        *count = tls_report_uris(answer->at[i].data, uris);
    }
    enum dns_status status = answer->status;
    dns_done(&q);
    return status == DNS_FAILED ? ASKED_UNKNOWN : ours == 1 && *count ? ASKED_FOR : NOT_ASKED_FOR;
}

static void set_names(struct sending *s, const char *day, const char *domain)
{
    const struct policy *system = settings_system(s->settings);
    const char *contact = setting_text(system, SETTING_tls_report_contact), *postmaster = setting_text(system, SETTING_postmaster);
    struct tm tm = {0};

    settings_host_name(system, s->host, sizeof s->host);
    str_copy(s->domain, sizeof s->domain, str_from(domain));
    if (*contact || *postmaster)
        str_copy(s->contact, sizeof s->contact, str_from(*contact ? contact : postmaster));
    else
        snprintf(s->contact, sizeof s->contact, "postmaster@%s", s->host);
    strptime(day, "%Y%m%d", &tm);
    s->report = (struct tls_report){.domain = s->domain, .host = s->host, .contact = s->contact, .from_ms = (int64_t)timegm(&tm) * 1000};
    snprintf(s->report.id, sizeof s->report.id, "%016llx%016llx.tls@%.60s", (unsigned long long)random_u64(), (unsigned long long)random_u64(), s->host);
}

/* True: it is done with, one way or the other. */
static bool send_one(struct tls_reports *r, const char *day, const char *domain, const json_t *policies)
{
    struct sending s = {.reports = r, .settings = settings_take(r->parts.settings), .gz = buf_make(TLS_REPORT_BYTES_MAX)};
    struct buf uris = buf_make(8 * 1024);
    size_t count = 0, taken = 0;

    set_names(&s, day, domain);
    enum asked asked = who_asks(&s, &uris, &count);
    bool built = asked == ASKED_FOR && tls_report_json(&s.report, policies, &s.gz);
    const char *at = uris.at;
    for (size_t i = 0; built && i < count; i++, at += strlen(at) + 1)
        taken += str_starts_case(str_from(at), STR("mailto:")) ? mail(&s, at) : post(&s, at);
    if (taken)
        log_info("TLS reports: sent the report on %s of %s to %zu of the %zu addresses it names", domain, day, taken, count);
    buf_free(&uris);
    buf_free(&s.gz);
    settings_unref(s.settings);
    return asked == NOT_ASKED_FOR || taken > 0;
}

/* Under the lock: one domain of a day that is over, whose time has come. A reference to its row; NULL: none. */
static json_t *take_due(struct tls_reports *r, char day[9], char domain[NAME_MAX_BYTES])
{
    json_t *domains, *row;
    const char *day_key, *domain_key;
    int64_t now_ms = clock_wall_ms();

    json_object_foreach(r->days, day_key, domains) {
        struct tm tm = {0};
        if (!strptime(day_key, "%Y%m%d", &tm) || now_ms < (int64_t)timegm(&tm) * 1000 + TLS_REPORT_DAY_MS + r->delay_ms)
            continue;
        json_object_foreach(domains, domain_key, row) {
            if (json_integer_value(json_object_get(row, "next_ms")) > now_ms)
                continue;
            str_copy(day, 9, str_from(day_key));
            str_copy(domain, NAME_MAX_BYTES, str_from(domain_key));
            return json_deep_copy(row);
        }
    }
    return NULL;
}

/* §5.5: again after a quarter, half an hour and so on, for a day. */
static void put_back(struct tls_reports *r, const char *day, const char *domain, bool is_done)
{
    pthread_mutex_lock(&r->lock);
    json_t *domains = json_object_get(r->days, day), *row = json_object_get(domains, domain);
    json_int_t tries = json_integer_value(json_object_get(row, "tries")) + 1;
    int64_t wait_ms = (int64_t)FIRST_RETRY_MS << (tries < 8 ? tries - 1 : 7);
    if (is_done || 2 * wait_ms > TLS_REPORT_DAY_MS + FIRST_RETRY_MS) {
        json_object_del(domains, domain);
    } else {
        json_object_set_new(row, "tries", json_integer(tries));
        json_object_set_new(row, "next_ms", json_integer(clock_wall_ms() + wait_ms));
    }
    if (!json_object_size(domains))
        json_object_del(r->days, day);
    r->is_changed = true;
    pthread_mutex_unlock(&r->lock);
}

/* False when there is nothing to do just now. */
static bool send_next(struct tls_reports *r)
{
    char day[9], domain[NAME_MAX_BYTES];

    pthread_mutex_lock(&r->lock);
    json_t *row = r->stop ? NULL : take_due(r, day, domain);
    pthread_mutex_unlock(&r->lock);
    if (!row)
        return false;
    put_back(r, day, domain, send_one(r, day, domain, json_object_get(row, "policies")));
    json_decref(row);
    return true;
}

/* False: it is time to stop. */
static bool wait_a_moment(struct tls_reports *r)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_MS / 1000;
    pthread_mutex_lock(&r->lock);
    if (!r->stop)
        pthread_cond_timedwait(&r->wake, &r->lock, &until);
    bool goes_on = !r->stop;
    pthread_mutex_unlock(&r->lock);
    return goes_on;
}

void *tls_reports_thread(void *arg)
{
    struct tls_reports *r = arg;

    while (wait_a_moment(r)) {
        bool sent = false;
        while (send_next(r))
            sent = true;
        if (sent || clock_mono_ms() >= r->saved_ms + SAVE_MS)
            tls_reports_save(r);
    }
    return NULL;
}
