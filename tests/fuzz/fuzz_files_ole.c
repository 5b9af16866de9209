/* fuzz_files_ole.c: compound files; see file_fuzz.h. */
#include "file_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_file(data, size, STR("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"));
}
