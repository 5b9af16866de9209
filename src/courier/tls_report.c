/* tls_report.c: see tls_report.h. What is counted, and where it is kept. */
#include "courier/tls_report_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void day_name(int64_t wall_ms, char to[9])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    if (strftime(to, 9, "%Y%m%d", &tm) == 0)
        to[0] = '\0';
}

/* The object KEY of IN, made where there is room for one more. */
static json_t *child(json_t *in, const char *key, size_t most)
{
    json_t *found = json_object_get(in, key);

    if (found || !in || json_object_size(in) >= most)
        return found;
    return json_object_set_new(in, key, json_object()) == 0 ? json_object_get(in, key) : NULL;
}

static void add_one(json_t *in, const char *key)
{
    json_object_set_new(in, key, json_integer(json_integer_value(json_object_get(in, key)) + 1));
}

static json_t *describe(const struct tls_note *n)
{
    json_t *policy = json_pack("{s:s, s:s%}", "policy-type", n->type, "policy-domain", n->domain.at, (int)n->domain.len);

    if (policy && n->policy_string)
        json_object_set(policy, "policy-string", n->policy_string);
    if (policy && n->mx_host)
        json_object_set(policy, "mx-host", n->mx_host);
    return policy;
}

static void add_failure(json_t *details, const struct tls_note *n)
{
    char sending[IP_TEXT_MAX] = "", receiving[IP_TEXT_MAX] = "", key[1200];

    if (n->sending.family)
        ip_format(&n->sending, sending);
    if (n->receiving.family)
        ip_format(&n->receiving, receiving);
    snprintf(key, sizeof key, "%s %s %s %s %s", n->result, n->host, sending, receiving, n->reason);
    json_t *one = child(details, key, TLS_REPORT_MOST_FAILURES);
    if (!one)
        return;
    json_object_set_new(one, "result-type", json_string(n->result));
    json_object_set_new(one, "receiving-mx-hostname", json_string(n->host));
    if (*sending)
        json_object_set_new(one, "sending-mta-ip", json_string(sending));
    if (*receiving)
        json_object_set_new(one, "receiving-ip", json_string(receiving));
    if (*n->reason)
        json_object_set_new(one, "failure-reason-code", json_string(n->reason));
    add_one(one, "failed-session-count");
}

/* Under the lock. */
static void count(struct tls_reports *r, const struct tls_note *n, const char *domain, json_t *policy, const char *key)
{
    char day[9];

    day_name(clock_wall_ms(), day);
    json_t *all = child(child(child(r->days, day, 32), domain, TLS_REPORT_MOST_DOMAINS), "policies", SIZE_MAX);
    json_t *one = child(all, key, TLS_REPORT_MOST_POLICIES);
    if (!one)
        return;
    json_object_set(one, "policy", policy);
    add_one(one, n->result ? "failed" : "successful");
    if (n->result)
        add_failure(child(one, "details", SIZE_MAX), n);
    r->is_changed = true;
}

void tls_reports_note(struct tls_reports *r, const struct tls_note *n)
{
    struct settings *settings = settings_take(r->parts.settings);
    bool is_on = setting_flag(settings_system(settings), SETTING_tls_reports);
    json_t *policy = is_on ? describe(n) : NULL;
    char *key = policy ? json_dumps(policy, JSON_COMPACT | JSON_SORT_KEYS) : NULL, domain[256];

    settings_unref(settings);
    if (key && str_copy(domain, sizeof domain, n->domain)) {
        pthread_mutex_lock(&r->lock);
        count(r, n, domain, policy, key);
        pthread_mutex_unlock(&r->lock);
    }
    free(key);
    json_decref(policy);
    json_decref(n->policy_string);
    json_decref(n->mx_host);
}

/* Written beside the old one and put in its place: after a crash one of them is there. What is lost then is an hour of counts at most. */
void tls_reports_save(struct tls_reports *r)
{
    char tmp[320];

    pthread_mutex_lock(&r->lock);
    char *text = r->is_changed ? json_dumps(r->days, JSON_COMPACT) : NULL;
    r->is_changed = false;
    r->saved_ms = clock_mono_ms();
    pthread_mutex_unlock(&r->lock);
    if (!text)
        return;
    snprintf(tmp, sizeof tmp, "%s.new", r->path);
    FILE *f = fopen(tmp, "we");
    bool ok = f && fputs(text, f) >= 0 && fflush(f) == 0 && fsync(fileno(f)) == 0;
    if (f)
        ok = fclose(f) == 0 && ok;
    if (!ok || rename(tmp, r->path) != 0)
        log_error("TLS reports: %s could not be written: %s; counts are in memory only", r->path, strerror(errno));
    free(text);
}

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *days = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

    if (!days && access(path, F_OK) == 0)
        log_warning("TLS reports: %s could not be read: %s; counting begins anew", path, error.text);
    if (days && json_is_object(days))
        return days;
    json_decref(days);
    return json_object();
}

struct tls_reports *tls_reports_new(const struct tls_report_options *options, struct buf *error)
{
    struct tls_reports *r = calloc(1, sizeof *r);
    struct settings *settings = settings_take(options->settings);
    const struct policy *system = settings_system(settings);
    pthread_condattr_t attributes;

    if (r) {
        r->parts = *options;
        snprintf(r->path, sizeof r->path, "%s/tls-reports", setting_text(system, SETTING_state_directory));
        int64_t most_ms = setting_number(system, SETTING_tls_report_delay);
        r->delay_ms = most_ms ? (int64_t)random_below((uint32_t)most_ms) : 0;
        r->days = load(r->path);
        pthread_mutex_init(&r->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&r->wake, &attributes);
        pthread_condattr_destroy(&attributes);
    }
    settings_unref(settings);
    if (!r || !r->days) {
        buf_add_text(error, "TLS reports: out of memory");
        tls_reports_free(&r);
        return NULL;
    }
    return r;
}

bool tls_reports_start(struct tls_reports *r, struct spool *spool)
{
    r->spool = spool;
    r->is_running = pthread_create(&r->thread, NULL, tls_reports_thread, r) == 0;
    if (r->is_running)
        pthread_setname_np(r->thread, "tls-reports");
    return r->is_running;
}

void tls_reports_stop(struct tls_reports *r)
{
    pthread_mutex_lock(&r->lock);
    bool was_running = r->is_running;
    r->stop = true;
    r->is_running = false;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    if (was_running)
        pthread_join(r->thread, NULL);
    tls_reports_save(r);
}

void tls_reports_free(struct tls_reports **pr)
{
    struct tls_reports *r = *pr;

    if (!r)
        return;
    if (r->days)
        tls_reports_stop(r);
    json_decref(r->days);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->wake);
    free(r);
    *pr = NULL;
}
