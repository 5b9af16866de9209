/* test_lists.c: list files: who is matched, what is said of a bad line. */
#include "policy/finding.h"
#include "policy/lists.h"

#include "check.h"

#include <sys/stat.h>
#include <unistd.h>

static const struct list_scope acme = {.domain = {"acme.test", 9}};
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
        if (lists_sender_blocked(l, &a, &(struct list_scope){.domain = str_from(rows[i].domain)}, evidence) != rows[i].blocked)
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
    assert_false(lists_sender_allowed(l, &a, &acme, false, NULL));
    assert_true(lists_sender_allowed(l, &a, &acme, true, NULL));
    assert_true(lists_sender_allowed(l, &b, &acme, false, NULL));
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
    assert_true(lists_ip_blocked(l, &bad, &acme, NULL));
    assert_int_equal(lists_ip_skips(l, &own, &(struct list_scope){0}), SKIP_GREETING | SKIP_RATE);
    lists_free(&l);
    buf_free(&error);
}

static void each_level_has_entries_of_its_own(void **state)
{
    struct tenant reseller = {.id = 7}, customer = {.id = 9, .parent = &reseller}, other = {.id = 8};
    static const struct {
        const char *pattern;
        struct list_owner owner;
    } entries[] = {
        {"*@all.test", {.level = LEVEL_S}}, {"reseller.test", {.level = LEVEL_T, .tenant = 7}}, {"*.deep.test", {.level = LEVEL_T, .tenant = 9}},
        {"Dom@Ain.test", {.level = LEVEL_D, .domain = {"acme.test", 9}}}, {"box.test", {.level = LEVEL_M, .domain = {"acme.test", 9}, .local_part = {"ann", 3}}},
    };
    static const struct {
        const char *sender, *domain, *local_part;
        int tenant;
        bool blocked;
    } rows[] = {
        {"x@all.test", "other.test", "ann", 8, true}, {"x@reseller.test", "acme.test", "ann", 9, true}, {"x@reseller.test", "acme.test", "ann", 8, false},
        {"x@reseller.test", "acme.test", "ann", 0, false}, {"x@a.b.deep.test", "acme.test", "ann", 9, true}, {"x@deep.test", "acme.test", "ann", 9, false},
        {"dom@ain.test", "ACME.test", "bob", 0, true}, {"dom@ain.test", "other.test", "bob", 0, false}, {"x@box.test", "acme.test", "Ann", 0, true},
        {"x@box.test", "acme.test", "bob", 0, false},
    };
    struct lists *l = lists_new();
    const struct tenant *const tenants[] = {[7] = &reseller, [8] = &other, [9] = &customer};

    (void)state;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        assert_true(lists_add(l, LIST_SENDER_BLOCK, &(struct list_entry){.owner = entries[i].owner, .pattern = str_from(entries[i].pattern), .envelope = true,
                                                                         .where = STR("the list of somebody")}));
    assert_false(lists_add(l, LIST_SENDER_BLOCK, &(struct list_entry){.pattern = STR("*bad.test")}));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct address a = address(rows[i].sender);
        struct list_scope scope = {.domain = str_from(rows[i].domain), .local_part = str_from(rows[i].local_part), .tenant = tenants[rows[i].tenant]};
        if (lists_sender_blocked(l, &a, &scope, NULL) != rows[i].blocked)
            fail_msg("row %zu: %s for %s@%s", i, rows[i].sender, rows[i].local_part, rows[i].domain);
    }
    lists_free(&l);
}

static void authors_of_a_scope_come_down_to_one_number(void **state)
{
    struct tenant reseller = {.id = 7}, customer = {.id = 9, .parent = &reseller};
    const struct list_scope bob = {.domain = STR("acme.test"), .local_part = STR("bob")}, ann = {.domain = STR("ACME.test"), .local_part = STR("Ann")},
                            sold = {.domain = STR("sold.test"), .local_part = STR("x"), .tenant = &customer};
    struct lists *l = lists_new();

    (void)state;
    assert_int_equal(lists_own_authors(l, &ann), 0);
    const struct list_entry entries[] = {
        {.owner = {.level = LEVEL_S}, .pattern = STR("all.test"), .author = true},
        {.owner = {.level = LEVEL_D, .domain = STR("acme.test")}, .pattern = STR("one.test"), .author = true},
        {.owner = {.level = LEVEL_M, .domain = STR("acme.test"), .local_part = STR("ann")}, .pattern = STR("two.test"), .author = true},
        {.owner = {.level = LEVEL_D, .domain = STR("acme.test")}, .pattern = STR("envelope.test"), .envelope = true},
        {.owner = {.level = LEVEL_T, .tenant = 7}, .pattern = STR("one.test"), .author = true},
    };
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        assert_true(lists_add(l, LIST_SENDER_BLOCK, &entries[i]));
    uint64_t of_bob = lists_own_authors(l, &bob), of_ann = lists_own_authors(l, &ann);
    assert_true(of_bob && of_ann && of_bob != of_ann);
    assert_true(lists_own_authors(l, &sold) == of_bob); /* the same entries, whoever's they are */
    assert_int_equal(lists_own_authors(l, &(struct list_scope){.domain = STR("other.test"), .local_part = STR("ann")}), 0);
    lists_free(&l);
}

static void networks_are_found_at_each_length(void **state)
{
    static const char *const blocked[] = {"192.0.2.0/24", "198.51.100.7", "203.0.113.128/25", "2001:db8::/33", "2001:db8:ffff::1", "0.0.0.0/6"};
    static const struct { const char *ip; bool blocked; } rows[] = {
        {"192.0.2.0", true}, {"192.0.2.255", true}, {"192.0.3.0", false}, {"198.51.100.7", true}, {"198.51.100.6", false}, {"203.0.113.127", false},
        {"203.0.113.128", true}, {"2001:db8:7fff::1", true}, {"2001:db8:8000::1", false}, {"2001:db8:ffff::1", true}, {"3.255.255.255", true}, {"4.0.0.0", false},
    };
    struct lists *l = lists_new();

    (void)state;
    for (size_t i = 0; i < sizeof blocked / sizeof *blocked; i++)
        assert_true(lists_add(l, LIST_IP_BLOCK, &(struct list_entry){.owner = {.level = LEVEL_S}, .pattern = str_from(blocked[i])}));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ip ip;
        assert_true(ip_parse(str_from(rows[i].ip), &ip));
        if (lists_ip_blocked(l, &ip, &acme, NULL) != rows[i].blocked)
            fail_msg("%s", rows[i].ip);
    }
    lists_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_level_has_entries_of_its_own), cmocka_unit_test(authors_of_a_scope_come_down_to_one_number), cmocka_unit_test(networks_are_found_at_each_length), cmocka_unit_test(senders_are_matched), cmocka_unit_test(an_allow_entry_wants_an_authenticated_sender),
                                       cmocka_unit_test(a_bad_line_is_named)};
    if (!mkdtemp(folder))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
