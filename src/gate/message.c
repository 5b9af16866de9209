/*
 * message.c: the end of DATA. Scan reads the message, policy judges it for each recipient, the spool makes it durable, and only
 * then comes 250. Whatever of ours fails on the way: 451, and the sender still has it.
 */
#include "gate/authentication.h"
#include "gate/copies.h"
#include "gate/custom_rules.h"
#include "gate/cut_through.h"
#include "gate/dmarc_count.h"
#include "gate/judgement.h"
#include "gate/origins.h"
#include "gate/outgoing.h"
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
    outgoing_report(s, by);
    outgoing_refused(s, by->reason);
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
    struct scan_limits limits = scan_limits_of(settings_system(tx->runtime->settings));

    if (aside_holds(s->gate->aside, tx->body))
        return "it has harmed scan processes twice, and is not read again within the hour";
    custom_rules_want(s, &limits);
    enum scan_result result = scan_pool_scan(s->gate->parts.scan, tx->body, &limits, report);
    const char *trouble = scan_trouble(result);
    return result == SCAN_CRASHED || result == SCAN_TIMEOUT ? harmed(s, trouble) : trouble;
}

struct spool_message *message_envelope(const struct session *s, const struct scan_report *report, const struct recipient *const *recipients, size_t count)
{
    const struct transaction *tx = s->tx;
    struct spool_message *m = spool_message_new(count);

    if (!m)
        return NULL;
    memcpy(m->reference, tx->reference, sizeof m->reference);
    m->received_ms = clock_wall_ms();
    m->mail = tx->mail;
    m->mail.size = blob_size(tx->body);
    m->is_outgoing = s->service != SERVICE_MX;
    m->is_8bit = report->has_8bit;
    endpoint_format(&s->client.peer, m->client);
    str_copy(m->helo, sizeof m->helo, s->client.helo);
    for (size_t i = 0; i < count; i++) {
        m->recipients[i].args = recipients[i]->args;
        m->recipients[i].next_try_ms = m->received_ms;
    }
    return m;
}

/* Rows of the log for all recipients, and what is learned from the message. */
static void accepted(struct session *s, const struct judgements *all, const struct scan_report *report)
{
    struct findings merged;

    for (size_t i = 0; i < s->tx->count; i++) {
        const struct recipient *r = s->tx->recipients[i];
        const struct findings *found = all_of(r, &all->of[i]->found, &merged);
        if (judgement_delivers(all->of[i]))
            event_accepted(s, r, found, report);
        else
            event_quarantined(s, all->of[i]->by, r, found, report, false);
    }
    if (judgements_by(all, ACTION_QUARANTINE)) {
        outgoing_report(s, judgements_by(all, ACTION_QUARANTINE));
        outgoing_refused(s, judgements_by(all, ACTION_QUARANTINE)->reason);
    }
    dmarc_count_accepted(s, &all->at[0]->found);
    standing_learn(s);
    outgoing_sent(s);
    origins_accepted(s, &all->at[0]->found);
    atomic_fetch_add_explicit(&s->gate->accepted_messages, 1, memory_order_relaxed);
    s->messages++;
}

/* Those recipients that J is for, as a message of the spool. */
static enum spool_result submit(struct session *s, const struct judgements *all, const struct judgement *j, const struct scan_report *report)
{
    const struct transaction *tx = s->tx;
    const struct recipient **mine = calloc(tx->count, sizeof *mine);
    struct blob *header = trace_header(s, j->tags.count ? &j->tags : NULL, report);
    enum spool_result result = SPOOL_FAILED;
    size_t count = 0;

    for (size_t i = 0; mine && i < tx->count; i++)
        if (all->of[i] == j)
            mine[count++] = tx->recipients[i];
    struct spool_message *m = mine && header ? message_envelope(s, report, mine, count) : NULL;
    if (m) {
        m->header = blob_ref(header);
        m->body = blob_ref(tx->body);
        result = spool_submit(s->gate->parts.spool, m);
    }
    spool_message_unref(m);
    blob_unref(header);
    free(mine);
    return result;
}

/* Copies for quarantine first: what is kept twice after a failure harms less than what is delivered twice. */
static enum session_next make_durable(struct session *s, const struct judgements *all, const struct scan_report *report)
{
    enum spool_result result = SPOOL_OK;

    if (!keep_copies(s, all, report, false))
        return fail(s, "the quarantine could not store it");
    result = copies_submit(s, all, report);
    for (size_t i = 0; i < all->count && result == SPOOL_OK; i++)
        if (judgement_delivers(all->at[i]))
            result = submit(s, all, all->at[i], report);
    if (result != SPOOL_OK)
        drop_copies(s);
    if (result == SPOOL_FULL)
        return no_storage(s, &all->at[0]->found, report);
    if (result != SPOOL_OK)
        return fail(s, "the queue could not store it");
    accepted(s, all, report);
    copies_log(s, all, report);
    enum session_next next = answer(s, REASON_QUEUED);
    session_reset_transaction(s);
    return next;
}

/* While the sender waits, where all recipients are at one destination that wants it so. CUT_NOT_USED: queue it. */
static enum cut_through_result cut_through(struct session *s, const struct judgements *all, const struct scan_report *report, struct finding *remote)
{
    const struct judgement *j = all->at[0];
    enum cut_through_result result = CUT_NOT_USED;

    if (s->tx->cut && all->count == 1 && judgement_delivers(j) && !copies_are_wanted(s, all)) { /* a copy must be safe before the message is gone */
        struct blob *header = trace_header(s, j->tags.count ? &j->tags : NULL, report);
        if (header)
            result = cut_through_body(s, header, remote);
        blob_unref(header);
    }
    if (result == CUT_NOT_USED)
        cut_through_free(&s->tx->cut);
    return result;
}

static enum session_next deliver(struct session *s, const struct judgements *all, const struct scan_report *report)
{
    struct finding remote;

    switch (cut_through(s, all, report, &remote)) {
    case CUT_NOT_USED:
        break;
    case CUT_ANSWERED:
        return refuse_all(s, &remote, &all->at[0]->found, report);
    case CUT_DELIVERED:
        accepted(s, all, report);
        cut_through_log(s);
        enum session_next next = answer(s, REASON_QUEUED);
        session_reset_transaction(s);
        return next;
    }
    return make_durable(s, all, report);
}

/* Nobody takes it. Each recipient's log row says what it was for him; the answer is the first one's. */
static enum session_next refuse_each(struct session *s, const struct judgements *all, const struct scan_report *report)
{
    const struct finding *by = judgements_by(all, ACTION_REFUSE);
    struct findings merged;

    if (!keep_copies(s, all, report, true))
        log_error("message %s is refused, and its copy for the quarantine is lost", s->tx->reference);
    for (size_t i = 0; i < s->tx->count; i++) {
        const struct recipient *r = s->tx->recipients[i];
        const struct judgement *j = all->of[i];
        if (r->quarantine_id)
            event_quarantined(s, j->by, r, all_of(r, &j->found, &merged), report, true);
        else
            event_refused(s, j->by, s->tx->reference, &r->args.recipient, all_of(r, &j->found, &merged), report);
    }
    dmarc_count_refused(s, by, &all->at[0]->found);
    standing_lose(s, by->reason);
    outgoing_report(s, by);
    outgoing_refused(s, by->reason);
    origins_refused(s, by->reason);
    enum session_next next = answer_finding(s, by, s->tx->reference);
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

/*
 * Who may come again (4xx for one recipient) comes again for all: none of it has been taken. Otherwise it is taken as soon as one recipient takes it or keeps it back;
 * then a refusal for another is a copy in his quarantine, since his sender hears 250.
 */
static enum session_next act(struct session *s, const struct judgements *all, const struct scan_report *report)
{
    const struct finding *deferring = judgements_by(all, ACTION_DEFER);
    bool is_taken = false;

    for (size_t i = 0; i < all->count; i++)
        is_taken = is_taken || all->at[i]->action < ACTION_REFUSE;
    if (deferring)
        return refuse_all(s, deferring, &all->at[0]->found, report);
    struct finding own = is_taken ? outgoing_message(s, report) : finding_none();
    if (own.reason != REASON_NONE)
        return refuse_all(s, &own, &all->at[0]->found, report);
    if (s->service == SERVICE_MX && !drop_forged_results(s, report))
        return fail(s, "the message could not be copied");
    if (is_taken && !complete_header(s))
        return fail(s, "the message could not be copied");
    return is_taken ? deliver(s, all, report) : refuse_each(s, all, report);
}

static enum session_next decide(struct session *s, const struct scan_report *report)
{
    const struct transaction *tx = s->tx;
    struct judgements all;

    if (!authentication_run(s, report))
        return fail(s, "out of memory");
    struct message_facts facts = {.client = &s->client, .author = authentication_author(s), .reputation = origins_read(s, report), .lists = tx->runtime->lists, .size = blob_size(tx->body), .smtputf8 = tx->mail.smtputf8,
                                  .is_binary = tx->mail.body == BODY_BINARYMIME, .now_ms = clock_wall_ms(), .report = report};
    enum session_next next = judgements_make(s, &facts, &all) ? act(s, &all, report) : fail(s, "out of memory");
    judgements_free(&all);
    return next;
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
