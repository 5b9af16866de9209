/* dns_stats.c: how long the DNS took to answer: a histogram of a few hundred octets, whatever was asked. */
#include "net/dns_parts.h"

/* 10 µs, then half as much again each: the last but one is two minutes, more than any setting lets a question take. */
enum { FIRST_STEP_US = 10 };

static uint64_t next_step(uint64_t step_us)
{
    return step_us + step_us / 2;
}

void dns_latency_note(struct dns_latency *l, int64_t took_us)
{
    uint64_t step_us = FIRST_STEP_US;
    size_t i = 0;

    for (; i + 1 < DNS_LATENCY_STEPS && took_us > (int64_t)step_us; i++)
        step_us = next_step(step_us);
    l->count[i]++;
    l->total++;
}

uint64_t dns_latency_percentile(const struct dns_latency *l, unsigned percent)
{
    uint64_t step_us = FIRST_STEP_US, seen = 0, wanted = (l->total * percent + 99) / 100;

    if (!l->total)
        return 0;
    for (size_t i = 0; i < DNS_LATENCY_STEPS; i++, step_us = next_step(step_us)) {
        seen += l->count[i];
        if (seen >= wanted)
            break;
    }
    return step_us;
}
