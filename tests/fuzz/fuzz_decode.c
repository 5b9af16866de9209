/* fuzz_decode.c: the first octet says which encoding; what comes out keeps to its ceiling and is no longer than the input allows. */
#include "mail/decode.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct decoded *d, struct str in, size_t ceiling)
{
    if (d->bytes.len > ceiling || d->stop > d->bytes.len || (d->defects && d->defect_at > in.len))
        abort();
    for (size_t i = 0; i < d->bytes.len; i++) /* every octet can be read */
        if (d->bytes.at[i] == (char)i && ceiling == SIZE_MAX)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = arena_make(64 << 20);
    struct decoded d;
    struct embedded_file file;

    if (size < 2)
        return 0;
    struct str in = str_n((const char *)data + 2, size - 2), rest = in;
    size_t ceiling = data[1] < 128 ? 1 << 20 : (size_t)(data[1] - 128) * 8;
    enum transfer_encoding encoding = (enum transfer_encoding)(data[0] % (ENCODING_UNKNOWN + 1));
    decode_transfer(&arena, encoding, in, ceiling, &d);
    check(&d, in, ceiling);
    if (d.bytes.len > in.len * 2 && encoding != ENCODING_BINHEX) /* which makes runs short */
        abort();
    while (rest.len && decode_next_embedded(&arena, &rest, ceiling, &file)) {
        check(&file.content, in, ceiling);
        if (file.raw.at < in.at || file.raw.at + file.raw.len != rest.at)
            abort();
    }
    arena_free(&arena);
    return 0;
}
