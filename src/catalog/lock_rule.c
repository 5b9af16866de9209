/* lock_rule.c: see lock_rule.h. */
#include "catalog/lock_rule.h"

static bool parse_period(struct str text, int64_t *out)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    uint64_t number;

    if (text.len < 2 || !str_to_u64(str_sub(text, 0, text.len - 1), 43200, &number) || number == 0)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (ascii_lower((unsigned char)text.at[text.len - 1]) == units[i].unit) {
            *out = (int64_t)number * units[i].ms;
            return *out <= 30 * 86400000LL;
        }
    return false;
}

static bool is_pattern(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_alnum((unsigned char)s.at[i]) && s.at[i] != '-' && s.at[i] != '*')
            return false;
    return s.len > 0;
}

bool lock_rule_parse(struct str entry, struct lock_rule *out)
{
    uint64_t count;
    struct str rest = entry, pattern = str_cut(&rest, ':'), number = str_cut(&rest, '/');

    if (!is_pattern(pattern) || !str_to_u64(number, LOCK_COUNT_MAX, &count) || count == 0 || !parse_period(rest, &out->period_ms))
        return false;
    out->pattern = pattern;
    out->count = (uint32_t)count;
    return true;
}

bool lock_rule_names(struct str pattern, struct str class)
{
    size_t p = 0, c = 0, star = SIZE_MAX, from = 0;

    while (c < class.len) {
        if (p < pattern.len && pattern.at[p] == '*') {
            star = p++;
            from = c;
        } else if (p < pattern.len && ascii_lower((unsigned char)pattern.at[p]) == ascii_lower((unsigned char)class.at[c])) {
            p++;
            c++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            c = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.at[p] == '*')
        p++;
    return p == pattern.len;
}
