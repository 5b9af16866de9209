/* test_sender_tag.c: what is written is read back; what was changed, guessed or kept too long is not. */
#include "auth/sender_tag.h"

#include "check.h"

#include <sys/stat.h>
#include <unistd.h>

static const struct secrets one = {.at = {{1, 2, 3}}, .count = 1}, other = {.at = {{9}}, .count = 1}, both = {.at = {{9}, {1, 2, 3}}, .count = 2};
static const int64_t day_ms = INT64_C(24) * 3600 * 1000;
static const int64_t now_ms = INT64_C(1750000000000);

static struct address parse(const char *text)
{
    struct address a;
    const char *why = NULL;

    if (address_parse(str_from(text), true, &a, &why) != ADDRESS_OK)
        fail_msg("%s: %s", text, why);
    return a;
}

static const char *const senders[] = {"carol@example.test", "a=b+c@sub.example.test", "\"two words\"@example.test", "\"quote\\\"d\"@example.test",
                                      "J\xc3\xbcrgen@example.test", "x@[192.0.2.1]", "Mixed.Case@Example.Test"};

static void srs_is_read_back(void **state)
{
    struct address out, back;

    (void)state;
    for (size_t i = 0; i < sizeof senders / sizeof *senders; i++) {
        struct address a = parse(senders[i]);
        assert_true(srs_rewrite(&one, &a, STR("fwd.test"), now_ms, &out));
        assert_true(str_starts(address_text(&out), STR("SRS0=")) || out.text[0] == '"');
        assert_true(str_is(address_domain(&out), "fwd.test"));
        for (int day = 0; day <= SRS_DAYS; day++) {
            assert_int_equal(srs_reverse(&one, &out, now_ms + day * day_ms, &back), TAG_GOOD);
            assert_true(address_eq(&a, &back));
        }
        assert_int_equal(srs_reverse(&one, &out, now_ms + (SRS_DAYS + 1) * day_ms, &back), TAG_EXPIRED);
        assert_int_equal(srs_reverse(&both, &out, now_ms, &back), TAG_GOOD); /* the secret was changed meanwhile */
        assert_int_equal(srs_reverse(&other, &out, now_ms, &back), TAG_BAD);
    }
}

static void the_days_go_round(void **state)
{
    struct address a = parse("carol@example.test"), out, back;

    (void)state;
    for (int day = 0; day < 2100; day += 7) {
        int64_t then_ms = now_ms + day * day_ms;
        assert_true(srs_rewrite(&one, &a, STR("fwd.test"), then_ms, &out));
        assert_int_equal(srs_reverse(&one, &out, then_ms + SRS_DAYS * day_ms, &back), TAG_GOOD);
        assert_int_equal(srs_reverse(&one, &out, then_ms + (SRS_DAYS + 1) * day_ms, &back), TAG_EXPIRED);
        assert_int_equal(srs_reverse(&one, &out, then_ms - day_ms, &back), TAG_EXPIRED); /* from tomorrow */
        assert_true(batv_sign(&one, &a, then_ms, &out));
        assert_int_equal(batv_check(&one, &out, then_ms + BATV_DAYS * day_ms, &back), TAG_GOOD);
        assert_int_equal(batv_check(&one, &out, then_ms + (BATV_DAYS + 1) * day_ms, &back), TAG_EXPIRED);
    }
}

static void case_does_not_matter(void **state)
{
    struct address a = parse("Carol@example.test"), out, back;
    char text[400];

    (void)state;
    assert_true(srs_rewrite(&one, &a, STR("fwd.test"), now_ms, &out));
    str_copy(text, sizeof text, address_text(&out));
    str_lower(text, strlen(text));
    struct address lower = parse(text);
    assert_int_equal(srs_reverse(&one, &lower, now_ms, &back), TAG_GOOD);
    assert_true(address_eq(&a, &back));
    assert_true(batv_sign(&one, &a, now_ms, &out));
    str_copy(text, sizeof text, address_text(&out));
    text[0] = 'P';
    struct address upper = parse(text);
    assert_int_equal(batv_check(&one, &upper, now_ms, &back), TAG_GOOD);
}

static void any_change_is_seen(void **state)
{
    struct address a = parse("carol@example.test"), out, back;

    (void)state;
    assert_true(srs_rewrite(&one, &a, STR("fwd.test"), now_ms, &out));
    for (size_t i = 5; i < out.local_len; i++) {
        struct address changed = out;
        changed.text[i] = out.text[i] == 'q' ? 'x' : 'q';
        assert_int_not_equal(srs_reverse(&one, &changed, now_ms, &back), TAG_GOOD);
    }
    assert_true(batv_sign(&one, &a, now_ms, &out));
    for (size_t i = 5; i < out.local_len; i++) {
        struct address changed = out;
        changed.text[i] = out.text[i] == '7' ? '8' : '7';
        assert_int_not_equal(batv_check(&one, &changed, now_ms, &back), TAG_GOOD);
    }
    struct address moved = out;
    moved.text[moved.len - 1] = 'x'; /* another domain of ours */
    assert_int_equal(batv_check(&one, &moved, now_ms, &back), TAG_BAD);
}

static void a_second_forwarder_points_at_the_first(void **state)
{
    struct address a = parse("SRS0+abcd=ef=example.test=carol@first.test"), second, third, back;

    (void)state;
    assert_true(srs_rewrite(&one, &a, STR("second.test"), now_ms, &second));
    assert_true(str_starts(address_text(&second), STR("SRS1=")));
    assert_int_equal(srs_reverse(&one, &second, now_ms, &back), TAG_GOOD);
    assert_true(address_eq(&a, &back));
    assert_true(srs_rewrite(&other, &second, STR("third.test"), now_ms, &third)); /* it does not grow */
    assert_int_equal(third.local_len, second.local_len);
    assert_int_equal(srs_reverse(&other, &third, now_ms, &back), TAG_GOOD);
    assert_true(address_eq(&a, &back));
    assert_int_equal(srs_reverse(&one, &third, now_ms, &back), TAG_BAD);
}

static void what_has_no_tag_or_no_room(void **state)
{
    static const char *const plain[] = {"carol@x.test", "SRS@x.test", "SRS0@x.test", "SRS0x=a=b@x.test", "SRS0=@x.test", "prvs@x.test", "prv=0123=x@x.test"};
    static const char *const bad[] = {"SRS0==@x.test", "SRS0=aaaaaa=aa@x.test", "SRS0=aaaaaa=aa=x.test=carol@x.test", "SRS1=x@x.test",
                                      "SRS1=aaaaaa=x.test==x@x.test", "SRS0=a=b=c=d@x.test"};
    static const char *const bad_batv[] = {"prvs=@x.test", "prvs=0000000000@x.test", "prvs=0000000000=@x.test", "prvs=0000000000=carol@x.test",
                                           "prvs=0abc000000=carol@x.test", "prvs=000=carol@x.test"};
    struct address null = {.text = ""}, out;
    struct address length = parse("a-local-part-of-exactly-fifty-octets-0123456789abcd@example.test");

    (void)state;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        struct address a = parse(plain[i]);
        assert_int_equal(srs_reverse(&one, &a, now_ms, &out), TAG_NONE);
        assert_int_equal(batv_check(&one, &a, now_ms, &out), TAG_NONE);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct address a = parse(bad[i]);
        assert_int_equal(srs_reverse(&one, &a, now_ms, &out), TAG_BAD);
    }
    for (size_t i = 0; i < sizeof bad_batv / sizeof *bad_batv; i++) {
        struct address a = parse(bad_batv[i]);
        assert_int_equal(batv_check(&one, &a, now_ms, &out), TAG_BAD);
    }
    assert_false(srs_rewrite(&one, &null, STR("fwd.test"), now_ms, &out));
    assert_false(batv_sign(&one, &null, now_ms, &out));
    assert_false(srs_rewrite(&one, &length, STR("fwd.test"), now_ms, &out));
    struct address tagged = parse("prvs=0123abcdef=carol@x.test");
    assert_false(batv_sign(&one, &tagged, now_ms, &out));
}

static void secrets_are_made_once(void **state)
{
    char folder[] = "/tmp/secrets-XXXXXX", path[64];
    struct secrets first, second;
    struct buf error = buf_make(1000);
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/secrets", folder);
    assert_true(secrets_load(path, &first, &error) && first.count == 1);
    assert_true(secrets_load(path, &second, &error) && second.count == 1);
    assert_memory_equal(first.at[0], second.at[0], SECRET_BYTES);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    FILE *f = fopen(path, "a");
    fprintf(f, "# an older one\n%064d\n", 0);
    fclose(f);
    assert_true(secrets_load(path, &second, &error) && second.count == 2);
    f = fopen(path, "a");
    fprintf(f, "nonsense\n");
    fclose(f);
    assert_false(secrets_load(path, &second, &error));
    assert_true(str_find_str(buf_str(&error), STR("secrets:4: at most")) >= 0);
    buf_clear(&error);
    assert_int_equal(truncate(path, 0), 0);
    assert_false(secrets_load(path, &second, &error)); /* an empty file is a mistake, not a wish for a new secret */
    unlink(path);
    rmdir(folder);
    assert_false(secrets_load("/nonexistent/folder/secrets", &second, &error));
    buf_free(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(srs_is_read_back), cmocka_unit_test(the_days_go_round), cmocka_unit_test(case_does_not_matter),
        cmocka_unit_test(any_change_is_seen), cmocka_unit_test(a_second_forwarder_points_at_the_first),
        cmocka_unit_test(what_has_no_tag_or_no_room), cmocka_unit_test(secrets_are_made_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
