/*
 * conclude.c: after an attempt: each recipient's new state goes to the spool, its event to the log, and what the sender must hear into a report
 * that is committed together with the outcome that causes it. Then the job waits for its next time, or ends.
 */
#include "base/clock.h"
#include "base/log.h"
#include "courier/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NO_MEMORY_WAIT_MS = 5000 };

struct ending {
    struct courier *courier;
    struct settings *settings;
    const struct policy *policy;
    struct job *job;
    const struct outcome *out;
    const char *host, *tls, *tls_policy;
    int64_t now_ms, age_ms;
    struct dsn_recipient *report; /* who is to be reported on */
    size_t report_count, report_first; /* index into the job of the first of them: its outcome carries the report */
};

static int64_t lifetime(const struct ending *e)
{
    bool bounce = address_is_null(&e->job->m->mail.sender);

    return setting_number(e->policy, bounce ? SETTING_bounce_lifetime : SETTING_queue_lifetime);
}

static void log_event(const struct ending *e, const struct spool_recipient *r, const struct outcome *o, enum event_kind kind)
{
    const struct spool_message *m = e->job->m;
    const struct domain *domain = settings_domain(e->settings, address_domain(&r->args.recipient));
    struct event event = {
        .kind = kind,
        .wall_ms = e->now_ms,
        .reference = str_from(m->reference),
        .service = str_from(m->is_outgoing ? "submission" : "mx"),
        .helo = str_from(m->helo),
        .sender = address_text(&m->mail.sender),
        .recipient = address_text(&r->args.recipient),
        .domain = address_domain(&r->args.recipient),
        .size = m->mail.size,
        .recipient_count = m->recipient_count,
        .reason = o->reason,
        .action = action_name(reason_row(o->reason)->action),
        .host = str_from(e->host),
        .tls = str_from(e->tls),
        .tls_policy = str_from(e->tls_policy),
        .remote_reply = str_from(o->text),
        .attempts = r->attempts,
        .next_try_ms = r->state == SPOOL_QUEUED ? r->next_try_ms : 0,
        .delay_ms = e->age_ms,
        .dsn = str_from(o->status),
        .domain_id = domain ? domain->id : 0,
        .tenant_id = domain && domain->tenant ? domain->tenant->id : 0,
    };
    struct endpoint client;

    if (endpoint_parse(str_from(m->client), 1, &client)) {
        event.client_ip = client.ip;
        event.client_port = client.port;
    }
    event_log_add(e->courier->parts.log, &event);
}

static void add_report(struct ending *e, size_t i, const struct spool_recipient *r, const struct outcome *o, enum dsn_action action)
{
    if (e->report_count == 0)
        e->report_first = i;
    e->report[e->report_count++] = (struct dsn_recipient){.recipient = r, .outcome = o, .action = action, .host = e->host};
}

/* RFC 3461 §4.1: without NOTIFY, failures (and delays, as is the custom) are told. */
static bool wants(const struct spool_recipient *r, unsigned what)
{
    unsigned notify = r->args.notify;

    if (notify == DSN_NOTIFY_UNSET)
        return what != DSN_NOTIFY_SUCCESS;
    return (notify & what) != 0;
}

static void delivered(struct ending *e, size_t i, struct spool_recipient *r, const struct outcome *o)
{
    r->state = SPOOL_DONE;
    atomic_fetch_add(&e->courier->delivered, 1);
    log_event(e, r, o, EVENT_DELIVERED);
    if (wants(r, DSN_NOTIFY_SUCCESS) && !o->hop_has_dsn) /* a hop with DSN has taken that duty over */
        add_report(e, i, r, o, o->is_final_hop ? DSN_DELIVERED : DSN_RELAYED);
}

static void failed(struct ending *e, size_t i, struct spool_recipient *r, const struct outcome *o, enum event_kind kind)
{
    if (address_is_null(&e->job->m->mail.sender)) {
        r->state = SPOOL_FROZEN;
        log_warning("bounce %s to <" STR_FMT "> cannot be delivered and is frozen: %s", e->job->m->reference,
                    STR_ARG(address_text(&r->args.recipient)), o->text);
        log_event(e, r, o, EVENT_FROZEN);
        return;
    }
    r->state = SPOOL_DONE;
    atomic_fetch_add(&e->courier->bounced, 1);
    log_event(e, r, o, kind);
    if (wants(r, DSN_NOTIFY_FAILURE))
        add_report(e, i, r, o, DSN_FAILED);
}

/* Out of time: the last thing that went wrong says which row it is. */
static struct outcome expired(const struct outcome *last)
{
    static const enum reason tell[] = {REASON_DELIVERY_NO_RESPONSE, REASON_DELIVERY_BAD_CONNECTION, REASON_DELIVERY_DANE_FAILED,
                                       REASON_DELIVERY_STS_FAILED, REASON_DELIVERY_TLS_FAILED};
    enum reason reason = REASON_DELIVERY_EXPIRED;
    struct outcome o = *last;

    for (size_t i = 0; i < sizeof tell / sizeof *tell; i++)
        if (last->reason == tell[i])
            reason = last->reason;
    o.kind = OUTCOME_FAILED;
    o.reason = reason;
    str_copy(o.status, sizeof o.status, str_from(reason_row(reason)->enhanced));
    return o;
}

static void deferred(struct ending *e, size_t i, struct spool_recipient *r, struct outcome *o, const struct retry_schedule *schedule)
{
    int64_t notice_ms = setting_number(e->policy, SETTING_delay_notice_after);
    bool is_bounce = address_is_null(&e->job->m->mail.sender);

    if (e->age_ms >= lifetime(e)) {
        *o = expired(o);
        failed(e, i, r, o, EVENT_EXPIRED);
        return;
    }
    r->next_try_ms = e->now_ms + schedule_next_ms(schedule, r->attempts, e->age_ms);
    if (r->next_try_ms > e->job->m->received_ms + lifetime(e))
        r->next_try_ms = e->job->m->received_ms + lifetime(e); /* a last one at the very end */
    atomic_fetch_add(&e->courier->deferred, 1);
    log_event(e, r, o, EVENT_DEFERRED);
    if (r->delay_told || !notice_ms || e->age_ms < notice_ms || is_bounce || !wants(r, DSN_NOTIFY_DELAY))
        return;
    r->delay_told = true;
    log_event(e, r, o, EVENT_DELAY_NOTICE);
    add_report(e, i, r, o, DSN_DELAYED);
}

static void apply(struct ending *e, size_t i, struct outcome *o, const struct retry_schedule *schedule)
{
    struct spool_recipient *r = &e->job->m->recipients[e->job->recipients[i]];

    if (r->state != SPOOL_QUEUED)
        return;
    r->attempts++;
    str_copy(r->last_reply, sizeof r->last_reply, str_from(o->text));
    str_copy(r->last_host, sizeof r->last_host, str_from(e->host));
    if (o->kind == OUTCOME_DELIVERED)
        delivered(e, i, r, o);
    else if (o->kind == OUTCOME_FAILED)
        failed(e, i, r, o, EVENT_BOUNCED);
    else
        deferred(e, i, r, o, schedule);
}

static struct spool_message *build_report(const struct ending *e)
{
    struct spool_message *m = e->job->m;

    if (e->report_count == 0)
        return NULL;
    struct blob *body = spool_message_body(e->courier->parts.spool, m);
    struct str bytes = body ? blob_bytes(body) : str_n(NULL, 0);
    struct spool_message *report = dsn_build(e->settings, m, bytes, e->report, e->report_count, e->now_ms, m->received_ms + lifetime(e));
    blob_unref(body);
    if (!report) /* without the original it is small */
        report = dsn_build(e->settings, m, str_n(NULL, 0), e->report, e->report_count, e->now_ms, m->received_ms + lifetime(e));
    if (!report)
        log_error("the report on %s to its sender could not be built", m->reference);
    return dsn_sign(e->courier, e->settings, report);
}

/* Recipients that wait again, or are held, stay in the job. */
static size_t keep_waiting(struct job *job, int64_t *due_ms)
{
    size_t kept = 0;

    *due_ms = INT64_MAX;
    for (size_t i = 0; i < job->count; i++) {
        const struct spool_recipient *r = &job->m->recipients[job->recipients[i]];
        if (r->state == SPOOL_DONE)
            continue;
        if (r->state == SPOOL_QUEUED && r->next_try_ms < *due_ms)
            *due_ms = r->next_try_ms;
        job->recipients[kept++] = job->recipients[i];
    }
    job->count = kept;
    return kept;
}

/* The job is free again, unless operators spoke meanwhile: then it is ours until that is done too. */
static json_t *set_free(struct courier *c, struct job *job, int64_t not_before_ms)
{
    int64_t due_ms;

    pthread_mutex_lock(&c->lock);
    json_t *orders = job->late_orders;
    job->late_orders = NULL;
    if (!orders) {
        job->busy = false;
        if (!keep_waiting(job, &due_ms)) {
            job_end(c, job);
        } else {
            spool_message_forget_body(c->parts.spool, job->m);
            if (due_ms < not_before_ms)
                due_ms = not_before_ms;
            if (due_ms <= clock_wall_ms() || (due_ms != INT64_MAX && !job_defer(c, job, due_ms)))
                job_queue(c, job);
        }
    }
    pthread_mutex_unlock(&c->lock);
    return orders;
}

void reschedule(struct courier *c, struct settings *settings, struct job *job, int64_t not_before_ms)
{
    for (json_t *orders; (orders = set_free(c, job, not_before_ms)) != NULL;) {
        orders_follow(c, settings, job, orders);
        json_decref(orders);
    }
}

void conclude_nothing(struct courier *c, struct job *job)
{
    struct settings *settings = settings_take(c->parts.settings);

    log_error("out of memory: message %s is tried again in a moment", job->m->reference);
    reschedule(c, settings, job, clock_wall_ms() + NO_MEMORY_WAIT_MS);
    settings_unref(settings);
}

void conclude(const struct attempt *a)
{
    struct courier *c = a->courier;
    struct job *job = a->job;
    struct retry_schedule schedule;
    struct buf error = buf_make(200);
    struct outcome *own = calloc(job->count, sizeof *own);
    struct ending e = {.courier = c, .settings = a->settings, .policy = a->policy, .job = job, .out = a->out, .host = a->host, .tls = a->tls,
                       .tls_policy = a->tls_policy, .now_ms = clock_wall_ms()};

    e.age_ms = e.now_ms - job->m->received_ms;
    e.report = calloc(job->count, sizeof *e.report);
    if (!schedule_parse(setting_list(a->policy, SETTING_retry_schedule), &schedule, &error)) /* it was checked when it was loaded */
        schedule = (struct retry_schedule){.count = 0};
    buf_free(&error);
    if (!own || !e.report) { /* what became of it cannot be reported: better twice than unheard of */
        free(own);
        free(e.report);
        conclude_nothing(c, job);
        return;
    }
    for (size_t i = 0; i < job->count; i++) {
        own[i] = a->out[i];
        apply(&e, i, &own[i], &schedule);
    }
    struct spool_message *report = build_report(&e);
    for (size_t i = 0; i < job->count; i++)
        spool_outcome(c->parts.spool, job->m, job->recipients[i], report && i == e.report_first ? report : NULL);
    free(own);
    free(e.report);
    reschedule(c, a->settings, job, 0);
}
