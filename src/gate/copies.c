/* copies.c: see copies.h. Recipients whose setting is the same one share a copy, and no copy tells of recipients whose setting is another. */
#include "gate/copies.h"

#include "gate/outgoing.h"
#include "gate/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "mail/header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK_FIELD "X-Copy-Mark" /* not of those that forged_results.c takes out */
enum { HEADER_BYTES_MAX = 1024 * 1024, MARK_HEX = 32, MARK_TEXT_MAX = 4096, MOST_MARKS = 20 };

static const struct kind {
    enum setting setting;
    const char *action; /* in the log */
    bool incoming_only, tells_envelope;
} kinds[] = {{SETTING_archive_to, "archive", false, true}, {SETTING_blind_copy_to, "blind-copy", true, false}};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Whose setting holds for R: outgoing mail is archived by who sends it. */
static const struct setting_list *list_of(const struct session *s, const struct recipient *r, const struct kind *k)
{
    if (s->service == SERVICE_MX)
        return setting_list(r->policy, k->setting);
    return k->incoming_only ? NULL : setting_list(outgoing_policy(s), k->setting);
}

/* What survives being sent on, under secret I. */
static void make_mark(const struct session *s, const struct scan_report *report, size_t i, char to[MARK_HEX + 1])
{
    struct buf text = buf_make(MARK_TEXT_MAX);
    unsigned char mac[SECRET_BYTES];

    buf_addf(&text, "%s\n%s\n%s", s->tx->message_id ? s->tx->message_id : report->message_id, report->from, report->subject);
    secrets_hmac(s->gate->parts.secrets, i, "copy", buf_str(&text), mac);
    for (size_t k = 0; k < MARK_HEX / 2; k++)
        snprintf(to + 2 * k, 3, "%02x", mac[k]);
    buf_free(&text);
}

static bool is_mark(const struct session *s, const struct scan_report *report, struct str value)
{
    char wanted[MARK_HEX + 1];

    value = str_trim(value);
    for (size_t i = 0; i < s->gate->parts.secrets->count && value.len == MARK_HEX; i++) {
        make_mark(s, report, i, wanted);
        if (str_is(value, wanted))
            return true;
    }
    return false;
}

/* Has it been copied here before? */
static bool bears_mark(const struct session *s, const struct scan_report *report)
{
    struct header_walk walk = header_walk(blob_bytes(s->tx->body));
    struct header_field field;
    int marks = 0;

    while (header_next(&walk, &field) && marks < MOST_MARKS) {
        if (!str_is_case(field.name, MARK_FIELD))
            continue;
        marks++;
        if (is_mark(s, report, field.value))
            return true;
    }
    return false;
}

/* Is LIST that of a recipient before I, whom the message is delivered to as well? */
static bool was_before(const struct session *s, const struct judgements *all, const struct kind *k, size_t i, const struct setting_list *list)
{
    for (size_t j = 0; j < i; j++)
        if (judgement_delivers(all->of[j]) && list_of(s, s->tx->recipients[j], k) == list)
            return true;
    return false;
}

/* Calls EACH for each copy; false once it did. */
typedef bool copy_function(struct session *s, const struct judgements *all, const struct kind *k, size_t first, const struct scan_report *report, void *arg);
static bool each_copy(struct session *s, const struct judgements *all, const struct scan_report *report, copy_function *each, void *arg)
{
    for (size_t k = 0; k < KINDS; k++)
        for (size_t i = 0; i < s->tx->count; i++) {
            const struct setting_list *list = judgement_delivers(all->of[i]) ? list_of(s, s->tx->recipients[i], &kinds[k]) : NULL;
            if (list && list->count && !was_before(s, all, &kinds[k], i, list) && !each(s, all, &kinds[k], i, report, arg))
                return false;
        }
    return true;
}

static bool stop_at_first(struct session *s, const struct judgements *all, const struct kind *k, size_t first, const struct scan_report *report, void *arg)
{
    (void)s, (void)all, (void)k, (void)first, (void)report, (void)arg;
    return false;
}

bool copies_are_wanted(const struct session *s, const struct judgements *all)
{
    return !each_copy((struct session *)(uintptr_t)s, all, NULL, stop_at_first, NULL);
}

/* Who has the message anyway gets no copy. */
static bool is_recipient(const struct session *s, const struct address *a)
{
    for (size_t i = 0; i < s->tx->count; i++)
        if (address_eq(&s->tx->recipients[i]->args.recipient, a))
            return true;
    return false;
}

/* The addresses of LIST that get a copy, into TO (of LIST's size). */
static size_t addresses_of(const struct session *s, const struct setting_list *list, struct address *to)
{
    size_t count = 0;
    const char *why = NULL;

    for (size_t i = 0; i < list->count; i++) {
        if (address_parse(str_from(list->at[i]), true, &to[count], &why) != ADDRESS_OK)
            log_error("message %s: a copy cannot go to %s: %s", s->tx->reference, list->at[i], why ? why : "it is no address");
        else if (!is_recipient(s, &to[count]))
            count++;
    }
    return count;
}

static struct blob *header_of(struct session *s, const struct judgements *all, const struct kind *k, size_t first, const struct scan_report *report)
{
    const struct transaction *tx = s->tx;
    const struct setting_list *list = list_of(s, tx->recipients[first], k);
    struct blob *trace = trace_header(s, NULL, report), *header = NULL;
    struct buf text = buf_make(HEADER_BYTES_MAX);
    char mark[MARK_HEX + 1];

    make_mark(s, report, 0, mark);
    buf_addf(&text, MARK_FIELD ": %s\r\n", mark);
    if (k->tells_envelope) {
        buf_addf(&text, "X-Envelope-From: <" STR_FMT ">\r\n", STR_ARG(address_text(&tx->mail.sender)));
        for (size_t i = first; i < tx->count; i++)
            if (judgement_delivers(all->of[i]) && list_of(s, tx->recipients[i], k) == list)
                buf_addf(&text, "X-Envelope-To: <" STR_FMT ">\r\n", STR_ARG(address_text(&tx->recipients[i]->args.recipient)));
    }
    if (trace && buf_add_str(&text, blob_bytes(trace)) && !text.failed)
        header = blob_from(buf_str(&text));
    blob_unref(trace);
    buf_free(&text);
    return header;
}

static struct spool_message *message_of(const struct session *s, const struct scan_report *report, const struct address *to, size_t count)
{
    const struct transaction *tx = s->tx;
    struct spool_message *m = spool_message_new(count);

    if (!m)
        return NULL;
    memcpy(m->reference, tx->reference, sizeof m->reference);
    m->received_ms = clock_wall_ms();
    m->mail = (struct mail_args){.body = tx->mail.body, .smtputf8 = tx->mail.smtputf8, .requiretls = tx->mail.requiretls, .size = blob_size(tx->body)};
    m->is_outgoing = s->service != SERVICE_MX;
    m->is_8bit = report->has_8bit;
    endpoint_format(&s->client.peer, m->client);
    str_copy(m->helo, sizeof m->helo, s->client.helo);
    for (size_t i = 0; i < count; i++) {
        m->recipients[i].args = (struct rcpt_args){.recipient = to[i], .notify = DSN_NOTIFY_NEVER};
        m->recipients[i].next_try_ms = m->received_ms;
    }
    return m;
}

static bool submit_copy(struct session *s, const struct judgements *all, const struct kind *k, size_t first, const struct scan_report *report, void *arg)
{
    const struct setting_list *list = list_of(s, s->tx->recipients[first], k);
    struct address *to = calloc(list->count, sizeof *to);
    enum spool_result *result = arg;
    size_t count = to ? addresses_of(s, list, to) : 0;

    *result = to ? SPOOL_OK : SPOOL_FAILED;
    struct spool_message *m = count ? message_of(s, report, to, count) : NULL;
    if (m) {
        m->header = header_of(s, all, k, first, report);
        m->body = blob_ref(s->tx->body);
    }
    if (count)
        *result = m && m->header ? spool_submit(s->gate->parts.spool, m) : SPOOL_FAILED;
    spool_message_unref(m);
    free(to);
    return *result == SPOOL_OK;
}

enum spool_result copies_submit(struct session *s, const struct judgements *all, const struct scan_report *report)
{
    enum spool_result result = SPOOL_OK;

    if (copies_are_wanted(s, all) && !bears_mark(s, report))
        each_copy(s, all, report, submit_copy, &result);
    return result;
}

static bool log_copy(struct session *s, const struct judgements *all, const struct kind *k, size_t first, const struct scan_report *report, void *arg)
{
    const struct recipient *r = s->tx->recipients[first];
    const struct setting_list *list = list_of(s, r, k);
    struct address *to = calloc(list->count, sizeof *to);
    size_t count = to ? addresses_of(s, list, to) : 0;

    (void)all, (void)arg;
    for (size_t i = 0; i < count; i++)
        event_copied(s, &to[i], r->domain ? r->domain->name : STR(""), k->action, report);
    free(to);
    return true;
}

void copies_log(struct session *s, const struct judgements *all, const struct scan_report *report)
{
    if (copies_are_wanted(s, all) && !bears_mark(s, report))
        each_copy(s, all, report, log_copy, NULL);
}
