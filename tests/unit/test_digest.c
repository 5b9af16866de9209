/* test_digest.c: what the clock says in a zone, and that links work once. */
#include "courier/digest_mail.h"
#include "store/schema.h"

#include "check.h"

static void zones_have_their_own_days(void **state)
{
    static const struct { const char *zone; int64_t ms; int64_t day; int hour, minute, weekday; } rows[] = {
        {"", 0, 0, 0, 0, 4},
        {"", -1, -1, 23, 59, 3},
        {"Europe/Berlin", 1700000000000, 19675, 23, 13, 2},       /* 22:13 UTC, winter */
        {"Europe/Berlin", 1690000000000, 19560, 6, 26, 6},        /* 04:26 UTC, summer */
        {"Asia/Kolkata", 1700000000000, 19676, 3, 43, 3},
        {"America/New_York", 1700006400000, 19675, 19, 0, 2},     /* midnight UTC of the next day */
        {"No/Such_Zone", 1700000000000, 19675, 22, 13, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct local_time t = local_time_of(rows[i].zone, rows[i].ms);
        if (t.day != rows[i].day || t.hour != rows[i].hour || t.minute != rows[i].minute || t.weekday != rows[i].weekday)
            fail_msg("%s: day %lld %d:%02d, weekday %d", rows[i].zone, (long long)t.day, t.hour, t.minute, t.weekday);
    }
}

static void a_link_works_once_and_not_for_ever(void **state)
{
    struct buf error = buf_make(500);
    struct db *d = db_open(":memory:", &error);
    char verb[16];
    static const char secret[] = "abc";
    static const unsigned char hash[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                         0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};

    (void)state;
    assert_true(d && schema_migrate(d, &error));
    assert_int_equal(DB_RUN(d, "INSERT INTO token(hash, kind, verb, object, created_ms, expires_ms) VALUES($1, 'digest', 'release', 42, 0, 1000)",
                            DB_B(str_n((const char *)hash, sizeof hash))), DB_OK);
    assert_int_equal(digest_link(d, str_from(secret), 999, verb), 42);
    assert_string_equal(verb, "release");
    assert_int_equal(digest_link(d, str_from(secret), 1000, verb), 0);
    assert_int_equal(digest_link(d, STR("abd"), 1, verb), 0);
    assert_int_equal(digest_use_link(d, str_from(secret), 999, verb), 42);
    assert_int_equal(digest_use_link(d, str_from(secret), 999, verb), 0);
    assert_int_equal(digest_link(d, str_from(secret), 999, verb), 0);
    db_close(&d);
    buf_free(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(zones_have_their_own_days), cmocka_unit_test(a_link_works_once_and_not_for_ever)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
