/*
 * sts_fetch.c: the thread that fetches policies (RFC 8461 §3.3), several at a time, and keeps those that are in use fresh. What comes back is a
 * stranger's: bounded in size and time, no redirects, no cookies, no proxy, no cache, TLS with a good certificate for the policy host alone.
 */
#include "courier/sts_parts.h"
#include "courier/tls_report.h"

#include "base/clock.h"
#include "base/log.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 20, IDLE_MS = 1000, KEEP_MS = 10000, MOST_ADDRESSES = 8, ROUND_MOST = 64 };

struct transfer {
    struct list list;
    struct sts_entry *entry;   /* its is_wanted keeps it */
    char host[STS_DOMAIN_MAX + 16], domain[STS_DOMAIN_MAX + 1], url[STS_DOMAIN_MAX + 80];
    struct dns_question *q4, *q6;
    CURL *easy;                /* NULL while the addresses are looked up */
    struct curl_slist *resolve;
    struct buf body;
    char error[CURL_ERROR_SIZE];
    int64_t until_ms;          /* monotonic */
};

static void close_transfer(struct sts *s, struct transfer *t)
{
    list_remove(&t->list);
    dns_done(&t->q4);
    dns_done(&t->q6);
    if (t->easy) {
        curl_multi_remove_handle(s->multi, t->easy);
        curl_easy_cleanup(t->easy);
    }
    curl_slist_free_all(t->resolve);
    buf_free(&t->body);
    free(t);
}

/* RFC 8460 §4.3.2.2 */
static const char fetch_error[] = "sts-policy-fetch-error", invalid[] = "sts-policy-invalid", webpki[] = "sts-webpki-invalid";

static void report(const struct sts *s, const struct transfer *t, const char *result, const char *why)
{
    struct tls_note n = {.domain = str_from(t->domain), .type = "sts", .result = result, .host = t->host, .reason = why};

    if (s->reports)
        tls_reports_note(s->reports, &n);
}

/* WHY: NULL where TAKE is the policy; then what TLSRPT calls it is RESULT (NULL: nothing to report). */
static void finish(struct sts *s, struct transfer *t, struct sts_policy *take, const char *result, const char *why)
{
    struct sts_entry *e = t->entry;
    int64_t now_ms = clock_wall_ms();
    char say[STS_WHY_MAX];

    snprintf(say, sizeof say, "%s", why ? why : "");
    pthread_mutex_lock(&s->lock);
    if (!why) {
        sts_take_policy(s, e, take, now_ms);
        str_copy(e->id, sizeof e->id, str_from(e->tried_id));
    }
    str_copy(e->trouble, sizeof e->trouble, str_from(say));
    e->is_wanted = false;
    bool still_holds = why && sts_entry_holds(e, now_ms) && e->policy.mode != STS_MODE_NONE;
    pthread_cond_broadcast(&s->fetched);
    pthread_mutex_unlock(&s->lock);
    if (why && result)
        report(s, t, result, say);
    if (why)
        log_warning("MTA-STS: the policy of %s could not be fetched from %s: %s; %s", t->domain, t->url, say,
                    still_holds ? "the one that was fetched before goes on holding" : "its mail goes out without");
    close_transfer(s, t);
}

static size_t take_bytes(char *at, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;

    (void)size; /* is 1 */
    buf_add(&t->body, at, count);
    return t->body.failed ? 0 : count;
}

/* RFC 8461 §3.3: names count where they stand as subjectAltName only. */
static CURLcode set_verify(CURL *easy, void *context, void *arg)
{
    const struct transfer *t = arg;
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);

    (void)easy;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, t->host, 0) == 1 ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

static bool set_options(const struct sts *s, struct transfer *t)
{
    CURL *c = t->easy;
    int64_t left_ms = t->until_ms - clock_mono_ms();
    bool ok = curl_easy_setopt(c, CURLOPT_URL, t->url) == CURLE_OK && curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_RESOLVE, t->resolve) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK && curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, set_verify) == CURLE_OK && curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, t) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK && curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(left_ms > 1 ? left_ms : 1)) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK && curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_MAXFILESIZE, (long)STS_TEXT_MAX) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_bytes) == CURLE_OK && curl_easy_setopt(c, CURLOPT_WRITEDATA, t) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_USERAGENT, "postern") == CURLE_OK && curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_PRIVATE, t) == CURLE_OK;

    return ok && (!*s->roots || curl_easy_setopt(c, CURLOPT_CAINFO, s->roots) == CURLE_OK);
}

static void add_addresses(const struct dns_answer *answer, struct buf *to)
{
    char text[IP_TEXT_MAX];

    for (size_t i = 0; i < answer->count && i < MOST_ADDRESSES; i++)
        buf_addf(to, "%s%s%s%s", to->at[to->len - 1] == ':' ? "" : ",", answer->at[i].ip.family == 6 ? "[" : "",
                 ip_format(&answer->at[i].ip, text), answer->at[i].ip.family == 6 ? "]" : "");
}

/* Addresses are there, or will not come. The library gets them from us and asks nobody. */
static void start(struct sts *s, struct transfer *t)
{
    const struct dns_answer *a4 = dns_wait(t->q4), *a6 = dns_wait(t->q6);
    struct buf line = buf_make(2048);

    if (!a4->count && !a6->count) {
        buf_free(&line);
        finish(s, t, NULL, fetch_error, a4->status == DNS_FAILED || a6->status == DNS_FAILED ? "its address cannot be looked up" : "it has no address");
        return;
    }
    buf_addf(&line, "%s:%u:", t->host, (unsigned)s->port);
    add_addresses(a4, &line);
    add_addresses(a6, &line);
    t->resolve = buf_text(&line) && !line.failed ? curl_slist_append(NULL, buf_text(&line)) : NULL;
    buf_free(&line);
    t->easy = t->resolve ? curl_easy_init() : NULL;
    if (!t->easy || !set_options(s, t) || curl_multi_add_handle(s->multi, t->easy) != CURLM_OK)
        finish(s, t, NULL, NULL, "the transfer could not be begun");
}

static bool is_plain_text(const char *type)
{
    struct str value = type ? str_from(type) : str_n(NULL, 0);

    return str_eq_case(str_trim(str_cut(&value, ';')), STR("text/plain"));
}

static void judge(struct sts *s, struct transfer *t, CURLcode result)
{
    struct sts_policy policy;
    const char *type = NULL, *kind = fetch_error, *why;
    char say[STS_WHY_MAX];
    long code = 0;

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
    if (t->body.failed || result == CURLE_FILESIZE_EXCEEDED) {
        snprintf(say, sizeof say, "it is longer than %d bytes", STS_TEXT_MAX);
    } else if (result != CURLE_OK) {
        kind = result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CERTPROBLEM ? webpki : fetch_error;
        snprintf(say, sizeof say, "%.*s", STS_WHY_MAX - 1, t->error[0] ? t->error : curl_easy_strerror(result));
    } else if (code != 200) {
        snprintf(say, sizeof say, "HTTP status %ld", code);
    } else if (!is_plain_text(type)) {
        snprintf(say, sizeof say, "it is \"%.80s\", not text/plain", type ? type : "");
    } else if (!sts_policy_parse(buf_str(&t->body), &policy, &why)) {
        kind = invalid;
        snprintf(say, sizeof say, "%s", why);
    } else {
        finish(s, t, &policy, NULL, NULL);
        sts_policy_clear(&policy);
        return;
    }
    finish(s, t, NULL, kind, say);
}

static struct transfer *open_transfer(struct sts *s, struct sts_entry *e)
{
    struct transfer *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->entry = e;
    t->body = buf_make(STS_TEXT_MAX);
    t->until_ms = clock_mono_ms() + s->timeout_ms;
    str_copy(t->domain, sizeof t->domain, str_from(e->domain));
    snprintf(t->host, sizeof t->host, "mta-sts.%s", e->domain);
    if (s->port == 443)
        snprintf(t->url, sizeof t->url, "https://%s/.well-known/mta-sts.txt", t->host);
    else
        snprintf(t->url, sizeof t->url, "https://%s:%u/.well-known/mta-sts.txt", t->host, (unsigned)s->port);
    return t;
}

/* Under the lock. */
static size_t take_wanted(struct sts *s, struct list *running, size_t room)
{
    size_t taken = 0;

    while (taken < room && !list_is_empty(&s->wanted)) {
        struct sts_entry *e = container_of(s->wanted.next, struct sts_entry, wanted);
        struct transfer *t = open_transfer(s, e);
        list_remove(&e->wanted);
        if (!t) {
            e->is_wanted = false;
            pthread_cond_broadcast(&s->fetched);
            continue;
        }
        list_add_tail(running, &t->list);
        taken++;
    }
    return taken;
}

/* Under the lock: RFC 8461 §3.3, once a day for all that somebody still asks for. */
static void want_refreshes(struct sts *s)
{
    int64_t now_ms = clock_wall_ms();
    size_t wanted = 0;

    LIST_EACH(&s->used, l) {
        struct sts_entry *e = container_of(l, struct sts_entry, used);
        if (!sts_entry_holds(e, now_ms) || now_ms < e->fetched_ms + STS_REFRESH_MS || now_ms < e->tried_ms + STS_REFRESH_MS / 24 ||
            now_ms > e->used_ms + STS_UNUSED_MS || e->is_wanted)
            continue;
        sts_entry_want(s, e, e->id);
        if (++wanted == ROUND_MOST)
            return;
    }
}

static void start_lookups(struct sts *s, struct list *running)
{
    LIST_EACH(running, l) {
        struct transfer *t = container_of(l, struct transfer, list);
        if (t->easy || t->q4)
            continue;
        t->q4 = dns_start(s->dns, str_from(t->host), DNS_A);
        t->q6 = dns_start(s->dns, str_from(t->host), DNS_AAAA);
    }
}

/* True: some look-ups still wait. */
static bool start_transfers(struct sts *s, struct list *running)
{
    bool some_wait = false;

    LIST_EACH_SAFE(running, l, after) {
        struct transfer *t = container_of(l, struct transfer, list);
        if (t->easy)
            continue;
        if (dns_is_answered(t->q4) && dns_is_answered(t->q6))
            start(s, t);
        else
            some_wait = true;
    }
    return some_wait;
}

static void take_results(struct sts *s)
{
    struct transfer *t = NULL;
    int left;

    for (CURLMsg *m; (m = curl_multi_info_read(s->multi, &left)) != NULL;)
        if (m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t) == CURLE_OK)
            judge(s, t, m->data.result);
}

static size_t length(const struct list *list)
{
    size_t n = 0;

    LIST_EACH(list, l)
        n++;
    return n;
}

static bool look(struct sts *s, struct list *running, int64_t *kept_ms)
{
    bool keep = clock_mono_ms() >= *kept_ms + KEEP_MS;

    pthread_mutex_lock(&s->lock);
    if (keep)
        want_refreshes(s);
    take_wanted(s, running, STS_MOST_TRANSFERS - length(running));
    bool stop = s->stop, is_changed = s->is_changed;
    pthread_mutex_unlock(&s->lock);
    if (is_changed && !stop)
        sts_file_write(s);
    if (keep)
        *kept_ms = clock_mono_ms();
    return !stop;
}

void *sts_thread(void *arg)
{
    struct sts *s = arg;
    struct list running;
    int64_t kept_ms = clock_mono_ms();
    int active = 0;

    list_init(&running);
    while (look(s, &running, &kept_ms)) {
        start_lookups(s, &running);
        bool some_wait = start_transfers(s, &running);
        curl_multi_perform(s->multi, &active);
        take_results(s);
        curl_multi_poll(s->multi, NULL, 0, some_wait ? LOOK_MS : IDLE_MS, NULL);
    }
    LIST_EACH_SAFE(&running, l, after)
        finish(s, container_of(l, struct transfer, list), NULL, NULL, "the gateway was stopped");
    return NULL;
}
