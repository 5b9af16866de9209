/* setting_value.c: from what an operator wrote to a value within its bounds, and a clear word where it is not. */
#include "catalog/setting_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 3, 4))) static bool refuse(enum setting s, struct buf *error, const char *format, ...)
{
    char text[300];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_addf(error, "%s: %s", setting_row(s)->name, text);
    return false;
}

/* A number with one of the UNITS behind it ("k:1024"), multiplied out. */
struct unit {
    const char *name;
    int64_t factor;
};

static bool parse_with_unit(struct str text, const struct unit *units, size_t count, int64_t *out)
{
    size_t digits = 0;
    uint64_t number;

    while (digits < text.len && ascii_is_digit((unsigned char)text.at[digits]))
        digits++;
    if (!str_to_u64(str_n(text.at, digits), INT64_MAX, &number))
        return false;
    struct str unit = str_trim(str_from_index(text, digits));
    for (size_t i = 0; i < count; i++) {
        if (!str_is_case(unit, units[i].name))
            continue;
        return !__builtin_mul_overflow((int64_t)number, units[i].factor, out);
    }
    return false;
}

static bool parse_size(struct str text, int64_t *out)
{
    static const struct unit units[] = {{"", 1}, {"k", 1024}, {"m", 1024 * 1024}, {"g", 1024 * 1024 * 1024}};
    return parse_with_unit(text, units, sizeof units / sizeof *units, out);
}

static bool parse_duration(struct str text, int64_t *out)
{
    static const struct unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"", 1000}};
    return parse_with_unit(text, units, sizeof units / sizeof *units, out);
}

static bool parse_bool(struct str text, int64_t *out)
{
    static const char *const yes[] = {"yes", "true", "on", "1"}, *const no[] = {"no", "false", "off", "0"};

    for (size_t i = 0; i < 4; i++) {
        if (!str_is_case(text, yes[i]) && !str_is_case(text, no[i]))
            continue;
        *out = str_is_case(text, yes[i]);
        return true;
    }
    return false;
}

static bool parse_choice(struct str text, struct str choices, int64_t *out)
{
    int64_t i = 0;

    for (struct str one = str_cut(&choices, '|');; one = str_cut(&choices, '|'), i++) {
        if (str_eq_case(text, one)) {
            *out = i;
            return true;
        }
        if (!choices.at)
            return false;
    }
}

static bool parse_action(enum setting s, struct str text, int64_t *out, struct buf *error)
{
    for (enum action a = ACTION_OFF; a <= ACTION_REFUSE; a++) {
        if (!str_is_case(text, action_name(a)))
            continue;
        *out = a;
        return true;
    }
    return refuse(s, error, "\"" STR_FMT "\" is none of off, score, tag, quarantine, refuse", STR_ARG(text));
}

static bool parse_number(enum setting s, struct str text, struct setting_value *v, struct buf *error)
{
    const struct setting_row *row = setting_row(s);
    uint64_t number = 0;
    bool ok = false;
    const char *form = "";

    switch (row->type) {
    case SETTING_BOOL:
        form = "yes or no";
        ok = parse_bool(text, &v->number);
        break;
    case SETTING_INT:
        form = "a number";
        ok = str_to_u64(text, INT64_MAX, &number);
        v->number = (int64_t)number;
        break;
    case SETTING_LIMIT:
        form = "a number, or empty for no limit";
        v->number = NO_LIMIT;
        if (!text.len)
            return true;
        ok = str_to_u64(text, INT64_MAX, &number);
        v->number = (int64_t)number;
        break;
    case SETTING_SIZE:
        form = "a size such as 64K, 50M or 2G";
        ok = parse_size(text, &v->number);
        break;
    default:
        form = "a time such as 500ms, 30s, 5m, 2h or 4d";
        ok = parse_duration(text, &v->number);
        break;
    }
    if (!ok)
        return refuse(s, error, "\"" STR_FMT "\" is not %s", STR_ARG(text), form);
    if (row->type != SETTING_BOOL && (v->number < row->min || v->number > row->max))
        return refuse(s, error, "%lld is not within %lld … %lld%s%s", (long long)v->number, (long long)row->min, (long long)row->max,
                      row->type == SETTING_DURATION ? " ms" : *row->unit ? " " : "", row->type == SETTING_DURATION ? "" : row->unit);
    return true;
}

static bool add_entry(enum setting s, const char *text, struct setting_value *v, struct buf *error)
{
    struct network n;

    v->list.at[v->list.count] = strdup(text);
    if (!v->list.at[v->list.count])
        return refuse(s, error, "out of memory");
    v->list.count++;
    if (setting_row(s)->type != SETTING_NETWORKS)
        return true;
    if (!network_parse(str_from(text), &n))
        return refuse(s, error, "\"%s\" is not a network such as 192.0.2.0/24 or 2001:db8::/32", text);
    return networks_add(&v->networks, &n) || refuse(s, error, "out of memory");
}

static bool parse_list(enum setting s, const char *const *entries, size_t count, struct setting_value *v, struct buf *error)
{
    const struct setting_row *row = setting_row(s);

    if ((int64_t)count < row->min || (int64_t)count > row->max)
        return refuse(s, error, "%zu entries, but %lld … %lld are possible", count, (long long)row->min, (long long)row->max);
    v->list.at = calloc(count ? count : 1, sizeof *v->list.at);
    if (!v->list.at)
        return refuse(s, error, "out of memory");
    for (size_t i = 0; i < count; i++)
        if (!add_entry(s, entries[i], v, error))
            return false;
    return true;
}

static bool parse_text(enum setting s, const char *text, struct setting_value *v, struct buf *error)
{
    const struct setting_row *row = setting_row(s);
    size_t len = strlen(text);

    if (row->type == SETTING_CHOICE && !parse_choice(str_from(text), str_from(row->unit), &v->number))
        return refuse(s, error, "\"%s\" is none of %s", text, row->unit);
    if (row->type == SETTING_TEXT && ((int64_t)len < row->min || (int64_t)len > row->max))
        return refuse(s, error, "%zu bytes, but %lld … %lld are possible", len, (long long)row->min, (long long)row->max);
    v->text = strdup(text);
    return v->text || refuse(s, error, "out of memory");
}

static bool parse(enum setting s, const char *const *entries, size_t count, struct setting_value *v, struct buf *error)
{
    enum setting_type type = setting_row(s)->type;

    if (type == SETTING_LIST || type == SETTING_NETWORKS)
        return parse_list(s, entries, count, v, error);
    if (count != 1)
        return refuse(s, error, "one value is wanted, not %zu", count);
    if (type == SETTING_TEXT || type == SETTING_CHOICE)
        return parse_text(s, entries[0], v, error);
    struct str text = str_trim(str_from(entries[0]));
    return type == SETTING_ACTION ? parse_action(s, text, &v->number, error) : parse_number(s, text, v, error);
}

bool setting_parse(enum setting s, const char *const *entries, size_t count, struct setting_value *value, struct buf *error)
{
    const char *which = "", *why = NULL;

    *value = (struct setting_value){0};
    bool fine = parse(s, entries, count, value, error);
    if (fine)
        why = setting_outgoing_is_wrong(s, value, &which);
    if (fine && !why)
        return true;
    if (why)
        refuse(s, error, "\"%s\" %s", which, why);
    setting_value_free(value);
    return false;
}

void setting_value_free(struct setting_value *v)
{
    for (size_t i = 0; i < v->list.count; i++)
        free((char *)(uintptr_t)v->list.at[i]);
    free(v->list.at);
    free((char *)(uintptr_t)v->text);
    networks_free(&v->networks);
    *v = (struct setting_value){0};
}
