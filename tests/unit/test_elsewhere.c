/* test_elsewhere.c: where passwords are kept elsewhere: addresses of servers, names for a directory, and what a directory answers, whole, torn and hostile. */
#include "auth/elsewhere.h"
#include "check.h"

static void sources_are_read(void **state)
{
    static const struct {
        const char *url;
        bool fine;
        enum elsewhere_kind kind;
        bool tls_first;
        const char *host;
        uint16_t port;
    } rows[] = {
        {"ldap://192.0.2.1", true, ELSEWHERE_LDAP, false, "192.0.2.1", 389},      {"ldaps://dir.example:1636", true, ELSEWHERE_LDAP, true, "dir.example", 1636},
        {"SMTP://mail.example", true, ELSEWHERE_SMTP, false, "mail.example", 587}, {"smtps://[2001:db8::1]:4650", true, ELSEWHERE_SMTP, true, "2001:db8::1", 4650},
        {"imap://mail.example:1143", true, ELSEWHERE_IMAP, false, "mail.example", 1143}, {"imaps://[::1]", true, ELSEWHERE_IMAP, true, "::1", 993},
        {"http://x", false, 0, false, "", 0}, {"ldap://", false, 0, false, "", 0}, {"ldap://host:0", false, 0, false, "", 0}, {"ldap://host:70000", false, 0, false, "", 0},
        {"ldap://[::1", false, 0, false, "", 0}, {"ldap://ho st", false, 0, false, "", 0}, {"", false, 0, false, "", 0}, {"ldap", false, 0, false, "", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct elsewhere_source s = {0};
        bool fine = elsewhere_parse(str_from(rows[i].url), &s);
        if (fine != rows[i].fine)
            fail_msg("%s", rows[i].url);
        if (fine)
            assert_true(s.kind == rows[i].kind && s.tls_first == rows[i].tls_first && s.port == rows[i].port && str_is(str_from(s.host), rows[i].host));
    }
}

static void names_do_not_break_out_of_a_dn(void **state)
{
    static const char *const rows[][3] = {
        {"uid=%u,ou=people", "ann@acme.test", "uid=ann,ou=people"},
        {"uid=%u,dc=%d", "ann@acme.test", "uid=ann,dc=acme.test"},
        {"mail=%a,ou=p", "ann@acme.test", "mail=ann@acme.test,ou=p"},
        {"%a", "a,b@acme.test", "a,b@acme.test"},
        {"uid=%u,ou=people", "ann,ou=admins@acme.test", "uid=ann\\2cou\\3dadmins,ou=people"},
        {"uid=%u", " #\\\"+;<> @x", "uid=\\20#\\5c\\22\\2b\\3b\\3c\\3e\\20"},
        {"uid=%u", "#a@x", "uid=\\23a"},
        {"uid=%x%u", "a@x", "uid=%xa"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = buf_make(500);
        assert_true(elsewhere_dn(str_from(rows[i][0]), str_from(rows[i][1]), &out));
        assert_string_equal(buf_text(&out), rows[i][2]);
        buf_free(&out);
    }
}

static void a_directorys_answers_are_read_whole_torn_and_hostile(void **state)
{
    static const char right[] = "\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x00\x04\x00\x04\x00", wrong[] = "\x30\x84\x00\x00\x00\x10\x02\x01\x02\x61\x84\x00\x00\x00\x07\x0a\x01\x31\x04\x00\x04\x00";
    static const char *const hostile[] = {"\x31\x05", "\x30\x80\x00\x00", "\x30\x85\x01\x01\x01\x01\x01", "\x30\x84\x7f\xff\xff\xff", "\x30\x03\x02\x01\x02", "\x30\x07\x02\x01\x02\x61\x02\x0a\x01", "HTTP"};
    size_t used = 0;

    (void)state;
    assert_int_equal(elsewhere_ldap_result(str_n(right, sizeof right - 1), 0x61, &used), 0);
    assert_int_equal(used, sizeof right - 1);
    assert_int_equal(elsewhere_ldap_result(str_n(wrong, sizeof wrong - 1), 0x61, &used), 49);
    assert_int_equal(elsewhere_ldap_result(str_n(right, sizeof right - 1), 0x78, &used), -1);
    for (size_t len = 0; len < sizeof right - 1; len++)
        assert_int_equal(elsewhere_ldap_result(str_n(right, len), 0x61, &used), -2);
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
        assert_int_equal(elsewhere_ldap_result(str_n(hostile[i], i == 1 ? 4 : i == 3 ? 6 : strlen(hostile[i])), 0x61, &used), -1);
}

static void nobody_binds_without_a_password(void **state)
{
    struct buf out = buf_make(1000);

    (void)state;
    assert_false(elsewhere_ldap_bind(STR("uid=ann"), STR(""), &out));
    assert_int_equal(out.len, 0);
    assert_true(elsewhere_ldap_bind(STR("uid=ann"), STR("pw"), &out));
    assert_true(str_eq(buf_str(&out), str_n("\x30\x15\x02\x01\x02\x60\x10\x02\x01\x03\x04\x07uid=ann\x80\x02pw", 23)));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_are_read), cmocka_unit_test(names_do_not_break_out_of_a_dn), cmocka_unit_test(a_directorys_answers_are_read_whole_torn_and_hostile),
        cmocka_unit_test(nobody_binds_without_a_password),
    };
    return cmocka_run_group_tests_name("elsewhere", tests, NULL, NULL);
}
