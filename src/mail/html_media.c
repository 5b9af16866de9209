/* html_media.c: for which screens a style sheet is. Asked for the one that most mail is read on: a desktop's, in colour, light. */
#include "mail/html_css.h"

#include <stdlib.h>
#include <string.h>

enum { QUERY_MAX = 128, SCREEN_WIDTH_PX = 1024, SCREEN_HEIGHT_PX = 768 };

/* "(max-width: 600px)" without its parentheses. What is not known holds for nobody. */
static bool feature_holds(struct str feature)
{
    static const struct {
        const char *name;
        int sign; /* 1: at least that much; -1: at most */
        float of_screen;
    } rows[] = {{"min-width", 1, SCREEN_WIDTH_PX},  {"min-device-width", 1, SCREEN_WIDTH_PX},   {"max-width", -1, SCREEN_WIDTH_PX},
                {"max-device-width", -1, SCREEN_WIDTH_PX}, {"min-height", 1, SCREEN_HEIGHT_PX}, {"max-height", -1, SCREEN_HEIGHT_PX},
                {"-webkit-min-device-pixel-ratio", 1, 1},  {"min-resolution", 1, 1}};
    struct str value = feature;
    struct str name = str_trim(str_cut(&value, ':'));
    char number[24], *end;

    value = str_trim(value);
    if (str_is(name, "prefers-color-scheme"))
        return str_is(value, "light");
    if (str_is(name, "color") || str_is(name, "hover"))
        return value.len == 0 || str_is(value, "hover");
    str_copy(number, sizeof number, value);
    float wanted = strtof(number, &end);
    if (end == number)
        return false;
    if (str_starts(str_from(end), STR("em")) || str_starts(str_from(end), STR("rem")))
        wanted *= 16;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_is(name, rows[i].name))
            return rows[i].sign > 0 ? wanted <= rows[i].of_screen : wanted >= rows[i].of_screen;
    return false;
}

/* "only screen and (max-width: 600px) and (color)", in lower case. */
static bool query_holds(struct str query)
{
    bool is_not = str_starts(query, STR("not ")), holds = true;

    while (query.len && holds) {
        struct str rest = str_trim(query);
        if (rest.len && rest.at[0] == '(') {
            rest = str_from_index(rest, 1);
            holds = feature_holds(str_cut(&rest, ')'));
        } else {
            size_t n = 0;
            while (n < rest.len && rest.at[n] != ' ' && rest.at[n] != '(')
                n++;
            struct str word = str_sub(rest, 0, n);
            holds = n == 0 || str_is(word, "and") || str_is(word, "only") || str_is(word, "not") || str_is(word, "all") || str_is(word, "screen");
            rest = str_from_index(rest, n);
        }
        query = rest;
    }
    return holds != is_not;
}

bool css_media_holds(struct str queries)
{
    char text[QUERY_MAX];

    queries = str_trim(queries);
    if (queries.len == 0)
        return true;
    while (queries.len) {
        struct str one = str_trim(str_cut(&queries, ','));
        if (!str_copy(text, sizeof text, one))
            continue; /* longer than any that people write */
        str_lower(text, strlen(text));
        for (char *c = text; *c; c++)
            *c = *c == '\t' || *c == '\n' || *c == '\r' || *c == '\f' ? ' ' : *c;
        if (*text && query_holds(str_from(text)))
            return true;
    }
    return false;
}
