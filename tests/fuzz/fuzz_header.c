/* fuzz_header.c: header fields and dates. Fields lie one behind the other, and the body begins where the header ends. */
#include "mail/date.h"
#include "mail/header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str message = str_n((const char *)data, size);
    struct header_walk walk = header_walk(message);
    struct header_field field;
    const char *at = message.at;
    int64_t ms;

    while (header_next(&walk, &field)) {
        struct buf text = buf_make(1 << 20);
        if (field.raw.at != at || field.raw.len == 0 || field.raw.at + field.raw.len > message.at + message.len)
            abort();
        at += field.raw.len;
        header_unfold(&text, field.value);
        if (text.len > header_unfolded_len(field.value))
            abort();
        if (date_parse(buf_str(&text), &ms)) {
            char again[DATE_TEXT_MAX];
            date_format(ms, again);
        }
        buf_free(&text);
    }
    if (walk.body > size)
        abort();
    return 0;
}
