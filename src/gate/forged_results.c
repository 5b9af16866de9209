/* forged_results.c: what is in our name must be ours: see authentication.h. */
#include "gate/authentication.h"

#include "mail/header.h"

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

/* Where in the message the reading of the records has come to. They are in its order. */
struct reading {
    struct str rest;
    struct record_results at; /* offset UINT64_MAX: there are no more */
    bool has_begun;
};

static void advance(struct reading *r, uint64_t offset)
{
    struct record one;

    while (!r->has_begun || r->at.offset < offset) {
        if (!report_next(&r->rest, RECORD_RESULTS, &one))
            one.results = (struct record_results){.offset = UINT64_MAX};
        r->at = one.results;
        r->has_begun = true;
    }
}

/* What only we write. */
static bool is_own_field(struct str name)
{
    return str_starts_case(name, STR("X-Postern-"));
}

/* One field, which begins at OFFSET of the message. */
static bool must_go(struct reading *reading, const struct header_field *f, uint64_t offset, const struct own_names *we)
{
    bool is_spf = str_is_case(f->name, "Received-SPF");

    if (is_own_field(f->name))
        return true;
    if (!is_spf && !str_is_case(f->name, "Authentication-Results"))
        return false;
    advance(reading, offset);
    if (reading->at.offset == offset)
        return is_forged(&reading->at, f->raw, we);
    const struct record_results unread = {.is_received_spf = is_spf}; /* there were more than the scan reads */
    return is_forged(&unread, f->raw, we);
}

/* The next field to leave out: *RAW. */
static bool next_forged(struct header_walk *walk, struct reading *reading, struct str message, const struct own_names *we, struct str *raw)
{
    struct header_field f;

    while (header_next(walk, &f)) {
        *raw = f.raw;
        if (must_go(reading, &f, (uint64_t)(f.raw.at - message.at), we))
            return true;
    }
    return false;
}

struct blob *without_forged_results(struct blob *body, const struct scan_report *report, const struct own_names *we, const char *directory)
{
    struct str bytes = blob_bytes(body), raw;
    struct header_walk walk = header_walk(bytes);
    struct reading reading = {.rest = report_records(report)};
    size_t from = 0;

    if (!next_forged(&walk, &reading, bytes, we, &raw))
        return blob_ref(body);
    struct blob *copy = blob_new(bytes.len + 1, directory);
    bool written = copy != NULL;
    do {
        written = written && blob_append(copy, bytes.at + from, (size_t)(raw.at - bytes.at) - from) == BLOB_OK;
        from = (size_t)(raw.at - bytes.at) + raw.len;
    } while (next_forged(&walk, &reading, bytes, we, &raw));
    written = written && blob_append(copy, bytes.at + from, bytes.len - from) == BLOB_OK && blob_seal(copy);
    if (written)
        return copy;
    int why = errno;
    blob_unref(copy);
    errno = why;
    return NULL;
}
