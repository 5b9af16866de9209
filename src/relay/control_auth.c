/* control_auth.c: what the control socket says of those who may not authenticate for now, and forgives. */
#include "relay/parts.h"

#include "base/clock.h"

#include <string.h>

enum { USUAL_ROWS = 1000, MOST_ROWS = 100000 };

static void add_row(const char *key, int64_t left_ms, unsigned times, void *arg)
{
    char until[32];

    json_array_append_new(arg, json_pack("{s:s, s:I, s:s, s:i}", "denied", key, "seconds", (json_int_t)((left_ms + 999) / 1000), "until",
                                         clock_format_iso(clock_wall_ms() + left_ms, until), "times", (int)times));
}

json_t *control_auth(struct denials *d, const json_t *request)
{
    const char *verb = json_string_value(json_object_get(request, "verb")), *text = json_string_value(json_object_get(request, "text"));
    json_int_t limit = json_integer_value(json_object_get(request, "limit"));

    if (strcmp(verb, "list") == 0) {
        json_t *rows = json_array();
        denials_each(d, limit > 0 && limit < MOST_ROWS ? (size_t)limit : USUAL_ROWS, add_row, rows);
        return json_pack("{s:b, s:o}", "ok", 1, "rows", rows);
    }
    if (strcmp(verb, "clear") == 0 && text && *text)
        return json_pack("{s:b, s:I}", "ok", 1, "cleared", (json_int_t)denials_clear(d, str_from(strcmp(text, "all") == 0 ? "" : text)));
    return json_pack("{s:b, s:s}", "ok", 0, "error", "list, or clear with a part of what is denied, or all");
}
