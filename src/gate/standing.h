/*
 * standing.h: what a client's past says of it: greylisting of sources without reputation (product.md §2). Who passes, and why, is kept for the log.
 */
#ifndef GATE_STANDING_H
#define GATE_STANDING_H

#include "policy/finding.h"
#include "policy/facts.h"

struct session;
struct recipient;

/* RCPT, when nothing else refuses: GREYLISTED, or none and R->standing says why not. FACTS: what DNS said so far. */
struct finding standing_check(struct session *s, struct recipient *r, const struct sender_facts *facts);
/* A message was accepted: whom our own users write to is known from now on. */
void standing_learn(struct session *s);
/* A message was refused for REASON: a source of spam loses what it had. */
void standing_lose(struct session *s, enum reason reason);

#endif
