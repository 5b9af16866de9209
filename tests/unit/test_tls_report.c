/* test_tls_report.c: TLSRPT (RFC 8460): records that ask for reports, and reports in their forms. */
#include "courier/tls_report_parts.h"

#include "check.h"

#include <zlib.h>

static void records_are_read(void **state)
{
    static const struct { const char *name, *txt, *first; size_t count; } rows[] = {
        {"mail", "v=TLSRPTv1;rua=mailto:reports@example.com", "mailto:reports@example.com", 1},
        {"https, with blanks", "v=TLSRPTv1 ; rua=https://reporting.example.com/v1/tlsrpt ;", "https://reporting.example.com/v1/tlsrpt", 1},
        {"two", "v=TLSRPTv1; rua=mailto:a@b.test , https://b.test/", "mailto:a@b.test", 2},
        {"unknown fields", "v=TLSRPTv1; x=y; rua=mailto:a@b.test", "mailto:a@b.test", 1},
        {"unknown schemes are passed over", "v=TLSRPTv1; rua=ftp://b.test, http://b.test/, MAILTO:a@b.test", "MAILTO:a@b.test", 1},
        {"the first rua counts", "v=TLSRPTv1; rua=mailto:a@b.test; rua=mailto:c@b.test", "mailto:a@b.test", 1},
        {"not too many", "v=TLSRPTv1; rua=mailto:a@b,mailto:a@b,mailto:a@b,mailto:a@b,mailto:a@b", "mailto:a@b", TLS_REPORT_MOST_URIS},
        {"line breaks", "v=TLSRPTv1; rua=mailto:a@b.test\r\nBcc: x", NULL, 0}, {"no rua", "v=TLSRPTv1;", NULL, 0},
        {"another version", "v=TLSRPTv2; rua=mailto:a@b.test", NULL, 0}, {"something else", "v=spf1 -all", NULL, 0}, {"nothing", "", NULL, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf uris = buf_make(8192);
        size_t count = tls_report_uris(str_from(rows[i].txt), &uris);
        if (count != rows[i].count || (count && strcmp(uris.at, rows[i].first) != 0))
            fail_msg("%s: %zu", rows[i].name, count);
        buf_free(&uris);
    }
}

static json_t *unzipped(struct str gz)
{
    static char text[100000];
    z_stream z = {.next_in = (Bytef *)(uintptr_t)gz.at, .avail_in = (uInt)gz.len, .next_out = (Bytef *)text, .avail_out = sizeof text};

    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    size_t len = z.total_out;
    inflateEnd(&z);
    return json_loadb(text, len, 0, NULL);
}

static void a_report_has_what_the_rfc_wants(void **state)
{
    struct tls_report t = {.domain = "d.test", .host = "mx.us.test", .contact = "tls@us.test", .from_ms = 1764028800000, .id = "abc@mx.us.test"};
    struct buf gz = buf_make(TLS_REPORT_BYTES_MAX), mail = buf_make(TLS_REPORT_BYTES_MAX);
    char name[400];
    json_t *policies = json_loads("{\"k\": {\"policy\": {\"policy-type\": \"sts\", \"policy-domain\": \"d.test\", \"mx-host\": [\"*.d.test\"]}, \"successful\": 7,"
                                  " \"failed\": 2, \"details\": {\"x\": {\"result-type\": \"certificate-expired\", \"failed-session-count\": 2}}},"
                                  " \"l\": {\"policy\": {\"policy-type\": \"no-policy-found\", \"policy-domain\": \"d.test\"}, \"successful\": 1}}", 0, NULL);

    (void)state;
    assert_true(tls_report_json(&t, policies, &gz));
    json_t *report = unzipped(buf_str(&gz)), *wanted = json_loads(
        "{\"organization-name\": \"mx.us.test\", \"date-range\": {\"start-datetime\": \"2025-11-25T00:00:00Z\", \"end-datetime\": \"2025-11-25T23:59:59Z\"},"
        " \"contact-info\": \"tls@us.test\", \"report-id\": \"abc@mx.us.test\", \"policies\": ["
        "{\"policy\": {\"policy-type\": \"sts\", \"policy-domain\": \"d.test\", \"mx-host\": [\"*.d.test\"]},"
        " \"summary\": {\"total-successful-session-count\": 7, \"total-failure-session-count\": 2},"
        " \"failure-details\": [{\"result-type\": \"certificate-expired\", \"failed-session-count\": 2}]},"
        "{\"policy\": {\"policy-type\": \"no-policy-found\", \"policy-domain\": \"d.test\"},"
        " \"summary\": {\"total-successful-session-count\": 1, \"total-failure-session-count\": 0}}]}", 0, NULL);
    assert_true(json_equal(report, wanted));
    tls_report_file_name(&t, name, sizeof name);
    assert_string_equal(name, "us.test!d.test!1764028800!1764115199.json.gz");
    assert_true(tls_report_mail(&t, buf_str(&gz), "rua@d.test", 1764130000000, &mail));
    const char *text = buf_text(&mail);
    assert_non_null(strstr(text, "\r\nTLS-Report-Domain: d.test\r\nTLS-Report-Submitter: us.test\r\nTLS-Required: No\r\n"));
    assert_non_null(strstr(text, "\r\nSubject: Report Domain: d.test\r\n Submitter: us.test\r\n Report-ID: <abc@mx.us.test>\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Type: application/tlsrpt+gzip\r\n"));
    json_decref(report);
    json_decref(wanted);
    json_decref(policies);
    buf_free(&gz);
    buf_free(&mail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(records_are_read), cmocka_unit_test(a_report_has_what_the_rfc_wants)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
