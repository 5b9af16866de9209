/* test_scan_report.c: nothing that scan_message() could not have written passes the relay's guard. */
#include "scan/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SEQUENCE = 7 };

static const char message[] = "From: a\r\nFrom: b\r\nDate: Tue, 24 Nov 2026 14:11:00 +0000\r\nSubject: \xC3\xA9\r\n\r\nbody\r\n";
static const size_t size = sizeof message - 1;

static struct scan_report good(void)
{
    struct scan_report r;

    scan_message(str_n(message, size), &r);
    r.sequence = SEQUENCE;
    assert_true(scan_report_is_sane(&r, size, SEQUENCE));
    return r;
}

static void overwrite(struct scan_report *r, size_t offset, const void *bytes, size_t len)
{
    memcpy((char *)r + offset, bytes, len);
}

static void lies_are_refused(void **state)
{
    (void)state;
#define LIE(name, member, type, value) {name, offsetof(struct scan_report, member), sizeof(type), &(const type){value}}
    const struct row {
        const char *name;
        size_t offset, len;
        const void *value;
    } rows[] = {
        LIE("another version", version, uint32_t, REPORT_VERSION + 1),
        LIE("another question's answer", sequence, uint32_t, SEQUENCE + 1),
        LIE("another size", size, uint64_t, 1),
        LIE("a body behind the end", body_offset, uint64_t, 1000),
        LIE("a body before the header's end", body_offset, uint64_t, 1),
        LIE("more fields than octets", header_fields, uint32_t, 100000),
        LIE("a header larger than the message", header_bytes, uint32_t, UINT32_MAX),
        LIE("a field longer than the header", longest_field, uint32_t, 100000),
        LIE("a field line out of reach", longest_field_line, uint32_t, 100000),
        LIE("a line longer than the message", longest_line, uint32_t, 100000),
        LIE("a line number out of reach", longest_line_number, uint32_t, 100000),
        LIE("more Received than fields", received_count, uint32_t, 5),
        LIE("more Delivered-To than fields", delivered_to_count, uint32_t, 5),
        LIE("unknown defects", defects, uint32_t, 1U << 20),
        LIE("a defect out of reach", defect_line, uint32_t, 100000),
        LIE("a second From without its line", second_line[ONCE_FROM], uint32_t, 0),
        LIE("a line for a second To that is not there", second_line[ONCE_TO], uint32_t, 2),
        LIE("more To than fields", count[ONCE_TO], uint16_t, 60000),
        LIE("a Subject line out of reach", subject_8bit_line, uint32_t, 100000),
        LIE("a Date line out of reach", date_line, uint32_t, 100000),
        LIE("a valid Date that is not there", has_date, unsigned char, 0),
        LIE("a Date beyond time", date_ms, int64_t, INT64_MAX),
        LIE("a Date before time", date_ms, int64_t, INT64_MIN),
        LIE("a boolean of 2", date_is_valid, unsigned char, 2),
        LIE("a boolean of 255", has_8bit, unsigned char, 255),
        LIE("has_date 3", has_date, unsigned char, 3),
        LIE("subject_is_utf8 3", subject_is_utf8, unsigned char, 3),
        LIE("header_is_utf8 3", header_is_utf8, unsigned char, 3),
        LIE("an escape in the subject", subject[0], unsigned char, 0x1B),
        LIE("a newline in From", from[0], unsigned char, '\n'),
        LIE("DEL in a field name", longest_field_name[0], unsigned char, 0x7F),
        LIE("half a character in the subject", subject[0], unsigned char, 0xE2),
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scan_report r = good();
        print_message("%s\n", rows[i].name);
        overwrite(&r, rows[i].offset, rows[i].value, rows[i].len);
        assert_false(scan_report_is_sane(&r, size, SEQUENCE));
    }
}

static void text_without_end_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t offset, len;
    } texts[] = {{offsetof(struct scan_report, subject), REPORT_SUBJECT_MAX},
                 {offsetof(struct scan_report, from), REPORT_ADDRESS_MAX},
                 {offsetof(struct scan_report, message_id), REPORT_ID_MAX},
                 {offsetof(struct scan_report, longest_field_name), 64}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct scan_report r = good();
        memset((char *)&r + texts[i].offset, 'x', texts[i].len);
        assert_false(scan_report_is_sane(&r, size, SEQUENCE));
        ((char *)&r)[texts[i].offset + texts[i].len - 1] = '\0';
        assert_true(scan_report_is_sane(&r, size, SEQUENCE));
    }
}

static void fields_have_names(void **state)
{
    (void)state;
    assert_string_equal(once_field_name(ONCE_DATE), "Date");
    assert_string_equal(once_field_name(ONCE_SUBJECT), "Subject");
    for (int i = 0; i < ONCE_COUNT; i++)
        assert_non_null(once_field_name((enum once_field)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(text_without_end_is_refused),
        cmocka_unit_test(fields_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
