/* fuzz_files_zip.c: zip, office files among them; see file_fuzz.h. */
#include "file_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_file(data, size, STR("PK\x03\x04"));
}
