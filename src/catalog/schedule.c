/* schedule.c: see schedule.h. */
#include "catalog/schedule.h"

#include <stdlib.h>

enum { LEAST_MS = 1000 };
static const int64_t MOST_MS = 7 * 86400000LL;

static bool parse_time(struct str text, int64_t *out)
{
    static const struct { char unit; int64_t factor; } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    uint64_t number;

    if (text.len < 2 || !str_to_u64(str_sub(text, 0, text.len - 1), 1000000, &number) || number == 0)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (text.at[text.len - 1] != units[i].unit)
            continue;
        *out = (int64_t)number * units[i].factor;
        return true;
    }
    return false;
}

/* xF:A */
static bool parse_growth(struct str text, struct schedule_step *out)
{
    struct str age = text, factor = str_cut(&age, ':');
    char copy[16], *end;

    if (!age.at || !str_copy(copy, sizeof copy, factor))
        return false;
    out->factor = strtod(copy, &end);
    return *end == '\0' && end != copy && out->factor > 1 && out->factor <= 100 && parse_time(age, &out->until_age_ms);
}

/* D or D*N */
static bool parse_interval(struct str text, struct schedule_step *out)
{
    struct str times = text, interval = str_cut(&times, '*');
    uint64_t count = 0;

    if (!parse_time(interval, &out->interval_ms) || (times.at && (!str_to_u64(times, 100000, &count) || count == 0)))
        return false;
    out->times = (uint32_t)count;
    return true;
}

bool schedule_parse(const struct setting_list *list, struct retry_schedule *out, struct buf *error)
{
    *out = (struct retry_schedule){0};
    for (size_t i = 0; i < list->count; i++) {
        struct str text = str_from(list->at[i]);
        struct schedule_step *step = &out->step[out->count];
        bool grows = text.len && text.at[0] == 'x', last = i + 1 == list->count;
        bool ok = out->count < SCHEDULE_STEPS_MAX && (grows ? i > 0 && !last && parse_growth(str_from_index(text, 1), step)
                                                            : parse_interval(text, step) && (last ? step->times == 0 : step->times > 0));
        if (!ok) {
            buf_addf(error, "\"%s\": wanted D*N, then xF:A, and a last D such as 6h", list->at[i]);
            return false;
        }
        out->count++;
    }
    if (!out->count)
        buf_add_text(error, "it has no step");
    return out->count > 0;
}

int64_t schedule_next_ms(const struct retry_schedule *s, uint32_t attempts, int64_t age_ms)
{
    uint32_t left = attempts ? attempts - 1 : 0;
    double interval = LEAST_MS;

    for (size_t i = 0; i < s->count; i++) {
        const struct schedule_step *step = &s->step[i];
        if (step->interval_ms) {
            interval = (double)step->interval_ms;
            if (step->times == 0 || left < step->times)
                break;
            left -= step->times;
            continue;
        }
        if (age_ms >= step->until_age_ms)
            continue;
        for (uint32_t k = 0; k <= left && interval < (double)MOST_MS; k++)
            interval *= step->factor;
        break;
    }
    return interval < LEAST_MS ? LEAST_MS : interval > (double)MOST_MS ? MOST_MS : (int64_t)interval;
}
