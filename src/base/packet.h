/*
 * packet.h: one message between two of our processes over a SOCK_SEQPACKET socket, with
 * descriptors beside it. Packets are bounded; a truncated or over-long one is an error of the peer.
 */
#ifndef BASE_PACKET_H
#define BASE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { PACKET_MAX_FDS = 16, PACKET_MAX_BYTES = 128 * 1024 };

struct packet_fds {
    int fd[PACKET_MAX_FDS]; /* received ones belong to the receiver and are close-on-exec */
    size_t count;
};

/* A connected pair, close-on-exec, with room for a full packet. False with errno set. */
bool packet_pair(int pair[2]) __attribute__((warn_unused_result));
/* Sends LEN bytes (1 … PACKET_MAX_BYTES); FDS may be NULL. TIMEOUT_MS < 0 waits for ever.
 * False with errno set (EPIPE: the peer is gone; ETIMEDOUT). */
bool packet_send(int fd, const void *bytes, size_t len, const struct packet_fds *fds, int timeout_ms)
    __attribute__((warn_unused_result));
/* The same from several pieces that stand apart in memory, without copying them together. */
bool packet_sendv(int fd, const struct iovec *pieces, size_t count, const struct packet_fds *fds, int timeout_ms)
    __attribute__((warn_unused_result));
/* Receives one packet into TO (SIZE bytes). Returns its length; 0 when the peer has closed; -1 with errno
 * set (ETIMEDOUT, EMSGSIZE for a packet that did not fit). Unwanted descriptors are closed. */
ptrdiff_t packet_receive(int fd, void *to, size_t size, struct packet_fds *fds, int timeout_ms)
    __attribute__((warn_unused_result));

#endif
