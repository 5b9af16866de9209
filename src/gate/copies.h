/*
 * copies.h: copies of what is accepted: to a domain's archive (archive_to, in both directions) and to who reads along (blind_copy_to, of incoming mail). Each is a
 * message of its own in the queue, under the null sender: nobody hears of it when it cannot be delivered, and it waits for the operator then (frozen). It bears a mark
 * under our secret, so that one that is sent on and comes back here is not copied again.
 */
#ifndef GATE_COPIES_H
#define GATE_COPIES_H

#include "gate/judgement.h"
#include "spool/spool.h"

/* Does anybody of those that the message is delivered to want some? */
bool copies_are_wanted(const struct session *s, const struct judgements *all);
/* Makes them durable, before the message itself: what is archived twice after a failure harms less than what is delivered twice. */
enum spool_result copies_submit(struct session *s, const struct judgements *all, const struct scan_report *report) __attribute__((warn_unused_result));
/* Once all of the message is taken: their rows of the log. */
void copies_log(struct session *s, const struct judgements *all, const struct scan_report *report);

#endif
