/*
 * message.c: the end of DATA. Scan reads the message, policy judges it for each recipient, the spool makes it durable, and only
 * then comes 250. Whatever of ours fails on the way: 451, and the sender still has it.
 */
#include "gate/authentication.h"
#include "gate/cut_through.h"
#include "gate/dmarc_count.h"
#include "gate/origins.h"
#include "gate/session.h"
#include "gate/standing.h"

#include "base/clock.h"
#include "base/log.h"
#include "policy/policy.h"

#include <stdlib.h>
#include <string.h>

static const struct findings *all_of(const struct recipient *r, const struct findings *message, struct findings *merged)
{
    if (!r->findings)
        return message;
    *merged = *r->findings;
    for (size_t i = 0; i < message->count; i++)
        findings_add(merged, &message->at[i]);
    return merged;
}

/* One answer for the whole message, and a log row for each recipient. */
static enum session_next refuse_all(struct session *s, const struct finding *by, const struct findings *message,
                                    const struct scan_report *report)
{
    struct transaction *tx = s->tx;
    struct findings merged;

    for (size_t i = 0; i < tx->count; i++) {
        struct recipient *r = tx->recipients[i];
        event_refused(s, by, tx->reference, &r->args.recipient, all_of(r, message, &merged), report);
    }
    dmarc_count_refused(s, by, message);
    standing_lose(s, by->reason);
    origins_refused(s, by->reason);
    enum session_next next = answer_finding(s, by, tx->reference);
    session_reset_transaction(s);
    return next;
}

static enum session_next fail(struct session *s, const char *what)
{
    struct finding f = finding_make(REASON_INTERNAL_ERROR, "%s", what);
    struct findings found = {0};

    findings_add(&found, &f); /* the client is not told what, the log is */
    log_error("message %s from a client: %s; answered 451, its sender keeps it", s->tx->reference, what);
    return refuse_all(s, &f, &found, NULL);
}

static enum session_next no_storage(struct session *s, const struct findings *found, const struct scan_report *report)
{
    struct finding f = finding_make(REASON_NO_STORAGE, "%s", "");
    return refuse_all(s, &f, found, report);
}

static const char *scan_trouble(enum scan_result result)
{
    switch (result) {
    case SCAN_OK: return NULL;
    case SCAN_CRASHED: return "the scan process died while reading it";
    case SCAN_TIMEOUT: return "the scan process did not answer in time";
    case SCAN_UNAVAILABLE: return "no scan process is there";
    }
    return "scan failed";
}

/* The message killed or hung a scan process. From the second time the operator gets a copy; the sender has it all along. */
static const char *harmed(struct session *s, const char *trouble)
{
    const struct transaction *tx = s->tx;
    struct str *recipients = calloc(tx->count, sizeof *recipients);
    char client[ENDPOINT_TEXT_MAX];

    if (!recipients)
        return trouble;
    for (size_t i = 0; i < tx->count; i++)
        recipients[i] = address_text(&tx->recipients[i]->args.recipient);
    endpoint_format(&s->client.peer, client);
    const struct aside_envelope envelope = {.reference = tx->reference, .client = client, .helo = s->helo ? s->helo : "", .why = trouble,
                                            .sender = address_text(&tx->mail.sender), .recipients = recipients,
                                            .recipient_count = tx->count, .received_ms = clock_wall_ms()};
    enum aside_result result = aside_harmed(s->gate->aside, tx->body, &envelope);
    free(recipients);
    if (result != ASIDE_KEPT)
        return trouble;
    log_error("message %s harmed a scan process for the second time: a copy is kept aside; 'postern aside show %s' tells more", tx->reference,
              tx->reference);
    return "reading it harmed a scan process for the second time; a copy is kept aside for the operator";
}

static const char *scan(struct session *s, struct scan_report *report)
{
    const struct transaction *tx = s->tx;
    const struct scan_limits limits = scan_limits_of(settings_system(tx->runtime->settings));

    if (aside_holds(s->gate->aside, tx->body))
        return "it has harmed scan processes twice, and is not read again within the hour";
    enum scan_result result = scan_pool_scan(s->gate->parts.scan, tx->body, &limits, report);
    const char *trouble = scan_trouble(result);
    return result == SCAN_CRASHED || result == SCAN_TIMEOUT ? harmed(s, trouble) : trouble;
}

/* The weakest finding that still marks the message: tags go into a header field. */
static void collect_tags(const struct findings *found, const struct policy *p, struct findings *tags)
{
    for (size_t i = 0; i < found->count; i++)
        if (action_of(&found->at[i], p) == ACTION_TAG)
            findings_add(tags, &found->at[i]);
}

/*
 * Judges for every recipient. Recipients of one transaction have equal deciding settings (RETRY_PER_RECIPIENT sees to it),
 * so the first that refuses speaks for all. Returns the finding that refuses, or NULL.
 */
static const struct finding *judge(struct session *s, struct message_facts *facts, struct findings *found, struct findings *tags)
{
    struct transaction *tx = s->tx;
    const struct policy *judged = NULL;

    for (size_t i = 0; i < tx->count; i++) {
        const struct recipient *r = tx->recipients[i];
        const struct policy *p = r->policy;
        if (p == judged)
            continue;
        judged = p;
        facts->scope = &r->scope;
        facts->skips_content = r->skips_content; /* the same for all, as is all that decides */
        stage_message(facts, p, found);
        struct verdict v = verdict_decide(found, p, r->allowed || author_is_allowed(facts), r->role);
        if (v.action >= ACTION_REFUSE)
            return v.by;
        if (r->findings)
            collect_tags(r->findings, p, tags);
        collect_tags(found, p, tags);
    }
    return NULL;
}

static struct spool_message *to_spool(struct session *s, struct blob *take_header, const struct scan_report *report)
{
    struct transaction *tx = s->tx;
    struct spool_message *m = spool_message_new(tx->count);

    if (!m) {
        blob_unref(take_header);
        return NULL;
    }
    memcpy(m->reference, tx->reference, sizeof m->reference);
    m->received_ms = clock_wall_ms();
    m->mail = tx->mail;
    m->mail.size = blob_size(tx->body);
    m->is_outgoing = s->service != SERVICE_MX;
    m->is_8bit = report->has_8bit;
    endpoint_format(&s->client.peer, m->client);
    str_copy(m->helo, sizeof m->helo, s->client.helo);
    m->header = take_header;
    m->body = blob_ref(tx->body);
    for (size_t i = 0; i < tx->count; i++) {
        m->recipients[i].args = tx->recipients[i]->args;
        m->recipients[i].next_try_ms = m->received_ms;
    }
    return m;
}

static void accepted(struct session *s, const struct findings *found, const struct scan_report *report)
{
    struct findings merged;

    for (size_t i = 0; i < s->tx->count; i++)
        event_accepted(s, s->tx->recipients[i], all_of(s->tx->recipients[i], found, &merged), report);
    dmarc_count_accepted(s, found);
    standing_learn(s);
    origins_accepted(s, found);
    atomic_fetch_add_explicit(&s->gate->accepted_messages, 1, memory_order_relaxed);
    s->messages++;
}

static enum session_next make_durable(struct session *s, struct blob *take_header, const struct findings *found,
                                      const struct scan_report *report)
{
    struct spool_message *m = to_spool(s, take_header, report);

    if (!m)
        return fail(s, "out of memory");
    enum spool_result result = spool_submit(s->gate->parts.spool, m);
    spool_message_unref(m);
    if (result == SPOOL_FULL)
        return no_storage(s, found, report);
    if (result != SPOOL_OK)
        return fail(s, "the queue could not store it");
    accepted(s, found, report);
    enum session_next next = answer(s, REASON_QUEUED);
    session_reset_transaction(s);
    return next;
}

static enum session_next deliver(struct session *s, const struct findings *found, const struct findings *tags,
                                 const struct scan_report *report)
{
    struct finding remote;
    struct blob *header = trace_header(s, tags->count ? tags : NULL, report);

    if (!header)
        return fail(s, "its header could not be written");
    switch (cut_through_body(s, header, &remote)) {
    case CUT_NOT_USED:
        cut_through_free(&s->tx->cut);
        return make_durable(s, header, found, report);
    case CUT_ANSWERED:
        blob_unref(header);
        return refuse_all(s, &remote, found, report);
    case CUT_DELIVERED:
        break;
    }
    blob_unref(header);
    accepted(s, found, report);
    cut_through_log(s);
    enum session_next next = answer(s, REASON_QUEUED);
    session_reset_transaction(s);
    return next;
}

/* What others wrote in our name goes before the message does. */
static bool drop_forged_results(struct session *s, const struct scan_report *report)
{
    struct transaction *tx = s->tx;
    struct own_names we = {.authserv_id = str_from(gate_authserv_id(s)), .receiver = str_from(tx->runtime->host)};
    struct blob *body = without_forged_results(tx->body, report, &we, s->gate->spool_directory);

    if (!body)
        return false;
    tx->lost_fields = blob_size(body) != blob_size(tx->body);
    blob_unref(tx->body);
    tx->body = body;
    return true;
}

static enum session_next decide(struct session *s, const struct scan_report *report)
{
    const struct transaction *tx = s->tx;
    struct findings found = {0}, tags = {0};
    if (!authentication_run(s, report))
        return fail(s, "out of memory");
    struct message_facts facts = {.client = &s->client, .author = authentication_author(s), .reputation = origins_read(s, report), .lists = tx->runtime->lists, .size = blob_size(tx->body), .smtputf8 = tx->mail.smtputf8, .is_binary = tx->mail.body == BODY_BINARYMIME,
                                  .now_ms = clock_wall_ms(), .report = report};
    const struct finding *by = judge(s, &facts, &found, &tags);

    if (by)
        return refuse_all(s, by, &found, report);
    if (s->service == SERVICE_MX && !drop_forged_results(s, report))
        return fail(s, "the message could not be copied");
    return deliver(s, &found, &tags, report);
}

enum session_next message_end(struct session *s)
{
    struct transaction *tx = s->tx;
    struct findings found = {0};
    struct scan_report report;

    if (tx->too_large) {
        struct finding f = finding_make(REASON_MESSAGE_TOO_LARGE, "%s", "");
        f.size = tx->size_limit;
        return refuse_all(s, &f, &found, NULL);
    }
    if (tx->no_room)
        return no_storage(s, &found, NULL);
    if (tx->broken || !blob_seal(tx->body))
        return fail(s, "the message could not be kept while it came");
    const char *trouble = scan(s, &report);
    if (trouble)
        return fail(s, trouble);
    enum session_next next = decide(s, &report);
    scan_report_free(&report);
    return next;
}
