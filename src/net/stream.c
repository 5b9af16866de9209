/* stream.c: see stream.h. */
#include "net/stream.h"

#include "base/bug.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_AT_LEAST = 4096 };

void stream_init(struct stream *s, int fd)
{
    int on = 1, flags = fcntl(fd, F_GETFL);

    *s = (struct stream){.fd = fd, .in = buf_make(STREAM_IN_MAX), .out = buf_make(STREAM_OUT_MAX), .wants = POLLIN};
    if (flags >= 0 && !(flags & O_NONBLOCK))
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails on UNIX sockets, which need it not */
}

void stream_close(struct stream *s)
{
    if (s->ssl) {
        if (!s->closed && !s->handshaking) {
            ERR_clear_error();
            SSL_shutdown(s->ssl);
        }
        SSL_free(s->ssl);
    }
    if (s->fd >= 0)
        close(s->fd);
    buf_free(&s->in);
    buf_free(&s->out);
    *s = (struct stream){.fd = -1, .in = buf_make(STREAM_IN_MAX), .out = buf_make(STREAM_OUT_MAX), .closed = true};
}

static enum stream_state terminal(struct stream *s, enum stream_state state)
{
    s->closed = true;
    return state;
}

/* What OpenSSL's last call RESULT means for us. */
static enum stream_state tls_state(struct stream *s, int result)
{
    switch (SSL_get_error(s->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        s->wants = POLLIN;
        return STREAM_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        s->wants = POLLOUT;
        return STREAM_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return terminal(s, STREAM_EOF);
    default:
        return terminal(s, STREAM_FAILED); /* a cut without close_notify too: the end cannot be trusted */
    }
}

static enum stream_state socket_state(struct stream *s, ssize_t n, short wants)
{
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        s->wants = wants;
        return STREAM_AGAIN;
    }
    return terminal(s, n == 0 ? STREAM_EOF : STREAM_FAILED);
}

static enum stream_state read_some(struct stream *s, char *to, size_t room, size_t *got)
{
    if (s->ssl) {
        ERR_clear_error();
        int n = SSL_read(s->ssl, to, room > INT_MAX ? INT_MAX : (int)room);
        if (n <= 0)
            return tls_state(s, n);
        *got = (size_t)n;
        return STREAM_OK;
    }
    ssize_t n = recv(s->fd, to, room, 0);
    if (n <= 0)
        return socket_state(s, n, POLLIN);
    *got = (size_t)n;
    return STREAM_OK;
}

enum stream_state stream_fill(struct stream *s)
{
    size_t got = 0;

    bug_unless(s->in.len < STREAM_IN_MAX);
    if (s->closed)
        return STREAM_FAILED;
    s->wants = POLLIN; /* what an earlier AGAIN waited for has come */
    size_t room = s->room ? s->room : READ_AT_LEAST;
    if (room > STREAM_IN_MAX - s->in.len)
        room = STREAM_IN_MAX - s->in.len;
    if (!buf_reserve(&s->in, room)) {
        s->in.failed = false;
        return terminal(s, STREAM_FAILED);
    }
    enum stream_state state = read_some(s, s->in.at + s->in.len, room, &got);
    s->in.len += got;
    /* a full read says that more is coming: then the room grows */
    s->room = got == room ? (uint32_t)(room * 4 > STREAM_IN_MAX ? STREAM_IN_MAX : room * 4) : READ_AT_LEAST;
    if (s->in.len == 0)
        buf_free(&s->in);
    return state;
}

void stream_expect_bulk(struct stream *s)
{
    if (s->room < STREAM_BULK)
        s->room = STREAM_BULK;
}

static bool wait_until(struct stream *s, int64_t deadline_ms)
{
    struct pollfd p = {.fd = s->fd, .events = s->wants};

    for (;;) {
        int64_t left_ms = deadline_ms - clock_mono_ms();
        if (left_ms <= 0)
            return false;
        int n = poll(&p, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return true; /* the next call on the fd says what is wrong */
    }
}

/* Repeats STEP until it is not AGAIN, or the deadline. */
static enum stream_state wait_for(struct stream *s, enum stream_state (*step)(struct stream *), int64_t deadline_ms)
{
    for (;;) {
        enum stream_state state = step(s);
        if (state != STREAM_AGAIN)
            return state;
        if (!wait_until(s, deadline_ms))
            return STREAM_TIMEOUT;
    }
}

enum stream_state stream_fill_wait(struct stream *s, int64_t deadline_ms)
{
    return wait_for(s, stream_fill, deadline_ms);
}

struct str stream_input(const struct stream *s)
{
    return buf_str(&s->in);
}

void stream_consume(struct stream *s, size_t n)
{
    buf_consume(&s->in, n);
    if (s->in.len == 0)
        buf_free(&s->in);
}

void stream_consume_secret(struct stream *s, size_t n)
{
    bug_unless(n <= s->in.len);
    explicit_bzero(s->in.at, n);
    stream_consume(s, n);
}

bool stream_has_input(const struct stream *s)
{
    return s->in.len > 0 || (s->ssl && SSL_pending(s->ssl) > 0);
}

bool stream_queue(struct stream *s, struct str bytes)
{
    bool ok = buf_add_str(&s->out, bytes);

    s->out.failed = false;
    return ok;
}

static enum stream_state write_some(struct stream *s, struct str bytes, size_t *sent)
{
    if (s->ssl) {
        ERR_clear_error();
        int n = SSL_write(s->ssl, bytes.at, bytes.len > INT_MAX ? INT_MAX : (int)bytes.len);
        if (n <= 0)
            return tls_state(s, n);
        *sent = (size_t)n;
        return STREAM_OK;
    }
    ssize_t n = send(s->fd, bytes.at, bytes.len, MSG_NOSIGNAL);
    if (n < 0)
        return socket_state(s, n, POLLOUT);
    *sent = (size_t)n;
    return STREAM_OK;
}

enum stream_state stream_flush(struct stream *s)
{
    if (s->closed)
        return STREAM_FAILED;
    while (s->out.len) {
        size_t sent = 0;
        enum stream_state state = write_some(s, buf_str(&s->out), &sent);
        if (state != STREAM_OK)
            return state;
        buf_consume(&s->out, sent);
    }
    buf_free(&s->out);
    return STREAM_OK;
}

enum stream_state stream_flush_wait(struct stream *s, int64_t deadline_ms)
{
    return wait_for(s, stream_flush, deadline_ms);
}

/* Queue and bytes in one system call where there is no TLS. */
static enum stream_state write_both(struct stream *s, struct str *bytes)
{
    struct iovec pieces[2] = {{s->out.at, s->out.len}, {(void *)(uintptr_t)bytes->at, bytes->len}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    ssize_t n = sendmsg(s->fd, &message, MSG_NOSIGNAL);

    if (n < 0)
        return socket_state(s, n, POLLOUT);
    size_t queued = (size_t)n < s->out.len ? (size_t)n : s->out.len;
    buf_consume(&s->out, queued);
    *bytes = str_from_index(*bytes, (size_t)n - queued);
    return STREAM_OK;
}

static enum stream_state write_step(struct stream *s, struct str *bytes)
{
    size_t sent = 0;

    if (s->closed)
        return STREAM_FAILED;
    if (!s->ssl)
        return write_both(s, bytes);
    if (s->out.len)
        return stream_flush(s);
    enum stream_state state = write_some(s, *bytes, &sent);
    *bytes = str_from_index(*bytes, sent);
    return state;
}

enum stream_state stream_write_wait(struct stream *s, struct str bytes, int64_t deadline_ms)
{
    while (bytes.len || s->out.len) {
        enum stream_state state = write_step(s, &bytes);
        if (state == STREAM_AGAIN && !wait_until(s, deadline_ms))
            return STREAM_TIMEOUT;
        if (state != STREAM_OK && state != STREAM_AGAIN)
            return state;
    }
    buf_free(&s->out);
    return STREAM_OK;
}

void stream_start_tls(struct stream *s, SSL *ssl)
{
    bug_unless(s->in.len == 0 && !s->ssl);
    s->ssl = ssl;
    s->handshaking = true;
    s->wants = POLLIN;
}

enum stream_state stream_handshake(struct stream *s)
{
    if (s->closed)
        return STREAM_FAILED;
    ERR_clear_error();
    int n = SSL_do_handshake(s->ssl);
    if (n != 1)
        return tls_state(s, n);
    s->handshaking = false;
    s->wants = POLLIN;
    return STREAM_OK;
}

enum stream_state stream_handshake_wait(struct stream *s, int64_t deadline_ms)
{
    return wait_for(s, stream_handshake, deadline_ms);
}

static int fail(int fd)
{
    int why = errno;

    if (fd >= 0)
        close(fd);
    errno = why;
    return -1;
}

static int finish_connect(int fd, int64_t deadline_ms)
{
    struct stream s = {.fd = fd, .wants = POLLOUT};
    int why = 0;
    socklen_t len = sizeof why;

    if (!wait_until(&s, deadline_ms)) {
        errno = ETIMEDOUT;
        return fail(fd);
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
        return fail(fd);
    if (why) {
        errno = why;
        return fail(fd);
    }
    return fd;
}

static int connect_fd(int fd, const struct sockaddr *sa, socklen_t len, int64_t deadline_ms)
{
    if (connect(fd, sa, len) == 0)
        return fd;
    return errno == EINPROGRESS || errno == EINTR ? finish_connect(fd, deadline_ms) : fail(fd);
}

int stream_socket(const struct endpoint *e, const struct ip *source)
{
    struct sockaddr_storage sa;

    if (!ip_to_sockaddr(e, &sa)) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || !source || source->family != e->ip.family)
        return fd;
    struct endpoint from = {.ip = *source};
    socklen_t len = ip_to_sockaddr(&from, &sa);
    return bind(fd, (struct sockaddr *)&sa, len) < 0 ? fail(fd) : fd;
}

int stream_connect_on(int fd, const struct endpoint *e, int64_t deadline_ms)
{
    struct sockaddr_storage sa;
    socklen_t len = ip_to_sockaddr(e, &sa);

    return connect_fd(fd, (struct sockaddr *)&sa, len, deadline_ms);
}

int stream_connect(const struct endpoint *e, const struct ip *source, int64_t deadline_ms)
{
    int fd = stream_socket(e, source);

    return fd < 0 ? -1 : stream_connect_on(fd, e, deadline_ms);
}

int stream_connect_unix(const char *path, int64_t deadline_ms)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    if (!str_copy(sa.sun_path, sizeof sa.sun_path, str_from(path))) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -1 : connect_fd(fd, (struct sockaddr *)&sa, sizeof sa, deadline_ms);
}
