/* test_reputation.c: counts that fade, what they are evidence of, and that they outlive processes, torn files and floods. */
#include "store/reputation.h"
#include "store/settings_file.h"

#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const int64_t DAY_MS = INT64_C(24) * 3600 * 1000, T0 = 1700000000000, HALF_LIFE_MS = INT64_C(14) * 24 * 3600 * 1000;

static struct reputation *open_it(const char *path, size_t most)
{
    struct buf error = buf_make(1000);
    struct reputation *r = reputation_open(path, most, &error);

    if (!r)
        fail_msg(STR_FMT, STR_ARG(buf_str(&error)));
    buf_free(&error);
    return r;
}

static void add(struct reputation *r, enum reputation_kind kind, const char *name, bool is_bad, int times, int64_t at_ms)
{
    struct reputation_facts f = {.count = 0};

    reputation_facts_add(&f, kind, str_from(name));
    for (int i = 0; i < times; i++)
        reputation_add(r, &f, is_bad, 1, HALF_LIFE_MS, at_ms);
}

static struct reputation_count read_it(struct reputation *r, enum reputation_kind kind, const char *name, int64_t at_ms)
{
    struct reputation_facts f = {.count = 0};

    reputation_facts_add(&f, kind, str_from(name));
    reputation_read(r, &f, HALF_LIFE_MS, at_ms);
    return f.at[0].count;
}

static void expect(struct reputation *r, enum reputation_kind kind, const char *name, int64_t at_ms, double good, double bad)
{
    struct reputation_count c = read_it(r, kind, name, at_ms);

    if (c.good < good - 0.01 || c.good > good + 0.01 || c.bad < bad - 0.01 || c.bad > bad + 0.01)
        fail_msg("%s: %.3f good and %.3f bad, not %.3f and %.3f", name, c.good, c.bad, good, bad);
}

static void counts_fade(void **state)
{
    struct reputation *r = open_it(NULL, 1000);

    (void)state;
    add(r, REPUTATION_SENDER, "Sender.test", false, 8, T0);
    add(r, REPUTATION_SENDER, "sender.test", true, 4, T0);
    expect(r, REPUTATION_SENDER, "sender.test", T0, 8, 4);
    expect(r, REPUTATION_SENDER, "sender.test", T0 + 7 * DAY_MS, 8 * 0.7071, 4 * 0.7071);
    expect(r, REPUTATION_SENDER, "sender.test", T0 + 14 * DAY_MS, 4, 2);
    expect(r, REPUTATION_SENDER, "sender.test", T0 + 42 * DAY_MS, 1, 0.5);
    expect(r, REPUTATION_SENDER, "sender.test", T0 + 4000 * DAY_MS, 0, 0);
    expect(r, REPUTATION_SENDER, "sender.test", T0 - DAY_MS, 8, 4); /* a clock set back */
    expect(r, REPUTATION_SIGNER, "sender.test", T0, 0, 0);
    reputation_close(&r);
}

static void touching_does_not_change_how_fast_it_fades(void **state)
{
    struct reputation *r = open_it(NULL, 1000);
    struct reputation_facts f = {.count = 0};

    (void)state;
    add(r, REPUTATION_HOST, "host.test", false, 100, T0);
    reputation_facts_add(&f, REPUTATION_HOST, STR("host.test"));
    for (int hour = 1; hour <= 14 * 24; hour++)
        reputation_add(r, &f, true, 0, HALF_LIFE_MS, T0 + hour * DAY_MS / 24);
    struct reputation_count c = read_it(r, REPUTATION_HOST, "host.test", T0 + 14 * DAY_MS);
    assert_true(c.good > 48 && c.good < 52);
    reputation_close(&r);
}

static void few_say_less_than_many(void **state)
{
    static const struct { struct reputation_count c; int percent; bool poor, good; } rows[] = {
        {{0, 0}, 50, false, false}, {{0, 1}, 60, false, false}, {{0, 5}, 78, true, false}, {{1, 5}, 70, true, false}, {{2, 5}, 64, false, false},
        {{0, 4.9}, 78, false, false}, {{5, 0}, 22, false, true}, {{5, 1}, 30, false, false}, {{200, 1}, 1, false, true}, {{1000, 1000}, 50, false, false}};
    struct buf error = buf_make(4096);
    char text[] = "host_name = mx.postern.test\n";
    struct settings *settings = settings_file_parse(text, "test", &error, NULL);
    const struct policy *system = settings_system(settings);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal((int)(reputation_badness(&rows[i].c) * 100 + 0.5), rows[i].percent);
        assert_int_equal(reputation_is_poor(&rows[i].c, system), rows[i].poor);
        assert_int_equal(reputation_is_good(&rows[i].c, system), rows[i].good);
    }
    settings_unref(settings);
    buf_free(&error);
}

static void names_are_taken_once_and_clean(void **state)
{
    struct reputation_facts f = {.count = 0};
    char name[300];

    (void)state;
    reputation_facts_add(&f, REPUTATION_LINK, STR("a.test"));
    reputation_facts_add(&f, REPUTATION_LINK, STR("A.test"));
    reputation_facts_add(&f, REPUTATION_LINK, STR(""));
    reputation_facts_add(&f, REPUTATION_LINK, STR("a b.test"));
    reputation_facts_add(&f, REPUTATION_LINK, STR("a\n1 9 9 9 b.test"));
    memset(name, 'x', sizeof name);
    reputation_facts_add(&f, REPUTATION_LINK, str_n(name, 256));
    assert_int_equal(f.count, 1);
    reputation_facts_add(&f, REPUTATION_SENDER, STR("a.test"));
    assert_int_equal(f.count, 2);
    for (int i = 0; i < 100; i++)
        reputation_facts_add(&f, REPUTATION_LINK, str_n(name, 1 + (size_t)i));
    assert_int_equal(f.count, REPUTATION_FACTS_MAX);
}

static void a_flood_of_strangers_throws_out_strangers(void **state)
{
    struct reputation *r = open_it(NULL, 400);
    struct reputation_stats s;
    char name[32];

    (void)state;
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "known%d.test", i);
        add(r, REPUTATION_SENDER, name, false, 5, T0);
    }
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "%d.test", i);
        add(r, REPUTATION_LINK, name, true, 1, T0 + i);
    }
    reputation_stats(r, &s);
    assert_int_equal(s.entries, 400);
    assert_int_equal(s.evicted, 200 + 100000 - 400);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "known%d.test", i);
        expect(r, REPUTATION_SENDER, name, T0, 5, 0);
    }
    reputation_close(&r);
}

static void make_path(char *to)
{
    strcpy(to, "/tmp/reputation-XXXXXX");
    assert_non_null(mkdtemp(to));
    strcat(to, "/r");
}

static void remove_path(char *path)
{
    static const char *const endings[] = {"", ".new", ".bad"};
    char name[80];

    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
    *strrchr(path, '/') = '\0';
    assert_int_equal(rmdir(path), 0);
}

static void it_outlives_a_restart(void **state)
{
    char path[64];

    (void)state;
    make_path(path);
    struct reputation *r = open_it(path, 1000);
    add(r, REPUTATION_ADDRESS, "2001:db8::1", true, 3, T0);
    add(r, REPUTATION_SENDER, "a.test", false, 2, T0);
    add(r, REPUTATION_LINK, "a.test", false, 1, T0);
    assert_true(reputation_forget(r, REPUTATION_LINK, STR("a.test")));
    assert_false(reputation_forget(r, REPUTATION_LINK, STR("a.test")));
    add(r, REPUTATION_SIGNER, "gone.test", true, 9, T0);
    reputation_close(&r);
    r = open_it(path, 1000);
    expect(r, REPUTATION_ADDRESS, "2001:db8::1", T0, 0, 3);
    expect(r, REPUTATION_SENDER, "a.test", T0 + 14 * DAY_MS, 1, 0);
    expect(r, REPUTATION_LINK, "a.test", T0, 0, 0);
    assert_true(reputation_forget(r, REPUTATION_SIGNER, STR("gone.test")));
    add(r, REPUTATION_SIGNER, "gone.test", false, 1, T0);
    reputation_close(&r);
    r = open_it(path, 1000);
    expect(r, REPUTATION_SIGNER, "gone.test", T0, 1, 0);
    reputation_close(&r);
    remove_path(path);
}

static void a_killed_process_loses_nothing_that_was_written(void **state)
{
    char path[64];
    struct stat st;

    (void)state;
    make_path(path);
    pid_t child = fork();
    if (child == 0) {
        struct reputation *r = open_it(path, 1000);
        add(r, REPUTATION_SENDER, "a.test", true, 7, T0);
        for (;;)
            pause();
    }
    for (int i = 0; i < 3000 && !(stat(path, &st) == 0 && st.st_size > 30); i++)
        usleep(10000);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    struct reputation *r = open_it(path, 1000);
    expect(r, REPUTATION_SENDER, "a.test", T0, 0, 7);
    reputation_close(&r);
    remove_path(path);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void torn_and_strange_files_harm_nobody(void **state)
{
    char path[64], aside[80];

    (void)state;
    make_path(path);
    write_file(path, "postern reputation 1\n4 1.5 2.5 1700000000000 a.test\n9 1 1 1700000000000 b.test\n4 nan 1 1700000000000 c.test\n4 -1 1 17 c.test\n4 1 1 x c.test\n"
                     "4 1 1 17 c d.test\n\n4 - \n5 3 0 1700000000000 d.test\n5 - d.test\n4 9.0 9.0 17000");
    struct reputation *r = open_it(path, 1000);
    struct reputation_stats s;
    reputation_stats(r, &s);
    assert_int_equal(s.entries, 1);
    expect(r, REPUTATION_SENDER, "a.test", T0, 1.5, 2.5);
    add(r, REPUTATION_SENDER, "e.test", true, 1, T0);
    reputation_close(&r);
    r = open_it(path, 1000);
    expect(r, REPUTATION_SENDER, "e.test", T0, 0, 1);
    reputation_close(&r);
    write_file(path, "something else altogether\n");
    r = open_it(path, 1000);
    add(r, REPUTATION_SENDER, "f.test", true, 1, T0);
    reputation_close(&r);
    r = open_it(path, 1000);
    expect(r, REPUTATION_SENDER, "f.test", T0, 0, 1);
    reputation_close(&r);
    snprintf(aside, sizeof aside, "%s.bad", path);
    assert_int_equal(access(aside, F_OK), 0);
    remove_path(path);
}

static void a_long_file_is_written_anew(void **state)
{
    struct buf text = buf_make(4 << 20);
    char path[64];
    struct stat st;

    (void)state;
    make_path(path);
    buf_add_text(&text, "postern reputation 1\n");
    for (int i = 0; i < 30000; i++)
        buf_addf(&text, "4 %d.0 0.0 1700000000000 a%d.test\n", i, i % 10);
    write_file(path, buf_text(&text));
    struct reputation *r = open_it(path, 1000);
    add(r, REPUTATION_SENDER, "b.test", true, 1, T0);
    reputation_close(&r);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 2000);
    r = open_it(path, 1000);
    expect(r, REPUTATION_SENDER, "a9.test", T0, 29999, 0);
    expect(r, REPUTATION_SENDER, "b.test", T0, 0, 1);
    reputation_close(&r);
    buf_free(&text);
    remove_path(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_fade), cmocka_unit_test(touching_does_not_change_how_fast_it_fades), cmocka_unit_test(few_say_less_than_many),
        cmocka_unit_test(names_are_taken_once_and_clean), cmocka_unit_test(a_flood_of_strangers_throws_out_strangers), cmocka_unit_test(it_outlives_a_restart),
        cmocka_unit_test(a_killed_process_loses_nothing_that_was_written), cmocka_unit_test(torn_and_strange_files_harm_nobody),
        cmocka_unit_test(a_long_file_is_written_anew)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
