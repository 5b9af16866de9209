/*
 * scan.h: both ends of the scan process. One question at a time on a SOCK_SEQPACKET socket: a small message's bytes stand in the
 * packet behind the question, a large one comes as a read-only descriptor.
 */
#ifndef SCAN_SCAN_H
#define SCAN_SCAN_H

#include "base/blob.h"
#include "scan/scan_limits.h"
#include "scan/report.h"

enum { SCAN_INLINE_MAX = 96 * 1024 };
enum { SCAN_FIRST_PACKET_MAX = 32 * 1024 /* the report's fixed part and the first of its records */, SCAN_NEXT_PACKET_MAX = 96 * 1024 };

struct scan_question {
    uint32_t sequence;
    uint32_t is_inline; /* 1: SIZE bytes follow; 0: a descriptor comes along */
    uint64_t size;
    struct scan_limits limits;
};

/* The process: confines itself (scan/sandbox.h), then answers until the socket closes. Returns the exit code. */
int scan_process(int socket, uint64_t memory_limit);

/* The relay's end: a pool of channels to scan processes. Threads take turns; one that died is left out until it is replaced. */
struct scan_pool;
struct scan_pool *scan_pool_new(int64_t timeout_ms);
void scan_pool_free(struct scan_pool **p);
/* Adds a channel (SOCKET is taken); ID names the process to FAILED, which is called from a scanning thread when that process
 * hung (timeout) or answered nonsense, so that the master kills it. A closed socket just leaves the pool. */
bool scan_pool_add(struct scan_pool *p, int socket, int id);
void scan_pool_on_failure(struct scan_pool *p, void (*failed)(void *arg, int id), void *arg);
size_t scan_pool_size(struct scan_pool *p); /* channels alive */

enum scan_result { SCAN_OK, SCAN_CRASHED /* the process went away */, SCAN_TIMEOUT, SCAN_UNAVAILABLE /* none alive in time, or no memory */ };
/* Blocks. MESSAGE is sealed. OUT is filled where the result is SCAN_OK: scan_report_free() when done. */
enum scan_result scan_pool_scan(struct scan_pool *p, const struct blob *message, const struct scan_limits *limits, struct scan_report *out)
    __attribute__((warn_unused_result));

#endif
