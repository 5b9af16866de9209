/* test_lists.c: list files: who is matched, what is said of a bad line. */
#include "policy/finding.h"
#include "policy/lists.h"

#include "check.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/postern-lists-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[200];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static struct address address(const char *text)
{
    struct address a;
    const char *why = NULL;

    assert_int_equal(address_parse(str_from(text), true, &a, &why), ADDRESS_OK);
    return a;
}

static void senders_are_matched(void **state)
{
    static const struct { const char *sender, *domain; bool blocked; } rows[] = {
        {"x@bad.test", "acme.test", true},      {"X@BAD.test", "acme.test", true},  {"x@sub.bad.test", "acme.test", false},
        {"x@a.b.worse.test", "acme.test", true}, {"x@worse.test", "acme.test", false}, {"one@mixed.test", "acme.test", true},
        {"two@mixed.test", "acme.test", false}, {"y@only.test", "acme.test", true}, {"y@only.test", "other.test", false},
    };
    struct buf error = buf_make(1000);

    (void)state;
    put("sender-block", "# blocked\n*@bad.test\n*.worse.test   # everything below it\none@mixed.test\nonly.test domain=acme.test\n");
    struct lists *l = lists_load(folder, &error);
    assert_non_null(l);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct address a = address(rows[i].sender);
        char evidence[EVIDENCE_MAX] = "";
        if (lists_sender_blocked(l, &a, str_from(rows[i].domain), evidence) != rows[i].blocked)
            fail_msg("%s for %s", rows[i].sender, rows[i].domain);
        assert_int_equal(rows[i].blocked, strstr(evidence, "sender-block, line") != NULL);
    }
    lists_free(&l);
    buf_free(&error);
}

static void an_allow_entry_wants_an_authenticated_sender(void **state)
{
    struct buf error = buf_make(1000);
    struct address a = address("a@good.test"), b = address("b@fine.test");

    (void)state;
    put("sender-allow", "good.test\nfine.test unauthenticated\n");
    struct lists *l = lists_load(folder, &error);
    assert_non_null(l);
    assert_false(lists_sender_allowed(l, &a, STR("acme.test"), false, NULL));
    assert_true(lists_sender_allowed(l, &a, STR("acme.test"), true, NULL));
    assert_true(lists_sender_allowed(l, &b, STR("acme.test"), false, NULL));
    lists_free(&l);
    buf_free(&error);
}

static void a_bad_line_is_named(void **state)
{
    struct buf error = buf_make(1000);

    (void)state;
    static const char *const slips[] = {"*bad.test", "@bad.test", "*@", "*.", "a b@", "x@bad..test"};
    for (size_t i = 0; i < sizeof slips / sizeof *slips; i++) {
        put("recipient-block", slips[i]);
        buf_clear(&error);
        if (lists_load(folder, &error) || str_find_str(buf_str(&error), STR("recipient-block:1:")) < 0)
            fail_msg("%s: \"" STR_FMT "\"", slips[i], STR_ARG(buf_str(&error)));
    }
    put("recipient-block", "");
    buf_clear(&error);
    put("ip-block", "192.0.2.0/24\n300.0.0.0/8\n");
    assert_null(lists_load(folder, &error));
    assert_true(str_find_str(buf_str(&error), STR("ip-block:2:")) >= 0);
    put("ip-block", "192.0.2.0/24\n");
    put("ip-allow", "127.0.0.0/8 skip=greeting,rate\n");
    buf_clear(&error);
    struct lists *l = lists_load(folder, &error);
    struct ip bad, own;
    assert_non_null(l);
    assert_true(ip_parse(STR("192.0.2.9"), &bad) && ip_parse(STR("127.0.0.9"), &own));
    assert_true(lists_ip_blocked(l, &bad, STR("acme.test"), NULL));
    assert_int_equal(lists_ip_skips(l, &own, STR("")), SKIP_GREETING | SKIP_RATE);
    lists_free(&l);
    buf_free(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(senders_are_matched), cmocka_unit_test(an_allow_entry_wants_an_authenticated_sender),
                                       cmocka_unit_test(a_bad_line_is_named)};
    if (!mkdtemp(folder))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
