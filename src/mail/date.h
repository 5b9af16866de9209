/*
 * date.h: date-time of RFC 5322 §3.3 and its obsolete forms §4.3 (two-digit years, zone names, comments, no seconds).
 */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include "base/str.h"

enum { DATE_TEXT_MAX = 40 };

/* Milliseconds since 1970, UTC. False when it is none. A missing or unknown zone counts as -0000. */
bool date_parse(struct str text, int64_t *wall_ms) __attribute__((warn_unused_result));
/* "Tue, 24 Nov 2026 14:11:00 +0000" into TO; returns TO. */
char *date_format(int64_t wall_ms, char to[DATE_TEXT_MAX]);

#endif
