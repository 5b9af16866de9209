/* test_sts_policy.c: records and policies of MTA-STS as strangers write them (RFC 8461 §3.1, §3.2), and which hosts a policy names (§4.1). */
#include "smtp/sts_policy.h"

#include "check.h"

static void records_are_read(void **state)
{
    static const struct { const char *name, *txt; bool is_ours; const char *id; } rows[] = {
        {"as in the RFC", "v=STSv1; id=20160831085700Z;", true, "20160831085700Z"},
        {"without the last delimiter", "v=STSv1;id=a", true, "a"},
        {"blanks around delimiters", "v=STSv1 \t; id=a ; ", true, "a"},
        {"unknown fields", "v=STSv1; x-y.z=1:2,3; id=a", true, "a"},
        {"the first id counts", "v=STSv1; id=a; id=b", true, "a"},
        {"thirty-two", "v=STSv1; id=abcdefghijklmnopqrstuvwxyz012345", true, "abcdefghijklmnopqrstuvwxyz012345"},
        {"thirty-three", "v=STSv1; id=abcdefghijklmnopqrstuvwxyz0123456", true, NULL},
        {"no id", "v=STSv1;", true, NULL},
        {"empty id", "v=STSv1; id=;", true, NULL},
        {"a dash", "v=STSv1; id=2016-08;", true, NULL},
        {"not a field", "v=STSv1; id=a; nonsense", true, NULL},
        {"an empty field", "v=STSv1;; id=a", true, NULL},
        {"a blank in a value", "v=STSv1; id=a; x=1 2", true, NULL},
        {"another version", "v=STSv2; id=a", false, NULL},
        {"a longer version", "v=STSv10; id=a", false, NULL},
        {"other case", "v=stsv1; id=a", false, NULL},
        {"version alone", "v=STSv1", false, NULL},
        {"id first", "id=a; v=STSv1", false, NULL},
        {"something else", "v=spf1 -all", false, NULL},
        {"nothing", "", false, NULL},
    };
    char id[STS_ID_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str txt = str_from(rows[i].txt);
        bool good = sts_record_id(txt, id);
        if (sts_record_is_ours(txt) != rows[i].is_ours || good != (rows[i].id != NULL) || (good && strcmp(id, rows[i].id) != 0))
            fail_msg("%s: %d %s", rows[i].name, good, id);
    }
}

#define HEAD "version: STSv1\r\nmode: enforce\r\n"

static void policies_are_read(void **state)
{
    static const struct { const char *name, *text; bool good; enum sts_mode mode; uint32_t age; size_t mx; } rows[] = {
        {"as in the RFC", HEAD "mx: mail.example.com\r\nmx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n", true, STS_MODE_ENFORCE, 604800, 3},
        {"LF, and none at the end", "version: STSv1\nmode: testing\nmx:a.test\nmax_age: 1", true, STS_MODE_TESTING, 1, 1},
        {"blanks behind values", "version: STSv1 \nmode: testing\t\nmx:  a.test \nmax_age: 1 \n", true, STS_MODE_TESTING, 1, 1},
        {"none needs no mx", "version: STSv1\nmode: none\nmax_age: 86400\n", true, STS_MODE_NONE, 86400, 0},
        {"unknown keys", HEAD "x-note: h\xc3\xa9 there: you\r\nmx: a.test\r\nmax_age: 1\r\n", true, STS_MODE_ENFORCE, 1, 1},
        {"the first of two counts", "version: STSv1\nmode: testing\nmode: enforce\nmx: a.test\nmax_age: 5\nmax_age: x\n", true, STS_MODE_TESTING, 5, 1},
        {"longer than a year", HEAD "mx: a.test\nmax_age: 9999999999\n", true, STS_MODE_ENFORCE, STS_AGE_MAX_S, 1},
        {"eleven digits", HEAD "mx: a.test\nmax_age: 10000000000\n", false, 0, 0, 0},
        {"no version", "mode: enforce\nmx: a.test\nmax_age: 1\n", false, 0, 0, 0},
        {"another version", "version: STSv2\nmode: enforce\nmx: a.test\nmax_age: 1\n", false, 0, 0, 0},
        {"no mode", "version: STSv1\nmx: a.test\nmax_age: 1\n", false, 0, 0, 0},
        {"another mode", "version: STSv1\nmode: Enforce\nmx: a.test\nmax_age: 1\n", false, 0, 0, 0},
        {"no age", HEAD "mx: a.test\n", false, 0, 0, 0},
        {"an age below nothing", HEAD "mx: a.test\nmax_age: -1\n", false, 0, 0, 0},
        {"no mx", HEAD "max_age: 1\n", false, 0, 0, 0},
        {"a star in the middle", HEAD "mx: a.*.test\nmax_age: 1\n", false, 0, 0, 0},
        {"a star that is part of a label", HEAD "mx: *a.test\nmax_age: 1\n", false, 0, 0, 0},
        {"a star alone", HEAD "mx: *.\nmax_age: 1\n", false, 0, 0, 0},
        {"an empty label", HEAD "mx: a..test\nmax_age: 1\n", false, 0, 0, 0},
        {"an HTML page", "<html><body>not found</body></html>", false, 0, 0, 0},
        {"nothing", "", false, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sts_policy p;
        const char *why = NULL;
        bool good = sts_policy_parse(str_from(rows[i].text), &p, &why);
        if (good != rows[i].good || p.mode != rows[i].mode || p.max_age_s != rows[i].age || p.mx_count != rows[i].mx || good == (why != NULL))
            fail_msg("%s: %d, mode %d, %u s, %zu mx: %s", rows[i].name, good, p.mode, p.max_age_s, p.mx_count, why ? why : "");
        sts_policy_clear(&p);
    }
}

static void hosts_are_named(void **state)
{
    static const struct { const char *host; bool named; } rows[] = {
        {"mail.example.com", true}, {"MAIL.example.COM", true}, {"a.example.net", true}, {"example.net", false}, {"a.b.example.net", false},
        {".example.net", false}, {"xexample.net", false}, {"mail.example.com.evil.test", false}, {"", false}};
    struct sts_policy p;
    const char *why;

    (void)state;
    assert_true(sts_policy_parse(STR(HEAD "mx: Mail.Example.Com\nmx: *.example.net\nmax_age: 1\n"), &p, &why));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (sts_policy_names(&p, str_from(rows[i].host)) != rows[i].named)
            fail_msg("%s", rows[i].host);
    sts_policy_clear(&p);
}

/* However long it is, there is a ceiling, and it is said which. */
static void ceilings_hold(void **state)
{
    char *text = malloc(2 * STS_TEXT_MAX);
    size_t len = (size_t)sprintf(text, HEAD "max_age: 1\n");
    struct sts_policy p;
    const char *why;

    (void)state;
    for (int i = 0; i < STS_MX_MAX; i++)
        len += (size_t)sprintf(text + len, "mx: a%d.test\n", i);
    assert_true(sts_policy_parse(str_n(text, len), &p, &why) && p.mx_count == STS_MX_MAX && sts_policy_names(&p, STR("a255.test")));
    sts_policy_clear(&p);
    len += (size_t)sprintf(text + len, "mx: b.test\n");
    assert_false(sts_policy_parse(str_n(text, len), &p, &why));
    assert_string_equal(why, "it has too many mx");
    memset(text, '\n', STS_TEXT_MAX + 1);
    assert_false(sts_policy_parse(str_n(text, STS_TEXT_MAX + 1), &p, &why));
    assert_string_equal(why, "it is too long");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(records_are_read), cmocka_unit_test(policies_are_read), cmocka_unit_test(hosts_are_named),
                                       cmocka_unit_test(ceilings_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
