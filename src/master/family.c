/*
 * family.c: the children together. The relay holds the other ends of the scan processes' channels, so a new relay gets new scan
 * processes, and a new scan process is announced to the relay that is there.
 */
#include "master/parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum { STUCK_RETRY_MS = 1000 };

static size_t scan_count(const struct policy *p)
{
    int64_t set = setting_number(p, SETTING_scanners);
    long cores = set ? (long)set : sysconf(_SC_NPROCESSORS_ONLN);

    return cores < 1 ? 1 : cores > MOST_SCANS ? MOST_SCANS : (size_t)cores;
}

void family_init(struct master *m)
{
    m->relay = (struct child){.role = CHILD_RELAY, .channel = -1};
    m->console = (struct child){.role = CHILD_CONSOLE, .channel = -1};
    m->scan_count = scan_count(settings_system(m->config.settings));
    for (size_t i = 0; i < m->scan_count; i++)
        m->scans[i] = (struct child){.role = CHILD_SCAN, .channel = -1, .start_at_ms = INT64_MAX};
}

/* A child that does not take what it is sent is of no use; it dies and is started anew. */
static bool sent(struct child *c, bool fine)
{
    if (fine)
        return true;
    log_error("%s (%ld) does not take what it is sent: %s; it is killed", child_name(c->role), (long)c->pid, strerror(errno));
    child_kill(c);
    return false;
}

static bool send_text(struct child *c, enum process_packet_type type, const char *name, struct str text)
{
    int fd = process_memfd(name, text);

    if (fd < 0)
        return sent(c, false);
    bool fine = sent(c, process_send(c->channel, type, 0, name, fd));
    close(fd);
    return fine;
}

/* The console serves plain HTTP and never sees a key. */
static bool send_config(struct child *c, const struct config *config, const char *path)
{
    return send_text(c, PROCESS_CONFIG, path, buf_str(&config->text)) &&
           (c->role == CHILD_CONSOLE || (send_text(c, PROCESS_KEYS, "keys", buf_str(&config->pems)) &&
                                         send_text(c, PROCESS_SIGNING_KEYS, "dkim", buf_str(&config->signing_keys))));
}

static bool send_listeners(struct child *c, const struct listeners *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct listener *one = &l->at[i];
        if ((one->kind == LISTENER_CONSOLE) != (c->role == CHILD_CONSOLE))
            continue;
        if (!sent(c, process_send(c->channel, PROCESS_LISTENER, (int32_t)one->kind, one->text, one->fd)))
            return false;
    }
    return true;
}

static bool start_with_channel(struct master *m, struct child *c, int *far_end)
{
    int pair[2];

    if (!packet_pair(pair))
        return false;
    if (!child_start(c, &m->identity, pair[1], config_scan_limit(&m->config))) {
        close(pair[0]);
        close(pair[1]);
        return false;
    }
    close(pair[1]);
    *far_end = pair[0];
    return true;
}

static void cannot_start(struct child *c)
{
    log_error("%s cannot be started: %s; trying again in %d ms", child_name(c->role), strerror(errno), (int)STUCK_RETRY_MS);
    c->start_at_ms = clock_mono_ms() + STUCK_RETRY_MS;
}

static void start_scan(struct master *m, struct child *c)
{
    int relay_end;

    if (!start_with_channel(m, c, &relay_end)) {
        cannot_start(c);
        return;
    }
    c->id = ++m->next_id;
    sent(&m->relay, process_send(m->relay.channel, PROCESS_SCAN, c->id, "", relay_end));
    close(relay_end);
}

/* Those of an earlier relay see their channel close, and are not waited for: what is reaped without being known is no loss. */
static void start_scans(struct master *m)
{
    for (size_t i = 0; i < m->scan_count; i++) {
        child_kill(&m->scans[i]);
        m->scans[i].pid = 0;
        start_scan(m, &m->scans[i]);
    }
}

static void start_speaker(struct master *m, struct child *c)
{
    if (!start_with_channel(m, c, &c->channel)) {
        cannot_start(c);
        return;
    }
    if (!send_config(c, &m->config, m->path) || !send_listeners(c, &m->listeners))
        return;
    if (c->role == CHILD_RELAY)
        start_scans(m);
    sent(c, process_send(c->channel, PROCESS_APPLY, 0, "", -1));
}

/* A relay that died is known by its closed channel before it is reaped. */
static bool relay_listens(const struct master *m)
{
    return m->relay.pid && m->relay.channel >= 0;
}

static bool is_due(const struct child *c, int64_t now_ms)
{
    return c->pid == 0 && c->start_at_ms <= now_ms;
}

void family_start_due(struct master *m, int64_t now_ms)
{
    if (m->stopping)
        return;
    if (is_due(&m->relay, now_ms))
        start_speaker(m, &m->relay);
    if (is_due(&m->console, now_ms))
        start_speaker(m, &m->console);
    for (size_t i = 0; relay_listens(m) && i < m->scan_count; i++)
        if (is_due(&m->scans[i], now_ms))
            start_scan(m, &m->scans[i]);
}

static void earlier(int64_t *due_ms, const struct child *c)
{
    if (c->pid == 0 && c->start_at_ms < *due_ms)
        *due_ms = c->start_at_ms;
}

int64_t family_next_due(const struct master *m)
{
    int64_t due_ms = INT64_MAX;

    if (m->stopping)
        return m->stop_by_ms;
    earlier(&due_ms, &m->relay);
    earlier(&due_ms, &m->console);
    for (size_t i = 0; relay_listens(m) && i < m->scan_count; i++)
        earlier(&due_ms, &m->scans[i]);
    return due_ms;
}

static struct child *find(struct master *m, pid_t pid)
{
    if (m->relay.pid == pid)
        return &m->relay;
    if (m->console.pid == pid)
        return &m->console;
    for (size_t i = 0; i < m->scan_count; i++)
        if (m->scans[i].pid == pid)
            return &m->scans[i];
    return NULL;
}

/* The first start fails as a whole: the operator is looking, and a service manager wants to know. */
static void give_up_start(struct master *m, const char *who, const char *why)
{
    log_error("%s: %s; the gateway does not start", who, why);
    m->exit_code = EX_UNAVAILABLE;
    m->stopping = true;
    m->stop_by_ms = clock_mono_ms();
}

static void one_died(struct master *m, struct child *c, int status)
{
    bool is_scan = c->role == CHILD_SCAN, orphan = is_scan && !m->relay.pid;
    bool ends_start = !m->started && !is_scan && !c->ready;

    child_died(c, status, m->stopping || orphan || c->leaving || ends_start);
    if (m->stopping)
        return;
    if (is_scan) {
        if (!m->started && WIFEXITED(status) && WEXITSTATUS(status) == EX_OSERR)
            give_up_start(m, "scan", "it cannot confine itself");
        return;
    }
    if (c->role == CHILD_RELAY && m->pending.settings)
        reload_answered(m, false, "the relay died of it, or with it");
    if (ends_start)
        give_up_start(m, child_name(c->role), "it died before it was ready");
    else if (c->role == CHILD_RELAY && m->reload_again)
        reload(m);
}

void family_reap(struct master *m)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct child *c = find(m, pid);
        if (c)
            one_died(m, c, status);
    }
}

static void became_ready(struct master *m, struct child *c)
{
    bool again = c->ready;

    c->ready = true;
    if (again) {
        if (c->role == CHILD_RELAY)
            reload_answered(m, true, "");
        return;
    }
    log_info("%s (%ld) is ready", child_name(c->role), (long)c->pid);
    if (c->role == CHILD_RELAY && m->reload_again)
        reload(m);
    if (m->started || !m->relay.ready || !m->console.ready)
        return;
    m->started = true;
    log_info("the gateway is up: %zu scan processes", m->scan_count);
    sd_notify(0, "READY=1");
}

static void said_failed(struct master *m, struct child *c, const char *why)
{
    if (c->ready && c->role == CHILD_RELAY) {
        reload_answered(m, false, why);
    } else if (c->ready) {
        log_error("%s keeps its old configuration: %s", child_name(c->role), why);
    } else if (!m->started) {
        give_up_start(m, child_name(c->role), why);
    } else {
        log_error("%s (%ld) cannot start: %s", child_name(c->role), (long)c->pid, why);
        child_kill(c);
    }
}

static void scan_is_bad(struct master *m, int id)
{
    for (size_t i = 0; i < m->scan_count; i++)
        if (m->scans[i].pid && m->scans[i].id == id) {
            log_error("scan %d (%ld) hung or misbehaved: it is killed", id, (long)m->scans[i].pid);
            child_kill(&m->scans[i]);
        }
}

void family_read(struct master *m, struct child *c)
{
    struct process_packet p;
    int fd, got = process_receive(c->channel, &p, &fd, 0);

    if (got < 0 && (errno == ETIMEDOUT || errno == EAGAIN))
        return;
    if (got <= 0) {
        if (got < 0) {
            log_error("%s (%ld) sent what it must not: %s; it is killed", child_name(c->role), (long)c->pid, strerror(errno));
            child_kill(c);
        }
        close(c->channel); /* its end is seen by SIGCHLD */
        c->channel = -1;
        return;
    }
    if (fd >= 0)
        close(fd);
    if (p.type == PROCESS_READY)
        became_ready(m, c);
    else if (p.type == PROCESS_FAILED)
        said_failed(m, c, p.text);
    else if (p.type == PROCESS_SCAN_BAD && c->role == CHILD_RELAY)
        scan_is_bad(m, p.number);
    else
        log_warning("%s sent an unexpected packet of type %d", child_name(c->role), p.type);
}

void family_send_config(struct master *m, const struct config *config)
{
    struct child *both[] = {&m->relay, &m->console};

    for (size_t i = 0; i < 2; i++)
        if (both[i]->ready && both[i]->channel >= 0 && send_config(both[i], config, m->path))
            sent(both[i], process_send(both[i]->channel, PROCESS_APPLY, 0, "", -1));
}

void family_tell(struct master *m, enum process_packet_type type, int32_t number)
{
    struct child *both[] = {&m->relay, &m->console};

    for (size_t i = 0; i < 2; i++)
        if (both[i]->channel >= 0)
            sent(both[i], process_send(both[i]->channel, type, number, "", -1));
}

void family_kill(struct master *m)
{
    child_kill(&m->relay);
    child_kill(&m->console);
    for (size_t i = 0; i < m->scan_count; i++)
        child_kill(&m->scans[i]);
}

void family_replace_scans(struct master *m)
{
    for (size_t i = 0; i < m->scan_count; i++)
        if (m->scans[i].pid) {
            m->scans[i].leaving = true;
            kill(m->scans[i].pid, SIGTERM);
        }
}

/* Scan processes end by themselves when the relay does. */
bool family_is_gone(const struct master *m)
{
    if (m->relay.pid || m->console.pid)
        return false;
    for (size_t i = 0; i < m->scan_count; i++)
        if (m->scans[i].pid)
            return false;
    return true;
}
