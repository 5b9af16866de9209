/*
 * reputation.h: good and bad messages by where they came from (policy/reputation.h). Each count halves in a half-life. In memory, bounded; what changed is
 * written to an append log beside it every second, and that is written anew when it has grown too long: a killed process loses what it saw in its last
 * second, a torn last line is dropped, a file that is none of ours is put aside. Locks inside. A shared store takes the same interface later.
 *
 * When it is full, what has been seen longest ago goes, and of those with little behind them first, so that a flood of strangers throws out strangers.
 *
 * The file is text, a line each: "KIND GOOD BAD LAST NAME", KIND the enum's number, LAST in milliseconds since 1970; "KIND - NAME": forgotten.
 */
#ifndef STORE_REPUTATION_H
#define STORE_REPUTATION_H

#include "base/buf.h"
#include "policy/reputation.h"

struct reputation;

/* PATH NULL: nothing is kept. MOST names. NULL with the reason in ERROR. */
struct reputation *reputation_open(const char *path, size_t most, struct buf *error);
void reputation_close(struct reputation **r); /* writes what waits */

/* Fills in the counts of FACTS as they stand at WALL_MS. */
void reputation_read(struct reputation *r, struct reputation_facts *facts, int64_t half_life_ms, int64_t wall_ms);
/* A message for all of FACTS: WEIGHT (0 … 1) of one, good or bad. */
void reputation_add(struct reputation *r, const struct reputation_facts *facts, bool is_bad, double weight, int64_t half_life_ms, int64_t wall_ms);
/* Returns whether there was something. */
bool reputation_forget(struct reputation *r, enum reputation_kind kind, struct str name);

struct reputation_stats {
    size_t entries, strangers; /* strangers: those with little behind them */
    uint64_t evicted;          /* thrown out for want of room */
    size_t unwritten;          /* changes that wait for the file */
};
void reputation_stats(struct reputation *r, struct reputation_stats *out);

#endif
