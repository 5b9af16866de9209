/* test_admin.c: codes of authenticators, limits of attempts, which operation a path means, and what schemas let through. */
#include "admin/parts.h"
#include "admin/schema.h"
#include "base/clock.h"
#include "check.h"

#include <string.h>

/* RFC 6238, appendix B: the secret for SHA-1, eight digits there, of which authenticators show the last six. */
static void codes_are_those_of_the_rfc(void **state)
{
    static const struct { int64_t second; const char *code; } rows[] = {
        {59, "287082"}, {1111111109, "081804"}, {1111111111, "050471"}, {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(totp_step(STR("12345678901234567890"), str_from(rows[i].code), rows[i].second * 1000, 0), rows[i].second / 30);
}

static void a_code_counts_one_step_either_way_and_never_again(void **state)
{
    struct str secret = STR("12345678901234567890"), code = STR("050471"); /* of step 37037037 */

    (void)state;
    assert_int_equal(totp_step(secret, code, 1111111080000, 0), 37037037); /* the step before */
    assert_int_equal(totp_step(secret, code, 1111111140000 + 29999, 0), 37037037); /* the step after */
    assert_int_equal(totp_step(secret, code, 1111111170000, 0), 0);
    assert_int_equal(totp_step(secret, code, 1111111111000, 37037036), 37037037);
    assert_int_equal(totp_step(secret, code, 1111111111000, 37037037), 0);
    assert_int_equal(totp_step(secret, STR(""), 1111111111000, 0), 0);
    assert_int_equal(totp_step(secret, STR("50471"), 1111111111000, 0), 0);
}

static void secrets_are_written_in_base_32(void **state)
{
    char text[TOTP_SECRET_TEXT];

    (void)state;
    totp_secret_text((const unsigned char *)"12345678901234567890", text);
    assert_string_equal(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
}

static void attempts_are_counted_within_their_window(void **state)
{
    struct attempts *t = attempts_new();

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(attempts_take(t, STR("as Olga"), 5, 60000), 0);
    assert_true(attempts_take(t, STR("as olga"), 5, 60000) > 0); /* any case */
    assert_int_equal(attempts_take(t, STR("as otto"), 5, 60000), 0);
    clock_turn(60000);
    assert_int_equal(attempts_take(t, STR("as olga"), 5, 60000), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(attempts_take(t, STR("as olga"), 5, 60000), 0);
    attempts_undo(t, STR("as olga"));
    assert_int_equal(attempts_take(t, STR("as olga"), 5, 60000), 0);
    assert_true(attempts_take(t, STR("as olga"), 5, 60000) > 0);
    attempts_forget(t, STR("as olga"));
    assert_int_equal(attempts_take(t, STR("as olga"), 5, 60000), 0);
    attempts_free(&t);
}

static void a_path_means_the_row_that_says_most(void **state)
{
    static const struct { const char *method, *path, *id; } rows[] = {
        {"GET", "/api/v1/domains", "domain_list"}, {"HEAD", "/api/v1/domains", "domain_list"}, {"GET", "/api/v1/domains/acme.test", "domain_show"},
        {"POST", "/api/v1/quarantine/release", "quarantine_release_all"}, {"POST", "/api/v1/quarantine/5/release", "quarantine_release"},
        {"GET", "/api/v1/queue/top", "queue_top"}, {"GET", "/api/v1/domains/", NULL}, {"GET", "/api/v1//domains", NULL}, {"GET", "/api/v1/domains/a/b/c/d", NULL},
        {"GET", "api/v1/domains", NULL}, {"TRACE", "/api/v1/domains", NULL}};
    struct str parameter[MOST_PARAMETERS];
    const struct operation *found;
    char allowed[64];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool is_found = operation_find(str_from(rows[i].method), str_from(rows[i].path), &found, parameter, allowed) == MATCH_FOUND;
        assert_int_equal(is_found, rows[i].id != NULL);
        if (is_found)
            assert_string_equal(found->id, rows[i].id);
    }
    assert_int_equal(operation_find(STR("PUT"), STR("/api/v1/domains"), &found, parameter, allowed), MATCH_OTHER_METHOD);
    assert_string_equal(allowed, "GET, POST");
}

static bool is_taken(const char *schema, const char *json)
{
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL), *errors = json_array();
    bool taken = schema_check(schema, value, false, errors);

    assert_int_equal(taken, json_array_size(errors) == 0);
    json_decref(value);
    json_decref(errors);
    return taken;
}

static void schemas_let_through_what_they_say(void **state)
{
    (void)state;
    assert_true(is_taken("TenantNew", "{\"name\": \"acme\", \"note\": \"two\\nlines\"}"));
    assert_false(is_taken("TenantNew", "{\"name\": \"two\\nlines\"}"));
    assert_false(is_taken("TenantNew", "{\"name\": \"\\u009b\"}"));
    assert_false(is_taken("TenantNew", "{\"name\": \"\"}"));
    assert_false(is_taken("TenantNew", "{\"note\": \"x\"}"));
    assert_false(is_taken("TenantNew", "{\"name\": 5}"));
    assert_false(is_taken("TenantNew", "{\"name\": \"x\", \"other\": 1}"));
    assert_false(is_taken("TenantNew", "[]"));
    assert_false(is_taken("TenantNew", "null"));
    assert_true(is_taken("KeyNew", "{\"name\": \"k\", \"permissions\": [\"api\"], \"expires_days\": 3650}"));
    assert_false(is_taken("KeyNew", "{\"name\": \"k\", \"permissions\": [\"api\"], \"expires_days\": 3651}"));
    assert_false(is_taken("KeyNew", "{\"name\": \"k\", \"permissions\": [\"api\"], \"expires_days\": -1}"));
    assert_false(is_taken("KeyNew", "{\"name\": \"k\", \"permissions\": [5]}"));
    assert_true(is_taken("SettingPut", "{\"value\": [\"a\", \"b\"]}"));
    assert_true(is_taken("SettingPut", "{\"value\": \"\"}"));
    assert_false(is_taken("SettingPut", "{\"value\": 1.5}"));
    assert_false(is_taken("SettingPut", "{\"value\": {}}"));
}

static void no_role_but_the_operators_has_all_permissions(void **state)
{
    (void)state;
    for (enum role r = ROLE_NONE + 1; r < ROLE_COUNT; r++)
        assert_int_equal(role_permissions(r) == PERMISSION_ALL, r == ROLE_OPERATOR);
    assert_false(role_permissions(ROLE_SUPPORT) & PERMISSION_BIT(PERMISSION_VIEW_BODY));
    assert_false(role_fits_scope(ROLE_MAILBOX, STR("domain")));
    assert_true(role_fits_scope(ROLE_MAILBOX, STR("mailbox")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_those_of_the_rfc),
        cmocka_unit_test(a_code_counts_one_step_either_way_and_never_again),
        cmocka_unit_test(secrets_are_written_in_base_32),
        cmocka_unit_test(attempts_are_counted_within_their_window),
        cmocka_unit_test(a_path_means_the_row_that_says_most),
        cmocka_unit_test(schemas_let_through_what_they_say),
        cmocka_unit_test(no_role_but_the_operators_has_all_permissions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
