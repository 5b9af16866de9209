/* test_scan_pool.c: the pool over real scan processes, which are then killed, hung, and made to lie. */
#include "base/clock.h"
#include "base/packet.h"
#include "scan/channel.h"
#include "scan/scan.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "limits_sample.h"

enum { PATIENT_MS = 60000, HASTY_MS = 100, MEMORY = 256 << 20 };

static const char small[] = "From: a@a.test\r\nSubject: hello\r\n\r\nbody\r\n";

struct failures {
    atomic_int count, last;
};

static void on_failure(void *arg, int id)
{
    struct failures *f = arg;
    atomic_store(&f->last, id);
    atomic_fetch_add(&f->count, 1);
}

static struct scan_pool *new_pool(int64_t timeout_ms, struct failures *f)
{
    struct scan_pool *p = scan_pool_new(timeout_ms);

    assert_non_null(p);
    *f = (struct failures){0};
    scan_pool_on_failure(p, on_failure, f);
    return p;
}

/* Forks MAIN with the far end of a new channel of P. */
static pid_t start(struct scan_pool *p, int id, int (*main_of)(int socket))
{
    int pair[2];

    assert_true(packet_pair(pair));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(pair[0]);
        _exit(main_of(pair[1]));
    }
    close(pair[1]);
    assert_true(scan_pool_add(p, pair[0], id));
    return pid;
}

static int real_scan(int socket)
{
    return scan_process(socket, MEMORY);
}

static int wait_for_end(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static enum scan_result scan_text(struct scan_pool *p, const char *text, size_t len, struct scan_report *out)
{
    struct blob *b = blob_from(str_n(text, len));

    assert_non_null(b);
    enum scan_result result = scan_pool_scan(p, b, &sample_limits, out);
    if (result == SCAN_OK)
        scan_report_free(out); /* what these tests look at is in the fixed part */
    blob_unref(b);
    return result;
}

static void messages_of_all_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4096, SCAN_INLINE_MAX - 1, SCAN_INLINE_MAX, SCAN_INLINE_MAX + 1, 3000000};
    struct failures f;
    struct scan_pool *p = new_pool(PATIENT_MS, &f);
    pid_t pid = start(p, 1, real_scan);
    char *text = malloc(3000000);

    assert_non_null(text);
    memset(text, 'x', 3000000);
    memcpy(text, "Subject: s\r\n\r\n", 14);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct scan_report r;
        assert_int_equal(scan_text(p, text, sizes[i], &r), SCAN_OK);
        assert_int_equal(r.size, sizes[i]);
        if (sizes[i] > 14)
            assert_string_equal(r.subject, "s");
    }
    free(text);
    scan_pool_free(&p); /* its channel closes, and the process ends in order */
    int status = wait_for_end(pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(atomic_load(&f.count), 0);
}

static void a_message_from_a_file(void **state)
{
    (void)state;
    struct failures f;
    struct scan_report r;
    struct scan_pool *p = new_pool(PATIENT_MS, &f);
    pid_t pid = start(p, 1, real_scan);
    struct blob *b = blob_new(1 << 20, "/tmp");
    char piece[4096];

    assert_non_null(b);
    memset(piece, 'y', sizeof piece);
    memcpy(piece, small, sizeof small - 1);
    for (int i = 0; i < 200; i++)
        assert_int_equal(blob_append(b, piece, sizeof piece), BLOB_OK);
    assert_true(blob_seal(b));
    assert_int_equal(scan_pool_scan(p, b, &sample_limits, &r), SCAN_OK);
    assert_string_equal(r.from, "a@a.test");
    assert_int_equal(r.size, 200 * 4096);
    scan_report_free(&r);
    blob_unref(b);
    scan_pool_free(&p);
    wait_for_end(pid);
}

/* Takes the question and never answers. */
static int hang(int socket)
{
    char question[sizeof(struct scan_question) + 4096];

    while (packet_receive(socket, question, sizeof question, NULL, -1) > 0)
        ;
    return 0;
}

static void a_hung_process_is_blamed(void **state)
{
    (void)state;
    struct failures f;
    struct scan_report r;
    struct scan_pool *p = new_pool(HASTY_MS, &f);
    pid_t pid = start(p, 42, hang);

    assert_int_equal(scan_text(p, small, sizeof small - 1, &r), SCAN_TIMEOUT);
    assert_int_equal(atomic_load(&f.count), 1);
    assert_int_equal(atomic_load(&f.last), 42);
    assert_int_equal(scan_pool_size(p), 0);
    assert_int_equal(scan_text(p, small, sizeof small - 1, &r), SCAN_UNAVAILABLE);
    kill(pid, SIGKILL); /* the master's part */
    wait_for_end(pid);
    scan_pool_free(&p);
}

/* Dies as soon as it has the message, as a crash in the parser would. */
static int die_in_the_middle(int socket)
{
    char question[sizeof(struct scan_question) + 4096];

    if (packet_receive(socket, question, sizeof question, NULL, -1) > 0)
        kill(getpid(), SIGKILL);
    return 0;
}

static void a_killed_process_leaves_the_pool(void **state)
{
    (void)state;
    struct failures f;
    struct scan_report r;
    struct scan_pool *p = new_pool(PATIENT_MS, &f);
    pid_t pid = start(p, 1, die_in_the_middle);

    assert_int_equal(scan_text(p, small, sizeof small - 1, &r), SCAN_CRASHED);
    assert_int_equal(scan_pool_size(p), 0);
    assert_int_equal(atomic_load(&f.count), 0); /* it is gone already, nobody need kill it */
    wait_for_end(pid);
    pid = start(p, 2, real_scan);               /* the replacement */
    assert_int_equal(scan_text(p, small, sizeof small - 1, &r), SCAN_OK);
    assert_string_equal(r.subject, "hello");
    scan_pool_free(&p);
    wait_for_end(pid);
}

/* Killed while it waited: no message was in it, so none is answered 451 for it. */
static void a_process_that_died_idle_costs_no_message(void **state)
{
    (void)state;
    struct failures f;
    struct scan_report r;
    struct scan_pool *p = new_pool(PATIENT_MS, &f);
    pid_t stays = start(p, 1, real_scan), dies = start(p, 2, real_scan);

    kill(dies, SIGKILL);
    wait_for_end(dies);
    assert_int_equal(scan_text(p, small, sizeof small - 1, &r), SCAN_OK); /* the stack's top is the dead one */
    assert_int_equal(scan_pool_size(p), 1);
    scan_pool_free(&p);
    wait_for_end(stays);
}

static void a_process_told_to_leave_costs_no_message(void **state)
{
    (void)state;
    struct failures f;
    struct scan_report r;
    struct scan_pool *p = new_pool(PATIENT_MS, &f);
    pid_t stays = start(p, 1, real_scan), leaves = start(p, 2, real_scan);

    assert_int_equal(scan_text(p, small, sizeof small - 1, &r), SCAN_OK); /* it has come up */
    kill(leaves, SIGTERM);
    int status = wait_for_end(leaves);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(scan_text(p, small, sizeof small - 1, &r), SCAN_OK);
    assert_int_equal(scan_pool_size(p), 1);
    scan_pool_free(&p);
    wait_for_end(stays);
}

/* Told to leave while a question is on its way already: that one is still answered, and no more are taken. */
static void a_question_on_its_way_is_answered_before_leaving(void **state)
{
    (void)state;
    struct {
        struct scan_question question;
        char bytes[sizeof small - 1];
    } ask = {.question = {.sequence = 1, .size = sizeof small - 1, .is_inline = 1}};
    struct scan_report r;
    int pair[2], status;

    memcpy(ask.bytes, small, sizeof ask.bytes);
    assert_true(packet_pair(pair));
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        _exit(scan_process(pair[1], MEMORY));
    }
    close(pair[1]);
    for (uint32_t i = 1; i <= 2; i++) { /* the second time it is stopped, so that question and order both wait for it */
        ask.question.sequence = i;
        if (i == 2) {
            assert_int_equal(kill(pid, SIGSTOP), 0);
            assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        }
        assert_true(packet_send(pair[0], &ask, sizeof ask.question + sizeof ask.bytes, NULL, 1000));
        if (i == 2) {
            assert_int_equal(kill(pid, SIGTERM), 0);
            assert_int_equal(kill(pid, SIGCONT), 0);
        }
        bool nonsense;
        assert_true(channel_set_timeout(pair[0], PATIENT_MS));
        assert_int_equal(channel_report(pair[0], i, sizeof small - 1, &r, &nonsense), SCAN_OK);
        scan_report_free(&r);
        assert_string_equal(r.subject, "hello");
    }
    status = wait_for_end(pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_false(packet_send(pair[0], &ask, sizeof ask, NULL, 1000));
    assert_int_equal(errno, EPIPE);
    close(pair[0]);
}

/* However often processes are replaced, the pool does not fill up with those that are gone. */
static void replacements_do_not_pile_up(void **state)
{
    (void)state;
    struct failures f;
    struct scan_pool *p = new_pool(PATIENT_MS, &f);
    int pair[2];

    for (int i = 0; i < 300; i++) {
        assert_true(packet_pair(pair));
        assert_true(scan_pool_add(p, pair[0], i));
        assert_int_equal(scan_pool_size(p), 1);
        close(pair[1]);
    }
    scan_pool_free(&p);
}

static int lie(int socket)
{
    char question[sizeof(struct scan_question) + 4096];
    struct scan_report r;

    while (packet_receive(socket, question, sizeof question, NULL, -1) > 0) {
        memset(&r, 'A', sizeof r);
        if (!packet_send(socket, &r, sizeof r, NULL, -1))
            return 1;
    }
    return 0;
}

static int talk_too_much(int socket)
{
    char question[sizeof(struct scan_question) + 4096], report[sizeof(struct scan_report) + 100] = "";

    while (packet_receive(socket, question, sizeof question, NULL, -1) > 0)
        if (!packet_send(socket, report, sizeof report, NULL, -1))
            return 1;
    return 0;
}

static int answer_shortly(int socket)
{
    char question[sizeof(struct scan_question) + 4096];

    while (packet_receive(socket, question, sizeof question, NULL, -1) > 0)
        if (!packet_send(socket, "ok", 2, NULL, -1))
            return 1;
    return 0;
}

static void nonsense_is_blamed(void **state)
{
    (void)state;
    static const struct row {
        const char *name;
        int (*main_of)(int socket);
    } rows[] = {{"a report full of A", lie}, {"too long", talk_too_much}, {"too short", answer_shortly}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct failures f;
        struct scan_report r;
        struct scan_pool *p = new_pool(PATIENT_MS, &f);
        print_message("%s\n", rows[i].name);
        pid_t pid = start(p, 9, rows[i].main_of);
        assert_int_equal(scan_text(p, small, sizeof small - 1, &r), SCAN_CRASHED);
        assert_int_equal(atomic_load(&f.count), 1);
        assert_int_equal(atomic_load(&f.last), 9);
        assert_int_equal(scan_pool_size(p), 0);
        scan_pool_free(&p);
        wait_for_end(pid);
    }
}

/* What only a relay gone wrong would send: the process ends instead of guessing. */
static void questions_are_checked(void **state)
{
    (void)state;
    static const struct row {
        const char *name;
        struct scan_question question;
        size_t extra, descriptors;
        off_t file_size;
    } rows[] = {
        {"size and bytes differ", {.is_inline = 1, .size = 10}, 5, 0, 0},
        {"inline with a descriptor", {.is_inline = 1, .size = 5}, 5, 1, 0},
        {"no descriptor", {.size = 100}, 0, 0, 0},
        {"a file shorter than said", {.size = 100}, 0, 1, 99},
        {"two descriptors", {.size = 100}, 0, 2, 100},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char packet[sizeof(struct scan_question) + 16] = "", answer[16];
        int pair[2];
        char path[] = "/tmp/postern-test-XXXXXX";
        int file = mkstemp(path);
        print_message("%s\n", rows[i].name);
        assert_true(file >= 0 && unlink(path) == 0 && ftruncate(file, rows[i].file_size) == 0);
        assert_true(packet_pair(pair));
        pid_t pid = fork();
        if (pid == 0) {
            close(pair[0]);
            _exit(scan_process(pair[1], MEMORY));
        }
        close(pair[1]);
        memcpy(packet, &rows[i].question, sizeof rows[i].question);
        struct packet_fds fds = {.fd = {file, file}, .count = rows[i].descriptors};
        assert_true(packet_send(pair[0], packet, sizeof rows[i].question + rows[i].extra, &fds, 1000));
        assert_true(packet_receive(pair[0], answer, sizeof answer, NULL, PATIENT_MS) <= 0);
        int status = wait_for_end(pid);
        assert_true(WIFEXITED(status));
        assert_int_not_equal(WEXITSTATUS(status), 0);
        close(pair[0]);
        close(file);
    }
}

struct crowd {
    struct scan_pool *pool;
    int number;
    atomic_int *wrong;
};

static void *scan_many(void *arg)
{
    struct crowd *c = arg;
    char text[128], subject[32];
    struct scan_report r;

    for (int i = 0; i < 200; i++) {
        snprintf(subject, sizeof subject, "%d-%d", c->number, i);
        int n = snprintf(text, sizeof text, "Subject: %s\r\n\r\n", subject);
        struct blob *b = blob_from(str_n(text, (size_t)n));
        bool read = b && scan_pool_scan(c->pool, b, &sample_limits, &r) == SCAN_OK;
        if (!read || strcmp(r.subject, subject) != 0)
            atomic_fetch_add(c->wrong, 1);
        if (read)
            scan_report_free(&r);
        blob_unref(b);
    }
    return NULL;
}

/* More threads than channels: each gets the report of its own message. */
static void threads_take_turns(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    struct failures f;
    struct scan_pool *p = new_pool(PATIENT_MS, &f);
    pid_t scans[2] = {start(p, 0, real_scan), start(p, 1, real_scan)};
    pthread_t threads[THREADS];
    struct crowd crowd[THREADS];
    atomic_int wrong = 0;

    for (int i = 0; i < THREADS; i++) {
        crowd[i] = (struct crowd){p, i, &wrong};
        assert_int_equal(pthread_create(&threads[i], NULL, scan_many, &crowd[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(scan_pool_size(p), 2);
    scan_pool_free(&p);
    wait_for_end(scans[0]);
    wait_for_end(scans[1]);
}

static void *scan_one(void *arg)
{
    struct crowd *c = arg;
    struct scan_report r;

    if (scan_text(c->pool, small, sizeof small - 1, &r) != SCAN_OK)
        atomic_fetch_add(c->wrong, 1);
    return NULL;
}

/* All processes have died: who waits gets the first that the master brings. */
static void an_empty_pool_waits_for_a_replacement(void **state)
{
    (void)state;
    struct failures f;
    struct scan_pool *p = new_pool(PATIENT_MS, &f);
    atomic_int wrong = 0;
    struct crowd c = {p, 0, &wrong};
    pthread_t thread;
    int pair[2];

    assert_true(packet_pair(pair)); /* forked before there are threads */
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        _exit(scan_process(pair[1], MEMORY));
    }
    close(pair[1]);
    assert_int_equal(pthread_create(&thread, NULL, scan_one, &c), 0);
    for (int i = 0; i < 1000; i++)
        sched_yield();
    assert_true(scan_pool_add(p, pair[0], 3));
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    scan_pool_free(&p);
    wait_for_end(pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_all_sizes),
        cmocka_unit_test(a_message_from_a_file),
        cmocka_unit_test(a_hung_process_is_blamed),
        cmocka_unit_test(a_killed_process_leaves_the_pool),
        cmocka_unit_test(a_process_that_died_idle_costs_no_message),
        cmocka_unit_test(a_process_told_to_leave_costs_no_message),
        cmocka_unit_test(a_question_on_its_way_is_answered_before_leaving),
        cmocka_unit_test(replacements_do_not_pile_up),
        cmocka_unit_test(nonsense_is_blamed),
        cmocka_unit_test(questions_are_checked),
        cmocka_unit_test(threads_take_turns),
        cmocka_unit_test(an_empty_pool_waits_for_a_replacement),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
