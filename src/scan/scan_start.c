/* scan_start.c: see scan_start.h. The master starts those of the gateway itself, in master/children.c. */
#include "scan/scan_start.h"

#include "base/log.h"
#include "base/packet.h"
#include "base/process.h"
#include "scan/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

static _Noreturn void become(int far_end, uint64_t memory_limit)
{
    char title[] = "postern: scan", role[] = "@scan", limit[24];
    char *argv[] = {title, role, limit, NULL};

    snprintf(limit, sizeof limit, "%llu", (unsigned long long)memory_limit);
    bool placed = far_end == PROCESS_FD ? fcntl(far_end, F_SETFD, 0) == 0 : dup2(far_end, PROCESS_FD) == PROCESS_FD;
    if (placed && close_range(PROCESS_FD + 1, ~0U, 0) == 0)
        execve("/proc/self/exe", argv, environ);
    log_error("scan cannot be started: %s", strerror(errno));
    _exit(EX_OSERR);
}

pid_t scan_start(uint64_t memory_limit, int *channel)
{
    int pair[2];

    if (!packet_pair(pair))
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        become(pair[1], memory_limit);
    int trouble = errno;
    close(pair[1]);
    if (pid < 0)
        close(pair[0]);
    else
        *channel = pair[0];
    errno = trouble;
    return pid;
}

static enum scan_result ask(int channel, const struct blob *message, const struct scan_limits *limits, int64_t timeout_ms, struct scan_report *out)
{
    bool nonsense;

    if (!channel_set_timeout(channel, timeout_ms) || !channel_ask(channel, 1, message, limits))
        return SCAN_UNAVAILABLE;
    return channel_report(channel, 1, blob_size(message), out, &nonsense);
}

enum scan_result scan_once(const struct blob *message, const struct scan_limits *limits, uint64_t memory_limit, int64_t timeout_ms,
                           struct scan_report *out)
{
    int channel, status;
    pid_t pid = scan_start(memory_limit, &channel);

    if (pid < 0)
        return SCAN_UNAVAILABLE;
    enum scan_result result = ask(channel, message, limits, timeout_ms, out);
    close(channel);
    if (result == SCAN_TIMEOUT)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return result;
}
