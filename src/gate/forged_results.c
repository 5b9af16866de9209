/* forged_results.c: what is in our name must be ours: see authentication.h. */
#include "gate/authentication.h"

#include <errno.h>

static bool names(struct str text, struct str our_id)
{
    for (size_t i = 0; i + our_id.len <= text.len; i++)
        if (str_eq_case(str_sub(text, i, our_id.len), our_id))
            return true;
    return false;
}

/* FIELD: all of it, however long. */
static bool is_forged(const struct record_results *r, struct str field, const struct own_names *we)
{
    struct str us = r->is_received_spf ? we->receiver : we->authserv_id;

    if (r->instance)
        return false; /* an ARC set stands or falls with its seal */
    return r->is_readable ? str_eq_case(r->authserv_id, us) : names(field, us);
}

/* The next forged field at or behind FROM in HEADER. Fields come in the order of the message. */
static bool next_forged(struct str *rest, const struct own_names *we, uint64_t from, struct str header, struct record_results *out)
{
    struct record r;

    while (report_next(rest, RECORD_RESULTS, &r)) {
        *out = r.results;
        bool is_inside = out->offset >= from && out->offset <= header.len && out->length <= header.len - out->offset;
        if (is_inside && is_forged(out, str_sub(header, (size_t)out->offset, (size_t)out->length), we))
            return true;
    }
    return false;
}

struct blob *without_forged_results(struct blob *body, const struct scan_report *report, const struct own_names *we, const char *directory)
{
    struct str rest = report_records(report), bytes = blob_bytes(body), header = str_sub(bytes, 0, (size_t)report->body_offset);
    struct record_results r;
    uint64_t from = 0;

    if (!next_forged(&rest, we, 0, header, &r))
        return blob_ref(body);
    struct blob *copy = blob_new(bytes.len + 1, directory);
    bool written = copy != NULL;
    do {
        written = written && blob_append(copy, bytes.at + from, (size_t)(r.offset - from)) == BLOB_OK;
        from = r.offset + r.length;
    } while (next_forged(&rest, we, from, header, &r));
    written = written && blob_append(copy, bytes.at + from, bytes.len - (size_t)from) == BLOB_OK && blob_seal(copy);
    if (written)
        return copy;
    int why = errno;
    blob_unref(copy);
    errno = why;
    return NULL;
}
