/* test_sandbox.c: every process tries what it must not do, in the kernel that this runs on. */
#include "scan/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST = 64 };

static void walls_stand(enum sandbox_role role, const char *name)
{
    struct sandbox_trial trials[MOST];
    bool ok;
    size_t count = sandbox_self_test(role, trials, MOST, &ok);

    for (size_t i = 0; i < count; i++) {
        print_message("%-8s %-36s %s (%s)\n", name, trials[i].act, trials[i].refused ? "refused" : "allowed", trials[i].how);
        assert_int_equal(trials[i].role, role);
    }
    assert_true(count > 12);
    assert_true(count < MOST); /* all of them were tried */
    assert_true(ok);
}

static void scan_is_confined(void **state)
{
    (void)state;
    walls_stand(SANDBOX_SCAN, "scan");
}

static void relay_is_confined(void **state)
{
    (void)state;
    walls_stand(SANDBOX_RELAY, "relay");
}

static void console_is_confined(void **state)
{
    (void)state;
    walls_stand(SANDBOX_CONSOLE, "console");
}

static void master_is_confined(void **state)
{
    (void)state;
    walls_stand(SANDBOX_MASTER, "master");
}

static void room_for_few_trials(void **state)
{
    (void)state;
    struct sandbox_trial trials[2];
    bool ok;

    assert_int_equal(sandbox_self_test(SANDBOX_SCAN, trials, 2, &ok), 2);
    assert_true(ok);
}

/* The relay stands inside the master's walls as well, so what it needs must pass both. */
static void walls_can_stand_within_walls(void **state)
{
    (void)state;
    static const char *const folders[] = {"/tmp"};
    const struct sandbox_paths master = {.write = folders, .write_count = 1};
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct sandbox_trial trials[MOST];
        bool ok;
        if (!sandbox_enter(SANDBOX_MASTER, &master, 0))
            _exit(1);
        sandbox_self_test(SANDBOX_RELAY, trials, MOST, &ok);
        _exit(ok ? 0 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_is_confined),    cmocka_unit_test(relay_is_confined),   cmocka_unit_test(console_is_confined),
        cmocka_unit_test(master_is_confined), cmocka_unit_test(room_for_few_trials), cmocka_unit_test(walls_can_stand_within_walls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
