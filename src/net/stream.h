/*
 * stream.h: a connection, with or without TLS, and its one input buffer. Non-blocking underneath; the calls
 * with a deadline wait with poll(). Memory of an idle stream is the struct alone: the buffer
 * exists only while it holds bytes. Plaintext read before a TLS handshake never becomes part of what
 * follows it (RFC 3207 §4.2, CVE-2011-0411): stream_has_input() is how the caller finds out.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "base/buf.h"
#include "base/str.h"
#include "net/ip.h"

#include <openssl/types.h>

enum stream_state {
    STREAM_OK,        /* progress was made */
    STREAM_AGAIN,     /* nothing now; wait for `wants` */
    STREAM_EOF,       /* the peer closed in an orderly way */
    STREAM_TIMEOUT,
    STREAM_FAILED     /* reset, TLS error: terminal; the fd may only be closed */
};

struct stream {
    int fd;           /* owned */
    SSL *ssl;         /* owned; NULL in plaintext */
    struct buf in;    /* read and not yet consumed */
    struct buf out;   /* written and not yet sent */
    short wants;      /* POLLIN or POLLOUT: what an AGAIN waits for (TLS may want the other one) */
    uint32_t room;    /* for the next read: grows while reads come back full */
    bool handshaking;
    bool closed;      /* terminal state seen; all further calls return it */
};

enum { STREAM_BULK = 32 * 1024, STREAM_IN_MAX = 64 * 1024, STREAM_OUT_MAX = 256 * 1024 };

void stream_init(struct stream *s, int fd); /* takes FD, makes it non-blocking, TCP_NODELAY */
void stream_close(struct stream *s);        /* close_notify without waiting, closes, frees */

/* One read of what is there, at most up to STREAM_IN_MAX bytes in the buffer. Never waits. A full buffer is a bug(). */
enum stream_state stream_fill(struct stream *s) __attribute__((warn_unused_result));
/* Like stream_fill, waiting until bytes came or DEADLINE (clock_mono_ms) passed. */
enum stream_state stream_fill_wait(struct stream *s, int64_t deadline_ms) __attribute__((warn_unused_result));
/* The next read takes up to STREAM_BULK bytes at once: a message is about to come, not a command. */
void stream_expect_bulk(struct stream *s);
struct str stream_input(const struct stream *s);
void stream_consume(struct stream *s, size_t n); /* frees the buffer when it becomes empty */
void stream_consume_secret(struct stream *s, size_t n); /* and wipes them, for passwords */
bool stream_has_input(const struct stream *s);   /* buffered, or decrypted inside OpenSSL */

/* Appends to `out`; false when it would pass STREAM_OUT_MAX. */
bool stream_queue(struct stream *s, struct str bytes);
/* Sends what is queued, as far as the peer takes it. OK: all sent. Never waits. */
enum stream_state stream_flush(struct stream *s) __attribute__((warn_unused_result));
enum stream_state stream_flush_wait(struct stream *s, int64_t deadline_ms) __attribute__((warn_unused_result));
/* Sends BYTES directly behind what is queued, without copying where it can. */
enum stream_state stream_write_wait(struct stream *s, struct str bytes, int64_t deadline_ms) __attribute__((warn_unused_result));

/* Starts TLS with SSL (taken). The input buffer must be empty: bug() otherwise. */
void stream_start_tls(struct stream *s, SSL *ssl);
/* Drives the handshake: OK when done, AGAIN to wait. */
enum stream_state stream_handshake(struct stream *s) __attribute__((warn_unused_result));
enum stream_state stream_handshake_wait(struct stream *s, int64_t deadline_ms) __attribute__((warn_unused_result));

/* Connects to E from SOURCE (may be NULL). Returns the fd, or -1 with errno (ETIMEDOUT past the deadline). */
int stream_connect(const struct endpoint *e, const struct ip *source, int64_t deadline_ms) __attribute__((warn_unused_result));
/* The same in two steps, for who must be able to shut the socket down while it connects. The second closes FD where it fails. */
int stream_socket(const struct endpoint *e, const struct ip *source) __attribute__((warn_unused_result));
int stream_connect_on(int fd, const struct endpoint *e, int64_t deadline_ms) __attribute__((warn_unused_result));
int stream_connect_unix(const char *path, int64_t deadline_ms) __attribute__((warn_unused_result));

#endif
