/*
 * origins.h: where a message comes from, as far as it is proven, and the good and bad that is remembered of it (product.md §2). Counted is each message once,
 * by what became of it: refused as spam and the like is bad; accepted, with nothing of that kind found, and authenticated is good. Incoming mail only.
 */
#ifndef GATE_ORIGINS_H
#define GATE_ORIGINS_H

#include "policy/finding.h"
#include "policy/reputation.h"
#include "scan/report.h"

struct session;
struct sender_facts;

/* How much of a bad message a refusal for REASON is: 0 … 1. */
double origins_badness(enum reason reason);

/* DATA, behind the authentication: all of them with their counts; the transaction keeps them. NULL: none are counted here, or out of memory. */
const struct reputation_facts *origins_read(struct session *s, const struct scan_report *report);
/* RCPT: does one that is known so far have a good name? The best of them into OUT. */
bool origins_are_good(struct session *s, const struct sender_facts *facts, struct reputation_fact *out);

/* What became of the message; at RCPT of the attempt, where it may be for the first recipient of several. */
void origins_refused(struct session *s, enum reason reason);
void origins_accepted(struct session *s, const struct findings *found);

#endif
