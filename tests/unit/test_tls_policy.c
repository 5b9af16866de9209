/* test_tls_policy.c: entries of tls_policies, and which of them is for a destination. */
#include "catalog/tls_policy.h"

#include "check.h"

static void entries_are_read(void **state)
{
    static const struct { const char *entry; bool good; size_t names; } rows[] = {
        {"partner.test=secure", true, 0}, {".bank.test=dane-only", true, 0}, {"a.test = verify : mx.a.test : .b.test", true, 2},
        {"a.test=secure:a:b:c:d", true, 4}, {"a.test=none", true, 0}, {"a.test=secure:a:b:c:d:e", false, 0}, {"a.test=encrypt:b.test", false, 0},
        {"a.test=must", false, 0}, {"a.test=", false, 0}, {"a.test", false, 0}, {"=may", false, 0}, {".=may", false, 0}, {"a..test=may", false, 0},
        {"a.test.=may", false, 0}, {"a b=may", false, 0}, {"a.test=secure:", false, 0}, {"a.test=secure:b c", false, 0}, {"", false, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf error = buf_make(1000);
        struct tls_policy p;
        bool good = tls_policy_parse(str_from(rows[i].entry), &p, &error);
        if (good != rows[i].good || (good && p.name_count != rows[i].names) || good == (error.len > 0))
            fail_msg("\"%s\": %d, %zu names", rows[i].entry, good, p.name_count);
        buf_free(&error);
    }
}

static void the_nearest_entry_counts(void **state)
{
    static const char *entries[] = {".test=may", "bank.test=secure", ".bank.test=verify", ".de.bank.test=encrypt", "Upper.Test=none"};
    static const struct setting_list list = {.at = entries, .count = sizeof entries / sizeof *entries};
    static const struct { const char *domain, *level; } rows[] = {
        {"bank.test", "secure"}, {"BANK.test", "secure"}, {"a.bank.test", "verify"}, {"de.bank.test", "verify"}, {"a.b.de.bank.test", "encrypt"},
        {"xbank.test", "may"}, {"upper.test", "none"}, {"test", NULL}, {"bank.example", NULL}, {"", NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls_policy p;
        bool found = tls_policy_find(&list, str_from(rows[i].domain), &p);
        if (found != (rows[i].level != NULL) || (found && !str_is(p.level, rows[i].level)))
            fail_msg("%s", rows[i].domain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(entries_are_read), cmocka_unit_test(the_nearest_entry_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
