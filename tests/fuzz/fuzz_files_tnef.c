/* fuzz_files_tnef.c: winmail.dat; see file_fuzz.h. */
#include "file_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_file(data, size, STR("\x78\x9F\x3E\x22"));
}
