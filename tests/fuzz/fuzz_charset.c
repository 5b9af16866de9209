/* fuzz_charset.c: a label up to the first newline, then bytes. What comes out is valid UTF-8 within its ceiling. */
#include "mail/charset.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct charset_context *context;
    struct str bytes = str_n((const char *)data, size);
    struct str label = str_cut(&bytes, '\n');
    struct arena arena = arena_make(1 << 22);
    struct charset_result r;
    size_t ceiling = size % 7 == 0 ? size / 2 : 1 << 20;

    if (!context)
        context = charset_context_new();
    charset_decode(context, &arena, label, bytes, ceiling, &r);
    if (!utf8_is_valid(r.text) || r.text.len > ceiling || !r.used[0] != (ceiling == 0))
        abort();
    arena_free(&arena);
    return 0;
}
