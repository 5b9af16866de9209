/*
 * spool_writer.c: what is done with a batch, by the one thread whose turn it is (spool_turn.c). Everything in it goes into one transaction,
 * and after the commit the new messages are handed on and those who wait are woken.
 *
 * What did not commit:
 *   no space     new messages are refused (SPOOL_FULL); outcomes go alone, since they make room, and if need be again later, in order;
 *   any other    the transaction's fate is unknown and the data is not written again: the spool goes read-only.
 */
#include "base/clock.h"
#include "base/log.h"
#include "spool/spool_parts.h"

#include <errno.h>
#include <stdlib.h>

/* The log is carried over beyond this. Twice as much makes the slowest commit twice as slow and the others no faster. */
static const uint64_t CHECKPOINT_BYTES = 16 * 1024 * 1024;
/* An empty database with more free pages than this gives them back. */
static const uint64_t EMPTY_ABOVE_BYTES = 64 * 1024 * 1024;

/* A report's file, when it could not be placed at once. */
static enum spool_result place_file(struct spool *s, struct spool_insert *in)
{
    if (!in->needs_file)
        return SPOOL_OK;
    enum spool_result placed = spool_body_place(s, in->id, in->message->body);
    in->needs_file = placed != SPOOL_OK;
    return placed;
}

static int apply_outcome(struct spool *s, struct spool_item *item)
{
    struct spool_record *r = spool_record_of(item->subject);

    if (item->insert.message) {
        enum spool_result placed = place_file(s, &item->insert);
        if (placed != SPOOL_OK)
            return placed == SPOOL_FULL ? SQLITE_FULL : SQLITE_IOERR;
        int rc = spool_table_insert(&s->table, &item->insert);
        if (rc != SQLITE_OK)
            return rc;
    }
    if (r->done[item->index])
        return SQLITE_OK; /* done is final */
    if (item->is_done) {
        r->done[item->index] = item->counted = true;
        r->live--;
    }
    if (r->live == 0) {
        item->removes = true;
        return spool_table_remove(&s->table, item->subject->id, r->has_recipient_rows);
    }
    r->has_recipient_rows = true;
    return spool_table_state(&s->table, item->subject->id, item->index, buf_str(&item->state));
}

/* A transaction that did not come about: what was counted for it is taken back, last first. */
static void take_back(struct list *items)
{
    for (struct list *l = items->prev; l != items; l = l->prev) {
        struct spool_item *item = spool_item_of(l);
        if (item->counted) {
            spool_record_of(item->subject)->done[item->index] = false;
            spool_record_of(item->subject)->live++;
        }
        item->counted = item->removes = false;
    }
}

static int write_transaction(struct spool *s, struct list *items)
{
    int rc = spool_table_run(s->table.begin);

    for (struct list *l = items->next; l != items && rc == SQLITE_OK; l = l->next) {
        struct spool_item *item = spool_item_of(l);
        rc = item->kind == SPOOL_ITEM_SUBMIT ? spool_table_insert(&s->table, &item->insert) : apply_outcome(s, item);
    }
    if (rc == SQLITE_OK)
        rc = spool_table_run(s->table.commit);
    return rc;
}

static enum spool_result result_of(struct spool *s, int rc)
{
    int error = sqlite3_system_errno(s->table.db);

    if (rc == SQLITE_OK)
        return SPOOL_OK;
    if ((rc & 0xFF) == SQLITE_FULL || (rc & 0xFF) == SQLITE_NOMEM)
        return SPOOL_FULL;
    if (rc == SQLITE_IOERR_WRITE && (error == EDQUOT || error == EFBIG || error == ENOSPC))
        return SPOOL_FULL; /* a write that did not fit, not a sync that failed */
    spool_fail(s, "writing the queue", sqlite3_errstr(rc));
    return SPOOL_FAILED;
}

static enum spool_result commit(struct spool *s, struct list *items)
{
    if (list_is_empty(items))
        return SPOOL_OK;
    if (atomic_load(&s->failed))
        return SPOOL_FAILED;
    int rc = write_transaction(s, items);
    enum spool_result result = result_of(s, rc);
    if (result == SPOOL_OK)
        return SPOOL_OK;
    if (!sqlite3_get_autocommit(s->table.db))
        spool_table_run(s->table.rollback);
    take_back(items);
    return result;
}

static void count_in(struct spool *s, const struct spool_message *m)
{
    atomic_fetch_add_explicit(&s->messages, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->recipients, spool_record_of((struct spool_message *)(uintptr_t)m)->live, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->submitted, 1, memory_order_relaxed);
}

static void hand_on(struct spool *s, struct spool_insert *in)
{
    in->message->id = in->id;
    count_in(s, in->message);
    s->accepted(s->arg, in->message);
}

static void drop_outcome(struct spool_item *item)
{
    spool_message_unref(item->subject);
    spool_message_unref(item->insert.message);
    buf_free(&item->insert.envelope);
    buf_free(&item->state);
    free(item);
}

static void outcome_committed(struct spool *s, struct spool_item *item)
{
    if (item->counted)
        atomic_fetch_sub_explicit(&s->recipients, 1, memory_order_relaxed);
    if (item->removes) {
        atomic_fetch_sub_explicit(&s->messages, 1, memory_order_relaxed);
        if (spool_record_of(item->subject)->body_in_file)
            spool_body_remove(s, item->subject->id);
    }
    if (item->insert.message)
        hand_on(s, &item->insert);
    drop_outcome(item);
}

/* Those who wait come first. */
static void committed(struct spool *s, struct list *items)
{
    size_t count = 0;

    LIST_EACH_SAFE(items, l, after) {
        struct spool_item *item = spool_item_of(l);
        count++;
        if (item->kind != SPOOL_ITEM_SUBMIT)
            continue;
        list_remove(l);
        if (!item->insert.was_there)
            hand_on(s, &item->insert);
        spool_item_finish(item, SPOOL_OK);
    }
    if (!list_is_empty(items))
        atomic_store(&s->reusable_bytes, spool_table_reusable(&s->table));
    LIST_EACH_SAFE(items, l, after) {
        list_remove(l);
        outcome_committed(s, spool_item_of(l));
    }
    atomic_fetch_add_explicit(&s->commits, count > 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->committed_items, count, memory_order_relaxed);
}

/* Takes the new messages out of ITEMS and refuses them. */
static void refuse_submits(struct list *items, enum spool_result result)
{
    LIST_EACH_SAFE(items, l, after) {
        if (spool_item_of(l)->kind != SPOOL_ITEM_SUBMIT)
            continue;
        list_remove(l);
        spool_item_finish(spool_item_of(l), result);
    }
}

static void give_up(struct list *items)
{
    refuse_submits(items, SPOOL_FAILED);
    if (!list_is_empty(items))
        log_error("spool: outcomes could not be recorded; these recipients are tried again after the restart");
    LIST_EACH_SAFE(items, l, after) {
        list_remove(l);
        drop_outcome(spool_item_of(l));
    }
}

/* No room: carrying the log over gives its space back, and outcomes mostly make room. If even that needs more, the reserve is used up. */
static enum spool_result write_outcomes_alone(struct spool *s, struct list *items)
{
    spool_say_full(s, "writing the queue", ENOSPC);
    refuse_submits(items, SPOOL_FULL);
    enum spool_result result = SPOOL_FULL;
    for (bool again = true; again && result == SPOOL_FULL; again = result == SPOOL_FULL && spool_reserve_give_up(s)) {
        result = result_of(s, spool_table_checkpoint(&s->table, true));
        if (result != SPOOL_FAILED)
            result = commit(s, items);
    }
    return result;
}

static enum spool_result write_items(struct spool *s, struct list *items)
{
    enum spool_result first = commit(s, items), result = first;

    if (first == SPOOL_FULL)
        result = write_outcomes_alone(s, items);
    if (result == SPOOL_OK)
        committed(s, items);
    else if (result == SPOOL_FULL)
        spool_move_all(items, &s->retained);
    else
        give_up(items);
    return result;
}

static void read_page(struct spool *s, struct spool_item *item)
{
    int64_t after = item->id;
    size_t rows;
    int rc = spool_table_page(&s->table, after, s->loaded_max, item->page, &item->page_count, &rows, &item->id);

    if (rc == SQLITE_OK && after == s->counted_to) { /* not those of a second reading */
        s->counted_to = item->id;
        atomic_fetch_add_explicit(&s->messages, rows, memory_order_relaxed);
        for (size_t i = 0; i < item->page_count; i++)
            atomic_fetch_add_explicit(&s->recipients, spool_record_of(item->page[i])->live, memory_order_relaxed);
    }
    spool_item_finish(item, rc == SQLITE_OK ? SPOOL_OK : SPOOL_FAILED);
}

static void read_body(struct spool *s, struct spool_item *item)
{
    int rc = spool_table_body(&s->table, item->id, &item->body);

    if (rc != SQLITE_OK)
        log_error("spool: reading row %lld: %s", (long long)item->id, rc == SQLITE_NOTFOUND ? "it is gone" : sqlite3_errstr(rc));
    spool_item_finish(item, rc == SQLITE_OK ? SPOOL_OK : SPOOL_FAILED);
}

/* Answers the questions at once; the flushes are set aside for the commit. */
static void answer_reads(struct spool *s, struct list *batch, struct list *flushes)
{
    LIST_EACH_SAFE(batch, l, after) {
        struct spool_item *item = spool_item_of(l);
        if (item->kind == SPOOL_ITEM_SUBMIT || item->kind == SPOOL_ITEM_OUTCOME)
            continue;
        list_remove(l);
        if (item->kind == SPOOL_ITEM_PAGE)
            read_page(s, item);
        else if (item->kind == SPOOL_ITEM_BODY)
            read_body(s, item);
        else
            list_add_tail(flushes, l);
    }
}

static bool log_is_long(const struct spool *s)
{
    return (uint64_t)s->table.wal_pages * s->table.page_size >= CHECKPOINT_BYTES;
}

static bool is_worth_emptying(struct spool *s)
{
    bool is_empty = s->counted_to == s->loaded_max && atomic_load(&s->messages) == 0;

    return is_empty && atomic_load(&s->reusable_bytes) > EMPTY_ABOVE_BYTES;
}

bool spool_house_is_due(struct spool *s)
{
    return !atomic_load(&s->failed) && (log_is_long(s) || is_worth_emptying(s));
}

/* Only between transactions. A sync that fails here is as bad as one in a commit. */
void spool_keep_house(struct spool *s)
{
    if (atomic_load(&s->failed))
        return;
    spool_reserve_take(s);
    if (log_is_long(s) && result_of(s, spool_table_checkpoint(&s->table, false)) == SPOOL_FULL)
        spool_say_full(s, "carrying the log over", ENOSPC);
    if (is_worth_emptying(s)) {
        result_of(s, spool_table_empty(&s->table));
        atomic_store(&s->reusable_bytes, spool_table_reusable(&s->table));
    }
}

void spool_write_batch(struct spool *s, struct list *batch)
{
    struct list flushes;

    list_init(&flushes);
    answer_reads(s, batch, &flushes);
    enum spool_result result = write_items(s, batch);
    if (atomic_load(&s->failed))
        result = SPOOL_FAILED;
    LIST_EACH_SAFE(&flushes, l, after)
        spool_item_finish(spool_item_of(l), result);
}

void spool_give_up_retained(struct spool *s)
{
    if (!list_is_empty(&s->retained))
        give_up(&s->retained);
}
