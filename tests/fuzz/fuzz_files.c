/* fuzz_files.c: files of any type; see file_fuzz.h. */
#include "file_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_file(data, size, str_n("", 0));
}
