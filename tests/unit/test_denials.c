/* test_denials.c: who fails too often is denied, for longer each time, and forgiven in time. */
#include "base/clock.h"
#include "store/denials.h"
#include "check.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };

static void fail_often(struct denials *d, const char *key, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(denials_failed(d, key, 5), 0);
}

static void five_failures_in_ten_minutes_deny(void **state)
{
    struct denials *d = denials_new(100);

    (void)state;
    fail_often(d, "192.0.2.1", 4);
    assert_int_equal(denials_left_ms(d, "192.0.2.1"), 0);
    clock_turn(10 * MINUTE_MS);
    fail_often(d, "192.0.2.1", 4); /* the first four are out of the window */
    assert_int_equal(denials_failed(d, "192.0.2.1", 5), 15 * MINUTE_MS);
    assert_true(denials_left_ms(d, "192.0.2.1") > 14 * MINUTE_MS);
    assert_int_equal(denials_left_ms(d, "192.0.2.2"), 0);
    clock_turn(15 * MINUTE_MS);
    assert_int_equal(denials_left_ms(d, "192.0.2.1"), 0);
    denials_free(&d);
}

static void each_further_denial_is_twice_as_long_up_to_a_day(void **state)
{
    struct denials *d = denials_new(100);
    int64_t expected_ms = 15 * MINUTE_MS;

    (void)state;
    for (int i = 0; i < 10; i++) {
        fail_often(d, "k", 4);
        int64_t for_ms = denials_failed(d, "k", 5);
        assert_int_equal(for_ms, expected_ms);
        clock_turn(for_ms);
        expected_ms = expected_ms * 2 < 24 * HOUR_MS ? expected_ms * 2 : 24 * HOUR_MS;
    }
    clock_turn(25 * HOUR_MS);
    fail_often(d, "k", 4);
    assert_int_equal(denials_failed(d, "k", 5), 15 * MINUTE_MS);
    denials_free(&d);
}

static void success_and_the_operator_forget(void **state)
{
    struct denials *d = denials_new(100);
    char key[DENIAL_KEY_MAX];
    struct ip ip;

    (void)state;
    assert_true(ip_parse(STR("2001:db8::1"), &ip));
    assert_string_equal(denial_key_address(&ip, key), "2001:db8::");
    assert_string_equal(denial_key_account(STR("Ann@Acme.test"), &ip, key), "ann@acme.test from 2001:db8::/64");
    fail_often(d, key, 4);
    denials_succeeded(d, key);
    fail_often(d, key, 4);
    assert_true(denials_failed(d, key, 5) > 0);
    assert_int_equal(denials_clear(d, STR("nobody")), 0);
    assert_int_equal(denials_clear(d, STR("ann@acme.test")), 1);
    assert_int_equal(denials_left_ms(d, key), 0);
    denials_free(&d);
}

static void count(const char *key, int64_t left_ms, unsigned times, void *arg)
{
    assert_true(*key && left_ms > 0 && times == 1);
    ++*(int *)arg;
}

static void a_flood_does_not_free_who_is_denied(void **state)
{
    struct denials *d = denials_new(10);
    char key[20];
    int listed = 0;

    (void)state;
    fail_often(d, "denied", 4);
    assert_true(denials_failed(d, "denied", 5) > 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%d", i);
        denials_failed(d, key, 5);
    }
    assert_true(denials_left_ms(d, "denied") > 0);
    denials_each(d, 100, count, &listed);
    assert_int_equal(listed, 1);
    denials_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_failures_in_ten_minutes_deny), cmocka_unit_test(each_further_denial_is_twice_as_long_up_to_a_day),
        cmocka_unit_test(success_and_the_operator_forget), cmocka_unit_test(a_flood_does_not_free_who_is_denied),
    };
    return cmocka_run_group_tests_name("denials", tests, NULL, NULL);
}
