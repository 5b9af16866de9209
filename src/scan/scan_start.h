/* scan_start.h: a scan process for a command, confined like those of the gateway. */
#ifndef SCAN_SCAN_START_H
#define SCAN_SCAN_START_H

#include "scan/scan.h"

#include <sys/types.h>

/* Starts this program anew as a scan process. Returns its pid and the channel to it in *CHANNEL (owned by the caller: closing it ends the process,
 * then wait for it); -1 with errno. */
pid_t scan_start(uint64_t memory_limit, int *channel) __attribute__((warn_unused_result));
/* One message, read by a process of its own that ends with it. */
enum scan_result scan_once(const struct blob *message, const struct scan_limits *limits, uint64_t memory_limit, int64_t timeout_ms,
                           struct scan_report *out) __attribute__((warn_unused_result));

#endif
