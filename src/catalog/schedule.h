/*
 * schedule.h: when a deferred delivery is tried again, from the setting retry_schedule: "15m*8 x1.5:16h 6h" is 8 times 15 minutes, then
 * growing by 1.5 until the message is 16 hours old, then every 6 hours.
 */
#ifndef CATALOG_SCHEDULE_H
#define CATALOG_SCHEDULE_H

#include "catalog/settings.h"

enum { SCHEDULE_STEPS_MAX = 16 };

struct schedule_step {
    int64_t interval_ms; /* 0: a growing step */
    uint32_t times;      /* 0: for ever */
    double factor;
    int64_t until_age_ms;
};
struct retry_schedule {
    struct schedule_step step[SCHEDULE_STEPS_MAX];
    size_t count;
};

/* False with the reason in ERROR. */
bool schedule_parse(const struct setting_list *list, struct retry_schedule *out, struct buf *error) __attribute__((warn_unused_result));
/* How long to wait after the ATTEMPTS-th failed attempt (1, 2, …) of a message that is AGE_MS old. Always at least a second. */
int64_t schedule_next_ms(const struct retry_schedule *s, uint32_t attempts, int64_t age_ms);

#endif
