/* test_schedule.c: the forms of retry_schedule, and the times that come of them. */
#include "catalog/schedule.h"

#include "check.h"

enum { MOST_STEPS = 20 };
static const int64_t MINUTE = 60000, HOUR = 60 * 60000, DAY = 24 * 60 * 60000;

static bool parse(const char *text, struct retry_schedule *out)
{
    char copy[400];
    const char *entries[MOST_STEPS];
    struct setting_list list = {.at = entries};
    struct buf error = buf_make(500);

    snprintf(copy, sizeof copy, "%s", text);
    for (char *save, *word = strtok_r(copy, " ", &save); word && list.count < MOST_STEPS; word = strtok_r(NULL, " ", &save))
        entries[list.count++] = word;
    bool ok = schedule_parse(&list, out, &error);
    assert_int_equal(ok, error.len == 0); /* a refusal says why */
    buf_free(&error);
    return ok;
}

static void forms(void **state)
{
    static const struct { const char *text; bool ok; } rows[] = {
        {"15m*8 x1.5:16h 6h", true}, {"1h", true}, {"10s*3 1m*2 1d", true}, {"", false}, {"15m*8", false}, {"1h 6h", false},
        {"x1.5:16h 6h", false}, {"15m*8 x1.5:16h", false}, {"15m*0 6h", false}, {"0m", false}, {"6", false}, {"6w", false},
        {"15m*8 x1:16h 6h", false}, {"15m*8 x-2:16h 6h", false}, {"15m*8 xnan:16h 6h", false}, {"15m*8 xinf:16h 6h", false},
        {"15m*8 x1.5 6h", false}, {"-5m", false}, {"1m*1 1m*1 1m*1 1m*1 1m*1 1m*1 1m*1 1m*1 1m*1 1m*1 1m*1 1m*1 1m*1 1m*1 1m*1 1m*1 1h", false},
    };
    struct retry_schedule schedule;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (parse(rows[i].text, &schedule) != rows[i].ok)
            fail_msg("\"%s\" is %s", rows[i].text, rows[i].ok ? "refused" : "accepted");
}

static void times(void **state)
{
    static const struct { const char *text; uint32_t attempts; int64_t age, wait; } rows[] = {
        {"15m*8 x1.5:16h 6h", 0, 0, 15 * 60000},
        {"15m*8 x1.5:16h 6h", 1, 0, 15 * 60000},
        {"15m*8 x1.5:16h 6h", 8, 6300000, 15 * 60000},
        {"15m*8 x1.5:16h 6h", 9, 7200000, 1350000},  /* 22.5 minutes */
        {"15m*8 x1.5:16h 6h", 10, 8550000, 2025000}, /* 33.75 minutes */
        {"15m*8 x1.5:16h 6h", 15, 16 * 3600000, 6 * 3600000},
        {"15m*8 x1.5:16h 6h", UINT32_MAX, INT64_MAX, 6 * 3600000},
        {"10s*2 1m*2 1d", 2, 0, 10000},
        {"10s*2 1m*2 1d", 3, 0, 60000},
        {"10s*2 1m*2 1d", 5, 0, 86400000},
    };
    struct retry_schedule schedule;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(parse(rows[i].text, &schedule));
        int64_t wait = schedule_next_ms(&schedule, rows[i].attempts, rows[i].age);
        if (wait != rows[i].wait)
            fail_msg("\"%s\", attempt %u at %lld ms: %lld ms", rows[i].text, rows[i].attempts, (long long)rows[i].age, (long long)wait);
    }
}

/* A whole life by the default: four days take about thirty attempts, and no wait is shorter than the one before it. */
static void a_life_by_the_default(void **state)
{
    struct retry_schedule schedule;
    int64_t age = 0, before = 0;
    uint32_t attempts = 1;

    (void)state;
    assert_true(parse(setting_row(SETTING_retry_schedule)->default_text, &schedule));
    for (; age < 4 * DAY; attempts++) {
        int64_t wait = schedule_next_ms(&schedule, attempts, age);
        assert_true(age >= 16 * HOUR || wait >= before);
        assert_true(age < 16 * HOUR || wait == 6 * HOUR);
        assert_true(age >= 2 * HOUR || wait == 15 * MINUTE);
        before = wait;
        age += wait;
    }
    assert_in_range(attempts, 20, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(times), cmocka_unit_test(a_life_by_the_default)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
