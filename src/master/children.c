/*
 * children.c: one process: its start, from fork() to this same program executed anew, and what its end says about the next start.
 * Between fork() and execve() there is only what must be there; the master has no threads.
 */
#include "master/parts.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum { STEADY_MS = 5000, FIRST_PAUSE_MS = 250, LONGEST_PAUSE_MS = 30000, PAUSE_WHEN_KILLED_MS = 1000, KINDLY_AT_ONCE = 3 };

const char *child_name(enum child_role role)
{
    static const char *const names[] = {"relay", "console", "scan"};

    bug_unless((unsigned)role < sizeof names / sizeof *names);
    return names[role];
}

/* Children obey the master alone: Ctrl-C and signals to the whole group would end them in the middle of things. */
static void settle_signals(void)
{
    static const int left_to_master[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE};
    sigset_t none;

    for (size_t i = 0; i < sizeof left_to_master / sizeof *left_to_master; i++)
        signal(left_to_master[i], SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Standard streams and the channel; nothing else passes execve(). */
static bool keep_only(int far_end)
{
    bool placed = far_end == PROCESS_FD ? fcntl(far_end, F_SETFD, 0) == 0 : dup2(far_end, PROCESS_FD) == PROCESS_FD;
    return placed && close_range(PROCESS_FD + 1, ~0U, 0) == 0;
}

/* The relay ends in order when its channel closes. The others have nothing to finish, and must not outlive the master. */
static bool tie_to(pid_t master, enum child_role role)
{
    if (role == CHILD_RELAY)
        return true;
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == master;
}

static _Noreturn void become(const struct child *c, const struct identity *id, int far_end, uint64_t memory_limit, pid_t master)
{
    char title[32], role[16], limit[24];
    char *argv[] = {title, role, c->role == CHILD_SCAN ? limit : NULL, NULL};

    snprintf(title, sizeof title, "postern: %s", child_name(c->role));
    snprintf(role, sizeof role, "@%s", child_name(c->role));
    snprintf(limit, sizeof limit, "%llu", (unsigned long long)memory_limit);
    settle_signals();
    unsetenv("NOTIFY_SOCKET"); /* the master alone speaks with systemd */
    if (identity_take(id) && tie_to(master, c->role) && keep_only(far_end))
        execve("/proc/self/exe", argv, environ);
    log_error("%s cannot be started: %s", child_name(c->role), strerror(errno));
    _exit(EX_OSERR);
}

bool child_start(struct child *c, const struct identity *id, int far_end, uint64_t memory_limit)
{
    pid_t master = getpid(), pid = fork();

    if (pid < 0)
        return false;
    if (pid == 0)
        become(c, id, far_end, memory_limit, master);
    c->pid = pid;
    c->ready = c->leaving = false;
    c->started_ms = clock_mono_ms();
    return true;
}

void child_kill(const struct child *c)
{
    if (c->pid > 0)
        kill(c->pid, SIGKILL);
}

static void describe(int status, char to[64])
{
    if (WIFSIGNALED(status))
        snprintf(to, 64, "was killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
    else
        snprintf(to, 64, "ended with code %d", WEXITSTATUS(status));
}

/*
 * A process that held for a while is started again at once. One that dies at its start, or soon after, has a cause that will still be
 * there: the pause doubles, up to half a minute, and trying never ends. SIGKILL comes from outside and says nothing about a cause.
 */
static int64_t pause_after(struct child *c, int status, int64_t lived_ms)
{
    bool was_steady = (c->ready || c->role == CHILD_SCAN) && lived_ms >= STEADY_MS;
    bool was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;

    c->deaths = was_steady ? 1 : c->deaths + 1;
    if (c->deaths == 1 || (c->role == CHILD_SCAN && c->deaths <= KINDLY_AT_ONCE))
        return 0;
    int64_t pause_ms = FIRST_PAUSE_MS;
    for (unsigned i = 2; i < c->deaths && pause_ms < LONGEST_PAUSE_MS; i++)
        pause_ms *= 2;
    int64_t longest_ms = was_killed ? PAUSE_WHEN_KILLED_MS : LONGEST_PAUSE_MS;
    return pause_ms < longest_ms ? pause_ms : longest_ms;
}

void child_died(struct child *c, int status, bool as_told)
{
    int64_t now_ms = clock_mono_ms(), lived_ms = now_ms - c->started_ms;
    char how[64];

    describe(status, how);
    if (c->channel >= 0)
        close(c->channel);
    c->channel = -1;
    if (as_told) {
        c->start_at_ms = now_ms;
        log_info("%s (%ld) %s", child_name(c->role), (long)c->pid, how);
    } else {
        int64_t pause_ms = pause_after(c, status, lived_ms);
        c->start_at_ms = now_ms + pause_ms;
        if (pause_ms)
            log_error("%s (%ld) %s after %lld ms, time %u in a row; it is started again in %lld ms", child_name(c->role), (long)c->pid, how,
                      (long long)lived_ms, c->deaths, (long long)pause_ms);
        else
            log_error("%s (%ld) %s; it is started again", child_name(c->role), (long)c->pid, how);
    }
    c->pid = 0;
    c->ready = false;
}
