/* scan_limits.c: see scan_limits.h. */
#include "scan/scan_limits.h"

struct scan_limits scan_limits_of(const struct policy *system)
{
    return (struct scan_limits){
        .decoded_bytes = (uint64_t)setting_number(system, SETTING_scan_max_decoded),
        .unpacked_bytes = (uint64_t)setting_number(system, SETTING_scan_max_unpacked),
        .parts = (uint32_t)setting_number(system, SETTING_scan_max_parts),
        .depth = (uint32_t)setting_number(system, SETTING_scan_max_depth),
        .links = (uint32_t)setting_number(system, SETTING_scan_max_links),
        .pictures = (uint32_t)setting_number(system, SETTING_scan_max_pictures),
        .pixels = (uint64_t)setting_number(system, SETTING_scan_max_pixels),
        .archive_entries = (uint32_t)setting_number(system, SETTING_scan_max_archive_entries),
        .archive_ratio = (uint32_t)setting_number(system, SETTING_scan_max_archive_ratio),
        .archive_levels = (uint32_t)setting_number(system, SETTING_scan_max_archive_levels),
    };
}
