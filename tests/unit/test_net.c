/* test_net.c: addresses, the PROXY header, and the zone file with its questions. */
#include "net/dns.h"
#include "net/proxy_protocol.h"

#include "check.h"

#include <unistd.h>

static void addresses_are_read_and_written(void **state)
{
    static const struct { const char *text, *canonical; } rows[] = {
        {"192.0.2.1", "192.0.2.1"}, {"2001:DB8::1", "2001:db8::1"}, {"::ffff:192.0.2.1", "192.0.2.1"}, {"1.2.3", NULL}, {"1.2.3.4.5", NULL},
        {"[::1]", NULL}, {"", NULL}, {"fe80::1%eth0", NULL}};
    char text[IP_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ip ip;
        bool ok = ip_parse(str_from(rows[i].text), &ip);
        if (ok != (rows[i].canonical != NULL) || (ok && strcmp(ip_format(&ip, text), rows[i].canonical) != 0))
            fail_msg("%s", rows[i].text);
    }
}

static void networks_hold_what_they_should(void **state)
{
    static const struct { const char *network, *ip; bool has; } rows[] = {
        {"192.0.2.0/24", "192.0.2.255", true}, {"192.0.2.0/24", "192.0.3.0", false}, {"10.0.0.0/9", "10.128.0.0", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true}, {"2001:db8::/33", "2001:db8:8000::1", false}, {"0.0.0.0/0", "8.8.8.8", true},
        {"0.0.0.0/0", "::1", false}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct network n;
        struct ip ip;
        assert_true(network_parse(str_from(rows[i].network), &n) && ip_parse(str_from(rows[i].ip), &ip));
        if (network_has(&n, &ip) != rows[i].has)
            fail_msg("%s %s", rows[i].network, rows[i].ip);
    }
    struct network n;
    assert_false(network_parse(STR("192.0.2.1/24"), &n));
    assert_false(network_parse(STR("192.0.2.0/33"), &n));
}

static void proxy_headers_are_read(void **state)
{
    static const struct { const char *text; size_t len; enum proxy_result result; const char *source; } rows[] = {
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\r\nEHLO", 44, PROXY_OK, "192.0.2.1:1000"},
        {"PROXY TCP6 ::1 ::2 1 2\r\n", 24, PROXY_OK, "[::1]:1"},
        {"PROXY TCP4 192.0.2.1", 20, PROXY_MORE, NULL},
        {"PROXY TCP4 ::1 ::2 1 2\r\n", 24, PROXY_MALFORMED, NULL},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 70000 25\r\n", 41, PROXY_MALFORMED, NULL},
        {"EHLO x\r\n", 8, PROXY_MALFORMED, NULL},
        {"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\0\x10\0\x19", 28, PROXY_OK, "192.0.2.1:16"},
        {"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\0\x10\0\x19", 28, PROXY_MALFORMED, NULL},
    };
    char text[ENDPOINT_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct proxy_header h;
        size_t used;
        enum proxy_result result = proxy_parse(str_n(rows[i].text, rows[i].len), &h, &used);
        if (result != rows[i].result || (rows[i].source && strcmp(endpoint_format(&h.source, text), rows[i].source) != 0))
            fail_msg("row %zu gave %d", i, result);
    }
}

static struct dns *zone(const char *text, struct buf *error)
{
    char path[] = "/tmp/postern-zone-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    struct dns *d = dns_new_zone_file(path, error);
    unlink(path);
    return d;
}

static void zone_files_answer(void **state)
{
    static const struct { const char *name; enum dns_type type; enum dns_status status; size_t count; } rows[] = {
        {"acme.test", DNS_MX, DNS_OK, 2}, {"ACME.test.", DNS_MX, DNS_OK, 2}, {"acme.test", DNS_A, DNS_NO_DATA, 0},
        {"nowhere.test", DNS_A, DNS_NO_NAME, 0}, {"slow.test", DNS_MX, DNS_FAILED, 0}, {"www.acme.test", DNS_A, DNS_OK, 1},
        {"null.test", DNS_MX, DNS_OK, 1}, {"acme.test", DNS_TXT, DNS_OK, 1}};
    struct buf error = buf_make(1000);
    struct dns *d = zone("$TTL 60\nacme.test. IN MX 10 mx1.acme.test. ; first\nacme.test. MX 20 mx2.acme.test.\nmx1.acme.test. A 192.0.2.1\n"
                         "www.acme.test. CNAME mx1.acme.test.\nslow.test. TIMEOUT\nnull.test. MX 0 .\nacme.test. TXT \"v=spf1 \" \"-all; x\"\n",
                         &error);

    (void)state;
    assert_non_null(d);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_question *q = dns_start(d, str_from(rows[i].name), rows[i].type);
        const struct dns_answer *a = dns_wait(q);
        if (a->status != rows[i].status || a->count != rows[i].count)
            fail_msg("%s type %d: status %d, %zu records", rows[i].name, rows[i].type, a->status, a->count);
        if (rows[i].type == DNS_TXT)
            assert_true(str_is(a->at[0].data, "v=spf1 -all; x"));
        dns_done(&q);
    }
    dns_free(&d);
    static const char *const wrong[] = {"acme.test. MX ten mx.\n", "_25._tcp.x. TLSA 3 1 1\n", "_25._tcp.x. TLSA 3 1 1 0\n",
                                        "_25._tcp.x. TLSA 3 1 256 00\n", "_25._tcp.x. TLSA 3 1 1 0g\n", "$AUTHENTIC perhaps\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (zone(wrong[i], &error))
            fail_msg("%s", wrong[i]);
    assert_true(str_find_str(buf_str(&error), STR(":1: not a record")) >= 0);
    buf_free(&error);
}

/* A resolver where nobody answers: no verdict, in bounded time. */
static void a_dead_resolver_gives_no_answer(void **state)
{
    const char *const dead[] = {"127.0.0.1:9"};
    struct buf error = buf_make(1000);
    struct dns *d = dns_new_resolver(dead, 1, 300, &error);

    (void)state;
    assert_non_null(d);
    struct dns_question *q = dns_start(d, STR("acme.test"), DNS_MX), *again = dns_start(d, STR("acme.test"), DNS_MX);
    assert_int_equal(dns_wait(q)->status, DNS_FAILED);
    assert_int_equal(dns_wait(again)->status, DNS_FAILED);
    dns_done(&q);
    dns_done(&again);
    dns_free(&d);
    buf_free(&error);
}

/* Whether DNSSEC vouches for the whole way to a record, and where the way has led. */
static void answers_say_where_they_come_from(void **state)
{
    static const struct { const char *name; enum dns_type type; bool authentic; const char *canonical; } rows[] = {
        {"mx.signed.test", DNS_A, true, ""}, {"alias.signed.test", DNS_A, true, "mx.signed.test"}, {"out.signed.test", DNS_A, false, "plain.test"},
        {"out.signed.test", DNS_CNAME, true, ""}, {"in.plain.test", DNS_A, false, "mx.signed.test"}, {"mx.signed.test", DNS_MX, true, ""},
        {"plain.test", DNS_MX, false, ""}, {"nowhere.test", DNS_A, false, ""}};
    struct buf error = buf_make(1000);
    struct dns *d = zone("$AUTHENTIC yes\nmx.signed.test. A 192.0.2.1\nalias.signed.test. CNAME mx.signed.test.\nout.signed.test. CNAME plain.test.\n"
                         "_25._tcp.mx.signed.test. TLSA 3 1 1 00fF\n$AUTHENTIC no\nplain.test. A 192.0.2.2\nin.plain.test. CNAME mx.signed.test.\n", &error);

    (void)state;
    assert_non_null(d);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_question *q = dns_start(d, str_from(rows[i].name), rows[i].type);
        const struct dns_answer *a = dns_wait(q);
        if (a->authentic != rows[i].authentic || !str_is(a->canonical, rows[i].canonical))
            fail_msg("%s type %d: %d " STR_FMT, rows[i].name, rows[i].type, a->authentic, STR_ARG(a->canonical));
        dns_done(&q);
    }
    struct dns_question *q = dns_start(d, STR("_25._tcp.mx.signed.test"), DNS_TLSA);
    const struct dns_answer *a = dns_wait(q);
    assert_true(a->status == DNS_OK && a->authentic && str_eq(a->at[0].data, str_n("\3\1\1\0\xff", 5)));
    dns_done(&q);
    dns_free(&d);
    buf_free(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(addresses_are_read_and_written), cmocka_unit_test(networks_hold_what_they_should),
                                       cmocka_unit_test(proxy_headers_are_read), cmocka_unit_test(zone_files_answer),
                                       cmocka_unit_test(a_dead_resolver_gives_no_answer),
                                       cmocka_unit_test(answers_say_where_they_come_from)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
