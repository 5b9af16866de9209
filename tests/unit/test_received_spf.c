/* test_received_spf.c: the trace field of RFC 7208 §9.1, also when client and sender say hostile things. */
#include "auth/received_spf.h"

#include "check.h"

static struct str written(struct buf *out, const char *sender, const char *helo, enum spf_result result, const char *mechanism, const char *problem)
{
    struct spf_query q = {.helo = str_from(helo), .receiver = STR("mx.postern.test")};
    struct spf_verdict v = {.result = result};
    struct received_spf r = {.query = &q, .verdict = &v, .sender = str_from(sender)};

    assert_true(ip_parse(STR("192.0.2.1"), &q.ip));
    snprintf(v.mechanism, sizeof v.mechanism, "%s", mechanism);
    snprintf(v.problem, sizeof v.problem, "%s", problem);
    buf_clear(out);
    received_spf_write(out, &r);
    return buf_str(out);
}

static void results(void **state)
{
    struct buf out = buf_make(4096);

    (void)state;
    assert_true(str_is(written(&out, "carol@sender.test", "mail.sender.test", SPF_PASS, "ip4:192.0.2.1", ""),
                       "Received-SPF: pass (mx.postern.test: domain of carol@sender.test\r\n"
                       "\tdesignates 192.0.2.1 as permitted sender)\r\n"
                       "\treceiver=\"mx.postern.test\"; identity=mailfrom;\r\n\tclient-ip=\"192.0.2.1\";\r\n"
                       "\tenvelope-from=\"carol@sender.test\";\r\n\thelo=\"mail.sender.test\";\r\n\tmechanism=\"ip4:192.0.2.1\"\r\n"));
    assert_true(str_is(written(&out, "", "mail.sender.test", SPF_NEUTRAL, "", ""),
                       "Received-SPF: neutral (mx.postern.test: domain of mail.sender.test\r\n"
                       "\tsays nothing about 192.0.2.1)\r\n"
                       "\treceiver=\"mx.postern.test\"; identity=helo;\r\n\tclient-ip=\"192.0.2.1\";\r\n"
                       "\thelo=\"mail.sender.test\";\r\n\tmechanism=\"default\"\r\n"));
    assert_true(str_find_str(written(&out, "a@b.test", "x.test", SPF_PERMERROR, "", "two records"), STR("problem=\"two records\"\r\n")) > 0);
    assert_true(str_find_str(written(&out, "a@b.test", "x.test", SPF_NONE, "", ""), STR("mechanism")) < 0);
    buf_free(&out);
}

/* One field, whatever they say: no line end of theirs, no bracket, no quote, no 8-bit octet that is not UTF-8. */
static void hostile_words(void **state)
{
    static const char *const said[] = {"a\r\nX-Evil: yes@b.test", "\"a)(\\\"@b.test", "a\\@b.test", "\xFF\xFE@b.test", "\x7F\x01@b.test"};
    struct buf out = buf_make(8192);

    (void)state;
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        struct str field = written(&out, said[i], said[i], SPF_FAIL, said[i], "");
        int depth = 0;
        bool quoted = false;
        for (size_t at = 0; at < field.len; at++) {
            char c = field.at[at];
            if (c == '\r')
                assert_true(at + 1 < field.len && field.at[at + 1] == '\n' && (at + 2 == field.len || field.at[at + 2] == '\t'));
            assert_true((unsigned char)c < 0x7F && ((unsigned char)c >= 0x20 || c == '\r' || c == '\n' || c == '\t'));
            if (c == '\\') {
                assert_true(quoted); /* nowhere else, and it takes one octet with it */
                at++;
                continue;
            }
            quoted ^= c == '"' && depth == 0;
            depth += quoted ? 0 : c == '(' ? 1 : c == ')' ? -1 : 0;
            assert_in_range(depth, 0, 1);
        }
        assert_false(quoted);
        assert_int_equal(depth, 0);
    }
    char long_one[2000];
    memset(long_one, 'x', sizeof long_one - 1);
    long_one[sizeof long_one - 1] = '\0';
    struct str rest = written(&out, long_one, long_one, SPF_FAIL, "-all", "");
    while (rest.len)
        assert_true(str_cut(&rest, '\n').len <= 999);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(results), cmocka_unit_test(hostile_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
