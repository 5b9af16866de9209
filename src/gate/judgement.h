/*
 * judgement.h: what a message is to each of its recipients. Recipients whose settings, lists and findings so far are the same are judged
 * together; the others' outcome may differ: delivered for some, quarantined for the rest.
 */
#ifndef GATE_JUDGEMENT_H
#define GATE_JUDGEMENT_H

#include "policy/policy.h"

struct session;
struct recipient;

struct judgement {
    const struct recipient *first; /* of those that it is for */
    struct findings found;         /* in the message */
    struct findings tags;          /* of envelope and message: go into a header field */
    enum action action;            /* REFUSE, DEFER, QUARANTINE, or less: deliver */
    const struct finding *by;      /* that decided, or NULL */
};

struct judgements {
    struct judgement **at;         /* owned, and each of them */
    size_t count;
    struct judgement **of;         /* owned: by recipient of the transaction, each one of AT */
};

/* False: out of memory. FACTS lacks what differs between recipients. */
bool judgements_make(struct session *s, struct message_facts *facts, struct judgements *out) __attribute__((warn_unused_result));
void judgements_free(struct judgements *j);

/* The finding of the first whose action is ACTION, or NULL. */
const struct finding *judgements_by(const struct judgements *j, enum action action);
bool judgement_delivers(const struct judgement *j);

/* quarantine.c: keeps a copy for each recipient whom J does not deliver to; with ONLY_REFUSED (the whole message is refused) only where reason and
 * settings want it. False: it could not be written. */
bool keep_copies(struct session *s, const struct judgements *j, const struct scan_report *report, bool only_refused) __attribute__((warn_unused_result));
/* The rest of the message could not be taken: its sender comes again with all of it. */
void drop_copies(struct session *s);

#endif
