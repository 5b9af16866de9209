/* clock.c: see clock.h. */
#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static _Atomic int64_t offset_ms; /* the one exception to "no writable globals": a clock is global by nature */

static int64_t read_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME) + atomic_load_explicit(&offset_ms, memory_order_relaxed);
}

int64_t clock_mono_ms(void)
{
    return read_ms(CLOCK_MONOTONIC) + atomic_load_explicit(&offset_ms, memory_order_relaxed);
}

int64_t clock_mono_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_thread_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void clock_turn(int64_t ms)
{
    atomic_fetch_add_explicit(&offset_ms, ms, memory_order_relaxed);
}

int64_t clock_offset_ms(void)
{
    return atomic_load_explicit(&offset_ms, memory_order_relaxed);
}

char *clock_format_iso(int64_t wall_ms, char *to)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;

    gmtime_r(&seconds, &utc);
    /* the masks only tell the compiler what gmtime_r promises */
    snprintf(to, 25, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(utc.tm_year + 1900) % 10000U,
             (unsigned)(utc.tm_mon + 1) % 100U, (unsigned)utc.tm_mday % 100U, (unsigned)utc.tm_hour % 100U,
             (unsigned)utc.tm_min % 100U, (unsigned)utc.tm_sec % 100U, (unsigned)(wall_ms % 1000) % 1000U);
    return to;
}
