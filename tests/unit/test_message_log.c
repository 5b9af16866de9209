/* test_message_log.c: rows of the message log: what events come to, in which order they come, a store that is locked, a process that dies, a full journal. */
#include "base/clock.h"
#include "store/message_journal.h"
#include "store/message_log.h"
#include "store/message_words.h"
#include "store/schema.h"
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };
static char directory[64], path[100];

static struct db *open_store(void)
{
    struct buf error = buf_make(500);
    struct db *d = db_open(path, &error);

    assert_true(d && schema_migrate(d, &error));
    buf_free(&error);
    return d;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/postern-rows-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/store.db", directory);
    struct db *d = open_store();
    db_close(&d);
    return 0;
}

static int tear_down(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command);
}

static struct message_log *open_log(uint64_t journal_bytes)
{
    struct buf error = buf_make(500);
    const struct message_log_options o = {.store_path = path, .directory = directory, .node = "mx.acme.test", .journal_bytes_max = journal_bytes};
    struct message_log *l = message_log_open(&o, &error);

    assert_non_null(l);
    buf_free(&error);
    return l;
}

static struct event sample(enum event_kind kind, const char *reference)
{
    struct event e = {.kind = kind, .wall_ms = clock_wall_ms(), .reference = str_from(reference), .service = STR("mx"), .helo = STR("client.test"),
                      .sender = STR("Bob@Client.test"), .recipient = STR("Ann@acme.test"), .domain = STR("acme.test"), .subject = STR("Your INVOICE"),
                      .size = 4321, .action = "deliver"};

    e.client_ip = (struct ip){.family = 4, .bytes = {192, 0, 2, 7}};
    return e;
}

static struct event news(enum event_kind kind, const char *reference, const char *host)
{
    struct event e = sample(kind, reference);

    e.subject = STR("");
    e.host = str_from(host);
    e.attempts = 1;
    e.reason = kind == EVENT_DELIVERED ? REASON_DELIVERED : REASON_NONE;
    return e;
}

static void assert_text(struct db *d, const char *sql, const char *expected)
{
    struct db_rows *r = db_query_once(d, sql, NULL, 0);

    if (!db_next(r))
        fail_msg("%s: no row", sql);
    if (!str_is(db_text(r, 0), expected))
        fail_msg("%s: got " STR_FMT ", expected %s", sql, STR_ARG(db_text(r, 0)), expected);
    assert_int_equal(db_done(&r), DB_OK);
}

static int64_t number(struct db *d, const char *sql)
{
    struct db_rows *r = db_query_once(d, sql, NULL, 0);
    int64_t n = db_next(r) ? db_number(r, 0) : -1;

    assert_int_equal(db_done(&r), DB_OK);
    return n;
}

static void a_row_says_what_happened_and_what_became_of_it(void **state)
{
    struct message_log *l = open_log(1 << 20);
    struct db *d = open_store();
    struct event accepted = sample(EVENT_ACCEPTED, "A1"), deferred = news(EVENT_DEFERRED, "A1", "mx1.acme.test"), held = news(EVENT_HELD, "A1", "");
    struct findings findings = {0};
    struct finding f = finding_make(REASON_PTR_MISSING, "%s", "192.0.2.7 has no \"PTR\"");

    (void)state;
    findings_add(&findings, &f);
    accepted.findings = &findings;
    accepted.to = STR("ann@acme.test");
    accepted.attachments = STR("a.pdf\nb\xff.pdf");
    accepted.spf = STR("pass");
    message_log_add(l, &accepted);
    message_log_add(l, &deferred);
    assert_true(message_log_flush(l, PATIENCE_MS));
    assert_text(d, "SELECT recipient || ' ' || sender || ' ' || status || ' ' || host FROM message", "ann@acme.test bob@client.test queued mx1.acme.test");
    message_log_add(l, &held);
    assert_true(message_log_flush(l, PATIENCE_MS));
    assert_text(d, "SELECT host FROM message", "mx1.acme.test"); /* what the news does not know stays */
    assert_text(d, "SELECT findings FROM message", "[{\"reason\":\"PTR_MISSING\",\"evidence\":\"192.0.2.7 has no \\\"PTR\\\"\"}]");
    assert_text(d, "SELECT results FROM message", "{\"spf\":\"pass\"}");
    assert_text(d, "SELECT attachments FROM message", "a.pdf\nb\xef\xbf\xbd.pdf");
    assert_text(d, "SELECT client_key FROM message", "00000000000000000000ffffc0000207");
    assert_text(d, "SELECT direction || ' ' || node || ' ' || main_class FROM message", "in mx.acme.test unknown");
    assert_text(d, "SELECT group_concat(word) FROM (SELECT word FROM message_word WHERE message = (SELECT id FROM message) ORDER BY word)",
                "aa,ab,apdf,sinvoice,syour");
    message_log_close(&l);
    db_close(&d);
}

static void news_may_come_before_the_row(void **state)
{
    struct message_log *l = open_log(1 << 20);
    struct db *d = open_store();
    struct event delivered = news(EVENT_DELIVERED, "B1", "mx1"), accepted = sample(EVENT_ACCEPTED, "B1");

    (void)state;
    message_log_add(l, &delivered);
    assert_true(message_log_flush(l, PATIENCE_MS));
    message_log_add(l, &accepted);
    assert_true(message_log_flush(l, PATIENCE_MS));
    assert_text(d, "SELECT status || ' ' || host || ' ' || subject || ' ' || reason FROM message", "delivered mx1 Your INVOICE DELIVERED");
    assert_int_equal(number(d, "SELECT count(*) FROM message"), 1);
    assert_int_equal(number(d, "SELECT count(*) FROM message_word"), 2);
    message_log_close(&l);
    db_close(&d);
}

static void each_refused_attempt_is_a_row(void **state)
{
    struct message_log *l = open_log(1 << 20);
    struct db *d = open_store();
    struct event e = sample(EVENT_REFUSED, "R1"), connect = {.kind = EVENT_CONNECT_REFUSED, .reference = STR("R2"), .service = STR("mx"), .wall_ms = 1};

    (void)state;
    e.reason = REASON_BLOCKED_SENDER;
    e.reply = STR("550 5.7.1 no");
    message_log_add(l, &e);
    e.reference = STR("R3");
    message_log_add(l, &e);
    message_log_add(l, &connect);
    assert_true(message_log_flush(l, PATIENCE_MS));
    assert_int_equal(number(d, "SELECT count(*) FROM message"), 3);
    assert_text(d, "SELECT status || ' ' || reason || ' ' || main_class || ' ' || sub_class FROM message WHERE reference = 'R1'",
                "rejected BLOCKED_SENDER blocked blocked-sender");
    assert_text(d, "SELECT status || recipient FROM message WHERE reference = 'R2'", "not-accepted");
    message_log_close(&l);
    db_close(&d);
}

static size_t journal_files(void)
{
    DIR *dir = opendir(directory);
    size_t n = 0;

    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        n += strncmp(e->d_name, "message-log.", 12) == 0;
    closedir(dir);
    return n;
}

/* A child holds rows while the store is locked, and is killed: what its journal held is there in the end, once. */
static void what_is_in_the_journal_outlives_a_kill(void **state)
{
    enum { ROWS = 500 };
    struct db *d = open_store();
    int ready[2];
    char byte;

    (void)state;
    assert_int_equal(db_begin(d), DB_OK);
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct message_log *l = open_log(64 << 20);
        struct message_log_stats s = {0};
        for (int i = 0; i < ROWS; i++) {
            char reference[16];
            snprintf(reference, sizeof reference, "K%d", i);
            struct event e = sample(EVENT_ACCEPTED, reference);
            message_log_add(l, &e);
        }
        uint64_t before;
        do { /* until nothing more comes into the journal */
            before = s.waiting_bytes;
            usleep(100 * 1000);
            message_log_stats(l, &s);
        } while (!s.waiting_bytes || s.waiting_bytes != before);
        _exit(write(ready[1], "x", 1) == 1 ? pause() : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    db_rollback(d);
    assert_int_equal(number(d, "SELECT count(*) FROM message"), 0);
    struct message_log *l = open_log(64 << 20);
    assert_true(message_log_flush(l, PATIENCE_MS));
    assert_int_equal(number(d, "SELECT count(*) FROM message"), ROWS);
    struct event e = sample(EVENT_ACCEPTED, "after");
    message_log_add(l, &e);
    assert_true(message_log_flush(l, PATIENCE_MS));
    message_log_close(&l);
    assert_int_equal(journal_files(), 1); /* what is read is gone */
    l = open_log(64 << 20);
    assert_true(message_log_flush(l, PATIENCE_MS));
    message_log_close(&l);
    assert_int_equal(number(d, "SELECT count(*) FROM message"), ROWS + 1);
    db_close(&d);
    close(ready[0]);
    close(ready[1]);
}

static void a_locked_store_holds_nobody_up_and_a_full_journal_drops_with_a_count(void **state)
{
    struct db *d = open_store();
    struct message_log *l = open_log(1 << 20);
    struct message_log_stats s;
    static char long_subject[6000];

    (void)state;
    memset(long_subject, 'x', sizeof long_subject);
    assert_int_equal(db_begin(d), DB_OK);
    uint64_t added = 0;
    do { /* 1 MiB of journal, 8 of memory, twice */
        char reference[16];
        snprintf(reference, sizeof reference, "F%d", (int)added++);
        struct event e = sample(EVENT_ACCEPTED, reference);
        e.subject = str_n(long_subject, sizeof long_subject);
        message_log_add(l, &e);
        message_log_stats(l, &s);
        assert_true(added < 20000);
    } while (s.dropped < 10);
    assert_true(s.waiting_bytes <= 1 << 20);
    db_rollback(d);
    assert_true(message_log_flush(l, PATIENCE_MS * 3));
    message_log_stats(l, &s);
    assert_int_equal(number(d, "SELECT count(*) FROM message"), (int64_t)(added - s.dropped));
    assert_int_equal(s.dropped, 10);
    message_log_close(&l);
    db_close(&d);
}

static void a_torn_record_costs_itself_alone(void **state)
{
    struct buf error = buf_make(200), out = buf_make(1 << 20), framed = buf_make(1000);
    struct message_journal *j = journal_open(directory, 1 << 20, &error);
    struct journal_position at;
    struct str rest, record;
    char command[200];

    (void)state;
    assert_true(journal_frame(&framed, STR("one")) && journal_frame(&framed, STR("two")));
    assert_true(journal_append(j, buf_str(&framed)));
    journal_close(&j);
    snprintf(command, sizeof command, "truncate -s -1 %s/message-log.*", directory);
    assert_int_equal(system(command), 0);
    j = journal_open(directory, 1 << 20, &error);
    buf_clear(&framed);
    assert_true(journal_frame(&framed, STR("three")) && journal_append(j, buf_str(&framed)));
    assert_int_equal(journal_read(j, 10, &out, &at), 1);
    rest = buf_str(&out);
    assert_true(journal_next(&rest, &record) && str_is(record, "one"));
    assert_false(journal_next(&rest, &record));
    journal_seek(j, at);
    assert_int_equal(journal_read(j, 10, &out, &at), 1);
    rest = buf_str(&out);
    assert_true(journal_next(&rest, &record) && str_is(record, "three"));
    journal_seek(j, at);
    assert_int_equal(journal_read(j, 10, &out, &at), 0);
    assert_int_equal(journal_waiting(j), 0);
    journal_forget(j);
    assert_int_equal(journal_files(), 1);
    journal_close(&j);
    buf_free(&out);
    buf_free(&framed);
    buf_free(&error);
}

static void words_are_folded_and_bounded(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"Re: Your  INVOICE #42", "re|your|invoice|42|"},
        {"GR\xc3\x96SSE na\xc3\xafve", "gr\xc3\xb6sse|na\xc3\xafve|"},
        {"\xe8\xab\x8b\xe6\xb1\x82 ok", "\xe8\xab\x8b|\xe6\xb1\x82|ok|"}, /* Han: each by itself */
        {" ... ", ""},
        {"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddEEEE x", "aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd|x|"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = buf_make(500);
        struct str rest = str_from(rows[i].text);
        struct message_word word;
        while (message_word_next(&rest, 's', &word))
            buf_addf(&out, "%.*s|", (int)word.len - 1, word.at + 1);
        assert_string_equal(out.len ? buf_text(&out) : "", rows[i].words);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_row_says_what_happened_and_what_became_of_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(news_may_come_before_the_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_refused_attempt_is_a_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_in_the_journal_outlives_a_kill, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_locked_store_holds_nobody_up_and_a_full_journal_drops_with_a_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_torn_record_costs_itself_alone, set_up, tear_down),
        cmocka_unit_test(words_are_folded_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
