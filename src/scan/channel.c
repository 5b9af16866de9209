/* channel.c: see channel.h; the relay's side. The other side is scan_process.c. */
#include "scan/channel.h"

#include "base/packet.h"

#include <errno.h>
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

bool channel_ask(int socket, uint32_t sequence, const struct blob *message)
{
    struct scan_question question = {.sequence = sequence, .size = blob_size(message)};
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

enum scan_result channel_report(int socket, uint32_t sequence, uint64_t size, struct scan_report *out, bool *nonsense)
{
    ptrdiff_t n = packet_receive(socket, out, sizeof *out, NULL, -1);

    *nonsense = false;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return SCAN_TIMEOUT;
    if (n == 0 || (n < 0 && errno != EMSGSIZE))
        return SCAN_CRASHED;
    *nonsense = n != (ptrdiff_t)sizeof *out || !scan_report_is_sane(out, size, sequence);
    return *nonsense ? SCAN_CRASHED : SCAN_OK;
}
