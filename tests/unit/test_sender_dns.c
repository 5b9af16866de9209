/* test_sender_dns.c: what the sender's domain and the client's PTR come to, from a zone. */
#include "auth/sender_dns.h"

#include "check.h"

#include <unistd.h>

static struct dns *zone(const char *text)
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

static void domains_of_senders(void **state)
{
    static const struct { const char *domain; enum sender_dns result; } rows[] = {
        {"mx.test", SENDER_DNS_FOUND}, {"v4.test", SENDER_DNS_FOUND}, {"v6.test", SENDER_DNS_FOUND}, {"alias.test", SENDER_DNS_FOUND},
        {"null.test", SENDER_DNS_NULL_MX}, {"two.test", SENDER_DNS_FOUND}, {"text.test", SENDER_DNS_NO_RECORD}, {"nowhere.test", SENDER_DNS_NO_NAME},
        {"lame.test", SENDER_DNS_FAILED}, {"half.test", SENDER_DNS_FOUND}, {"", SENDER_DNS_NO_NAME}};
    struct dns *d = zone("mx.test. MX 10 mail.mx.test.\nv4.test. A 192.0.2.1\nv6.test. AAAA 2001:db8::1\nalias.test. CNAME v4.test.\n"
                         "null.test. MX 0 .\ntwo.test. MX 0 .\ntwo.test. MX 10 mail.two.test.\ntext.test. TXT \"x\"\nlame.test. TIMEOUT\n"
                         "half.test. TIMEOUT\nhalf.test. MX 10 mail.half.test.\n");

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str name = str_from(rows[i].domain);
        struct dns_question *mx = dns_start(d, name, DNS_MX);
        enum sender_dns result = sender_dns_check(d, name, mx, INT64_MAX);
        if (result != rows[i].result)
            fail_msg("%s: %d", rows[i].domain, (int)result);
        dns_done(&mx);
    }
    assert_int_equal(sender_dns_check(d, STR("mx.test"), NULL, INT64_MAX), SENDER_DNS_FAILED); /* out of memory */
    dns_free(&d);
}

static void names_of_clients(void **state)
{
    static const struct { const char *ip; enum iprev result; const char *name; } rows[] = {
        {"192.0.2.1", IPREV_PASS, "mail.sender.test"}, {"192.0.2.2", IPREV_NO_PTR, ""}, {"192.0.2.3", IPREV_MISMATCH, "mail.sender.test"},
        {"192.0.2.4", IPREV_FAILED, ""}, {"192.0.2.5", IPREV_FAILED, "lame.test"}, {"192.0.2.6", IPREV_PASS, "mail6.sender.test"},
        {"2001:db8::1", IPREV_PASS, "mail.sender.test"}};
    struct dns *d = zone("1.2.0.192.in-addr.arpa. PTR mail.sender.test.\nmail.sender.test. A 192.0.2.1\nmail.sender.test. AAAA 2001:db8::1\n"
                         "3.2.0.192.in-addr.arpa. PTR mail.sender.test.\n4.2.0.192.in-addr.arpa. TIMEOUT\n5.2.0.192.in-addr.arpa. PTR lame.test.\n"
                         "lame.test. TIMEOUT\n6.2.0.192.in-addr.arpa. PTR lame.test.\n6.2.0.192.in-addr.arpa. PTR mail6.sender.test.\n"
                         "mail6.sender.test. A 192.0.2.6\n"
                         "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mail.sender.test.\n");

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct iprev_verdict v;
        struct ip ip;
        assert_true(ip_parse(str_from(rows[i].ip), &ip));
        struct dns_question *ptr = iprev_start(d, &ip);
        iprev_check(d, &ip, ptr, INT64_MAX, &v);
        if (v.result != rows[i].result || strcmp(v.name, rows[i].name) != 0)
            fail_msg("%s: %d, \"%s\"", rows[i].ip, (int)v.result, v.name);
        dns_done(&ptr);
    }
    dns_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(domains_of_senders), cmocka_unit_test(names_of_clients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
