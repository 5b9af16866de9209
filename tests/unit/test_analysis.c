/* test_analysis.c: whole messages, read as the scan process reads them, and what the report says about them. */
#include "mail/html.h"
#include "mail/link.h"
#include "policy/policy.h"
#include "scan/analysis.h"
#include "scan/files/file.h"

#include "check.h"
#include "limits_sample.h"

#define TOP "Date: Tue, 24 Nov 2026 14:11:00 +0000\r\nFrom: =?utf-8?q?Car=C3=B6l?= <carol@Sender.test>\r\nMessage-ID: <1@sender.test>\r\nMIME-Version: 1.0\r\n"

#define BASE64_TEXT "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"

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

static bool has_host(const struct record *r, const char *what)
{
    return str_is(r->link.host, what);
}

static bool has_text(const struct record *r, const char *what)
{
    return str_find_str(r->text.text, str_from(what)) >= 0;
}

/* A whole message that is one leaf keeps its own reading where another one hangs below it; what stands behind base64 is read as it stands. */
static void no_reading_is_lost(void **state)
{
    struct scan_limits detailed = sample_limits;
    detailed.wants_detail = true;
    struct scan_report report = read_message(TOP BASE64_TEXT "aGVsbG8gdGhlcmU=\r\n\r\n-- \r\nhttps://list.test/\r\n", &detailed);
    struct record r;

    (void)state;
    assert_true(find(&report, RECORD_TEXT, &r, has_text, "hello there"));
    assert_true(find(&report, RECORD_LINK, &r, has_host, "list.test"));
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

static struct settings *usual_settings(void)
{
    static const char *const host[] = {"mx.postern.test"};
    struct setting_value value = {0};
    struct buf error = buf_make(1024);
    struct settings *s = settings_new();

    assert_true(s && setting_parse(SETTING_host_name, host, 1, &value, &error) && settings_set(s, NULL, SETTING_host_name, &value));
    assert_true(settings_finish(s, &error));
    buf_free(&error);
    return s;
}

static void what_policy_makes_of_it(void **state)
{
    static const struct { const char *name, *message; enum reason reason; const char *evidence; } rows[] = {
        {"a program by name", TOP "Content-Type: application/octet-stream; name=\"a.exe\"\r\n\r\nx\r\n", REASON_ATTACHMENT_BLOCKED, "a.exe has the extension exe"},
        {"a harmless file", TOP "Content-Type: application/octet-stream; name=\"a.txt\"\r\n\r\nx\r\n", REASON_NONE, ""},
        {"another name elsewhere", TOP "Content-Type: application/octet-stream; name=\"a.exe\"\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nx\r\n",
         REASON_ATTACHMENT_BLOCKED, "the extension exe"},
        {"a program in a text", TOP "\r\nhello\r\n\r\nbegin 644 a.scr\r\n#:&5L\r\n`\r\nend\r\n", REASON_ATTACHMENT_BLOCKED, "a.scr"},
        {"a program by its type alone", TOP "Content-Type: application/x-msdownload\r\n\r\nx\r\n", REASON_ATTACHMENT_BLOCKED, "the extension exe"},
        {"a script by its type, without a name", TOP "Content-Type: text/x-vbscript\r\n\r\nx\r\n", REASON_ATTACHMENT_BLOCKED, "the extension vbs"},
        {"a program that only its description names", TOP "Content-Type: application/octet-stream\r\nContent-Description: a.exe\r\n\r\nx\r\n",
         REASON_ATTACHMENT_BLOCKED, "the extension exe"},
        {"a program named by its address", TOP "Content-Type: application/octet-stream\r\nContent-Location: http://x.test/a.exe?b=c.d\r\n\r\nx\r\n",
         REASON_ATTACHMENT_BLOCKED, "the extension exe"},
        {"a page that a script made", TOP "Content-Type: text/html\r\nContent-Location: http://x.test/cgi/page.dll\r\n\r\nx\r\n", REASON_NONE, ""},
        {"a program in an address", TOP "Content-Type: text/html\r\n\r\n<p>Click <a href=\"data:application/octet-stream;base64,TVqQAAMAAAAEAAAA//8AALgAAAAAAAAA"
         "QAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAgAAAAA4fug4AtAnNIbgBTM0hVGhpcyBwcm9ncmFtIGNhbm5vdCBiZSBydW4=\">here</a>\r\n",
         REASON_ATTACHMENT_BLOCKED, "data is a program"},
        {"a message by the name of a program", TOP "Content-Type: message/rfc822; name=a.exe\r\n\r\n" TOP "\r\nx\r\n", REASON_ATTACHMENT_BLOCKED, "a.exe"},
        {"a message named by its subject", TOP "Content-Type: message/rfc822; name=\"Your order at shop.com\"\r\n\r\n" TOP "\r\nx\r\n", REASON_NONE, ""},
        {"a script that has its own name", TOP "Content-Type: application/octet-stream; name=configure\r\n\r\n#!/bin/sh\r\necho\r\n", REASON_NONE, ""},
        {"a script that is called a picture", TOP "Content-Type: application/octet-stream; name=a.jpg\r\n\r\n#!/bin/sh\r\necho\r\n",
         REASON_ATTACHMENT_BLOCKED, "a.jpg is a program"},
        {"a piece", TOP "Content-Type: message/partial; id=x; number=1\r\n\r\nx\r\n", REASON_PARTIAL_MESSAGE, "message/partial"},
        {"a list's footer behind a base64 text", TOP BASE64_TEXT "SGVsbG8gdGhlcmUsIHRoaXMgaXMgYSBtZXNzYWdlIHRoYXQgaXMgbG9uZyBlbm91Z2guDQo=\r\n_____________\r\nUsers mailing "
         "list\r\nhttps://lists.example.org/users\r\n", REASON_NONE, ""},
        {"a footer behind base64 without padding", TOP BASE64_TEXT "aGVsbG8g\r\n-- \r\nA list of ours, for QA and all the rest\r\n", REASON_NONE, ""},
        {"texts in base64, put together", TOP BASE64_TEXT "aGVsbG8gdGhlcmVl\r\naGVsbG8=\r\naGVsbG8=\r\n", REASON_NONE, ""},
        {"text that is not the base64 it is declared to be", TOP BASE64_TEXT "This is plain text, QA and all, and not more than that.\r\n", REASON_NONE, ""},
        {"an encoding with a semicolon", TOP "Content-Type: text/plain\r\nContent-Transfer-Encoding: Quoted-Printable;\r\n\r\nx=3D1\r\n", REASON_NONE, ""},
        {"a picture behind an encoding with a semicolon", TOP "Content-Type: image/gif; name=a.gif\r\nContent-Transfer-Encoding: base64;\r\n\r\n"
         "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\r\n", REASON_NONE, ""},
        {"a key in base64, attached as a text", TOP "Content-Type: text/plain; name=id.key\r\nContent-Disposition: attachment; filename=id.key\r\n\r\n"
         "MIIBCgKCAQEAxvnNNmZVdJkHRwtgDvFkbG9jSmVhfQ==\r\n", REASON_NONE, ""},
        {"a list's footer behind a signature, the last part that it met", TOP "Content-Type: application/x-pkcs7-signature; name=smime.p7s\r\n"
         "Content-Transfer-Encoding: base64\r\n\r\nMIAGCSqGSIb3DQEHAqCAMIACAQExCzAJBgUrDgMCGgUAMIAGCSqGSIb3DQEHAQ==\r\n\r\n_______\r\nUsers list\r\n",
         REASON_NONE, ""},
        {"a file behind the text's padding", TOP BASE64_TEXT "aGVsbG8gdGhlcmVlLg==\r\nUEsDBBQAAAAAAAAAIQC/YlqrIAAAACAAAAAJAAAAcGFnZS5odG1s\r\n", REASON_MESSAGE_MALFORMED,
         "goes on behind its end"},
        {"a file in two readings", TOP "Content-Type: application/octet-stream; name=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
         "aGVsbG8gdGhlcmVlLg==\r\naGVsbG8gdGhlcmVlLg==\r\n", REASON_MESSAGE_MALFORMED, "goes on behind its end"},
        {"a program for those who know x-base64", TOP "Content-Type: text/plain\r\nContent-Transfer-Encoding: x-base64\r\n\r\n"
         "TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAA=\r\n", REASON_MESSAGE_MALFORMED, "is a file (pe)"},
        {"a program in base64 that is not declared", TOP "Content-Type: application/octet-stream; name=a.bin\r\n\r\n"
         "TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAA=\r\n", REASON_MESSAGE_MALFORMED, "is a file (pe)"},
    };
    struct settings *s = usual_settings();

    (void)state;
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
}

/* A name as a header has it, and the extension that it is blocked for; "" when it is not. */
static void names_as_they_are_saved(void **state)
{
    static const struct { const char *field, *extension; } rows[] = {
        {"filename=\"a.exe::$DATA\"", "exe"},
        {"filename=\"a.exe:x.txt\"", "exe"},
        {"filename=\"a.exe;.txt\"", "exe"},
        {"filename=\"a.exe/\"", "exe"},
        {"filename=\"a.exe                                        .txt\"", "exe"},
        {"filename=\"a.exe%00.txt\"", "exe"},
        {"filename=\"a. exe\"", "exe"},
        {"filename=\"a.txt\".exe", "exe"},
        {"filename=\"=?utf-8?q?a.exe=00.txt?=\"", "exe"},
        {"filename=\"=?utf-8?q?a.exe=0D=0A.txt?=\"", "exe"},
        {"filename*=utf-8''=?utf-8?q?a=2Eexe?=", "exe"},
        {"filename*0=a.txt; filename*0=a.exe", "exe"},
        {"filename*=utf-8''a.ex%C2%ADe", "exe"},             /* soft hyphen */
        {"filename*=utf-8''a.e%CD%8Fxe", "exe"},             /* combining grapheme joiner */
        {"filename*=utf-8''a.exe%E3%80%80", "exe"},          /* ideographic space */
        {"filename*=utf-8''a.exe%EF%B8%8F", "exe"},          /* variation selector */
        {"filename*=utf-8''a.%EF%BD%85%EF%BD%98%EF%BD%85", "exe"}, /* full width */
        {"filename*=utf-8''a%EF%BC%8Eexe", "exe"},           /* full width dot */
        {"filename*=utf-8''a.exe%E2%80%A8.txt", "exe"},      /* line separator */
        {"filename=\"notes.txt.{3050F4D8-98B5-11CF-BB82-00AA00BDCE0B}\"", "{3050F4D8-98B5-11CF-BB82-00AA00BDCE0B}"},
        {"filename=\"Offer of shop.com:2024.pdf\"", ""},
        {"filename=\"Dr. Com\"", ""},
        {"filename=\"Re: setup.exe: it works.txt\"", ""},
        {"filename=\"100%25 sure.pdf\"", ""},
        {"filename=\"50% off at 10:30; see below.pdf\"", ""},
        {"filename*=utf-8''%E8%AB%8B%E6%B1%82%E6%9B%B8%EF%BC%88%E5%86%99%EF%BC%89.pdf", ""},
        {"filename=\"a   b.c   d.txt\"", ""},
    };
    struct settings *s = usual_settings();

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char message[1024], wanted[80];
        snprintf(message, sizeof message, TOP "Content-Type: application/octet-stream\r\nContent-Disposition: attachment; %s\r\n\r\nx\r\n", rows[i].field);
        snprintf(wanted, sizeof wanted, "has the extension %s", rows[i].extension);
        struct scan_report report = read_message(message, &sample_limits);
        struct message_facts facts = {.size = report.size, .now_ms = report.date_ms, .report = &report};
        struct findings found = {0};
        stage_message(&facts, settings_system(s), &found);
        const struct finding *f = findings_first(&found, REASON_ATTACHMENT_BLOCKED);
        if (*rows[i].extension ? !f || !strstr(f->evidence, wanted) : found.count != 0)
            fail_msg("%s: %zu findings, \"%s\"", rows[i].field, found.count, found.count ? found.at[0].evidence : "");
    }
    settings_unref(s);
}

static void where_it_leads(void **state)
{
    static const struct {
        const char *host, *source, *part;
        uint8_t kind;
        unsigned tricks;
        bool hidden;
    } rows[] = {
        {"www.subject.test", "subject", "", LINK_OTHER, LINK_NO_SCHEME, false},
        {"text.test", "text", "1", LINK_OTHER, 0, false},
        {"real.test", "html", "2", LINK_ANCHOR, LINK_SHOWN_DIFFERS, false},
        {"nested.test", "html", "2", LINK_OTHER, LINK_NESTED, false},
        {"unseen.test", "html", "2", LINK_ANCHOR, 0, true},
        {"plain.test", "html-text", "2", LINK_OTHER, 0, false},
        {"zipped.test", "html", "3", LINK_ANCHOR, 0, false},
    };
    /* page.html, stored in a zip: <a href=http://zipped.test>x</a> */
    struct scan_report report = read_message(TOP "Subject: go to www.subject.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\n\r\nsee http://text.test/\r\n"
        "--b\r\nContent-Type: text/html\r\n\r\n<a href='http://real.test/?to=http%3A%2F%2Fnested.test'>www.shown.test</a> "
        "<a href=http://unseen.test><b style='display:none'>x</b></a> http://plain.test/\r\n"
        "--b\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        "UEsDBBQAAAAAAAAAIQC/YlqrIAAAACAAAAAJAAAAcGFnZS5odG1sPGEgaHJlZj1odHRwOi8vemlwcGVkLnRlc3Q+eDwvYT5QSwECFAMUAAAAAAAAACEAv2JaqyAAAAAgAAAACQAAAAAAAAAAAAAAgAEAAAAAcGFnZS5odG1sUEsFBgAAAAABAAEANwAAAEcAAAAAAA==\r\n"
        "--b--\r\n", &sample_limits);
    struct record r;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!find(&report, RECORD_LINK, &r, has_host, rows[i].host))
            fail_msg("%s is missing", rows[i].host);
        assert_true(str_is(r.link.source, rows[i].source));
        assert_true(str_is(r.link.path, rows[i].part));
        assert_int_equal(r.link.kind, rows[i].kind);
        assert_int_equal(r.link.tricks, rows[i].tricks);
        assert_int_equal(r.link.is_hidden, rows[i].hidden);
    }
    assert_false(find(&report, RECORD_LINK, &r, has_host, "www.shown.test"));
}

static bool has_id(const struct record *r, const char *what)
{
    return str_is(r->results.authserv_id, what);
}

static void results_of_others(void **state)
{
    static const char message[] = TOP "Authentication-Results: (x) \"mx.\\here.test\" 1; spf=pass smtp.mailfrom=a.test;\r\n dkim=fail\r\n"
                                      "ARC-Authentication-Results: i=2; there.test; dmarc=pass\r\nAuthentication-Results: ; \r\n"
                                      "received-spf: pass receiver=\"mx.\\spf.test\"\r\n\r\nx\r\n";
    struct scan_report report = read_message(message, &sample_limits);
    struct record r;

    (void)state;
    assert_true(find(&report, RECORD_RESULTS, &r, has_id, "mx.here.test"));
    assert_true(str_is(r.results.results, "spf=pass dkim=fail"));
    assert_int_equal(r.results.offset, sizeof TOP - 1);
    assert_true(str_starts(str_from(message + r.results.offset + r.results.length), STR("ARC-")));
    assert_true(find(&report, RECORD_RESULTS, &r, has_id, "there.test"));
    assert_int_equal(r.results.instance, 2);
    assert_true(find(&report, RECORD_RESULTS, &r, has_id, ""));
    assert_false(r.results.is_readable);
    assert_true(find(&report, RECORD_RESULTS, &r, has_id, "mx.spf.test"));
    assert_true(r.results.is_received_spf && r.results.is_readable);
    assert_true(str_starts(str_from(message + r.results.offset), STR("received-spf:")) && str_is(str_from(message + r.results.offset + r.results.length), "\r\nx\r\n"));
}

static void tricks_are_told(void **state)
{
    static const struct {
        const char *content, *name;
    } rows[] = {
        {"Content-Type: text/plain; charset=utf-8\r\n\r\nPay\xE2\x80\x8Bpal\r\n", "text-zero-width"},
        {"Content-Type: text/html; charset=utf-8\r\n\r\nP\xD0\xB0ypal\r\n", "text-mixed-script"},
        {"Content-Type: text/html\r\n\r\n<p style='font-size:0'>x</p>\r\n", "html-hidden-text"},
        {"Content-Type: text/html\r\n\r\n<script>x</script>\r\n", "html-script"},
        {"Content-Type: text/html\r\n\r\n<a href=x\r\n", "html-unterminated"},
        {"Subject: P=?utf-8?q?=D0=B0?= =?utf-8?q?P=D0=B0ypal?=\r\n\r\nx\r\n", "subject-tricks"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char message[1024];
        struct record r;
        snprintf(message, sizeof message, "%s%s", TOP, rows[i].content);
        struct scan_report report = read_message(message, &sample_limits);
        if (!find(&report, RECORD_DEFECT, &r, is_named, rows[i].name))
            fail_msg("%s is not told", rows[i].name);
        assert_false(r.defect.is_ambiguous);
    }
}

static bool any(const struct record *r, const char *what)
{
    (void)r, (void)what;
    return true;
}

/* What people write about files and quote of them is no file; the same lines under a name, or declared as something else, are. */
static void a_body_is_no_file(void **state)
{
    static const char *const bodies[] = {"MZ is how programs begin\r\n", "#!/bin/sh\r\necho please review\r\n", "BZh91AY&SY is a mark\r\n",
                                         "I ask about %PDF-1.4 and /Encrypt in it\r\n", "070701 is my number\r\n"};
    char message[1024];
    struct record r;

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        snprintf(message, sizeof message, "%s\r\n%s", TOP, bodies[i]);
        struct scan_report report = read_message(message, &sample_limits);
        if (find(&report, RECORD_FILE, &r, any, ""))
            fail_msg("taken for a file: %s", bodies[i]);
        snprintf(message, sizeof message, "%sContent-Disposition: attachment\r\n\r\n%s", TOP, bodies[i]);
        report = read_message(message, &sample_limits);
        assert_true(find(&report, RECORD_FILE, &r, any, ""));
    }
    struct scan_report report = read_message(TOP "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                                                 "TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAA=\r\n", &sample_limits);
    assert_true(find(&report, RECORD_FILE, &r, any, ""));
    assert_true(r.file.is_program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_as_a_reader_shows_it), cmocka_unit_test(both_readings_of_base64), cmocka_unit_test(no_reading_is_lost),
        cmocka_unit_test(where_it_leads), cmocka_unit_test(tricks_are_told), cmocka_unit_test(a_body_is_no_file), cmocka_unit_test(results_of_others), cmocka_unit_test(ceilings_are_said), cmocka_unit_test(what_policy_makes_of_it), cmocka_unit_test(names_as_they_are_saved),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
