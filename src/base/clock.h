/*
 * clock.h: the only source of time. Tests turn it: an offset is added to wall and monotonic time
 * alike, so retry schedules and windows of hours can be walked through in milliseconds.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void); /* milliseconds since 1970, UTC */
int64_t clock_mono_ms(void); /* milliseconds since some start; never goes back */
int64_t clock_mono_us(void); /* microseconds, not turned: for measuring only */
int64_t clock_thread_us(void); /* processor time of this thread, not turned: for ceilings on work */
void clock_turn(int64_t ms); /* adds MS to the offset (tests; atomic) */
int64_t clock_offset_ms(void);

/* "2026-11-24T14:11:00.123Z" into TO (at least 25 bytes); returns TO. */
char *clock_format_iso(int64_t wall_ms, char *to);

#endif
