/* scan_limits.h: the ceilings of reading one message; they travel with every question, so that a reload acts at once. What is reached is said. */
#ifndef SCAN_SCAN_LIMITS_H
#define SCAN_SCAN_LIMITS_H

#include "catalog/settings.h"

struct scan_limits {
    uint64_t decoded_bytes;    /* of all parts together */
    uint64_t unpacked_bytes;   /* out of all archives together */
    uint64_t pixels;           /* of all pictures together that are decoded */
    uint32_t parts;            /* that are read; more are counted */
    uint32_t depth;            /* of parts in parts */
    uint32_t archive_entries;
    uint32_t archive_ratio;    /* unpacked to packed */
    uint32_t archive_levels;   /* archives in archives */
    uint32_t links;
    uint32_t pictures;         /* in which a QR code is looked for */
    uint32_t wants_features;   /* 1: what the statistical filter looks at */
    uint32_t wants_detail;     /* 1: texts too, for rules that read them and people who look (`postern inspect`) */
    uint32_t wants_fields;     /* 1: the fields of the header too */
};

/* As the system's settings have it; without detail. */
struct scan_limits scan_limits_of(const struct policy *system);

#endif
