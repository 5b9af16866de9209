/* master.c: see master.h: the way in, the loop around signals and channels, the way out. */
#include "master/master.h"

#include "base/clock.h"
#include "base/log.h"
#include "master/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum { ERRORS_MAX = 64 * 1024, STOP_MS = 30000, STOP_GRACE_MS = 5000, LOOK_AGAIN_MS = 60000, KILL_AGAIN_MS = 500, FILES_BESIDE_SESSIONS = 4096 };

/* A descriptor for each session, and those of the courier and the spool. Children inherit the limit; a scan process lowers its own. */
static void raise_file_limit(const struct policy *p)
{
    struct rlimit files;
    rlim_t wanted = (rlim_t)setting_number(p, SETTING_max_sessions) + FILES_BESIDE_SESSIONS;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return;
    if (files.rlim_max < wanted) {
        const struct rlimit more = {wanted, wanted};
        if (setrlimit(RLIMIT_NOFILE, &more) == 0) /* only root may; otherwise the relay says what fits */
            return;
    }
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        log_warning("the descriptor limit stays: %s", strerror(errno));
}

static int open_signals(void)
{
    static const int ours[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        sigaddset(&set, ours[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void begin_stop(struct master *m)
{
    if (m->stopping) { /* asked twice: now */
        m->stop_by_ms = clock_mono_ms();
        return;
    }
    log_info("stopping: sessions may finish within %d s", STOP_MS / 1000);
    sd_notify(0, "STOPPING=1");
    m->stopping = true;
    m->stop_by_ms = clock_mono_ms() + STOP_MS + STOP_GRACE_MS;
    listeners_close(&m->listeners);
    family_tell(m, PROCESS_STOP, STOP_MS);
}

static void take_signal(struct master *m, int fd)
{
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            begin_stop(m);
        else if (info.ssi_signo == SIGHUP && !m->stopping)
            reload(m);
        else if (info.ssi_signo == SIGUSR1)
            family_tell(m, PROCESS_REOPEN, 0);
    }
    family_reap(m); /* SIGCHLDs merge, so all are looked for whatever came */
}

/* How long poll() may sleep. */
static int sleep_ms(const struct master *m)
{
    int64_t due_ms = family_next_due(m), now_ms = clock_mono_ms();

    if (due_ms == INT64_MAX)
        return LOOK_AGAIN_MS;
    int64_t left_ms = due_ms - now_ms;
    return left_ms < 0 ? 0 : left_ms > LOOK_AGAIN_MS ? LOOK_AGAIN_MS : (int)left_ms + 1;
}

static void watch(struct master *m, int signals)
{
    while (!m->stopping || !family_is_gone(m)) {
        family_start_due(m, clock_mono_ms());
        struct pollfd p[] = {{.fd = signals, .events = POLLIN},
                             {.fd = m->relay.channel, .events = POLLIN},
                             {.fd = m->console.channel, .events = POLLIN}};
        if (poll(p, 3, sleep_ms(m)) < 0 && errno != EINTR)
            log_error("poll: %s", strerror(errno));
        if (p[1].revents && m->relay.channel == p[1].fd)
            family_read(m, &m->relay);
        if (p[2].revents && m->console.channel == p[2].fd)
            family_read(m, &m->console);
        take_signal(m, signals);
        if (m->stopping && clock_mono_ms() >= m->stop_by_ms) {
            family_kill(m);
            m->stop_by_ms = clock_mono_ms() + KILL_AGAIN_MS;
        }
    }
}

static int fail(struct buf *error, int code)
{
    log_lines(error, true);
    buf_free(error);
    return code;
}

static void clear(struct master *m, int pid_file)
{
    listeners_close(&m->listeners);
    if (pid_file >= 0)
        pid_file_remove(pid_file, settings_system(m->config.settings));
    config_free(&m->pending);
    config_free(&m->config);
}

static void open_standard_input(void)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && null != STDIN_FILENO)
        close(null);
}

/* From here on nothing needs more than watching over children does. */
static int confine_and_watch(struct master *m)
{
    int signals = open_signals();

    if (signals < 0 || !master_confine(settings_system(m->config.settings))) {
        log_error("the master cannot confine itself: %s", strerror(errno));
        return EX_OSERR;
    }
    family_init(m);
    watch(m, signals);
    close(signals);
    if (m->exit_code == EX_OK)
        log_info("stopped");
    return m->exit_code;
}

int master_run(const char *config_path)
{
    struct master m = {.path = config_path, .exit_code = EX_OK};
    struct buf error = buf_make(ERRORS_MAX);

    umask(027);
    open_standard_input();
    if (!config_load(&m.config, config_path, false, &error))
        return fail(&error, EX_CONFIG);
    const struct policy *p = settings_system(m.config.settings);
    int pid_file = -1, code = EX_OK;
    if (!identity_find(&m.identity, p, &error))
        code = EX_NOUSER;
    else if (!folders_make(&m.identity, p, &error))
        code = EX_CANTCREAT;
    else if ((pid_file = pid_file_open(p, &error)) < 0 || !listeners_open(&m.listeners, p, &error))
        code = EX_UNAVAILABLE;
    if (code == EX_OK) {
        raise_file_limit(p);
        code = confine_and_watch(&m);
    }
    clear(&m, pid_file);
    return fail(&error, code);
}
