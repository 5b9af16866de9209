/* test_scan_facts.c: what scan reads off a message. */
#include "mail/header.h"
#include "scan/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct scan_report scan(const char *bytes, size_t len)
{
    struct scan_report r;

    /* an exact copy, so that a sanitizer sees a read past the end */
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    scan_message(str_n(copy, len), &r);
    free(copy);
    assert_true(scan_report_is_sane(&r, len, 0));
    return r;
}

#define SCAN(literal) scan(literal, sizeof(literal) - 1)

static void a_plain_message(void **state)
{
    (void)state;
    struct scan_report r = SCAN("Received: from a\r\n\tby b\r\nDate: Tue, 24 Nov 2026 14:11:00 +0000\r\nFrom: Ann <ann@a.test>\r\n"
                                "Subject: Hello\r\n  there\r\nMessage-ID: <1@a.test>\r\nDelivered-To: bob@b.test\r\n\r\nBody\r\n");
    assert_int_equal(r.header_fields, 6);
    assert_int_equal(r.received_count, 1);
    assert_int_equal(r.delivered_to_count, 1);
    assert_string_equal(r.subject, "Hello  there");
    assert_string_equal(r.from, "Ann <ann@a.test>");
    assert_string_equal(r.message_id, "<1@a.test>");
    assert_true(r.has_date && r.date_is_valid);
    assert_true(r.date_ms == INT64_C(1795529460000));
    assert_int_equal(r.date_line, 3);
    assert_int_equal(r.count[ONCE_FROM], 1);
    assert_int_equal(r.count[ONCE_SUBJECT], 1);
    assert_int_equal(r.count[ONCE_TO], 0);
    assert_int_equal(r.defects, 0);
    assert_int_equal(r.body_offset, r.size - 6);
    assert_int_equal(r.header_bytes, r.body_offset - 2);
    assert_string_equal(r.longest_field_name, "Date");
    assert_int_equal(r.longest_field, strlen("Date: Tue, 24 Nov 2026 14:11:00 +0000"));
    assert_false(r.has_8bit);
}

static void lines_are_measured(void **state)
{
    (void)state;
    static const struct row {
        const char *name, *message;
        uint32_t longest, number;
    } rows[] = {
        {"nothing", "", 0, 0},
        {"no ending", "abc", 3, 1},
        {"an ending does not count", "abc\r\n", 3, 1},
        {"nor does a bare LF", "abc\n", 3, 1},
        {"only an ending", "\r\n", 0, 1},
        {"a lone CR is an octet", "\r", 1, 1},
        {"the last line without ending", "a\r\nbcd", 3, 2},
        {"the first of equals", "ab\r\ncd\r\n", 2, 1},
        {"a CR inside a line", "a\rb\r\n", 3, 1},
        {"an empty line, then a longer one", "\r\n\r\nabc\r\nd", 3, 3},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].name);
        struct scan_report r = scan(rows[i].message, strlen(rows[i].message));
        assert_int_equal(r.longest_line, rows[i].longest);
        assert_int_equal(r.longest_line_number, rows[i].number);
    }
}

/* Lines and CR LF that straddle the blocks in which the message is walked. */
static void lines_across_blocks(void **state)
{
    (void)state;
    enum { BLOCK = 16 * 1024, SIZE = BLOCK * 3 };
    char *message = malloc(SIZE);

    assert_non_null(message);
    for (size_t at = BLOCK - 3; at < BLOCK + 3; at++) {
        memset(message, 'x', SIZE);
        memcpy(message, "\r\n", 2);
        memcpy(message + at, "\r\n", 2);
        struct scan_report r = scan(message, SIZE);
        assert_int_equal(r.longest_line, SIZE - at - 2);
        assert_int_equal(r.longest_line_number, 3);
        memcpy(message + at + 2, "\xC3\xA9", 2);
        assert_true(scan(message, SIZE).has_8bit);
        assert_false(r.has_8bit);
    }
    free(message);
}

static void fields_that_stand_twice(void **state)
{
    (void)state;
    struct scan_report r = SCAN("from: a\r\nFROM : b\r\nSubject: one\r\nDate: nonsense\r\nsubject: tw\xC3\xA9\r\nFrom: c\r\n\r\n");
    assert_int_equal(r.count[ONCE_FROM], 3);
    assert_int_equal(r.second_line[ONCE_FROM], 2);
    assert_int_equal(r.second_line[ONCE_SUBJECT], 5);
    assert_int_equal(r.second_line[ONCE_DATE], 0);
    assert_string_equal(r.from, "a");
    assert_string_equal(r.subject, "one");
    assert_int_equal(r.subject_8bit_line, 5);
    assert_true(r.subject_is_utf8);
    assert_true(r.header_is_utf8);
    assert_true(r.has_date);
    assert_false(r.date_is_valid);
    assert_true(r.defects & HEADER_SPACE_BEFORE_COLON);
    assert_int_equal(r.defect_line, 2);
}

static void texts_are_safe_to_print(void **state)
{
    (void)state;
    static const struct row {
        const char *name, *subject, *wanted;
    } rows[] = {
        {"trimmed", "   a b \t", "a b"},
        {"UTF-8 stays", "caf\xC3\xA9 \xF0\x9F\x93\xAC", "caf\xC3\xA9 \xF0\x9F\x93\xAC"},
        {"Latin-1 does not", "caf\xE9!", "caf?!"},
        {"an overlong form does not", "\xC0\xAF", "??"},
        {"controls do not", "a\x1B[31m\x7F", "a?[31m?"},
        {"a tab becomes a blank", "a\tb", "a b"},
        {"folded", "a\r\n\tb\r\n c", "a b c"},
        {"empty", "", ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char message[128];
        print_message("%s\n", rows[i].name);
        int n = snprintf(message, sizeof message, "Subject:%s\r\n\r\n", rows[i].subject);
        assert_string_equal(scan(message, (size_t)n).subject, rows[i].wanted);
    }
}

static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    char message[2000];

    for (int pad = 0; pad < 4; pad++) {
        int n = snprintf(message, sizeof message, "Subject: %.*s", pad, "xxx");
        for (int i = 0; i < 200; i++)
            n += snprintf(message + n, sizeof message - (size_t)n, "\xE2\x82\xAC");
        struct scan_report r = scan(message, (size_t)n);
        size_t len = strlen(r.subject);
        assert_true(len < REPORT_SUBJECT_MAX && len > REPORT_SUBJECT_MAX - 5);
        assert_true(utf8_is_valid(str_from(r.subject)));
    }
}

static void odd_headers(void **state)
{
    (void)state;
    static const struct row {
        const char *name, *message;
        uint32_t fields, defects, line;
        uint64_t body;
    } rows[] = {
        {"no header", "\r\nbody", 0, 0, 0, 2},
        {"text at once", "hello\r\nworld\r\n", 0, HEADER_NO_COLON, 1, 0},
        {"a header that breaks off", "A: b\r\nhello\r\n", 1, HEADER_NO_COLON, 2, 6},
        {"folded from the start", " x\r\nA: b\r\n\r\n", 2, HEADER_FOLDED_FIRST, 1, 12},
        {"an empty name", ": x\r\n\r\n", 1, HEADER_BAD_NAME, 1, 7},
        {"never ends", "A: b", 1, 0, 0, 4},
        {"8-bit in a value", "A: b\r\nC: \xE9\r\n\r\n", 2, HEADER_8BIT, 2, 14},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].name);
        struct scan_report r = scan(rows[i].message, strlen(rows[i].message));
        assert_int_equal(r.header_fields, rows[i].fields);
        assert_int_equal(r.defects, rows[i].defects);
        assert_int_equal(r.defect_line, rows[i].line);
        assert_int_equal(r.body_offset, rows[i].body);
    }
    assert_true(SCAN("A: \0\r\n\r\n").defects & HEADER_NUL);
}

static void longest_field_is_unfolded(void **state)
{
    (void)state;
    struct scan_report r = SCAN("A: 1234567890\r\nBcd: 12345\r\n 67890\r\nE: 1\r\n\r\n");
    assert_string_equal(r.longest_field_name, "Bcd");
    assert_int_equal(r.longest_field, strlen("Bcd: 12345 67890"));
    assert_int_equal(r.longest_field_line, 2);
}

/* Header fields by the hundred thousand: counts must not wrap. */
static void counts_do_not_wrap(void **state)
{
    (void)state;
    enum { COUNT = 70000 };
    char *message = malloc(COUNT * 8);

    assert_non_null(message);
    for (size_t i = 0; i < COUNT; i++)
        memcpy(message + i * 8, "From:x\r\n", 8);
    struct scan_report r = scan(message, (size_t)COUNT * 8);
    assert_int_equal(r.header_fields, COUNT);
    assert_int_equal(r.count[ONCE_FROM], UINT16_MAX);
    assert_int_equal(r.second_line[ONCE_FROM], 2);
    free(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_message),
        cmocka_unit_test(lines_are_measured),
        cmocka_unit_test(lines_across_blocks),
        cmocka_unit_test(fields_that_stand_twice),
        cmocka_unit_test(texts_are_safe_to_print),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(odd_headers),
        cmocka_unit_test(longest_field_is_unfolded),
        cmocka_unit_test(counts_do_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
