/*
 * quarantine_work.h: what becomes of quarantined messages, by a thread of the relay's: those that somebody wants go into the queue, exactly once even where
 * the process is killed between (the spool remembers their numbers); those that are too old go.
 */
#ifndef RELAY_QUARANTINE_WORK_H
#define RELAY_QUARANTINE_WORK_H

#include "relay/parts.h"

/* NULL with the reason in ERROR. */
struct quarantine_work *quarantine_work_start(struct relay *r, const struct policy *p, struct buf *error);
void quarantine_work_stop(struct quarantine_work **w);

#endif
