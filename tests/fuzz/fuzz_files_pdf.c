/* fuzz_files_pdf.c: PDF; see file_fuzz.h. */
#include "file_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_file(data, size, STR("%PDF-1.7\n"));
}
