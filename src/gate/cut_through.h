/*
 * cut_through.h: delivery while the sender waits. The first recipient of a domain that asks for it opens a session with the
 * domain's destination; its own refusals are passed on. The message goes there before we answer: durable means that the destination
 * has taken it. It covers one destination; with recipients elsewhere the message is queued as usual.
 */
#ifndef GATE_CUT_THROUGH_H
#define GATE_CUT_THROUGH_H

#include "base/blob.h"
#include "policy/finding.h"

struct cut_through;
struct session;
struct recipient;

/* Asks the destination about R, which is not in the transaction yet. A finding when it refuses (DESTINATION_UNKNOWN) or defers
 * (DESTINATION_UNVERIFIED) for now; none when it accepts or cannot be asked. */
struct finding cut_through_rcpt(struct session *s, const struct recipient *r);

enum cut_through_result {
    CUT_NOT_USED,  /* not open, or not for all recipients: queue the message */
    CUT_DELIVERED,
    CUT_ANSWERED   /* the destination's refusal or deferral stands in FINDING */
};
/* The whole message to the destination. In doubt (lost after the final dot) the answer is 451. */
enum cut_through_result cut_through_body(struct session *s, const struct blob *header, struct finding *finding);
/* After CUT_DELIVERED: a row of the message log for each recipient. */
void cut_through_log(struct session *s);
void cut_through_free(struct cut_through **c);

/* Before this session's worker waits for a server elsewhere: false when half of the workers do already. After true: end. */
bool destination_wait_begin(struct session *s) __attribute__((warn_unused_result));
void destination_wait_end(struct session *s);

#endif
