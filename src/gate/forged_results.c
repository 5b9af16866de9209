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

static bool is_forged(const struct record_results *r, struct str our_id)
{
    if (r->instance)
        return false; /* an ARC set stands or falls with its seal */
    return r->is_readable ? str_eq_case(r->authserv_id, our_id) : names(r->results, our_id);
}

/* The next forged field at or behind FROM that lies within SIZE octets. Fields come in the order of the message. */
static bool next_forged(struct str *rest, struct str our_id, uint64_t from, uint64_t size, struct record_results *out)
{
    struct record r;

    while (report_next(rest, RECORD_RESULTS, &r)) {
        *out = r.results;
        if (is_forged(out, our_id) && out->offset >= from && out->offset <= size && out->length <= size - out->offset)
            return true;
    }
    return false;
}

struct blob *without_forged_results(struct blob *body, const struct scan_report *report, struct str our_id, const char *directory)
{
    struct str rest = report_records(report), bytes = blob_bytes(body);
    struct record_results r;
    uint64_t from = 0;

    if (!next_forged(&rest, our_id, 0, report->body_offset, &r))
        return blob_ref(body);
    struct blob *copy = blob_new(bytes.len + 1, directory);
    bool written = copy != NULL;
    do {
        written = written && blob_append(copy, bytes.at + from, (size_t)(r.offset - from)) == BLOB_OK;
        from = r.offset + r.length;
    } while (next_forged(&rest, our_id, from, report->body_offset, &r));
    written = written && blob_append(copy, bytes.at + from, bytes.len - (size_t)from) == BLOB_OK && blob_seal(copy);
    if (written)
        return copy;
    int why = errno;
    blob_unref(copy);
    errno = why;
    return NULL;
}
