/*
 * dmarc_count.h: messages whose author's domain wants DMARC reports are counted for them (store/dmarc_tally.h), when it is certain what became of them:
 * one that was deferred comes again. Nothing where dmarc_reports is off, or no policy was found.
 */
#ifndef GATE_DMARC_COUNT_H
#define GATE_DMARC_COUNT_H

#include "policy/finding.h"

struct session;

void dmarc_count_refused(struct session *s, const struct finding *by, const struct findings *found);
void dmarc_count_accepted(struct session *s, const struct findings *found);

#endif
