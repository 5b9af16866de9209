/* test_analysis.c: whole messages, read as the scan process reads them, and what the report says about them. */
#include "policy/policy.h"
#include "scan/analysis.h"
#include "scan/files/file.h"

#include "check.h"
#include "limits_sample.h"

#define TOP "Date: Tue, 24 Nov 2026 14:11:00 +0000\r\nFrom: =?utf-8?q?Car=C3=B6l?= <carol@Sender.test>\r\nMessage-ID: <1@sender.test>\r\nMIME-Version: 1.0\r\n"

static struct analyzer *analyzer;

static int set_up(void **state)
{
    (void)state;
    analyzer = analyzer_new();
    return analyzer ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    analyzer_free(&analyzer);
    return 0;
}

static struct scan_report read_message(const char *text, const struct scan_limits *limits)
{
    struct scan_report r;

    analyze(analyzer, str_from(text), limits, &r);
    assert_true(scan_report_is_sane(&r, strlen(text), 0));
    return r;
}

static bool find(const struct scan_report *r, enum record_kind kind, struct record *out, bool (*fits)(const struct record *, const char *), const char *what)
{
    struct str rest = report_records(r);

    while (report_next(&rest, kind, out))
        if (fits(out, what))
            return true;
    return false;
}

static bool is_named(const struct record *r, const char *what)
{
    return r->kind == RECORD_DEFECT ? str_is(r->defect.name, what) : str_is(r->file.name, what);
}

static bool has_field(const struct record *r, const char *what)
{
    return str_is_case(r->mailbox.field, what);
}

static void the_header_as_a_reader_shows_it(void **state)
{
    struct record r;
    struct scan_report report = read_message(TOP "Subject: =?iso-8859-1?q?caf=E9?=\r\n =?utf-8?b?IOKCrA==?=\r\n"
                                                 "Received: from a (b.test [192.0.2.5]) by c.test with ESMTP id 1; Tue, 24 Nov 2026 14:10:00 +0000\r\n\r\nx\r\n",
                                             &sample_limits);

    (void)state;
    assert_string_equal(report.subject, "caf\xC3\xA9 \xE2\x82\xAC");
    assert_string_equal(report.from, "Car\xC3\xB6l <carol@Sender.test>");
    assert_true(find(&report, RECORD_MAILBOX, &r, has_field, "from"));
    assert_true(str_is(r.mailbox.domain, "sender.test"));
    assert_true(str_is(r.mailbox.display, "Car\xC3\xB6l"));
    struct str rest = report_records(&report);
    assert_true(report_next(&rest, RECORD_HOP, &r));
    assert_true(str_is(r.hop.ip, "192.0.2.5") && str_is(r.hop.by, "c.test"));
}

static void both_readings_of_base64(void **state)
{
    /* "MZ" with padding, and then more: a reader that stops sees another file than one that goes on */
    struct scan_report report = read_message(TOP "Content-Type: application/octet-stream; name=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                                                 "TVo=\r\naGVsbG8gd29ybGQ=\r\n",
                                             &sample_limits);
    struct str rest = report_records(&report);
    struct record r;
    unsigned parts = 0, second = 0;

    (void)state;
    while (report_next(&rest, RECORD_PART, &r)) {
        parts++;
        second += r.part.is_second_reading;
    }
    assert_int_equal(parts, 2);
    assert_int_equal(second, 1);
    assert_true(find(&report, RECORD_DEFECT, &r, is_named, "encoded-after-padding"));
    assert_true(r.defect.is_ambiguous);
}

static void ceilings_are_said(void **state)
{
    struct scan_limits tight = sample_limits;
    struct record r;

    (void)state;
    tight.decoded_bytes = 4;
    struct scan_report report = read_message(TOP "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8gd29ybGQ=\r\n", &tight);
    assert_true(find(&report, RECORD_DEFECT, &r, is_named, "decoded-ceiling"));
    assert_true(r.defect.is_ambiguous);
}

static void what_policy_makes_of_it(void **state)
{
    static const struct { const char *name, *message; enum reason reason; const char *evidence; } rows[] = {
        {"a program by name", TOP "Content-Type: application/octet-stream; name=\"a.exe\"\r\n\r\nx\r\n", REASON_ATTACHMENT_BLOCKED, "a.exe has the extension exe"},
        {"a harmless file", TOP "Content-Type: application/octet-stream; name=\"a.txt\"\r\n\r\nx\r\n", REASON_NONE, ""},
        {"another name elsewhere", TOP "Content-Type: application/octet-stream; name=\"a.exe\"\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nx\r\n",
         REASON_ATTACHMENT_BLOCKED, "the extension exe"},
        {"a program in a text", TOP "\r\nhello\r\n\r\nbegin 644 a.scr\r\n#:&5L\r\n`\r\nend\r\n", REASON_ATTACHMENT_BLOCKED, "a.scr"},
        {"a piece", TOP "Content-Type: message/partial; id=x; number=1\r\n\r\nx\r\n", REASON_PARTIAL_MESSAGE, "message/partial"},
    };
    struct buf error = buf_make(1024);
    struct settings *s = settings_new();

    (void)state;
    static const char *const host[] = {"mx.postern.test"};
    struct setting_value value = {.is_explicit = true};
    assert_true(s && setting_parse(SETTING_host_name, host, 1, &value, &error) && settings_set(s, NULL, SETTING_host_name, &value));
    assert_true(settings_finish(s, &error));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scan_report report = read_message(rows[i].message, &sample_limits);
        struct message_facts facts = {.size = report.size, .now_ms = report.date_ms, .report = &report};
        struct findings found = {0};
        stage_message(&facts, settings_system(s), &found);
        const struct finding *f = rows[i].reason == REASON_NONE ? NULL : findings_first(&found, rows[i].reason);
        if (rows[i].reason == REASON_NONE ? found.count != 0 : !f || !strstr(f->evidence, rows[i].evidence))
            fail_msg("%s: %zu findings, \"%s\"", rows[i].name, found.count, found.count ? found.at[0].evidence : "");
    }
    settings_unref(s);
    buf_free(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_as_a_reader_shows_it), cmocka_unit_test(both_readings_of_base64),
        cmocka_unit_test(ceilings_are_said), cmocka_unit_test(what_policy_makes_of_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
