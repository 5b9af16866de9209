/* fuzz_scan.c: a message of any bytes, read whole, gives a report that the relay's guard lets through, and the same one twice. */
#include "base/bug.h"
#include "scan/analysis.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct scan_limits limits = {.decoded_bytes = 4 << 20, .unpacked_bytes = 1 << 20, .parts = 50, .depth = 8,
                                          .archive_entries = 50, .archive_ratio = 100, .archive_levels = 3, .links = 500, .pictures = 4, .pixels = 1 << 20, .wants_detail = 1};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct analyzer *analyzer;
    struct scan_report first, again;

    if (!analyzer)
        analyzer = analyzer_new();
    bug_unless(analyzer != NULL);
    analyze(analyzer, str_n((const char *)data, size), &limits, &first);
    bug_unless(scan_report_is_sane(&first, size, 0));
    bug_unless(first.has_8bit || !first.subject_8bit_line);
    char *tail = malloc(first.tail_len + 1U);
    bug_unless(tail != NULL);
    if (first.tail_len)
        memcpy(tail, first.tail, first.tail_len);
    analyze(analyzer, str_n((const char *)data, size), &limits, &again);
    bug_unless(again.tail_len == first.tail_len && (again.tail_len == 0 || memcmp(tail, again.tail, again.tail_len) == 0));
    free(tail);
    first.tail = again.tail = NULL;
    bug_unless(memcmp(&first, &again, sizeof first) == 0); /* nothing uninitialised crosses the socket */
    return 0;
}
