/* test_verdict.c: the verdict as a table over all rows: off lets through, the allow list lifts exactly what its row says, observing refuses nothing. */
#include "policy/policy.h"
#include "store/settings_file.h"

#include "check.h"

static struct settings *load(const char *more)
{
    char text[1000];
    struct buf error = buf_make(4096);

    snprintf(text, sizeof text, "host_name = mx.postern.test\n%s", more);
    struct settings *s = settings_file_parse(text, "test", &error, NULL);
    if (!s)
        fail_msg(STR_FMT, STR_ARG(buf_str(&error)));
    buf_free(&error);
    return s;
}

static struct findings one(enum reason r)
{
    struct findings list = {0};
    struct finding f = finding_make(r, "evidence");

    findings_add(&list, &f);
    return list;
}

static bool is_policy(enum reason r)
{
    enum reason_kind k = reason_row(r)->kind;
    return k == REASON_KIND_TEMPORARY || k == REASON_KIND_PERMANENT;
}

static void the_allow_list_lifts_what_its_row_says(void **state)
{
    struct settings *s = load("");

    (void)state;
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        struct findings list = one(r);
        if (!is_policy(r))
            continue;
        struct verdict plain = verdict_decide(&list, settings_system(s), false, false);
        struct verdict allowed = verdict_decide(&list, settings_system(s), true, false);
        bool refuses = plain.action >= ACTION_REFUSE, lifted = refuses && allowed.action < ACTION_REFUSE;
        if (refuses && lifted != reason_row(r)->allow_lifts)
            fail_msg("%s: %s", reason_row(r)->id, lifted ? "lifted, but its row says STANDS" : "not lifted, but its row says LIFTED");
        if (refuses && reason_row(r)->code / 100 == 4)
            assert_int_equal(plain.action, ACTION_DEFER);
    }
    settings_unref(s);
}

static void off_lets_through(void **state)
{
    (void)state;
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        int setting = reason_row(r)->setting;
        char text[200];
        if (!is_policy(r) || setting < 0 || setting_row((enum setting)setting)->type != SETTING_ACTION)
            continue;
        snprintf(text, sizeof text, "%s = off\n", setting_row((enum setting)setting)->name);
        struct settings *s = load(text);
        struct findings list = one(r);
        if (verdict_decide(&list, settings_system(s), false, false).action != ACTION_OFF)
            fail_msg("%s is not let through although %s is off", reason_row(r)->id, setting_row((enum setting)setting)->name);
        settings_unref(s);
    }
}

static void observing_refuses_no_policy(void **state)
{
    struct settings *s = load("observe = yes\n");

    (void)state;
    struct findings greeting = one(REASON_INVALID_GREETING), relay = one(REASON_RELAY_DENIED);
    struct verdict v = verdict_decide(&greeting, settings_system(s), false, false);
    assert_true(v.action < ACTION_REFUSE && v.observed);
    assert_int_equal(verdict_decide(&relay, settings_system(s), false, false).action, ACTION_REFUSE);
    settings_unref(s);
}

static void role_addresses_are_refused_by_protocol_only(void **state)
{
    struct settings *s = load("");

    (void)state;
    struct findings blocked = one(REASON_BLOCKED_SENDER), relay = one(REASON_RELAY_DENIED);
    assert_int_equal(verdict_decide(&blocked, settings_system(s), false, true).action, ACTION_OFF);
    assert_int_equal(verdict_decide(&relay, settings_system(s), false, true).action, ACTION_REFUSE);
    settings_unref(s);
}

static void the_first_that_decides_answers(void **state)
{
    struct settings *s = load("check_greeting = score\n");
    struct findings list = one(REASON_INVALID_GREETING);
    struct finding more = finding_make(REASON_BLOCKED_IP, "x"), last = finding_make(REASON_BLOCKED_SENDER, "y");

    (void)state;
    findings_add(&list, &more);
    findings_add(&list, &last);
    assert_int_equal(verdict_decide(&list, settings_system(s), false, false).by->reason, REASON_BLOCKED_IP);
    settings_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_allow_list_lifts_what_its_row_says), cmocka_unit_test(off_lets_through),
        cmocka_unit_test(observing_refuses_no_policy), cmocka_unit_test(role_addresses_are_refused_by_protocol_only),
        cmocka_unit_test(the_first_that_decides_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
