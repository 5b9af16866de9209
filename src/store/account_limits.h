/*
 * account_limits.h: how much each outgoing account, and each identity of one, has sent within the last minute, hour, day, week and month (30 days). Windows slide and are
 * exact: a message counts from the moment it was taken until the window's length later, to the millisecond. For who sent more than 8192 times within the longest
 * window that is limited, older entries are merged in pairs under the later one's time: room then comes free somewhat later, and never earlier than it may.
 *
 * In memory, bounded; each change is appended to a file before it is answered, so that a restart, or a kill, forgets nothing. Times are of the wall clock.
 * Thread-safe.
 */
#ifndef STORE_ACCOUNT_LIMITS_H
#define STORE_ACCOUNT_LIMITS_H

#include "base/buf.h"

enum { LIMIT_KEY_MAX = 400, LIMIT_ENTRIES_MAX = 8192, LIMIT_NONE = -1, INVALID_FROM = 20 /* recipients, before their share says anything */ };
enum limit_window { LIMIT_MINUTE, LIMIT_HOUR, LIMIT_DAY, LIMIT_WEEK, LIMIT_MONTH, LIMIT_WINDOWS };

struct limits;

/* PATH of the file; "": nothing outlives the process. NULL with the reason in ERROR. */
struct limits *limits_open(const char *path, size_t most_keys, struct buf *error);
void limits_close(struct limits **l);

struct limit_rules { /* LIMIT_NONE: no limit; 0: none at all */
    int64_t messages[LIMIT_WINDOWS];
    int64_t recipients_per_day;
    int64_t invalid_percent;
};
struct limit_counts {
    uint32_t messages, recipients, invalid;
};
struct limit_query {
    struct str key;
    const struct limit_rules *rules;
};

struct limit_answer {
    enum { LIMIT_FITS, LIMIT_MESSAGES, LIMIT_RECIPIENTS, LIMIT_INVALID } result; /* what is over */
    enum limit_window window;
    int64_t most;
    int64_t until_ms; /* it would fit then, if nothing else came; 0: never */
};

/* Would MORE fit for each of COUNT queries? The first that says no is the answer. */
void limits_look(struct limits *l, const struct limit_query *queries, size_t count, const struct limit_counts *more, int64_t now_ms, struct limit_answer *out);
/* The same, and where it fits it is counted for all of them at once. */
void limits_take(struct limits *l, const struct limit_query *queries, size_t count, const struct limit_counts *more, int64_t now_ms, struct limit_answer *out);
/* What was taken at WHEN_MS was not sent after all. */
void limits_give_back(struct limits *l, const struct limit_query *queries, size_t count, const struct limit_counts *taken, int64_t when_ms);
/* Counts without asking. */
void limits_note(struct limits *l, struct str key, const struct limit_rules *rules, const struct limit_counts *more, int64_t now_ms);
/* What KEY has within WINDOW. */
struct limit_counts limits_counted(struct limits *l, struct str key, enum limit_window window, int64_t now_ms);

struct limit_counts limits_within(struct limits *l, struct str key, int64_t length_ms, int64_t now_ms);
void limits_forget(struct limits *l, struct str key);

const char *limit_window_name(enum limit_window w); /* "minute" … */

#endif
