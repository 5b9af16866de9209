/* control_greylist.c: what the control socket says of the greylist, and takes out of it. */
#include "relay/parts.h"

#include "base/clock.h"

#include <jansson.h>
#include <string.h>

enum { LIST_BYTES = 4 * 1024 * 1024, MOST_ROWS = 5000, USUAL_ROWS = 100 };

static const char *what(char kind, uint64_t count)
{
    switch (kind) {
    case 't': return count ? "known" : "first contact";
    case 'p': return "known pair";
    case 'n': return "known network";
    default: return "correspondent";
    }
}

/* "+t FIRST LAST COUNT KEY" */
static json_t *row_of(struct str line)
{
    uint64_t first_ms = 0, last_ms = 0, count = 0;
    char kind = line.at[1], first[32], last[32];
    struct str rest = str_from_index(line, 3);

    if (!str_to_u64(str_cut(&rest, ' '), INT64_MAX, &first_ms) || !str_to_u64(str_cut(&rest, ' '), INT64_MAX, &last_ms) ||
        !str_to_u64(str_cut(&rest, ' '), UINT32_MAX, &count))
        return NULL;
    return json_pack("{s:s, s:s, s:s, s:I, s:s%}", "what", what(kind, count), "first", clock_format_iso((int64_t)first_ms, first), "last",
                     clock_format_iso((int64_t)last_ms, last), "count", (json_int_t)count, "key", rest.at, rest.len);
}

static json_t *list(struct greylist *g, const json_t *request)
{
    const char *needle = json_string_value(json_object_get(request, "text"));
    json_int_t limit = json_integer_value(json_object_get(request, "limit"));
    struct buf lines = buf_make(LIST_BYTES);
    json_t *rows = json_array();

    greylist_list(g, str_from(needle), limit > 0 && limit < MOST_ROWS ? (size_t)limit : limit > 0 ? MOST_ROWS : USUAL_ROWS, &lines);
    for (struct str rest = buf_str(&lines), line = str_cut(&rest, '\n'); line.len; line = str_cut(&rest, '\n'))
        json_array_append_new(rows, row_of(line)); /* refuses NULL */
    buf_free(&lines);
    return json_pack("{s:b, s:o}", "ok", 1, "rows", rows);
}

json_t *control_greylist(struct greylist *g, const json_t *request)
{
    const char *verb = json_string_value(json_object_get(request, "verb")), *text = json_string_value(json_object_get(request, "address"));
    struct ip ip;

    if (strcmp(verb, "list") == 0)
        return list(g, request);
    if (strcmp(verb, "forget") == 0 && ip_parse(str_from(text), &ip))
        return json_pack("{s:b, s:I}", "ok", 1, "forgotten", (json_int_t)greylist_forget(g, &ip));
    return json_pack("{s:b, s:s}", "ok", 0, "error", "list, or forget with the address of a client");
}
