/*
 * counters.h: counts by key within a window, and how many of a key are present now. In memory now, bounded: when full, what
 * has expired goes first, then what was touched longest ago. Sharded, so threads seldom meet. Redis takes the same
 * interface later.
 */
#ifndef STORE_COUNTERS_H
#define STORE_COUNTERS_H

#include "base/str.h"

struct counters;

enum counter_kind {
    COUNTER_CONNECTIONS_MINUTE, COUNTER_CONNECTIONS_HOUR, COUNTER_INVALID_RECIPIENTS, COUNTER_BOUNCES, COUNTER_PRESENT, COUNTER_POLITE
};

struct counters *counters_new(size_t most_keys); /* NULL out of memory */
void counters_free(struct counters **c);

/*
 * Adds AMOUNT to KEY's count in a sliding window of WINDOW_MS and returns the count with it: what came in this window, and of the
 * one before it the share that still overlaps. Out of memory: returns AMOUNT (limits fail open, mail flows).
 */
uint64_t counter_add(struct counters *c, enum counter_kind kind, const void *key, size_t len, uint64_t amount, int64_t window_ms);
uint64_t counter_get(struct counters *c, enum counter_kind kind, const void *key, size_t len, int64_t window_ms);

/* Presence: enters when fewer than LIMIT are present (0: no limit); every success must be followed by one leave. */
bool counter_enter(struct counters *c, const void *key, size_t len, uint64_t limit);
void counter_leave(struct counters *c, const void *key, size_t len);

#endif
