/* test_accounts.c: outgoing accounts in the store: made, found, changed, locked; by login and by network; what is set for one. */
#include "store/accounts.h"
#include "store_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct db *open_store(void)
{
    struct db *d = open_store_file();

    assert_int_equal(DB_RUN(d, "INSERT INTO domain(id, name, created_ms) VALUES(1, $1, 0)", DB_T(STR("acme.test"))), DB_OK);
    assert_int_equal(DB_RUN(d, "INSERT INTO domain(id, name, created_ms) VALUES(2, $1, 0)", DB_T(STR("other.test"))), DB_OK);
    return d;
}

static enum account_result create(struct db *d, enum account_kind kind, const char *login, const char *domain, const char *password, const char *network, int64_t *id)
{
    struct buf error = buf_make(500);
    struct str networks[1] = {str_from(network)};
    const struct account_new new = {.kind = kind, .login = str_from(login), .domain = str_from(domain), .password = str_from(password), .networks = networks,
                                    .network_count = network ? 1 : 0};
    enum account_result result = account_create(d, &new, id, &error);

    assert_int_equal(result == ACCOUNT_INVALID, error.len > 0);
    buf_free(&error);
    return result;
}

static void an_account_is_what_its_kind_allows(void **state)
{
    static const struct {
        enum account_kind kind;
        const char *login, *domain, *password, *network;
        enum account_result result;
    } rows[] = {
        {ACCOUNT_USER, "Ann@Acme.test", "acme.test", "correct horse", NULL, ACCOUNT_OK},
        {ACCOUNT_USER, "ann@acme.test", "acme.test", "correct horse", NULL, ACCOUNT_TAKEN},
        {ACCOUNT_USER, "ann@other.test", "acme.test", "correct horse", NULL, ACCOUNT_INVALID},
        {ACCOUNT_USER, "ann", "acme.test", "correct horse", NULL, ACCOUNT_INVALID},
        {ACCOUNT_USER, "bob@acme.test", "acme.test", "short", NULL, ACCOUNT_INVALID},
        {ACCOUNT_USER, "bob@acme.test", "acme.test", "correct horse", "192.0.2.1/24", ACCOUNT_INVALID},
        {ACCOUNT_USER, "bob@nowhere.test", "nowhere.test", "correct horse", NULL, ACCOUNT_NONE},
        {ACCOUNT_DOMAIN, "", "acme.test", "correct horse", "192.0.2.0/24", ACCOUNT_OK},
        {ACCOUNT_DOMAIN, "other.test", "acme.test", "correct horse", NULL, ACCOUNT_INVALID},
        {ACCOUNT_NETWORK, "printers", "acme.test", "", "192.0.2.0/24", ACCOUNT_OK},
        {ACCOUNT_NETWORK, "scanners", "acme.test", "", NULL, ACCOUNT_INVALID},
        {ACCOUNT_NETWORK, "", "acme.test", "", "192.0.2.0/24", ACCOUNT_INVALID},
    };
    struct db *d = open_store();
    int64_t id;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(create(d, rows[i].kind, rows[i].login, rows[i].domain, rows[i].password, rows[i].network, &id), rows[i].result);
    db_close(&d);
}

static void an_account_is_found_changed_locked_and_removed(void **state)
{
    struct db *d = open_store();
    struct buf error = buf_make(500);
    struct account a;
    int64_t id;

    (void)state;
    assert_int_equal(create(d, ACCOUNT_USER, "ann@acme.test", "acme.test", "correct horse", NULL, &id), ACCOUNT_OK);
    assert_int_equal(account_find(d, STR("ANN@acme.TEST"), &a), ACCOUNT_OK);
    assert_true(a.id == id && a.kind == ACCOUNT_USER && str_is(str_from(a.domain_name), "acme.test") && !a.is_locked && a.networks.count == 0);
    assert_true(password_matches(a.password, STR("correct horse")));
    account_clear(&a);
    assert_int_equal(account_set_password(d, id, STR("battery staple"), &error), ACCOUNT_OK);
    assert_int_equal(account_set_password(d, id, STR("x"), &error), ACCOUNT_INVALID);
    assert_int_equal(account_get(d, id, &a), ACCOUNT_OK);
    assert_true(password_matches(a.password, STR("battery staple")));
    account_clear(&a);
    assert_int_equal(account_lock(d, id, STR("too much spam"), 12345), ACCOUNT_OK);
    assert_int_equal(account_get(d, id, &a), ACCOUNT_OK);
    assert_true(a.is_locked && a.locked_until_ms == 12345);
    assert_string_equal(a.lock_reason, "too much spam");
    for (int64_t i = 1; i <= 2; i++) {
        assert_int_equal(account_unlock(d, id, false), ACCOUNT_OK);
        assert_int_equal(account_get(d, id, &a), ACCOUNT_OK);
        assert_true(!a.is_locked && a.unlocks == i);
    }
    assert_int_equal(account_unlock(d, id, true), ACCOUNT_OK);
    assert_int_equal(account_get(d, id, &a), ACCOUNT_OK);
    assert_true(a.unlocks == 0);
    assert_int_equal(account_delete(d, id), ACCOUNT_OK);
    assert_int_equal(account_delete(d, id), ACCOUNT_NONE);
    assert_int_equal(account_find(d, STR("ann@acme.test"), &a), ACCOUNT_NONE);
    buf_free(&error);
    db_close(&d);
}

static void an_address_belongs_to_the_smallest_network_that_holds_it(void **state)
{
    struct db *d = open_store();
    struct buf error = buf_make(500);
    struct accounts *all = accounts_new(store_file, &error);
    struct account a;
    struct ip ip;
    int64_t wide, narrow;

    (void)state;
    assert_non_null(all);
    assert_true(ip_parse(STR("192.0.2.9"), &ip));
    assert_int_equal(create(d, ACCOUNT_NETWORK, "wide", "acme.test", "", "192.0.0.0/16", &wide), ACCOUNT_OK);
    assert_int_equal(create(d, ACCOUNT_NETWORK, "narrow", "other.test", "", "192.0.2.0/24", &narrow), ACCOUNT_OK);
    assert_int_equal(accounts_find_by_address(all, &ip, &a), ACCOUNT_OK);
    assert_true(a.id == narrow);
    account_clear(&a);
    assert_true(ip_parse(STR("192.0.3.9"), &ip));
    assert_int_equal(accounts_find_by_address(all, &ip, &a), ACCOUNT_OK);
    assert_true(a.id == wide);
    account_clear(&a);
    assert_true(ip_parse(STR("198.51.100.1"), &ip));
    assert_int_equal(accounts_find_by_address(all, &ip, &a), ACCOUNT_NONE);
    accounts_free(&all);
    db_close(&d);
    buf_free(&error);
}

static void what_is_set_for_an_account_counts_before_its_domain(void **state)
{
    struct db *d = open_store();
    struct buf error = buf_make(500);
    struct settings *settings = settings_new();
    struct domain *domain = settings_add_domain(settings, STR("acme.test"));

    (void)state;
    static const char *const host[] = {"mx.postern.test"};
    struct setting_value value;
    assert_true(setting_parse(SETTING_host_name, host, 1, &value, &error) && settings_set(settings, NULL, SETTING_host_name, &value));
    assert_true(settings_finish(settings, &error));
    assert_int_equal(DB_RUN(d, "INSERT INTO setting(level, owner, name, value, changed_ms) VALUES('u', 7, 'allowed_sender_domains', $1, 0)",
                            DB_T(STR("[\"acme.test\",\"other.test\"]"))), DB_OK);
    assert_int_equal(DB_RUN(d, "INSERT INTO setting(level, owner, name, value, changed_ms) VALUES('u', 7, 'routes', $1, 0)", DB_T(STR("[\"mx\"]"))), DB_OK);
    struct policy *p = account_policy(d, 7, &domain->policy);
    assert_non_null(p);
    assert_true(setting_is_set(p, SETTING_allowed_sender_domains));
    assert_int_equal(setting_list(p, SETTING_allowed_sender_domains)->count, 2);
    assert_false(setting_is_set(p, SETTING_routes)); /* not of that level: left out */
    policy_free(&p);
    p = account_policy(d, 8, &domain->policy);
    assert_non_null(p);
    assert_int_equal(setting_list(p, SETTING_allowed_sender_domains)->count, 0);
    policy_free(&p);
    settings_unref(settings);
    db_close(&d);
    buf_free(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_account_is_what_its_kind_allows, make_store_folder, remove_store_folder),
        cmocka_unit_test_setup_teardown(an_account_is_found_changed_locked_and_removed, make_store_folder, remove_store_folder),
        cmocka_unit_test_setup_teardown(an_address_belongs_to_the_smallest_network_that_holds_it, make_store_folder, remove_store_folder),
        cmocka_unit_test_setup_teardown(what_is_set_for_an_account_counts_before_its_domain, make_store_folder, remove_store_folder),
    };
    return cmocka_run_group_tests_name("accounts", tests, NULL, NULL);
}
