/* test_dnsbl.c: block lists in the DNS: how they are written, what their answers come to, and which are believed. */
#include "base/clock.h"
#include "net/dnsbl.h"

#include "check.h"

#include <unistd.h>

static void entries_are_read(void **state)
{
    static const struct { const char *text; size_t patterns; int weight; } rows[] = {
        {"bl.example", 0, 10}, {"BL.example.", 0, 10}, {"bl.example:3", 0, 3}, {"good.example:-20", 0, -20}, {"bl.example/127.0.0.2", 1, 10},
        {"bl.example/127.0.0.2,127.0.0.4-11:5", 2, 5}, {"good.example/127.0.*.1-3:-1", 1, -1}, {"a_b.example", 0, 10},
        {"", 9, 0}, {"bl", 9, 0}, {"bl..example", 9, 0}, {"bl.example:0", 9, 0}, {"bl.example:", 9, 0}, {"bl.example:x", 9, 0}, {"bl.example:1001", 9, 0},
        {"bl.example/", 9, 0}, {"bl.example/127.0.0", 9, 0}, {"bl.example/127.0.0.1.2", 9, 0}, {"bl.example/127.0.0.9-2", 9, 0},
        {"bl.example/127.0.0.256", 9, 0}, {"bl.example/10.0.0.1", 9, 0}, {"bl.example/*.0.0.1", 9, 0}, {"bl.exa mple", 9, 0},
        {"bl.example/127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.5,127.0.0.6,127.0.0.7,127.0.0.8,127.0.0.9", 9, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dnsbl_entry e;
        bool ok = dnsbl_entry_parse(str_from(rows[i].text), &e);
        if (ok != (rows[i].weight != 0) || (ok && (e.patterns != rows[i].patterns || e.weight != rows[i].weight)))
            fail_msg("%s", rows[i].text);
    }
}

static const char text[] =
    "$TTL 300\n"
    "2.0.0.127.bl.example. A 127.0.0.2\n7.2.0.192.bl.example. A 127.0.0.2\n8.2.0.192.bl.example. A 127.0.0.10\n"
    "9.2.0.192.bl.example. A 127.0.0.2\n9.2.0.192.bl.example. A 127.0.0.10\n"
    "2.0.0.127.good.example. A 127.0.0.2\n7.2.0.192.good.example. A 127.0.5.1\n"
    "2.0.0.127.all.example. A 127.0.0.2\n1.0.0.127.all.example. A 127.0.0.2\n7.2.0.192.all.example. A 127.0.0.2\n"
    "7.2.0.192.closed.example. A 127.0.0.2\n"
    "2.0.0.127.away.example. A 192.0.2.99\n7.2.0.192.away.example. A 127.0.0.2\n"
    "2.0.0.127.refuses.example. A 127.255.255.254\n7.2.0.192.refuses.example. A 127.0.0.2\n"
    "2.0.0.127.later.example. A 127.0.0.2\n7.2.0.192.later.example. A 127.255.255.255\n8.2.0.192.later.example. A 127.0.0.2\n"
    "2.0.0.127.dead.example. TIMEOUT\n7.2.0.192.dead.example. A 127.0.0.2\n"
    "2.0.0.127.six.example. A 127.0.0.2\n"
    "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.six.example. A 127.0.0.2\n"
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.six.example. A 127.0.0.3\n"
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example. A 127.0.0.3\n";

static struct dns *zone(void)
{
    char path[] = "/tmp/postern-zone-XXXXXX";
    struct buf error = buf_make(1000);
    int fd = mkstemp(path);

    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    struct dns *d = dns_new_zone_file(path, &error);
    unlink(path);
    if (!d)
        fail_msg(STR_FMT, STR_ARG(buf_str(&error)));
    buf_free(&error);
    return d;
}

static struct dnsbl_verdict judge(struct dnsbl *d, struct dns *dns, const char *address)
{
    struct dnsbl_verdict v;
    struct ip ip;

    assert_true(ip_parse(str_from(address), &ip));
    struct dnsbl_questions *q = dnsbl_ask(d, dns, &ip);
    dnsbl_judge(q, INT64_MAX, &v);
    dnsbl_done(&q);
    return v;
}

static void answers_come_to_weights(void **state)
{
    static const struct { const char *name, *entries[3], *ip; int weight; bool welcome; const char *listed; } rows[] = {
        {"listed", {"bl.example:4"}, "192.0.2.7", 4, false, "bl.example (127.0.0.2)"},
        {"not listed", {"bl.example:4"}, "192.0.2.1", 0, false, ""},
        {"an answer that does not count", {"bl.example/127.0.0.2:4"}, "192.0.2.8", 0, false, ""},
        {"each by its own weight", {"bl.example/127.0.0.2:4", "bl.example/127.0.0.8-11:3"}, "192.0.2.8", 3, false, "bl.example (127.0.0.10)"},
        {"both answers", {"bl.example/127.0.0.2:4", "bl.example/127.0.0.8-11:3"}, "192.0.2.9", 7, false, "bl.example (127.0.0.2), bl.example (127.0.0.10)"},
        {"one entry counts once", {"bl.example:4"}, "192.0.2.9", 4, false, "bl.example (127.0.0.2)"},
        {"a list of good senders", {"bl.example:4", "good.example/127.0.*.1-3:-10"}, "192.0.2.7", -6, true, "bl.example (127.0.0.2)"},
        {"it lists everything", {"all.example"}, "192.0.2.7", 0, false, ""},
        {"it has no test address", {"closed.example"}, "192.0.2.7", 0, false, ""},
        {"it answers from elsewhere", {"away.example"}, "192.0.2.7", 0, false, ""},
        {"it refuses us", {"refuses.example"}, "192.0.2.7", 0, false, ""},
        {"it refuses us later", {"later.example"}, "192.0.2.7", 0, false, ""},
        {"it does not answer the test", {"dead.example"}, "192.0.2.7", 0, false, ""},
        {"IPv6", {"six.example"}, "2001:db8::1", 10, false, "six.example (127.0.0.3)"},
        {"IPv6 in a list that is none for it", {"bl.example"}, "2001:db8::1", 0, false, ""},
        {"no lists", {NULL}, "192.0.2.7", 0, false, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t count = 0;
        while (count < 3 && rows[i].entries[count])
            count++;
        struct dns *dns = zone();
        struct dnsbl *d = dnsbl_new(rows[i].entries, count);
        dnsbl_test(d, dns);
        struct dnsbl_verdict v = judge(d, dns, rows[i].ip);
        if (v.weight != rows[i].weight || v.is_welcome != rows[i].welcome || strcmp(v.listed, rows[i].listed) != 0)
            fail_msg("%s: %d, \"%s\"", rows[i].name, v.weight, v.listed);
        dnsbl_unref(d);
        dns_free(&dns);
    }
}

static void a_zone_that_begins_to_refuse_is_not_used_any_more(void **state)
{
    static const char *const entries[] = {"later.example", "all.example", "bl.example"};
    struct dns *dns = zone();
    struct dnsbl *d = dnsbl_new(entries, 3);
    char said[160];

    (void)state;
    assert_string_equal(dnsbl_zone_state(d, 0, said), "not tested yet");
    dnsbl_test(d, dns);
    assert_int_equal(dnsbl_zone_count(d), 3);
    assert_string_equal(dnsbl_zone_state(d, 2, said), "works, for IPv4");
    assert_non_null(strstr(dnsbl_zone_state(d, 1, said), "not used: it lists 127.0.0.1"));
    assert_int_equal(judge(d, dns, "192.0.2.8").weight, 20);
    assert_int_equal(judge(d, dns, "192.0.2.7").weight, 10); /* bl.example alone */
    assert_non_null(strstr(dnsbl_zone_state(d, 0, said), "refuses"));
    assert_int_equal(judge(d, dns, "192.0.2.8").weight, 10);
    clock_turn(11 * 60 * 1000);
    dnsbl_test(d, dns); /* its test addresses are as they were */
    assert_int_equal(judge(d, dns, "192.0.2.8").weight, 20);
    clock_turn(-11 * 60 * 1000);
    dnsbl_unref(d);
    dns_free(&dns);
}

static void an_untested_zone_lists_nothing(void **state)
{
    static const char *const entries[] = {"bl.example"};
    struct dns *dns = zone();
    struct dnsbl *d = dnsbl_new(entries, 1);
    struct dnsbl_verdict v;
    struct ip ip;

    (void)state;
    assert_true(ip_parse(STR("192.0.2.7"), &ip));
    struct dnsbl_questions *q = dnsbl_ask(d, dns, &ip);
    dnsbl_judge(q, clock_mono_ms(), &v); /* it is waited for until then */
    assert_int_equal(v.weight, 0);
    dnsbl_done(&q);
    dnsbl_unref(d);
    dns_free(&dns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(entries_are_read), cmocka_unit_test(answers_come_to_weights),
                                       cmocka_unit_test(a_zone_that_begins_to_refuse_is_not_used_any_more),
                                       cmocka_unit_test(an_untested_zone_lists_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
