/*
 * report.c: see report.h. The relay's guard against a scan process that was taken over: whatever it sends, what comes through here
 * is a report that scan_message() could have written about a message of that size.
 */
#include "scan/report.h"

#include "base/bug.h"
#include "mail/header.h"

#include <stdlib.h>
#include <string.h>

const char *once_field_name(enum once_field f)
{
    static const char *const names[ONCE_COUNT] = {"Date",       "From",        "Sender",     "Reply-To", "To", "Cc", "Bcc",
                                                  "Message-ID", "In-Reply-To", "References", "Subject"};

    bug_unless((unsigned)f < ONCE_COUNT);
    return names[f];
}

/* Terminated, and nothing that could break a log line or a page. */
static bool text_is_sane(const char *text, size_t size)
{
    size_t len = strnlen(text, size);

    if (len == size || !utf8_is_valid(str_n(text, len)))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return false;
    return true;
}

/* Looks at the octet itself: a bool that holds neither 0 nor 1 must not even be read as one. */
static bool flag_is_sane(const bool *flag)
{
    unsigned char octet;

    memcpy(&octet, flag, sizeof octet);
    return octet <= 1;
}

static bool flags_are_sane(const struct scan_report *r)
{
    return flag_is_sane(&r->subject_is_utf8) && flag_is_sane(&r->has_date) && flag_is_sane(&r->date_is_valid) &&
           flag_is_sane(&r->has_8bit) && flag_is_sane(&r->header_is_utf8) && flag_is_sane(&r->important_dropped);
}

static bool counts_are_sane(const struct scan_report *r)
{
    for (int i = 0; i < ONCE_COUNT; i++) {
        if (r->count[i] > r->header_fields || r->second_line[i] > r->header_bytes)
            return false;
        if ((r->count[i] > 1) != (r->second_line[i] != 0))
            return false;
    }
    return r->received_count <= r->header_fields && r->delivered_to_count <= r->header_fields;
}

/* A header of N octets has at most N lines, a message one more: the last, without an ending. */
static bool places_are_sane(const struct scan_report *r, uint64_t size)
{
    return r->body_offset <= size && r->header_bytes <= r->body_offset && r->header_fields <= r->header_bytes &&
           r->longest_field <= r->header_bytes && r->longest_field_line <= r->header_bytes && r->longest_line <= size &&
           r->longest_line_number <= size && r->defect_line <= size && r->subject_8bit_line <= r->header_bytes &&
           r->date_line <= r->header_bytes;
}

static bool date_is_sane(const struct scan_report *r)
{
    if (r->date_is_valid)
        return r->has_date && r->date_ms >= REPORT_DATE_MIN_MS && r->date_ms <= REPORT_DATE_MAX_MS;
    return r->date_ms == 0;
}

static bool records_are_sane(const struct scan_report *r)
{
    struct str rest = report_records(r);
    struct record record;
    uint32_t count = 0;

    if ((r->tail_len != 0) != (r->tail != NULL) || r->tail_len > REPORT_TAIL_MAX || (r->important_dropped && !r->records_dropped))
        return false;
    while (record_read(&rest, &record))
        count++;
    return rest.len == 0 && count == r->record_count;
}

bool scan_report_is_sane(const struct scan_report *r, uint64_t size, uint32_t sequence)
{
    const unsigned known = HEADER_NO_COLON | HEADER_SPACE_BEFORE_COLON | HEADER_BAD_NAME | HEADER_8BIT | HEADER_NUL | HEADER_BARE_CR_LF |
                           HEADER_FOLDED_FIRST;

    return r->version == REPORT_VERSION && r->sequence == sequence && r->size == size && (r->defects & ~known) == 0 &&
           flags_are_sane(r) && places_are_sane(r, size) && records_are_sane(r) && counts_are_sane(r) && date_is_sane(r) &&
           text_is_sane(r->longest_field_name, sizeof r->longest_field_name) && text_is_sane(r->subject, sizeof r->subject) &&
           text_is_sane(r->from, sizeof r->from) && text_is_sane(r->message_id, sizeof r->message_id);
}

void scan_report_free(struct scan_report *r)
{
    free((void *)(uintptr_t)r->tail);
    r->tail = NULL;
    r->tail_len = 0;
}

struct str report_records(const struct scan_report *r)
{
    return str_n(r->tail, r->tail_len);
}

bool report_next(struct str *rest, enum record_kind kind, struct record *out)
{
    while (record_skip_other(rest, kind)) /* all of them were looked at when the report came */
        ;
    return record_read(rest, out) && out->kind == kind;
}
