/*
 * complete_header.c: what a mail program or a device left out and a submission server may add (RFC 6409 §8.2, §8.3): Date and Message-ID. It goes into the message itself, before
 * that is signed: a field put on top of a signed message would break the signature, which covers its absence.
 */
#include "gate/outgoing.h"
#include "gate/session.h"

#include "base/clock.h"
#include "mail/date.h"
#include "mail/header.h"

#include <stdlib.h>

enum { ADDED_MAX = 1000 };

struct missing {
    bool any_field, date, message_id;
};

static struct missing look(struct str message)
{
    struct header_walk walk = header_walk(message);
    struct header_field field;
    struct missing m = {.date = true, .message_id = true};

    while (header_next(&walk, &field)) {
        m.any_field = true;
        m.date = m.date && !str_is_case(field.name, "Date");
        m.message_id = m.message_id && !str_is_case(field.name, "Message-ID");
    }
    return m;
}

/* <reference.random@host>: nobody else has it. */
static bool make_message_id(struct session *s)
{
    char chance[REFERENCE_LEN + 1];
    struct buf id = buf_make(ADDED_MAX);

    random_reference(chance);
    buf_addf(&id, "<%s.%s@%s>", s->tx->reference, chance, s->tx->runtime->host);
    s->tx->message_id = id.failed ? NULL : str_dup(buf_str(&id));
    buf_free(&id);
    return s->tx->message_id != NULL;
}

static struct blob *with_fields(struct blob *body, struct str fields, const char *directory)
{
    struct str bytes = blob_bytes(body);
    struct blob *copy = blob_new(fields.len + bytes.len + 1, directory);

    if (copy && blob_append(copy, fields.at, fields.len) == BLOB_OK && blob_append(copy, bytes.at, bytes.len) == BLOB_OK && blob_seal(copy))
        return copy;
    blob_unref(copy);
    return NULL;
}

bool complete_header(struct session *s)
{
    struct transaction *tx = s->tx;
    char date[DATE_TEXT_MAX];

    if (s->service == SERVICE_MX || !setting_flag(outgoing_policy(s), SETTING_add_missing_fields))
        return true;
    struct missing m = look(blob_bytes(tx->body));
    if (!m.any_field || (!m.date && !m.message_id))
        return true;
    struct buf fields = buf_make(ADDED_MAX);
    if (m.date)
        buf_addf(&fields, "Date: %s\r\n", date_format(clock_wall_ms(), date));
    bool fine = !m.message_id || make_message_id(s);
    if (fine && m.message_id)
        buf_addf(&fields, "Message-ID: %s\r\n", tx->message_id);
    struct blob *copy = fine && !fields.failed ? with_fields(tx->body, buf_str(&fields), s->gate->spool_directory) : NULL;
    buf_free(&fields);
    if (!copy)
        return false;
    blob_unref(tx->body);
    tx->body = copy;
    return true;
}
