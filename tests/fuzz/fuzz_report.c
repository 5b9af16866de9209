/* fuzz_report.c: any bytes for a report and its records; what the guard lets through can be read without harm. */
#include "base/bug.h"
#include "mail/header.h"
#include "scan/report.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void text_ends(const char *text, size_t size)
{
    size_t len = strnlen(text, size);

    bug_unless(len < size);
    bug_unless(utf8_is_valid(str_n(text, len)));
}

static void records_are_clean(const struct scan_report *r)
{
    struct str rest = report_records(r);
    struct record record;
    uint32_t count = 0;

    for (; record_read(&rest, &record); count++) {
        if (record.kind == RECORD_FILE)
            bug_unless(utf8_is_valid(record.file.name) && utf8_is_valid(record.file.detail) && record.file.name.len <= RECORD_TEXT_MAX);
        if (record.kind == RECORD_TEXT)
            bug_unless(utf8_is_valid(record.text.text) && record.text.text.len <= RECORD_LONG_TEXT_MAX);
    }
    bug_unless(rest.len == 0 && count == r->record_count);
}

/* The fuzzer's bytes lie over a report that is right, so that single lies are found soon; behind an empty piece come the records. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char message[] = "From: a\r\nDate: Tue, 24 Nov 2026 14:11:00 +0000\r\nSubject: b\r\n\r\nc\r\n";
    struct scan_report r;
    uint16_t offset;

    scan_message(str_n(message, sizeof message - 1), &r);
    while (size > 3) { /* offset, length, bytes */
        memcpy(&offset, data, 2);
        size_t len = data[2], at = offset % sizeof r;
        data += 3;
        size -= 3;
        if (len == 0)
            break;
        len = len < size ? len : size;
        len = len < sizeof r - at ? len : sizeof r - at;
        memcpy((char *)&r + at, data, len);
        data += len;
        size -= len;
    }
    r.tail_len = (uint32_t)(size < REPORT_TAIL_MAX ? size : REPORT_TAIL_MAX);
    r.tail = size ? (const char *)data : NULL; /* as the channel sets it, whatever has crossed the socket */
    if (!scan_report_is_sane(&r, sizeof message - 1, 0))
        return 0;
    text_ends(r.subject, sizeof r.subject);
    text_ends(r.from, sizeof r.from);
    text_ends(r.message_id, sizeof r.message_id);
    text_ends(r.longest_field_name, sizeof r.longest_field_name);
    bug_unless(r.body_offset <= r.size && r.longest_line <= r.size);
    records_are_clean(&r);
    bug_unless((int)r.has_date + r.date_is_valid + r.has_8bit + r.header_is_utf8 + r.subject_is_utf8 <= 5);
    return 0;
}
