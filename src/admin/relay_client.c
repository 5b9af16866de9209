/* relay_client.c: a question to the relay's control socket (relay/control.c), with deadlines. */
#include "admin/parts.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000, RELAY_ANSWER_MAX = 32 * 1024 * 1024 };

static int connect_to(const char *run_directory)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path, sizeof address.sun_path, "%s/control", run_directory);

    if (n < 0 || (size_t)n >= sizeof address.sun_path)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool wait_for(int fd, short events, int64_t deadline_ms)
{
    int64_t left_ms = deadline_ms - clock_mono_ms();
    struct pollfd p = {.fd = fd, .events = events};

    return left_ms > 0 && poll(&p, 1, (int)left_ms) > 0;
}

static bool send_all(int fd, struct str text, int64_t deadline_ms)
{
    while (text.len) {
        ssize_t n = send(fd, text.at, text.len, MSG_NOSIGNAL);
        if (n > 0)
            text = str_from_index(text, (size_t)n);
        else if ((n < 0 && errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLOUT, deadline_ms))
            return false;
    }
    return true;
}

static bool receive_all(int fd, struct buf *into, int64_t deadline_ms)
{
    char piece[16384];

    for (;;) {
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n == 0)
            return true;
        if (n > 0 && !buf_add(into, piece, (size_t)n))
            return false;
        if (n < 0 && ((errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLIN, deadline_ms)))
            return false;
    }
}

json_t *relay_ask(const struct settings *settings, json_t *take_request)
{
    struct buf answer = buf_make(RELAY_ANSWER_MAX);
    json_t *result = NULL;
    json_error_t trouble;
    int64_t deadline_ms = clock_mono_ms() + PATIENCE_MS;
    char *text = take_request ? json_dumps(take_request, JSON_COMPACT) : NULL;
    int fd = text ? connect_to(setting_text(settings_system(settings), SETTING_run_directory)) : -1;

    if (fd >= 0 && send_all(fd, str_from(text), deadline_ms) && send_all(fd, STR("\n"), deadline_ms) && receive_all(fd, &answer, deadline_ms))
        result = json_loadb(answer.at ? answer.at : "", answer.len, 0, &trouble);
    if (fd >= 0)
        close(fd);
    free(text);
    json_decref(take_request);
    buf_free(&answer);
    return result;
}
