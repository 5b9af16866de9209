/* message_texts.c: see message_texts.h. What is beyond the ceilings is left out of the log, whole entries at a time. */
#include "gate/message_texts.h"

#include <stdlib.h>

enum { ADDRESSES_MAX = 2048, NAMES_MAX = 4096 };

static void add(struct buf *list, const char *separator, struct str entry)
{
    size_t before = list->len;

    if (!entry.len || list->failed)
        return;
    if (before)
        buf_add_text(list, separator);
    if (!buf_add_str(list, entry))
        buf_truncate(list, before); /* `failed` stays: nothing follows what was left out */
}

struct message_texts *message_texts_new(const struct scan_report *report)
{
    struct message_texts *t = malloc(sizeof *t);
    struct str rest = report_records(report);
    struct record r;

    if (!t)
        return NULL;
    *t = (struct message_texts){.to = buf_make(ADDRESSES_MAX), .cc = buf_make(ADDRESSES_MAX), .attachments = buf_make(NAMES_MAX)};
    while (report_next(&rest, RECORD_MAILBOX, &r)) {
        if (str_is_case(r.mailbox.field, "To"))
            add(&t->to, ", ", r.mailbox.address);
        else if (str_is_case(r.mailbox.field, "Cc"))
            add(&t->cc, ", ", r.mailbox.address);
    }
    rest = report_records(report);
    while (report_next(&rest, RECORD_FILE, &r))
        if (r.file.level == 0)
            add(&t->attachments, "\n", r.file.name);
    return t;
}

void message_texts_free(struct message_texts **t)
{
    if (!*t)
        return;
    buf_free(&(*t)->to);
    buf_free(&(*t)->cc);
    buf_free(&(*t)->attachments);
    free(*t);
    *t = NULL;
}
