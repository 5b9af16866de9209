/* test_account_limits.c: windows slide exactly, for several keys at once; what was given back does not count; nothing is forgotten over a restart. */
#include "store/account_limits.h"
#include "check.h"

#include <time.h>
#include <unistd.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
static const int64_t DAY = 24LL * HOUR, T0 = 1800000000000LL;
static const struct limit_counts one = {.messages = 1, .recipients = 1};
static const struct limit_rules open_rules = {.messages = {-1, -1, -1, -1, -1}, .recipients_per_day = -1, .invalid_percent = -1};

static struct limits *fresh(void)
{
    struct buf error = buf_make(200);
    struct limits *l = limits_open("", 100, &error);

    assert_non_null(l);
    buf_free(&error);
    return l;
}

static struct limit_answer take(struct limits *l, const char *key, const struct limit_rules *rules, int64_t now_ms)
{
    const struct limit_query q = {str_from(key), rules};
    struct limit_answer a;

    limits_take(l, &q, 1, &one, now_ms, &a);
    return a;
}

static void windows_slide_to_the_millisecond(void **state)
{
    static const int64_t lengths[] = {MINUTE, HOUR, 24LL * HOUR, 7 * 24LL * HOUR, 30 * 24LL * HOUR};

    (void)state;
    for (int w = 0; w < LIMIT_WINDOWS; w++) {
        struct limits *l = fresh();
        struct limit_rules rules = open_rules;
        rules.messages[w] = 3;
        for (int i = 0; i < 3; i++)
            assert_int_equal(take(l, "a", &rules, T0 + i * 10).result, LIMIT_FITS);
        struct limit_answer a = take(l, "a", &rules, T0 + 20);
        assert_int_equal(a.result, LIMIT_MESSAGES);
        assert_true((int)a.window == w && a.most == 3 && a.until_ms == T0 + lengths[w]);
        assert_int_equal(take(l, "b", &rules, T0 + 20).result, LIMIT_FITS);
        assert_int_equal(take(l, "a", &rules, T0 + lengths[w] - 1).result, LIMIT_MESSAGES);
        assert_int_equal(take(l, "a", &rules, T0 + lengths[w]).result, LIMIT_FITS);
        a = take(l, "a", &rules, T0 + lengths[w] + 9);
        assert_true(a.result == LIMIT_MESSAGES && a.until_ms == T0 + 10 + lengths[w]);
        assert_int_equal(take(l, "a", &rules, T0 + lengths[w] + 10).result, LIMIT_FITS);
        limits_close(&l);
    }
}

static void zero_is_none_and_no_limit_is_none(void **state)
{
    struct limits *l = fresh();
    struct limit_rules rules = open_rules;

    (void)state;
    for (int i = 0; i < 20000; i++)
        assert_int_equal(take(l, "a", &open_rules, T0 + i).result, LIMIT_FITS);
    rules.messages[LIMIT_MONTH] = 0;
    struct limit_answer a = take(l, "new", &rules, T0);
    assert_true(a.result == LIMIT_MESSAGES && a.most == 0 && a.until_ms == 0);
    limits_close(&l);
}

static void never_more_pass_than_a_window_allows_even_when_old_ones_are_merged(void **state)
{
    struct limits *l = fresh();
    struct limit_rules rules = open_rules;
    static int64_t taken[40000];
    size_t count = 0, oldest = 0;

    (void)state;
    rules.messages[LIMIT_DAY] = 12000;
    for (int64_t now = T0; now < T0 + 3 * DAY; now += 5 * SECOND) {
        if (take(l, "a", &rules, now).result != LIMIT_FITS)
            continue;
        taken[count++] = now;
        while (now - taken[oldest] >= DAY)
            oldest++;
        assert_true(count - oldest <= 12000);
    }
    assert_true(count > 24000); /* and room does come free again */
    limits_close(&l);
}

static void several_keys_are_taken_together_or_not_at_all(void **state)
{
    struct limits *l = fresh();
    struct limit_rules wide = open_rules, narrow = open_rules;
    const struct limit_query both[] = {{STR("account"), &wide}, {STR("identity"), &narrow}};
    struct limit_answer a;

    (void)state;
    wide.messages[LIMIT_HOUR] = 10;
    narrow.messages[LIMIT_HOUR] = 1;
    limits_take(l, both, 2, &one, T0, &a);
    assert_int_equal(a.result, LIMIT_FITS);
    limits_take(l, both, 2, &one, T0 + 1, &a);
    assert_int_equal(a.result, LIMIT_MESSAGES);
    assert_int_equal(limits_counted(l, STR("account"), LIMIT_HOUR, T0 + 2).messages, 1);
    limits_give_back(l, both, 2, &one, T0);
    assert_int_equal(limits_counted(l, STR("identity"), LIMIT_HOUR, T0 + 2).messages, 0);
    limits_take(l, both, 2, &one, T0 + 3, &a);
    assert_int_equal(a.result, LIMIT_FITS);
    limits_close(&l);
}

static void recipients_and_the_share_of_invalid_ones_count(void **state)
{
    struct limits *l = fresh();
    struct limit_rules rules = open_rules;
    const struct limit_query q = {STR("a"), &rules};
    struct limit_counts ten = {.messages = 1, .recipients = 10}, bad = {.invalid = 1};
    struct limit_answer a;

    (void)state;
    rules.recipients_per_day = 25;
    for (int i = 0; i < 2; i++)
        limits_take(l, &q, 1, &ten, T0 + i, &a);
    assert_int_equal(a.result, LIMIT_FITS);
    limits_take(l, &q, 1, &ten, T0 + 2, &a);
    assert_true(a.result == LIMIT_RECIPIENTS && a.until_ms == T0 + DAY);
    rules.invalid_percent = 30;
    for (int i = 0; i < 8; i++)
        limits_note(l, STR("a"), &rules, &bad, T0 + 10);
    limits_look(l, &q, 1, &one, T0 + 11, &a); /* 8 of 28: 28.6 % */
    assert_int_equal(a.result, LIMIT_FITS);
    limits_note(l, STR("a"), &rules, &bad, T0 + 12);
    limits_look(l, &q, 1, &one, T0 + 13, &a); /* 9 of 29 */
    assert_true(a.result == LIMIT_INVALID && a.until_ms == T0 + 10 + DAY);
    limits_close(&l);
}

static void nothing_is_forgotten_over_a_restart(void **state)
{
    char path[] = "/tmp/postern-limits-XXXXXX";
    struct buf error = buf_make(200);
    struct limit_rules rules = open_rules;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0 && unlink(path) == 0 && close(fd) == 0);
    rules.messages[LIMIT_DAY] = 2;
    int64_t now = (int64_t)time(NULL) * 1000;
    struct limits *l = limits_open(path, 100, &error);
    assert_non_null(l);
    assert_int_equal(take(l, "i:7:a b%\n", &rules, now).result, LIMIT_FITS);
    const struct limit_query q = {STR("i:7:a b%\n"), &rules};
    limits_give_back(l, &q, 1, &one, now);
    assert_int_equal(take(l, "i:7:a b%\n", &rules, now + 1).result, LIMIT_FITS);
    assert_int_equal(take(l, "i:7:a b%\n", &rules, now + 2).result, LIMIT_FITS);
    limits_close(&l);
    FILE *f = fopen(path, "ae");
    fputs("+ 1234 torn", f);
    fclose(f);
    l = limits_open(path, 100, &error);
    assert_non_null(l);
    assert_int_equal(take(l, "i:7:a b%\n", &rules, now + 3).result, LIMIT_MESSAGES);
    assert_int_equal(limits_counted(l, STR("i:7:a b%\n"), LIMIT_DAY, now + 3).messages, 2);
    limits_close(&l);
    assert_null(limits_open("/nowhere/at/all", 100, &error));
    assert_true(error.len > 0);
    buf_free(&error);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_slide_to_the_millisecond), cmocka_unit_test(zero_is_none_and_no_limit_is_none),
        cmocka_unit_test(never_more_pass_than_a_window_allows_even_when_old_ones_are_merged), cmocka_unit_test(several_keys_are_taken_together_or_not_at_all),
        cmocka_unit_test(recipients_and_the_share_of_invalid_ones_count), cmocka_unit_test(nothing_is_forgotten_over_a_restart),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
