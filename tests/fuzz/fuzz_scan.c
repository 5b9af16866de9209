/* fuzz_scan.c: a message of any bytes gives a report that the relay's guard lets through. */
#include "base/bug.h"
#include "scan/report.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scan_report first, again;

    scan_message(str_n((const char *)data, size), &first);
    bug_unless(scan_report_is_sane(&first, size, 0));
    bug_unless(first.has_8bit || !first.subject_8bit_line);
    scan_message(str_n((const char *)data, size), &again);
    bug_unless(memcmp(&first, &again, sizeof first) == 0); /* nothing uninitialised crosses the socket */
    return 0;
}
