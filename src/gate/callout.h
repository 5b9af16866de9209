/* callout.h: the questions to servers elsewhere at RCPT: does the recipient exist, does the sender? */
#ifndef GATE_CALLOUT_H
#define GATE_CALLOUT_H

#include "policy/finding.h"

struct session;
struct recipient;

/* DESTINATION_REFUSED or DESTINATION_UNVERIFIED where recipient_callout is on. Blocks while the destination is asked. */
struct finding callout_recipient(struct session *s, const struct recipient *r);
/* SENDER_REFUSED or SENDER_UNVERIFIED where sender_callout is on. */
struct finding callout_sender(struct session *s, const struct recipient *r);

#endif
