/*
 * finding.h: what a check says. A check is a pure function: facts and settings in, finding out. It never writes a
 * reply and never touches a socket; verdict.h turns findings into actions.
 */
#ifndef POLICY_FINDING_H
#define POLICY_FINDING_H

#include "catalog/reason.h"

enum { EVIDENCE_MAX = 160, FINDINGS_MAX = 24 };

struct finding {
    enum reason reason;          /* REASON_NONE: nothing found */
    char evidence[EVIDENCE_MAX]; /* names the field, the line or the address; printable */
    enum action most;            /* the settings may not ask for more than this; ACTION_OFF: whatever they ask for */
    char enhanced[12];           /* instead of the row's own code; usually "" */
    uint32_t seconds;            /* {seconds} of the text */
    int64_t until_ms;            /* wall clock: a retry is welcome from then on; 0: nothing is said about it */
    uint64_t size;               /* {size} of the text */
};

struct findings {
    struct finding at[FINDINGS_MAX];
    size_t count;
    size_t dropped;              /* found, but there was no room */
};

struct finding finding_none(void);
struct finding finding_make(enum reason r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds F unless it is none, or its reason is there already (a custom rule: with the same evidence). */
void findings_add(struct findings *list, const struct finding *f);
const struct finding *findings_first(const struct findings *list, enum reason r); /* NULL: not there */

#endif
