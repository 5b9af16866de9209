/* limits_sample.h: ceilings for tests that read messages; those of settings.def in small. */
#ifndef TESTS_LIMITS_SAMPLE_H
#define TESTS_LIMITS_SAMPLE_H

#include "scan/scan_limits.h"

static const struct scan_limits sample_limits = {
    .decoded_bytes = 32 * 1024 * 1024, .unpacked_bytes = 8 * 1024 * 1024, .parts = 1000, .depth = 20, .archive_entries = 1000,
    .archive_ratio = 200, .archive_levels = 3, .links = 500, .pictures = 16, .pixels = 64000000};

#endif
