/*
 * test_master.c: the master over children that write down what they are told. The master executes its own program anew, which here is
 * this one: with @relay or @console it plays that process, with @scan it is the real one.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "master/master.h"
#include "scan/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "limits_sample.h"

enum { PATIENCE_MS = 60000, PAUSE_MS = 20, DIARY_MAX = 256 * 1024 };

/* ---- the children ---- */

/* One line to the diary, which the environment names; the process and its number stand before it. */
static void write_down(const char *role, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void write_down(const char *role, const char *format, ...)
{
    char line[512], text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int n = snprintf(line, sizeof line, "%s %ld %s\n", role, (long)getpid(), text);
    int fd = open(getenv("TEST_DIARY"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        _exit(99);
    close(fd);
}

static bool behaves(const char *how)
{
    const char *set = getenv("TEST_BEHAVE");
    return set && strcmp(set, how) == 0;
}

static void scan_something(struct scan_pool *pool)
{
    struct scan_report r;
    struct blob *b = blob_from(STR("Subject: read\r\n\r\n"));
    enum scan_result result = b ? scan_pool_scan(pool, b, &sample_limits, &r) : SCAN_UNAVAILABLE;

    write_down("relay", "scanned %d %s", (int)result, result == SCAN_OK ? r.subject : "-");
    if (result == SCAN_OK)
        scan_report_free(&r);
    blob_unref(b);
}

struct player {
    const char *role;
    struct scan_pool *pool;
    struct buf config, keys, signing_keys;
    int first_scan;
    bool refuses_next; /* the next configuration */
};

static void take_text(struct player *a, struct buf *into, int fd)
{
    buf_clear(into);
    if (!process_read_fd(fd, into))
        write_down(a->role, "unreadable");
    close(fd);
}

static void on_apply(struct player *a, int channel)
{
    struct process_pem pems[4];
    bool refuses = behaves("fail") || strstr(buf_text(&a->config), "refuse.me");

    write_down(a->role, "apply keys=%d%s", a->keys.len ? process_pems_read(buf_str(&a->keys), pems, 4) : -1,
               strstr(buf_text(&a->config), "second.test") ? " second" : "");
    if (!process_send(channel, refuses ? PROCESS_FAILED : PROCESS_READY, 0, refuses ? "not like this" : "", -1))
        _exit(98);
    if (a->pool && a->first_scan)
        scan_something(a->pool);
}

/* False at the end. */
static bool take_packet(struct player *a, const struct process_packet *p, int fd)
{
    switch (p->type) {
    case PROCESS_CONFIG: take_text(a, &a->config, fd); break;
    case PROCESS_KEYS: take_text(a, &a->keys, fd); break;
    case PROCESS_SIGNING_KEYS: take_text(a, &a->signing_keys, fd); break;
    case PROCESS_LISTENER:
        write_down(a->role, "listener %d %s", p->number, p->text);
        close(fd);
        break;
    case PROCESS_SCAN:
        write_down(a->role, "scan %d", p->number);
        a->first_scan = p->number;
        if (!a->pool || !scan_pool_add(a->pool, fd, p->number))
            _exit(97);
        break;
    case PROCESS_APPLY: on_apply(a, PROCESS_FD); break;
    case PROCESS_REOPEN:
        write_down(a->role, "reopen");
        if (a->pool && !process_send(PROCESS_FD, PROCESS_SCAN_BAD, a->first_scan, "", -1))
            _exit(96);
        break;
    case PROCESS_STOP:
        write_down(a->role, "stop %d", p->number);
        return behaves("linger");
    default: write_down(a->role, "odd %d", p->type);
    }
    return true;
}

static int play(const char *role)
{
    struct player a = {.role = role, .config = buf_make(1 << 20), .keys = buf_make(1 << 20), .signing_keys = buf_make(1 << 20)};
    struct process_packet p;
    int fd, got;

    write_down(role, "started");
    if (strcmp(role, "relay") == 0 && (behaves("die") || access(getenv("TEST_POISON"), F_OK) == 0))
        return 3;
    if (strcmp(role, "relay") == 0)
        a.pool = scan_pool_new(PATIENCE_MS);
    do
        got = process_receive(PROCESS_FD, &p, &fd, -1);
    while (got > 0 && take_packet(&a, &p, fd));
    if (got <= 0)
        write_down(role, "orphan");
    scan_pool_free(&a.pool);
    buf_free(&a.config);
    buf_free(&a.signing_keys);
    buf_free(&a.keys);
    return 0;
}

/* ---- the tests ---- */

struct stage {
    char folder[64], config[96], diary[96], poison[96]; /* a relay dies at its start while there is poison */
    pid_t master;
};

static void write_config(const struct stage *s, const char *more)
{
    FILE *f = fopen(s->config, "w");

    assert_non_null(f);
    fprintf(f, "host_name = \"mx.test\"\nuser = \"\"\nlisten_mx = { \"127.0.0.1:0\", \"[::1]:0\" }\nlisten_console = { \"127.0.0.1:0\" }\n"
               "scanners = 2\nstate_directory = \"%s/state\"\nspool_directory = \"%s/spool\"\nrun_directory = \"%s/run\"\nlog_json = \"\"\n"
               "max_sessions = 100\n%s",
            s->folder, s->folder, s->folder, more);
    assert_int_equal(fclose(f), 0);
}

static void open_stage(struct stage *s, const char *more)
{
    memset(s, 0, sizeof *s);
    snprintf(s->folder, sizeof s->folder, "/tmp/postern-master-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->config, sizeof s->config, "%s/postern.conf", s->folder);
    snprintf(s->diary, sizeof s->diary, "%s/run/diary", s->folder);
    snprintf(s->poison, sizeof s->poison, "%s/poison", s->folder);
    setenv("TEST_DIARY", s->diary, 1);
    setenv("TEST_POISON", s->poison, 1);
    unsetenv("TEST_BEHAVE");
    write_config(s, more);
}

static void start_master(struct stage *s)
{
    s->master = fork();
    assert_true(s->master >= 0);
    if (s->master == 0)
        _exit(master_run(s->config));
}

static int end_code(const struct stage *s)
{
    int status;

    assert_int_equal(waitpid(s->master, &status, 0), s->master);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void close_stage(const struct stage *s)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", s->folder);
    assert_int_equal(system(command), 0);
}

static char *read_diary(const struct stage *s)
{
    static char text[DIARY_MAX];
    int fd = open(s->diary, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static size_t count_of(const struct stage *s, const char *what)
{
    size_t n = 0;

    for (const char *at = read_diary(s); (at = strstr(at, what)); at++)
        n++;
    return n;
}

static void wait_for_count(const struct stage *s, const char *what, size_t least)
{
    int64_t deadline_ms = clock_mono_ms() + PATIENCE_MS;

    while (count_of(s, what) < least) {
        if (clock_mono_ms() > deadline_ms)
            fail_msg("no %zu times \"%s\" in:\n%s", least, what, read_diary(s));
        poll(NULL, 0, PAUSE_MS);
    }
}

/* The number of the process that wrote the last line with WHAT. */
static pid_t last_writer(const struct stage *s, const char *what)
{
    long pid = 0;
    char *rest = read_diary(s), *line;

    while ((line = strsep(&rest, "\n")))
        if (strstr(line, what) && strchr(line, ' '))
            pid = strtol(strchr(line, ' '), NULL, 10);
    assert_true(pid > 0);
    return (pid_t)pid;
}

/* All are up, and the master knows: until then a death ends the start as a whole. */
static void wait_until_up(const struct stage *s)
{
    wait_for_count(s, "scanned 0 read", 1);
    wait_for_count(s, " apply", 2);
    kill(s->master, SIGUSR1); /* on which the relay of these tests calls a scan bad, too */
    wait_for_count(s, " scan ", 3);
}

static void starts_and_stops(void **state)
{
    (void)state;
    struct stage s;
    struct stat st;
    char pid_file[96];

    open_stage(&s, "");
    start_master(&s);
    wait_for_count(&s, "scanned 0 read", 1);
    wait_for_count(&s, "console", 3);
    assert_int_equal(count_of(&s, " listener 0 127.0.0.1:"), 1);
    assert_int_equal(count_of(&s, " scan "), 2);
    assert_int_equal(count_of(&s, "listener 3"), 1);
    assert_null(strstr(read_diary(&s), ":0\n")); /* the kernel chose ports, and that is what is said */
    snprintf(pid_file, sizeof pid_file, "%s/run/postern.pid", s.folder);
    assert_int_equal(stat(pid_file, &st), 0);
    kill(s.master, SIGTERM);
    assert_int_equal(end_code(&s), EX_OK);
    assert_int_equal(count_of(&s, " stop 30000"), 2);
    assert_int_equal(count_of(&s, " started"), 2); /* one relay and one console, the same all the time */
    assert_int_equal(stat(pid_file, &st), -1);
    close_stage(&s);
}

static void a_killed_relay_comes_back_with_new_scans(void **state)
{
    (void)state;
    struct stage s;

    open_stage(&s, "");
    start_master(&s);
    wait_until_up(&s);
    for (size_t round = 1; round <= 3; round++) {
        wait_for_count(&s, "scanned 0 read", round);
        kill(last_writer(&s, "scanned"), SIGKILL);
    }
    wait_for_count(&s, "scanned 0 read", 4);
    assert_int_equal(count_of(&s, " scan "), 3 + 3 * 2);
    assert_int_equal(count_of(&s, " started"), 5); /* the console is untouched by it */
    kill(s.master, SIGINT);
    assert_int_equal(end_code(&s), EX_OK);
    close_stage(&s);
}

/* Mail waits until the cause is mended, but then it goes on by itself. */
static void a_relay_that_dies_at_its_start_is_tried_again(void **state)
{
    (void)state;
    struct stage s;

    open_stage(&s, "");
    start_master(&s);
    wait_until_up(&s);
    int fd = open(s.poison, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    kill(last_writer(&s, "scanned"), SIGKILL);
    wait_for_count(&s, " started", 2 + 3);
    assert_int_equal(unlink(s.poison), 0);
    wait_for_count(&s, "scanned 0 read", 2);
    kill(s.master, SIGTERM);
    assert_int_equal(end_code(&s), EX_OK);
    close_stage(&s);
}

static void a_bad_scan_is_replaced(void **state)
{
    (void)state;
    struct stage s;

    open_stage(&s, "");
    start_master(&s);
    wait_for_count(&s, "scanned 0 read", 1);
    kill(s.master, SIGUSR1);
    wait_for_count(&s, " reopen", 2);
    wait_for_count(&s, " scan 3", 1); /* two at the start, a third for the bad one */
    assert_int_equal(count_of(&s, " started"), 2);
    kill(s.master, SIGTERM);
    assert_int_equal(end_code(&s), EX_OK);
    close_stage(&s);
}

static void reloads(void **state)
{
    (void)state;
    struct stage s;

    open_stage(&s, "");
    start_master(&s);
    wait_for_count(&s, " apply", 2);
    write_config(&s, "domain \"second.test\" { }\n");
    kill(s.master, SIGHUP);
    wait_for_count(&s, " second", 2);
    write_config(&s, "no_such_setting = 1\n"); /* refused by the master: nobody hears of it */
    kill(s.master, SIGHUP);
    write_config(&s, "domain \"second.test\" { }\ndomain \"refuse.me\" { }\n"); /* refused by the relay */
    kill(s.master, SIGHUP);
    wait_for_count(&s, " second", 4);
    assert_int_equal(count_of(&s, " scan "), 2);
    write_config(&s, "domain \"second.test\" { max_message_size = \"200M\" }\n"); /* scan processes need room for it */
    kill(s.master, SIGHUP);
    wait_for_count(&s, " second", 6);
    wait_for_count(&s, " scan ", 4);
    kill(last_writer(&s, "relay"), SIGKILL); /* the next relay gets the one that was taken, not the one refused */
    wait_for_count(&s, " second", 7);
    assert_int_equal(count_of(&s, "odd"), 0);
    kill(s.master, SIGTERM);
    assert_int_equal(end_code(&s), EX_OK);
    close_stage(&s);
}

static void starts_that_fail(void **state)
{
    (void)state;
    static const struct row {
        const char *name, *behave, *config;
        int code;
    } rows[] = {
        {"the relay says why not", "fail", "", EX_UNAVAILABLE},
        {"the relay dies", "die", "", EX_UNAVAILABLE},
        {"a setting that is none", "", "no_such_setting = 1\n", EX_CONFIG},
        {"a value out of bounds", "", "couriers = 0\n", EX_CONFIG},
        {"a port that cannot be had", "", "listen_submission = { \"192.0.2.1:587\" }\n", EX_UNAVAILABLE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stage s;
        print_message("%s\n", rows[i].name);
        open_stage(&s, rows[i].config);
        setenv("TEST_BEHAVE", rows[i].behave, 1);
        start_master(&s);
        assert_int_equal(end_code(&s), rows[i].code);
        close_stage(&s);
    }
}

static void one_gateway_a_folder(void **state)
{
    (void)state;
    struct stage s;
    int status;

    open_stage(&s, "");
    start_master(&s);
    wait_for_count(&s, "scanned", 1);
    pid_t second = fork();
    if (second == 0)
        _exit(master_run(s.config));
    assert_int_equal(waitpid(second, &status, 0), second);
    assert_int_equal(WEXITSTATUS(status), EX_UNAVAILABLE);
    kill(s.master, SIGTERM);
    assert_int_equal(end_code(&s), EX_OK);
    close_stage(&s);
}

static void children_do_not_outlive_the_master(void **state)
{
    (void)state;
    struct stage s;
    int status;

    open_stage(&s, "");
    start_master(&s);
    wait_for_count(&s, "scanned", 1);
    wait_for_count(&s, "console", 1); /* it may come up later than the scan is done */
    pid_t console = last_writer(&s, "console");
    kill(s.master, SIGKILL);
    assert_int_equal(waitpid(s.master, &status, 0), s.master);
    wait_for_count(&s, "relay", 1);
    wait_for_count(&s, " orphan", 1);
    for (int64_t deadline_ms = clock_mono_ms() + PATIENCE_MS; kill(console, 0) == 0;) {
        waitpid(console, NULL, WNOHANG); /* where orphans come to us */
        char path[64], text[256] = "";
        snprintf(path, sizeof path, "/proc/%ld/stat", (long)console);
        int fd = open(path, O_RDONLY);
        if (fd < 0 || read(fd, text, sizeof text - 1) <= 0 || strstr(text, ") Z")) {
            if (fd >= 0)
                close(fd);
            break; /* dead, and only not buried */
        }
        close(fd);
        assert_true(clock_mono_ms() < deadline_ms);
        poll(NULL, 0, PAUSE_MS);
    }
    close_stage(&s);
}

static void a_second_signal_does_not_wait(void **state)
{
    (void)state;
    struct stage s;

    open_stage(&s, "");
    setenv("TEST_BEHAVE", "linger", 1);
    start_master(&s);
    wait_for_count(&s, "scanned", 1);
    kill(s.master, SIGTERM);
    wait_for_count(&s, " stop", 2);
    kill(s.master, SIGTERM);
    assert_int_equal(end_code(&s), EX_OK);
    close_stage(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_and_stops),     cmocka_unit_test(a_killed_relay_comes_back_with_new_scans),
        cmocka_unit_test(a_relay_that_dies_at_its_start_is_tried_again),
        cmocka_unit_test(a_bad_scan_is_replaced), cmocka_unit_test(reloads),
        cmocka_unit_test(starts_that_fail),     cmocka_unit_test(one_gateway_a_folder),
        cmocka_unit_test(children_do_not_outlive_the_master), cmocka_unit_test(a_second_signal_does_not_wait),
    };
    signal(SIGPIPE, SIG_IGN);
    log_open(argc > 1 ? argv[1] : "master", LOG_LEVEL_INFO);
    if (argc > 2 && strcmp(argv[1], "@scan") == 0)
        return scan_process(PROCESS_FD, strtoull(argv[2], NULL, 10));
    if (argc > 1 && argv[1][0] == '@')
        return play(argv[1] + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
