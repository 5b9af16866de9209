/*
 * spool_message.c: messages in memory: made, shared, given back; their bodies dropped and read again; all of them read at start.
 */
#include "base/bug.h"
#include "base/log.h"
#include "spool/spool_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct spool_message *spool_message_new(size_t recipient_count)
{
    struct spool_record *r = calloc(1, sizeof *r + recipient_count * sizeof *r->done);

    if (!r)
        return NULL;
    r->message.recipients = calloc(recipient_count ? recipient_count : 1, sizeof *r->message.recipients);
    if (!r->message.recipients) {
        free(r);
        return NULL;
    }
    r->message.recipient_count = recipient_count;
    r->live = recipient_count;
    r->done = (bool *)(r + 1);
    atomic_init(&r->message.refs, 1);
    return &r->message;
}

struct spool_message *spool_message_ref(struct spool_message *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void spool_message_unref(struct spool_message *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    blob_unref(m->header);
    blob_unref(m->body);
    free(m->recipients);
    free(spool_record_of(m));
}

static struct blob *read_body(struct spool *s, struct spool_message *m)
{
    if (spool_record_of(m)->body_in_file) {
        struct blob *body = spool_body_open(s, m->id, spool_record_of(m)->body_size);
        if (!body)
            log_error("spool: body of message %s: %s", m->reference, strerror(errno));
        return body;
    }
    struct spool_item item = {.kind = SPOOL_ITEM_BODY, .id = m->id};
    if (spool_ask(s, &item) != SPOOL_OK || !item.body)
        log_error("spool: the body of message %s cannot be read", m->reference);
    return item.body;
}

struct blob *spool_message_body(struct spool *s, struct spool_message *m)
{
    pthread_mutex_lock(&s->body_lock);
    struct blob *body = m->body ? blob_ref(m->body) : NULL;
    pthread_mutex_unlock(&s->body_lock);
    if (body || m->id <= 0)
        return body;
    body = read_body(s, m);
    if (!body)
        return NULL;
    pthread_mutex_lock(&s->body_lock);
    if (!m->body)
        m->body = blob_ref(body);
    pthread_mutex_unlock(&s->body_lock);
    return body;
}

void spool_message_forget_body(struct spool *s, struct spool_message *m)
{
    if (m->id <= 0)
        return;
    pthread_mutex_lock(&s->body_lock);
    struct blob *body = m->body;
    m->body = NULL;
    pthread_mutex_unlock(&s->body_lock);
    blob_unref(body);
}

/* By pages, so that the writer is never kept from committing for long and EACH may use the spool. */
bool spool_load(struct spool *s, void (*each)(void *arg, struct spool_message *m), void *arg, struct buf *error)
{
    struct spool_message *page[SPOOL_PAGE_ROWS];

    for (int64_t seen = 0; seen < s->loaded_max;) {
        struct spool_item item = {.kind = SPOOL_ITEM_PAGE, .id = seen, .page = page};
        enum spool_result result = spool_ask(s, &item);
        for (size_t i = 0; i < item.page_count; i++) {
            if (result == SPOOL_OK)
                each(arg, page[i]);
            spool_message_unref(page[i]);
        }
        if (result != SPOOL_OK) {
            buf_addf(error, "%s: reading the queue failed", s->directory);
            return false;
        }
        seen = item.id;
    }
    return true;
}
