/*
 * dmarc_tally.h: counts what DMARC came to while mail comes in, and appends it to the day's file at once (dmarc_day.h): what was counted outlives the
 * process. A power cut may take the last seconds: a report is no ledger. Threads share it.
 */
#ifndef STORE_DMARC_TALLY_H
#define STORE_DMARC_TALLY_H

#include "store/dmarc_day.h"

struct dmarc_tally;

/* Touches no file before the first message. ROW_LIMIT: see dmarc_day_init(). NULL out of memory. */
struct dmarc_tally *dmarc_tally_new(const char *directory, size_t row_limit);
void dmarc_tally_free(struct dmarc_tally **t);
/* One message that came at NOW_MS (wall clock). What cannot be kept is said in the log, and mail goes on. */
void dmarc_tally_add(struct dmarc_tally *t, int64_t now_ms, struct str domain, struct str published, struct str row);

#endif
