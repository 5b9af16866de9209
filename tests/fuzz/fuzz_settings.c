/* fuzz_settings.c: values of settings and lists as an operator could write them: the first octet chooses the setting. */
#include "catalog/schedule.h"
#include "catalog/settings.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct setting_value value;
    struct retry_schedule schedule;
    struct buf error = buf_make(4096);
    const char *entries[1];

    if (size == 0)
        return 0;
    enum setting s = data[0] % SETTING_COUNT;
    char *text = str_dup(str_n((const char *)data + 1, size - 1));
    entries[0] = text;
    if (text && setting_parse(s, entries, 1, &value, &error)) {
        if (value.list.count && schedule_parse(&value.list, &schedule, &error))
            for (uint32_t i = 0; i < 50; i++)
                if (schedule_next_ms(&schedule, i, (int64_t)i * 3600000) < 1000)
                    abort();
        setting_value_free(&value);
    } else if (!error.len) {
        abort(); /* a refusal says why */
    }
    free(text);
    buf_free(&error);
    return 0;
}
