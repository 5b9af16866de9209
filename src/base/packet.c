/* packet.c: see packet.h. */
#include "base/packet.h"

#include "base/bug.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool packet_pair(int pair[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    int bytes = PACKET_MAX_BYTES * 2;
    for (int i = 0; i < 2; i++) {
        setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
        setsockopt(pair[i], SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    return true;
}

static bool wait_for(int fd, short events, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;

    if (fd < 0) { /* poll() would wait for nothing */
        errno = EBADF;
        return false;
    }
    if (timeout_ms < 0)
        return true; /* the call itself blocks */
    do
        n = poll(&p, 1, timeout_ms);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        errno = ETIMEDOUT;
    return n > 0;
}

static size_t total_length(const struct iovec *pieces, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += pieces[i].iov_len;
    return total;
}

bool packet_send(int fd, const void *bytes, size_t len, const struct packet_fds *fds, int timeout_ms)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    return packet_sendv(fd, &piece, 1, fds, timeout_ms);
}

bool packet_sendv(int fd, const struct iovec *pieces, size_t count, const struct packet_fds *fds, int timeout_ms)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int) * PACKET_MAX_FDS)];
    } control;
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)pieces, .msg_iovlen = count};
    size_t len = total_length(pieces, count);
    ssize_t n;

    bug_unless(len > 0 && len <= PACKET_MAX_BYTES);
    if (fds && fds->count) {
        bug_unless(fds->count <= PACKET_MAX_FDS);
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fds->count);
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int) * fds->count);
        memcpy(CMSG_DATA(head), fds->fd, sizeof(int) * fds->count);
    }
    if (!wait_for(fd, POLLOUT, timeout_ms))
        return false;
    do
        n = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)len;
}

static void take_fds(struct msghdr *message, struct packet_fds *fds)
{
    struct packet_fds got = {.count = 0};

    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && got.count < PACKET_MAX_FDS; i++)
            memcpy(&got.fd[got.count++], CMSG_DATA(head) + i * sizeof(int), sizeof(int));
    }
    if (fds) {
        *fds = got;
        return;
    }
    for (size_t i = 0; i < got.count; i++)
        close(got.fd[i]);
}

ptrdiff_t packet_receive(int fd, void *to, size_t size, struct packet_fds *fds, int timeout_ms)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int) * PACKET_MAX_FDS)];
    } control;
    struct iovec piece = {.iov_base = to, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n;

    if (fds)
        fds->count = 0;
    if (!wait_for(fd, POLLIN, timeout_ms))
        return -1;
    do
        n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    take_fds(&message, fds);
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        for (size_t i = 0; fds && i < fds->count; i++)
            close(fds->fd[i]);
        if (fds)
            fds->count = 0;
        errno = EMSGSIZE;
        return -1;
    }
    return n;
}
