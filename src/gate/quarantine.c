/* quarantine.c: copies of what is not delivered, for recipients who may want them (judgement.h). They are durable before the answer. */
#include "gate/judgement.h"

#include "gate/session.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { ENVELOPE_BYTES_MAX = 64 * 1024 };

/* Everything about one copy that must live until it is written. */
struct copy {
    struct buf envelope;
    char sender[LOCAL_PART_MAX + DOMAIN_MAX + 2], recipient[LOCAL_PART_MAX + DOMAIN_MAX + 2], ip[IP_TEXT_MAX];
};

static void lower_into(char *to, size_t size, struct str text)
{
    str_copy(to, size, text);
    str_lower(to, strlen(to));
}

static bool write_envelope(const struct session *s, const struct recipient *r, const struct scan_report *report, struct buf *out)
{
    struct spool_message *m = message_envelope(s, report, (const struct recipient *const[]){r}, 1);
    bool ok = m && spool_message_write(m, out);

    spool_message_unref(m);
    return ok;
}

static bool fill(struct session *s, const struct judgement *j, const struct recipient *r, const struct scan_report *report, bool is_refused, struct copy *copy,
                 struct quarantine_item *item)
{
    int64_t now_ms = clock_wall_ms();

    copy->envelope = buf_make(ENVELOPE_BYTES_MAX);
    lower_into(copy->sender, sizeof copy->sender, address_text(&s->tx->mail.sender));
    lower_into(copy->recipient, sizeof copy->recipient, address_text(&r->args.recipient));
    *item = (struct quarantine_item){
        .id = db_new_id(),
        .tenant = r->domain && r->domain->tenant ? r->domain->tenant->id : 0,
        .domain = r->domain ? r->domain->id : 0,
        .is_outgoing = s->service != SERVICE_MX,
        .is_refused = is_refused,
        .reference = str_from(s->tx->reference),
        .sender = str_from(copy->sender),
        .recipient = str_from(copy->recipient),
        .header_from = str_from(report->from),
        .subject = str_from(report->subject),
        .client_ip = str_from(ip_format(&s->client.peer.ip, copy->ip)),
        .reason = str_from(reason_row(j->by->reason)->id),
        .evidence = str_from(j->by->evidence),
        .expires_ms = now_ms + setting_number(r->policy, SETTING_quarantine_retention),
    };
    if (!write_envelope(s, r, report, &copy->envelope))
        return false;
    item->envelope = buf_str(&copy->envelope);
    return true;
}

static bool is_wanted(const struct session *s, const struct judgement *j, bool only_refused)
{
    if (judgement_delivers(j))
        return false;
    if (!only_refused)
        return true; /* its sender will hear that it was taken */
    return s->service == SERVICE_MX && j->action == ACTION_REFUSE && reason_row(j->by->reason)->quarantined && setting_flag(j->first->policy, SETTING_keep_refused);
}

static bool write(struct session *s, const struct judgements *all, const struct scan_report *report, bool only_refused, struct quarantine_item *items, struct copy *copies)
{
    struct transaction *tx = s->tx;
    size_t count = 0;
    bool ok = true;

    for (size_t i = 0; i < tx->count && ok; i++) {
        if (!is_wanted(s, all->of[i], only_refused))
            continue;
        ok = fill(s, all->of[i], tx->recipients[i], report, only_refused, &copies[count], &items[count]);
        tx->recipients[i]->quarantine_id = ok ? items[count].id : 0;
        count++;
    }
    struct blob *header = ok && count ? trace_header(s, NULL, report) : NULL;
    ok = ok && (!count || (header && quarantine_keep(s->gate->parts.quarantine, items, count, blob_bytes(header), blob_bytes(tx->body)) == DB_OK));
    blob_unref(header);
    for (size_t i = 0; i < count; i++)
        buf_free(&copies[i].envelope);
    for (size_t i = 0; i < tx->count && !ok; i++)
        tx->recipients[i]->quarantine_id = 0;
    return ok;
}

bool keep_copies(struct session *s, const struct judgements *all, const struct scan_report *report, bool only_refused)
{
    bool is_any = false;

    for (size_t i = 0; i < all->count; i++)
        is_any = is_any || is_wanted(s, all->at[i], only_refused);
    if (!is_any)
        return true;
    struct quarantine_item *items = calloc(s->tx->count, sizeof *items);
    struct copy *copies = calloc(s->tx->count, sizeof *copies);
    bool ok = items && copies && write(s, all, report, only_refused, items, copies);
    free(items);
    free(copies);
    return ok;
}

void drop_copies(struct session *s)
{
    struct transaction *tx = s->tx;
    struct quarantine_item *items = calloc(tx->count, sizeof *items);
    size_t count = 0;

    for (size_t i = 0; i < tx->count && items; i++) {
        if (!tx->recipients[i]->quarantine_id)
            continue;
        items[count++] = (struct quarantine_item){.id = tx->recipients[i]->quarantine_id, .reference = str_from(tx->reference)};
        tx->recipients[i]->quarantine_id = 0;
    }
    if (count)
        quarantine_drop(s->gate->parts.quarantine, items, count);
    free(items);
}
