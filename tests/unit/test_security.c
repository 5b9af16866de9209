/* test_security.c: what DNS says about a next hop: which TLSA records count (RFC 7672 §2.2), and whom a certificate must be for. */
#include "courier/security.h"
#include "store/settings_file.h"

#include "check.h"

#include <unistd.h>

#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

static const char zone_text[] =
    "$AUTHENTIC yes\n"
    "signed.test. MX 10 mx.signed.test.\n"
    "mx.signed.test. A 192.0.2.1\n"
    "_25._tcp.mx.signed.test. TLSA 3 1 1 " DIGEST "\n"
    "_25._tcp.mx.signed.test. TLSA 2 0 1 00112233445566778899aabbccddeeff 00112233445566778899aabbccddeeff\n"
    "bare.test. A 192.0.2.1\n"
    "_25._tcp.bare.test. TLSA 3 1 1 " DIGEST "\n"
    "without.test. MX 10 mx.without.test.\n"
    "mx.without.test. A 192.0.2.1\n"
    "pkix.test. MX 10 mx.pkix.test.\n"
    "mx.pkix.test. A 192.0.2.1\n"
    "_25._tcp.mx.pkix.test. TLSA 1 1 1 " DIGEST "\n"
    "_25._tcp.mx.pkix.test. TLSA 0 1 1 " DIGEST "\n"
    "_25._tcp.mx.pkix.test. TLSA 3 1 1 0011\n"
    "_25._tcp.mx.pkix.test. TLSA 3 2 1 " DIGEST "\n"
    "_25._tcp.mx.pkix.test. TLSA 3 1 9 " DIGEST "\n"
    "dead.test. MX 10 mx.dead.test.\n"
    "mx.dead.test. A 192.0.2.1\n"
    "_25._tcp.mx.dead.test. TIMEOUT\n"
    "alias.test. MX 10 mx.alias.test.\n"
    "mx.alias.test. CNAME mx.signed.test.\n"
    "early.test. MX 10 mx.early.test.\n"
    "mx.early.test. CNAME mx.without.test.\n"
    "_25._tcp.mx.early.test. TLSA 3 1 1 " DIGEST "\n"
    "out.test. MX 10 mx.out.test.\n"
    "mx.out.test. CNAME mx.unsigned.test.\n"
    "_25._tcp.mx.out.test. CNAME _tlsa.signed.test.\n"
    "_tlsa.signed.test. TLSA 3 1 1 " DIGEST "\n"
    "leaving.test. MX 10 mx.leaving.test.\n"
    "mx.leaving.test. A 192.0.2.1\n"
    "_25._tcp.mx.leaving.test. CNAME _25._tcp.mx.unsigned.test.\n"
    "$AUTHENTIC no\n"
    "mx.unsigned.test. A 192.0.2.1\n"
    "unsigned.test. MX 10 mx.signed.test.\n"
    "half.test. MX 10 mx.half.test.\n"
    "mx.half.test. A 192.0.2.1\n"
    "_25._tcp.mx.half.test. TLSA 3 1 1 " DIGEST "\n"
    "_25._tcp.mx.unsigned.test. TLSA 3 1 1 " DIGEST "\n";

static struct dns *zone(void)
{
    char path[] = "/tmp/postern-zone-XXXXXX";
    struct buf error = buf_make(1000);
    int fd = mkstemp(path);

    assert_true(fd >= 0 && write(fd, zone_text, strlen(zone_text)) == (ssize_t)strlen(zone_text));
    close(fd);
    struct dns *d = dns_new_zone_file(path, &error);
    unlink(path);
    if (!d)
        fail_msg("%s", buf_text(&error));
    buf_free(&error);
    return d;
}

static const struct {
    const char *name, *domain;
    enum dane_result result;
    size_t usable;
    const char *base, *says;
} rows[] = {
    {"all signed", "signed.test", DANE_USABLE, 2, "mx.signed.test", " 0011223344556677… and 1 more of _25._tcp.mx.signed.test"},
    {"no MX: the domain is its own host", "bare.test", DANE_USABLE, 1, "bare.test", "of _25._tcp.bare.test"},
    {"signed, nothing published", "without.test", DANE_NONE, 0, "", "there are no TLSA records at _25._tcp.mx.without.test"},
    {"nothing that we can use", "pkix.test", DANE_UNUSABLE, 0, "mx.pkix.test", "no TLSA record of _25._tcp.mx.pkix.test can be used"},
    {"look-up fails", "dead.test", DANE_FAILED, 0, "", "_25._tcp.mx.dead.test cannot be looked up"},
    {"an alias: where it leads comes first", "alias.test", DANE_USABLE, 2, "mx.signed.test", ""},
    {"an alias: then the name itself", "early.test", DANE_USABLE, 1, "mx.early.test", ""},
    {"a signed alias to an unsigned address", "out.test", DANE_USABLE, 1, "mx.out.test", "of _25._tcp.mx.out.test"},
    {"an alias that leaves the signed zones", "leaving.test", DANE_NONE, 0, "", "DNSSEC does not vouch for the TLSA records of _25._tcp.mx.leaving.test"},
    {"unsigned MX", "unsigned.test", DANE_NONE, 0, "", "DNSSEC does not vouch for the MX records of unsigned.test"},
    {"unsigned all over", "half.test", DANE_NONE, 0, "", "DNSSEC does not vouch for the MX records of half.test"},
};

static void records_count_where_dnssec_vouches_for_the_way(void **state)
{
    struct buf error = buf_make(1000);
    struct dns *dns = zone();
    struct tls_client *tls = tls_client_new("", &error);
    struct settings *settings = settings_file_parse("host_name = \"mx.postern.test\"\n", "test", &error, NULL);
    struct hop *hops = calloc(HOPS_MAX, sizeof *hops);

    (void)state;
    assert_true(tls && settings && hops);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dane d;
        size_t count = 0;
        if (route_resolve(dns, settings, str_from(rows[i].domain), hops, &count) != RESOLVE_OK || count != 1)
            fail_msg("%s: %zu hops", rows[i].name, count);
        dane_find(dns, tls, &hops[0], &d);
        if (d.result != rows[i].result || d.count != rows[i].usable || strcmp(d.base, rows[i].base) != 0 || !strstr(d.why, rows[i].says))
            fail_msg("%s: result %d, %zu records, base \"%s\": %s", rows[i].name, d.result, d.count, d.base, d.why);
        dane_clear(&d);
    }
    free(hops);
    settings_unref(settings);
    tls_client_free(&tls);
    dns_free(&dns);
    buf_free(&error);
}

static void an_address_has_no_tlsa_records(void **state)
{
    struct dns *dns = zone();
    struct hop address = {.host = "127.0.0.1", .endpoint = {.port = 25}, .address_is_authentic = true}, path = {.unix_path = "/run/x", .host = "/run/x"};
    struct dane d;

    (void)state;
    dane_find(dns, NULL, &address, &d);
    assert_int_equal(d.result, DANE_NONE);
    assert_string_equal(d.why, "127.0.0.1 is no host name");
    dane_find(dns, NULL, &path, &d);
    assert_int_equal(d.result, DANE_NONE);
    dns_free(&dns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(records_count_where_dnssec_vouches_for_the_way),
                                       cmocka_unit_test(an_address_has_no_tlsa_records)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
