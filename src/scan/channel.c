/* channel.c: see channel.h; the relay's side. The other side is scan_process.c. */
#include "scan/channel.h"

#include "base/packet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

bool channel_set_timeout(int socket, int64_t timeout_ms)
{
    struct timeval time = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

    return setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0 &&
           setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) == 0;
}

static bool ask_inline(int socket, struct scan_question *question, struct str bytes)
{
    struct iovec pieces[2] = {{.iov_base = question, .iov_len = sizeof *question},
                              {.iov_base = (void *)(uintptr_t)bytes.at, .iov_len = bytes.len}};

    question->is_inline = 1;
    return packet_sendv(socket, pieces, bytes.len ? 2 : 1, NULL, -1);
}

bool channel_ask(int socket, uint32_t sequence, const struct blob *message, const struct scan_limits *limits)
{
    struct scan_question question = {.sequence = sequence, .size = blob_size(message), .limits = *limits};
    struct packet_fds fds = {.count = 1};

    if (question.size <= SCAN_INLINE_MAX)
        return ask_inline(socket, &question, blob_bytes(message));
    fds.fd[0] = blob_readable_fd(message);
    if (fds.fd[0] < 0)
        return false;
    bool sent = packet_send(socket, &question, sizeof question, &fds, -1);
    int why = errno;
    close(fds.fd[0]);
    errno = why;
    return sent;
}

/* What packet_receive() said, when it was not a packet. */
static enum scan_result why_none(ptrdiff_t n)
{
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return SCAN_TIMEOUT;
    return SCAN_CRASHED;
}

/* The records that did not fit into the first packet. */
static enum scan_result receive_rest(int socket, char *tail, size_t had, size_t len, bool *nonsense)
{
    while (had < len) {
        ptrdiff_t n = packet_receive(socket, tail + had, len - had, NULL, -1);
        if (n <= 0) {
            *nonsense = n < 0 && errno == EMSGSIZE;
            return why_none(n);
        }
        had += (size_t)n;
    }
    return SCAN_OK;
}

static enum scan_result take_tail(int socket, const char *first, size_t had, struct scan_report *out, bool *nonsense)
{
    out->tail = NULL;
    if (out->tail_len > REPORT_TAIL_MAX || had > out->tail_len) {
        *nonsense = true;
        return SCAN_CRASHED;
    }
    if (out->tail_len == 0)
        return SCAN_OK;
    char *tail = malloc(out->tail_len);
    if (!tail) {
        *nonsense = true; /* what it has still to say would be taken for the next answer */
        return SCAN_CRASHED;
    }
    memcpy(tail, first, had);
    out->tail = tail;
    return receive_rest(socket, tail, had, out->tail_len, nonsense);
}

enum scan_result channel_report(int socket, uint32_t sequence, uint64_t size, struct scan_report *out, bool *nonsense)
{
    char packet[SCAN_FIRST_PACKET_MAX];
    ptrdiff_t n = packet_receive(socket, packet, sizeof packet, NULL, -1);

    *nonsense = false;
    if (n <= 0 && !(n < 0 && errno == EMSGSIZE))
        return why_none(n);
    *nonsense = n < (ptrdiff_t)sizeof *out;
    if (*nonsense)
        return SCAN_CRASHED;
    memcpy(out, packet, sizeof *out);
    enum scan_result result = take_tail(socket, packet + sizeof *out, (size_t)n - sizeof *out, out, nonsense);
    if (result == SCAN_OK && !scan_report_is_sane(out, size, sequence)) {
        *nonsense = true;
        result = SCAN_CRASHED;
    }
    if (result != SCAN_OK)
        scan_report_free(out);
    return result;
}
