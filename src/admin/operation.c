/* operation.c: see operation.h. */
#include "admin/operation.h"

#include <string.h>

static const struct operation rows[] = {
#define GET "GET", false
#define POST "POST", true
#define PUT "PUT", true
#define PATCH "PATCH", true
#define DELETE "DELETE", true
#define ROW(id_, method_, changes_, path_, permission_, object_, flags_, request_, response_, summary_) \
    {.id = #id_, .method = method_, .changes = changes_, .path = path_, .permission = PERMISSION_##permission_, .object = OBJECT_##object_, \
     .flags = flags_, .request = request_, .response = response_, .summary = summary_, .run = op_##id_},
#define OPERATION(id, method, ...) ROW(id, method, __VA_ARGS__)
#include "admin/operations.def"
#undef OPERATION
};

size_t operation_count(void)
{
    return sizeof rows / sizeof *rows;
}

const struct operation *operation_at(size_t i)
{
    return &rows[i];
}

static bool path_fits(struct str pattern, struct str path, struct str parameter[MOST_PARAMETERS])
{
    size_t count = 0;

    for (;;) {
        struct str wanted = str_cut(&pattern, '/'), given = str_cut(&path, '/');
        if (str_starts(wanted, STR("{"))) {
            if (!given.len || count == MOST_PARAMETERS)
                return false;
            parameter[count++] = given;
        } else if (!str_eq(wanted, given)) {
            return false;
        }
        if (!pattern.at || !path.at)
            return !pattern.at && !path.at;
    }
}

/* "/a/csv" beside "/a/{x}": the row with the fewer parameters stands for what both could mean. */
static size_t holes(const struct operation *o)
{
    size_t n = 0;

    for (const char *at = o->path; *at; at++)
        n += *at == '{';
    return n;
}

enum operation_match operation_find(struct str method, struct str path, const struct operation **out, struct str parameter[MOST_PARAMETERS],
                                    char allowed[64])
{
    struct str found[MOST_PARAMETERS] = {{NULL, 0}};
    bool is_head = str_is(method, "HEAD");

    *out = NULL;
    *allowed = '\0';
    for (size_t i = 0; i < operation_count(); i++) {
        if (!path_fits(str_from(rows[i].path), path, found))
            continue;
        if (!strstr(allowed, rows[i].method) && strlen(allowed) + 12 < 64) {
            strcat(allowed, *allowed ? ", " : "");
            strcat(allowed, rows[i].method);
        }
        if (!str_is(method, rows[i].method) && !(is_head && !rows[i].changes))
            continue;
        if (*out && holes(*out) <= holes(&rows[i]))
            continue;
        *out = &rows[i];
        memcpy(parameter, found, sizeof found);
    }
    return *out ? MATCH_FOUND : *allowed ? MATCH_OTHER_METHOD : MATCH_NONE;
}
