/*
 * channel.h: how one question and its report cross the socket; both ends are written against this. Cost: one system call to send, one
 * to receive, on each side; a small message's bytes go behind the question, uncopied.
 */
#ifndef SCAN_CHANNEL_H
#define SCAN_CHANNEL_H

#include "scan/scan.h"

/* Waiting in recvmsg() and sendmsg() themselves saves a poll() each. False with errno. */
bool channel_set_timeout(int socket, int64_t timeout_ms) __attribute__((warn_unused_result));
/* False with errno: EPIPE when the process is gone and has not seen the question, others when it could not be sent. */
bool channel_ask(int socket, uint32_t sequence, const struct blob *message, const struct scan_limits *limits) __attribute__((warn_unused_result));
/* SCAN_OK (scan_report_free() when done), SCAN_CRASHED (the socket closed, or *NONSENSE: what came is no report about this message),
 * SCAN_TIMEOUT. */
enum scan_result channel_report(int socket, uint32_t sequence, uint64_t size, struct scan_report *out, bool *nonsense)
    __attribute__((warn_unused_result));

#endif
