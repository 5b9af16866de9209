/* test_notice.c: mail that the gateway writes: header fields in any language, parts that read back. */
#include "courier/notice.h"

#include "check.h"

static void header_texts_are_encoded_where_they_must(void **state)
{
    static const struct { const char *text, *expected; } rows[] = {
        {"Quarantine: 3 new messages", "Quarantine: 3 new messages"},
        {"Gr\303\274\303\237e", "=?utf-8?B?R3LDvMOfZQ==?="},
        {"=?x?=", "=?utf-8?B?PT94Pz0=?="},
        {"a\r\nBcc: x@y", "=?utf-8?B?YQ0KQmNjOiB4QHk=?="},
        {"12345678901234567890123456789012345678\342\202\254x", "=?utf-8?B?MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg=?=\r\n =?utf-8?B?4oKseA==?="},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = buf_make(1000);
        notice_header_text(&out, str_from(rows[i].text));
        assert_string_equal(buf_text(&out), rows[i].expected);
        buf_free(&out);
    }
}

static void nothing_in_html_is_markup(void **state)
{
    struct buf out = buf_make(1000);

    (void)state;
    notice_html_text(&out, STR("<b onclick=\"x('y')\">&amp;"));
    assert_string_equal(buf_text(&out), "&lt;b onclick=&quot;x(&#39;y&#39;)&quot;&gt;&amp;amp;");
    buf_free(&out);
}

static void a_notice_is_a_message(void **state)
{
    struct dkim_signer *signer = dkim_signer_new(dkim_keys_new(STR(""), &(struct buf){.ceiling = 100}));
    struct notice n = {.host = "mx.postern.test", .from = "postmaster@acme.test", .from_name = "Mail \"gateway\"", .subject = STR("t"), .list_id = "digest.acme.test",
                       .text = STR("Hello.\n"), .html = STR("<p>Hello.</p>\n")};
    const char *why = NULL;

    (void)state;
    assert_int_equal(address_parse(STR("ann@acme.test"), false, &n.to, &why), ADDRESS_OK);
    struct spool_message *m = notice_make(signer, &n, 1700000000000);
    assert_non_null(m);
    assert_true(address_is_null(&m->mail.sender));
    assert_int_equal(m->recipients[0].args.notify, DSN_NOTIFY_NEVER);
    struct str text = blob_bytes(m->body);
    static const char *const wanted[] = {"To: <ann@acme.test>\r\n", "Auto-Submitted: auto-generated\r\n", "List-Id: <digest.acme.test>\r\n", "multipart/alternative",
                                         "SGVsbG8uCg==", "text/html; charset=utf-8", "From: =?utf-8?B?"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (str_find_str(text, str_from(wanted[i])) < 0)
            fail_msg("%s is missing in: " STR_FMT, wanted[i], STR_ARG(text));
    spool_message_unref(m);
    dkim_signer_free(&signer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(header_texts_are_encoded_where_they_must), cmocka_unit_test(nothing_in_html_is_markup),
                                       cmocka_unit_test(a_notice_is_a_message)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
