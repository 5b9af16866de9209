/* test_reason.c: every row of the catalogue against the standards: classes agree, codes are registered, replies are one short line. */
#include "catalog/reason.h"
#include "catalog/settings.h"

#include "check.h"

/* Registered after the list of 2014 that the public material holds. */
static const char *const later[] = {
    "7.30", /* RFC 8689 §7.3 */
    "7.27", "1.10", /* RFC 7505 §4.2, §4.1 */
};

static bool is_registered(FILE *f, const char *enhanced)
{
    char line[2000], *rest = strchr(enhanced, '.');
    char any[32];

    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (strcmp(later[i], rest + 1) == 0)
            return true;
    snprintf(any, sizeof any, "X%s", rest);
    rewind(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, any, strlen(any)) == 0 && strchr("\t ,", line[strlen(any)]))
            return true;
    return false;
}

static void classes_agree(void **state)
{
    (void)state;
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        const struct reason_row *row = reason_row(r);
        if (*row->enhanced && row->enhanced[0] - '0' != row->code / 100)
            fail_msg("%s: %d and %s", row->id, row->code, row->enhanced);
        if ((row->kind == REASON_KIND_TEMPORARY && row->code / 100 != 4) || (row->kind == REASON_KIND_PERMANENT && row->code / 100 != 5))
            fail_msg("%s: %d is of the other kind", row->id, row->code);
        if (row->slug[strspn(row->slug, "abcdefghijklmnopqrstuvwxyz0123456789-")])
            fail_msg("%s: slug %s", row->id, row->slug);
        assert_int_equal(reason_find(str_from(row->id)), r);
        assert_int_equal(reason_find(str_from(row->slug)), r);
    }
}

static void codes_are_registered(void **state)
{
    char path[4096];

    (void)state;
    if (!conformance_path("smtp/enhanced-status-codes-2014-12-29.tsv", path, sizeof path)) {
        print_message("the registry of enhanced codes is not at hand: skipped\n");
        skip();
    }
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++)
        if (*reason_row(r)->enhanced && !is_registered(f, reason_row(r)->enhanced))
            fail_msg("%s: %s is not registered", reason_row(r)->id, reason_row(r)->enhanced);
    fclose(f);
}

static void replies_are_clean_lines(void **state)
{
    const struct reply_context context = {.host = STR("mx.postern.test"), .why_url = STR("https://mx.postern.test/why"),
                                          .reference = STR("7K3F9QXD2M"), .detail = STR("evidence\r\n250 injected"), .seconds = 5, .size = 9};

    (void)state;
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        const struct reason_row *row = reason_row(r);
        struct buf out = buf_make(4096);
        if (row->kind == REASON_KIND_DELIVERY)
            continue;
        reason_reply(&out, r, &context);
        struct str rest = buf_str(&out);
        assert_true(str_ends_case(rest, STR("\r\n")));
        while (rest.len) { /* evidence with a line ending in it makes a proper multi-line reply, never a line of its own */
            struct str line = str_cut(&rest, '\n');
            char code[8];
            snprintf(code, sizeof code, "%03d", row->code);
            if (!str_starts(line, str_from(code)) || (line.at[3] != ' ' && line.at[3] != '-') || line.len > 998)
                fail_msg("%s: " STR_FMT, row->id, STR_ARG(line));
        }
        bool policy = row->kind != REASON_KIND_PROTOCOL;
        assert_int_equal(policy, str_find_str(buf_str(&out), STR("/7K3F9QXD2M")) >= 0 && str_find_str(buf_str(&out), STR("See https://")) >= 0);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(classes_agree), cmocka_unit_test(codes_are_registered),
                                       cmocka_unit_test(replies_are_clean_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
