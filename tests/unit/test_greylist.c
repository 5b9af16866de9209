/* test_greylist.c: who waits, who is known, and that it outlives processes, torn files and floods. */
#include "store/greylist.h"

#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };
static const int64_t DAY_MS = 24 * HOUR_MS, T0 = 1700000000000;

static const struct greylist_rules rules = {10 * MINUTE_MS, 8 * HOUR_MS, 60 * 24 * (int64_t)HOUR_MS, 2, 5};

static struct greylist *open_list(const char *path, size_t most)
{
    struct buf error = buf_make(1000);
    struct greylist *g = greylist_open(path, most, &error);

    if (!g)
        fail_msg(STR_FMT, STR_ARG(buf_str(&error)));
    buf_free(&error);
    return g;
}

static struct greylist_answer ask(struct greylist *g, const char *ip, const char *sender, const char *domain, int64_t at_ms)
{
    struct greylist_query q = {.sender = str_from(sender), .domain = str_from(domain), .rules = &rules};
    struct greylist_answer a;

    assert_true(ip_parse(str_from(ip), &q.client));
    greylist_ask(g, &q, at_ms, &a);
    return a;
}

static void expect(struct greylist *g, const char *ip, const char *sender, const char *domain, int64_t at_ms, enum greylist_outcome outcome)
{
    struct greylist_answer a = ask(g, ip, sender, domain, at_ms);

    if (a.outcome != outcome)
        fail_msg("%s %s %s at %lld: outcome %d, not %d", ip, sender, domain, (long long)(at_ms - T0), (int)a.outcome, (int)outcome);
}

/* Waits out the delay: known afterwards. */
static void become_known(struct greylist *g, const char *ip, const char *sender, const char *domain, int64_t at_ms)
{
    expect(g, ip, sender, domain, at_ms, GREYLIST_FIRST);
    expect(g, ip, sender, domain, at_ms + rules.delay_ms, GREYLIST_WAITED);
}

static void first_contacts_wait(void **state)
{
    struct greylist *g = open_list(NULL, 1000);

    (void)state;
    assert_int_equal(ask(g, "192.0.2.7", "carol@sender.test", "acme.test", T0).wait_ms, 10 * MINUTE_MS);
    struct greylist_answer early = ask(g, "192.0.2.8", "Carol@sender.test", "acme.test", T0 + 4 * MINUTE_MS); /* another host of the network */
    assert_int_equal(early.outcome, GREYLIST_EARLY);
    assert_int_equal(early.wait_ms, 6 * MINUTE_MS); /* and the early try changes nothing */
    expect(g, "192.0.2.7", "carol@sender.test", "acme.test", T0 + 10 * MINUTE_MS - 1, GREYLIST_EARLY);
    expect(g, "192.0.3.7", "carol@sender.test", "acme.test", T0 + 10 * MINUTE_MS, GREYLIST_FIRST); /* another network */
    expect(g, "192.0.2.7", "dave@sender.test", "acme.test", T0 + 10 * MINUTE_MS, GREYLIST_FIRST);
    expect(g, "192.0.2.7", "carol@sender.test", "strict.test", T0 + 10 * MINUTE_MS, GREYLIST_FIRST);
    struct greylist_answer waited = ask(g, "192.0.2.7", "carol@sender.test", "acme.test", T0 + 12 * MINUTE_MS);
    assert_int_equal(waited.outcome, GREYLIST_WAITED);
    assert_int_equal(waited.waited_ms, 12 * MINUTE_MS);
    expect(g, "192.0.2.9", "carol@sender.test", "acme.test", T0 + 13 * MINUTE_MS, GREYLIST_KNOWN);
    greylist_close(&g);
}

static void what_is_known_has_its_time(void **state)
{
    struct greylist *g = open_list(NULL, 1000);

    (void)state;
    expect(g, "192.0.2.7", "late@sender.test", "acme.test", T0, GREYLIST_FIRST);
    expect(g, "192.0.2.7", "late@sender.test", "acme.test", T0 + 8 * HOUR_MS, GREYLIST_FIRST); /* too late is a first contact */
    expect(g, "192.0.2.7", "late@sender.test", "acme.test", T0 + 8 * HOUR_MS + 10 * MINUTE_MS, GREYLIST_WAITED);
    int64_t known = T0 + 8 * HOUR_MS + 10 * MINUTE_MS;
    expect(g, "192.0.2.7", "late@sender.test", "acme.test", known + 59 * DAY_MS, GREYLIST_KNOWN);
    expect(g, "192.0.2.7", "late@sender.test", "acme.test", known + 118 * DAY_MS, GREYLIST_KNOWN); /* seen meanwhile */
    expect(g, "192.0.2.7", "late@sender.test", "acme.test", known + 178 * DAY_MS, GREYLIST_FIRST);
    expect(g, "192.0.2.7", "late@sender.test", "acme.test", T0, GREYLIST_EARLY); /* the clock was set back: no harm */
    expect(g, "192.0.2.7", "late@sender.test", "acme.test", T0 + 10 * MINUTE_MS, GREYLIST_WAITED);
    greylist_close(&g);
}

static void pairs_and_networks_come_to_be_known(void **state)
{
    struct greylist *g = open_list(NULL, 1000);

    (void)state;
    become_known(g, "192.0.2.7", "carol@sender.test", "a.test", T0);
    expect(g, "192.0.2.7", "carol@sender.test", "x.test", T0 + HOUR_MS, GREYLIST_FIRST);
    become_known(g, "192.0.2.7", "carol@sender.test", "b.test", T0);
    struct greylist_answer pair = ask(g, "192.0.2.200", "carol@sender.test", "c.test", T0 + HOUR_MS);
    assert_int_equal(pair.outcome, GREYLIST_KNOWN_PAIR);
    assert_int_equal(pair.count, 2);
    expect(g, "192.0.2.7", "dave@sender.test", "a.test", T0 + HOUR_MS, GREYLIST_FIRST);
    become_known(g, "192.0.2.7", "erin@sender.test", "a.test", T0);
    become_known(g, "192.0.2.7", "frank@other.test", "a.test", T0);
    expect(g, "192.0.2.7", "grace@other.test", "a.test", T0 + HOUR_MS, GREYLIST_FIRST);
    expect(g, "192.0.2.7", "grace@other.test", "a.test", T0 + 2 * HOUR_MS, GREYLIST_WAITED); /* the fifth */
    struct greylist_answer net = ask(g, "192.0.2.1", "nobody@new.test", "new.test", T0 + 2 * HOUR_MS);
    assert_int_equal(net.outcome, GREYLIST_KNOWN_NETWORK);
    assert_int_equal(net.count, 5);
    expect(g, "192.0.3.1", "nobody@new.test", "new.test", T0 + 2 * HOUR_MS, GREYLIST_FIRST);
    struct ip ip;
    assert_true(ip_parse(STR("192.0.2.99"), &ip));
    assert_int_equal(greylist_forget(g, &ip), 12); /* seven triplets, four pairs, the network */
    expect(g, "192.0.2.1", "carol@sender.test", "a.test", T0 + 2 * HOUR_MS, GREYLIST_FIRST);
    expect(g, "192.0.3.1", "nobody@new.test", "new.test", T0 + 2 * HOUR_MS + 1, GREYLIST_EARLY); /* no neighbour suffers */
    greylist_close(&g);
}

static void ipv6_counts_by_its_64(void **state)
{
    struct greylist *g = open_list(NULL, 1000);

    (void)state;
    expect(g, "2001:db8:0:1::1", "carol@sender.test", "acme.test", T0, GREYLIST_FIRST);
    expect(g, "2001:db8:0:1:ffff::2", "carol@sender.test", "acme.test", T0 + 10 * MINUTE_MS, GREYLIST_WAITED);
    expect(g, "2001:db8:0:2::1", "carol@sender.test", "acme.test", T0 + 10 * MINUTE_MS, GREYLIST_FIRST);
    greylist_close(&g);
}

static void our_correspondents_do_not_wait(void **state)
{
    struct greylist *g = open_list(NULL, 1000);

    (void)state;
    greylist_learn(g, STR("Carol+news@sender.test"), STR("acme.test"), T0);
    expect(g, "192.0.2.7", "carol@sender.test", "acme.test", T0 + HOUR_MS, GREYLIST_CORRESPONDENT);
    expect(g, "198.51.100.7", "carol@sender.test", "acme.test", T0 + HOUR_MS, GREYLIST_CORRESPONDENT); /* wherever she sends from */
    expect(g, "192.0.2.7", "carol@sender.test", "other.test", T0 + HOUR_MS, GREYLIST_FIRST);
    expect(g, "192.0.2.7", "carol@sender.test", "acme.test", T0 + HOUR_MS + 60 * DAY_MS, GREYLIST_FIRST);
    greylist_close(&g);
}

static void senders_made_anew_for_each_message_are_one(void **state)
{
    static const struct { const char *sender, *key; } rows[] = {
        {"Carol@Sender.test", "carol@sender.test"}, {"list-bounces+ann=acme.test@lists.test", "list-bounces@lists.test"},
        {"bounce-123-4567-x@lists.test", "bounce-#-#-x@lists.test"}, {"prvs=0123abcd=carol@sender.test", "prvs=#abcd=carol@sender.test"},
        {"+@x.test", "+@x.test"}, {"a@1and1.test", "a@1and1.test"}, {"", ""}, {"nodomain", "nodomain"}};
    char key[64];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        greylist_sender(str_from(rows[i].sender), key, sizeof key);
        assert_string_equal(key, rows[i].key);
    }
}

static char *temporary(char *folder, char *path, size_t size)
{
    assert_non_null(mkdtemp(folder));
    snprintf(path, size, "%s/greylist", folder);
    return path;
}

static void it_outlives_a_killed_process(void **state)
{
    char folder[] = "/tmp/postern-greylist-XXXXXX", path[100];
    int pipes[2];
    char byte;

    (void)state;
    temporary(folder, path, sizeof path);
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        struct greylist *g = open_list(path, 1000);
        struct greylist_stats stats;
        become_known(g, "192.0.2.7", "carol@sender.test", "acme.test", T0);
        expect(g, "192.0.2.7", "\"a b\"@sender.test", "acme.test", T0, GREYLIST_FIRST);
        greylist_learn(g, STR("erin@friend.test"), STR("acme.test"), T0);
        greylist_stats(g, &stats);
        for (;;) { /* its writer is at it: until the last line stands in the file */
            char text[4096];
            int fd = open(path, O_RDONLY);
            ssize_t n = read(fd, text, sizeof text - 1);
            close(fd);
            text[n > 0 ? n : 0] = '\0';
            if (strstr(text, "erin@friend.test acme.test\n"))
                break;
        }
        assert_int_equal(write(pipes[1], "x", 1), 1);
        pause();
    }
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(pipes[0]);
    int fd = open(path, O_WRONLY | O_APPEND); /* and the last line is torn */
    assert_int_equal(write(fd, "+t 1700000000000 17000", 22), 22);
    close(fd);
    struct greylist *g = open_list(path, 1000);
    expect(g, "192.0.2.7", "carol@sender.test", "acme.test", T0 + HOUR_MS, GREYLIST_KNOWN);
    expect(g, "192.0.2.7", "\"a b\"@sender.test", "acme.test", T0 + HOUR_MS, GREYLIST_WAITED);
    expect(g, "198.51.100.1", "erin@friend.test", "acme.test", T0 + HOUR_MS, GREYLIST_CORRESPONDENT);
    greylist_close(&g);
    g = open_list(path, 1000); /* what came behind the torn line is there, too */
    expect(g, "192.0.2.200", "\"a b\"@sender.test", "acme.test", T0 + HOUR_MS, GREYLIST_KNOWN);
    struct ip ip;
    assert_true(ip_parse(STR("192.0.2.1"), &ip));
    assert_true(greylist_forget(g, &ip) > 0);
    greylist_close(&g);
    g = open_list(path, 1000);
    expect(g, "192.0.2.7", "carol@sender.test", "acme.test", T0 + HOUR_MS, GREYLIST_FIRST);
    greylist_close(&g);
    unlink(path);
    rmdir(folder);
}

static void damage_is_survived(void **state)
{
    static const char *const damages[] = {"", "postern gre", "something else\nentirely\n", "postern greylist 1\n+t x y z\n\n-\n+q 1 2 3 a\n+t 1 2 3\n"};
    char folder[] = "/tmp/postern-greylist-XXXXXX", path[100], aside[120];

    (void)state;
    temporary(folder, path, sizeof path);
    snprintf(aside, sizeof aside, "%s.bad", path);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(write(fd, damages[i], strlen(damages[i])), (ssize_t)strlen(damages[i]));
        close(fd);
        struct greylist *g = open_list(path, 100);
        become_known(g, "192.0.2.7", "carol@sender.test", "acme.test", T0);
        greylist_close(&g);
        g = open_list(path, 100);
        expect(g, "192.0.2.7", "carol@sender.test", "acme.test", T0 + HOUR_MS, GREYLIST_KNOWN);
        greylist_close(&g);
        assert_int_equal(access(aside, F_OK) == 0, i == 2); /* kept for the operator */
        unlink(aside);
    }
    unlink(path);
    rmdir(folder);
}

/* Many more changes than entries: the file is written anew, and what it says stays. */
static void the_file_does_not_grow_without_end(void **state)
{
    char folder[] = "/tmp/postern-greylist-XXXXXX", path[100];
    struct ip ip;

    (void)state;
    temporary(folder, path, sizeof path);
    struct greylist *g = open_list(path, 5000);
    become_known(g, "198.51.100.7", "carol@sender.test", "acme.test", T0);
    assert_true(ip_parse(STR("192.0.2.1"), &ip));
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 1000; i++) {
            char domain[40];
            snprintf(domain, sizeof domain, "d%d.test", i);
            expect(g, "192.0.2.7", "flood@sender.test", domain, T0, GREYLIST_FIRST);
        }
        assert_int_equal(greylist_forget(g, &ip), 1000);
    }
    greylist_close(&g);
    int fd = open(path, O_RDONLY);
    off_t size = lseek(fd, 0, SEEK_END); /* 120,000 lines of some 70 bytes were said */
    close(fd);
    assert_in_range(size, 1, 60000 * 70);
    g = open_list(path, 5000);
    struct greylist_stats stats;
    greylist_stats(g, &stats);
    assert_int_equal(stats.entries, 3); /* carol's triplet, pair and network */
    expect(g, "198.51.100.7", "carol@sender.test", "acme.test", T0 + HOUR_MS, GREYLIST_KNOWN);
    greylist_close(&g);
    unlink(path);
    rmdir(folder);
}

static void a_flood_throws_out_strangers_only(void **state)
{
    struct greylist *g = open_list(NULL, 1000);
    struct greylist_stats stats;
    unsigned no_room = 0;

    (void)state;
    become_known(g, "192.0.2.7", "carol@sender.test", "acme.test", T0);
    for (int i = 0; i < 5000; i++) {
        char domain[40];
        snprintf(domain, sizeof domain, "d%d.test", i);
        no_room += ask(g, "198.51.100.7", "flood@sender.test", domain, T0 + 3 * HOUR_MS).outcome == GREYLIST_NO_ROOM;
    }
    greylist_stats(g, &stats);
    assert_int_equal(stats.entries, 1000);
    assert_int_equal(no_room, stats.no_room);
    assert_int_equal(no_room, 5000 - 997); /* nobody waits in vain */
    expect(g, "192.0.2.7", "carol@sender.test", "acme.test", T0 + 3 * HOUR_MS, GREYLIST_KNOWN);
    for (int i = 0; i < 5000; i++) { /* two hours later strangers may be thrown out for strangers */
        char domain[40];
        snprintf(domain, sizeof domain, "e%d.test", i);
        ask(g, "198.51.100.7", "flood@sender.test", domain, T0 + 5 * HOUR_MS);
    }
    greylist_stats(g, &stats);
    assert_int_equal(stats.entries, 1000);
    assert_int_equal(stats.evicted, 997);
    expect(g, "192.0.2.7", "carol@sender.test", "acme.test", T0 + 3 * HOUR_MS, GREYLIST_KNOWN);
    greylist_close(&g);
}

static void looking_changes_nothing(void **state)
{
    struct greylist *g = open_list(NULL, 1000);
    struct greylist_query q = {.sender = STR("carol@sender.test"), .domain = STR("acme.test"), .rules = &rules, .only_look = true};
    struct greylist_answer a;

    (void)state;
    assert_true(ip_parse(STR("192.0.2.7"), &q.client));
    greylist_ask(g, &q, T0, &a);
    assert_int_equal(a.outcome, GREYLIST_FIRST);
    expect(g, "192.0.2.7", "carol@sender.test", "acme.test", T0 + HOUR_MS, GREYLIST_FIRST);
    struct buf list = buf_make(4096);
    greylist_list(g, STR("acme.test"), 10, &list);
    assert_true(str_is(buf_str(&list), "+t 1700003600000 1700003600000 0 192.0.2.0/24 carol@sender.test acme.test\n"));
    buf_clear(&list);
    greylist_list(g, STR("elsewhere"), 10, &list);
    assert_int_equal(list.len, 0);
    buf_free(&list);
    greylist_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_contacts_wait), cmocka_unit_test(what_is_known_has_its_time), cmocka_unit_test(pairs_and_networks_come_to_be_known),
        cmocka_unit_test(ipv6_counts_by_its_64), cmocka_unit_test(our_correspondents_do_not_wait),
        cmocka_unit_test(senders_made_anew_for_each_message_are_one), cmocka_unit_test(it_outlives_a_killed_process),
        cmocka_unit_test(damage_is_survived), cmocka_unit_test(the_file_does_not_grow_without_end),
        cmocka_unit_test(a_flood_throws_out_strangers_only), cmocka_unit_test(looking_changes_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
