/* test_address.c: paths and mailboxes, as rows with a reason to exist; and the public is_email cases, of which no ERR may pass. */
#include "mail/address.h"

#include "check.h"

struct row {
    const char *name, *path;
    bool utf8;
    enum address_result result;
    const char *text; /* what comes out */
};

static const struct row rows[] = {
    {"plain", "<ann@acme.test>", false, ADDRESS_OK, "ann@acme.test"},
    {"domain in lower case", "<Ann@ACME.Test>", false, ADDRESS_OK, "Ann@acme.test"},
    {"null sender", "<>", false, ADDRESS_OK, ""},
    {"bare postmaster", "<Postmaster>", false, ADDRESS_OK, "Postmaster"},
    {"source route is dropped", "<@a.test,@b.test:ann@acme.test>", false, ADDRESS_OK, "ann@acme.test"},
    {"quotes that are needed stay", "<\"a b\"@acme.test>", false, ADDRESS_OK, "\"a b\"@acme.test"},
    {"quotes that are not go", "<\"ann\"@acme.test>", false, ADDRESS_OK, "ann@acme.test"},
    {"IPv4 literal", "<ann@[192.0.2.1]>", false, ADDRESS_OK, "ann@[192.0.2.1]"},
    {"IPv6 literal", "<ann@[IPv6:2001:db8::1]>", false, ADDRESS_OK, "ann@[ipv6:2001:db8::1]"},
    {"no bracket", "ann@acme.test", false, ADDRESS_MALFORMED, NULL},
    {"never closed", "<ann@acme.test", false, ADDRESS_MALFORMED, NULL},
    {"two @", "<ann@b@acme.test>", false, ADDRESS_MALFORMED, NULL},
    {"no domain", "<ann@>", false, ADDRESS_MALFORMED, NULL},
    {"no local part", "<@acme.test>", false, ADDRESS_MALFORMED, NULL},
    {"two dots", "<a..b@acme.test>", false, ADDRESS_MALFORMED, NULL},
    {"CR inside", "<a\rb@acme.test>", false, ADDRESS_MALFORMED, NULL},
    {"hyphen at the start", "<a@-acme.test>", false, ADDRESS_MALFORMED, NULL},
    {"UTF-8 without SMTPUTF8", "<k\xc3\xa4te@acme.test>", false, ADDRESS_NEEDS_SMTPUTF8, NULL},
    {"UTF-8 with it", "<k\xc3\xa4te@acme.test>", true, ADDRESS_OK, "k\xc3\xa4te@acme.test"},
    {"U-labels in the domain become A-labels", "<ann@B\xc3\x9c" "CHER.test>", true, ADDRESS_OK, "ann@xn--bcher-kva.test"},
    {"U-labels without SMTPUTF8", "<ann@b\xc3\xbc" "cher.test>", false, ADDRESS_NEEDS_SMTPUTF8, NULL},
    {"a code point that no domain name has", "<ann@b\xe2\x80\x8b.test>", true, ADDRESS_MALFORMED, NULL},
    {"broken UTF-8", "<k\xc3te@acme.test>", true, ADDRESS_MALFORMED, NULL},
};

static void paths_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str rest = str_from(rows[i].path);
        struct address a;
        const char *why = NULL;
        enum address_result result = path_parse(&rest, true, true, rows[i].utf8, &a, &why);
        if (result != rows[i].result || (rows[i].text && strcasecmp(a.text, rows[i].text) != 0))
            fail_msg("%s: %s gave %d \"%s\"", rows[i].name, rows[i].path, result, result == ADDRESS_OK ? a.text : why ? why : "");
    }
}

static void lengths_have_ceilings(void **state)
{
    char path[800];
    struct address a;
    const char *why = NULL;
    char local[66];

    (void)state;
    memset(local, 'a', sizeof local);
    for (int n = 64; n <= 65; n++) {
        snprintf(path, sizeof path, "<%.*s@acme.test>", n, local);
        struct str rest = str_from(path);
        assert_int_equal(path_parse(&rest, false, false, false, &a, &why), n == 64 ? ADDRESS_OK : ADDRESS_TOO_LONG);
    }
}

/* Between <address> and </address>, character references undone; false at the end. */
static bool next_case(FILE *f, char *address, char *category)
{
    static const char *const tags[] = {"<address>", "<category>"};
    char line[4096];
    char *into[] = {address, category};

    address[0] = category[0] = '\0';
    while (fgets(line, sizeof line, f)) {
        for (int t = 0; t < 2; t++) {
            char *at = strstr(line, tags[t]), *end = at ? strstr(at, "</") : NULL;
            if (at && end)
                snprintf(into[t], 2000, "%.*s", (int)(end - at - (ptrdiff_t)strlen(tags[t])), at + strlen(tags[t]));
        }
        if (strstr(line, "</test>"))
            return true;
    }
    return false;
}

static void no_wrong_address_of_the_public_cases_passes(void **state)
{
    char path[4096], address[2048], category[2048];
    size_t cases = 0, accepted_wrong = 0, valid = 0, accepted = 0;

    (void)state;
    if (!conformance_path("address/tests.xml", path, sizeof path)) {
        print_message("the public address cases are not at hand: skipped\n");
        skip();
    }
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    while (next_case(f, address, category)) {
        struct address a;
        const char *why = NULL;
        if (strchr(address, '&')) /* control characters and such stand there as references of their own kind */
            continue;
        bool ok = address_parse(str_from(address), false, &a, &why) == ADDRESS_OK;
        cases++;
        if (strstr(category, "ERR") && ok) {
            print_message("accepted although %s: %s\n", category, address);
            accepted_wrong++;
        }
        if (strstr(category, "VALID_CATEGORY")) {
            valid++;
            accepted += ok;
        }
    }
    fclose(f);
    print_message("is_email: %zu cases, %zu of %zu valid ones accepted, %zu wrong ones accepted\n", cases, accepted, valid, accepted_wrong);
    assert_int_equal(accepted_wrong, 0);
    assert_true(cases > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(paths_are_read), cmocka_unit_test(lengths_have_ceilings),
                                       cmocka_unit_test(no_wrong_address_of_the_public_cases_passes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
