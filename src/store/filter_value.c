/* filter_value.c: the values of the filter grammar, each as its field has it. */
#include "store/filter_parts.h"

#include "base/clock.h"
#include "catalog/reason.h"
#include "store/message_row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_DIGITS_MAX = 20 };
#define DAY_MS INT64_C(86400000)

static struct str lower(struct arena *a, struct str s)
{
    struct str own = arena_str(a, s);
    str_lower((char *)(uintptr_t)own.at, own.len); /* our own copy */
    return own;
}

static struct str upper(struct arena *a, struct str s)
{
    struct str own = arena_str(a, s);

    for (size_t i = 0; i < own.len; i++)
        if (own.at[i] >= 'a' && own.at[i] <= 'z')
            ((char *)(uintptr_t)own.at)[i] = (char)(own.at[i] - 0x20);
    return own;
}

/* "12", "0.5": a number without sign or exponent. */
static bool read_number(struct str s, double *out)
{
    char digits[NUMBER_DIGITS_MAX + 1], *end;

    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_digit((unsigned char)s.at[i]) && s.at[i] != '.')
            return false;
    if (!s.len || !ascii_is_digit((unsigned char)s.at[0]) || !str_copy(digits, sizeof digits, s))
        return false;
    *out = strtod(digits, &end);
    return !*end && isfinite(*out);
}

static bool read_bytes(struct str s, double *out)
{
    static const char units[] = "KMG";
    const char *unit = s.len ? strchr(units, s.at[s.len - 1] >= 'a' ? s.at[s.len - 1] - 0x20 : s.at[s.len - 1]) : NULL;

    ptrdiff_t powers = unit && *unit ? unit - units + 1 : 0;

    if (powers)
        s.len--;
    if (!read_number(s, out))
        return false;
    while (powers-- > 0)
        *out *= 1024;
    return true;
}

static bool read_ago(struct str s, int64_t wall_ms, double *out)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', DAY_MS}, {'w', 7 * DAY_MS}};
    double count;

    for (size_t i = 0; s.len && i < sizeof units / sizeof *units; i++)
        if (s.at[s.len - 1] == units[i].unit && read_number(str_sub(s, 0, s.len - 1), &count)) {
            *out = (double)wall_ms - count * (double)units[i].ms;
            *out = *out > 0 ? *out : 0;
            return true;
        }
    return false;
}

static bool take_number(struct str *rest, size_t digits, int most, int *out)
{
    *out = 0;
    if (rest->len < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (!ascii_is_digit((unsigned char)rest->at[i]))
            return false;
        *out = *out * 10 + (rest->at[i] - '0');
    }
    *rest = str_from_index(*rest, digits);
    return *out <= most;
}

static bool take_char(struct str *rest, char c)
{
    if (!rest->len || rest->at[0] != c)
        return false;
    *rest = str_from_index(*rest, 1);
    return true;
}

/* Days since 1970 of a date of the Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year, era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* 2026-11-24, and behind it T14:11, T14:11:05, Z. */
static bool read_date(struct str s, double *out)
{
    int year, month, day, hour = 0, minute = 0, second = 0;

    if (!take_number(&s, 4, 9999, &year) || !take_char(&s, '-') || !take_number(&s, 2, 12, &month) || !take_char(&s, '-') ||
        !take_number(&s, 2, 31, &day) || !month || !day || year < 1970)
        return false;
    if (take_char(&s, 'T')) {
        if (!take_number(&s, 2, 23, &hour) || !take_char(&s, ':') || !take_number(&s, 2, 59, &minute))
            return false;
        if (take_char(&s, ':') && !take_number(&s, 2, 60, &second))
            return false;
    }
    take_char(&s, 'Z');
    *out = (double)(days_of(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * INT64_C(1000));
    return s.len == 0;
}

static bool read_one(enum filter_kind kind, struct str s, int64_t wall_ms, double *out)
{
    if (kind == FILTER_NUMBER)
        return read_number(s, out);
    if (kind == FILTER_BYTES)
        return read_bytes(s, out);
    return read_ago(s, wall_ms, out) || read_date(s, out);
}

static struct str take_op(struct str s, enum filter_op *op)
{
    bool above = s.len && s.at[0] == '>', below = s.len && s.at[0] == '<';

    *op = FILTER_IS;
    if (!above && !below)
        return s;
    bool equal = s.len > 1 && s.at[1] == '=';
    *op = above ? (equal ? FILTER_FROM : FILTER_ABOVE) : (equal ? FILTER_UP_TO : FILTER_BELOW);
    return str_from_index(s, equal ? 2 : 1);
}

static bool read_measure(enum filter_kind kind, struct str raw, int64_t wall_ms, struct filter_value *v)
{
    struct str s = raw;

    if (kind == FILTER_NUMBER || kind == FILTER_BYTES || kind == FILTER_TIME) {
        s = take_op(raw, &v->op);
        ptrdiff_t dots = v->op == FILTER_IS ? str_find_str(s, STR("..")) : -1;
        if (dots >= 0) {
            v->is_range = true;
            return read_one(kind, str_sub(s, 0, (size_t)dots), wall_ms, &v->number) &&
                   read_one(kind, str_from_index(s, (size_t)dots + 2), wall_ms, &v->end_number);
        }
    }
    return read_one(kind, s, wall_ms, &v->number);
}

static void fill_host_bits(struct ip *ip, unsigned prefix)
{
    for (unsigned bit = prefix, bits = ip->family == 4 ? 32 : 128; bit < bits; bit++)
        ip->bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
}

static bool read_network(struct str raw, struct arena *arena, struct filter_value *v)
{
    struct network n;
    char key[MESSAGE_CLIENT_KEY];

    if (!network_parse(raw, &n))
        return false;
    struct ip last = n.base;
    fill_host_bits(&last, n.prefix);
    v->text = arena_str(arena, str_from(message_client_key(&n.base, key)));
    v->end = arena_str(arena, str_from(message_client_key(&last, key)));
    return true;
}

static bool is_choice(const char *choices, struct str s)
{
    struct str rest = str_from(choices);

    while (rest.len)
        if (str_eq(str_cut(&rest, '|'), s))
            return true;
    return false;
}

/* What a value of KIND is, for who wrote another. */
static const char *what_is_meant(const struct filter_field *f)
{
    switch (f->kind) {
    case FILTER_CHOICE: return f->also;
    case FILTER_REASON: return "a reason such as spf-failure, greylisted, destination-unknown";
    case FILTER_NETWORK: return "an address or a network: 192.0.2.7, 192.0.2.0/24, 2001:db8::/32";
    case FILTER_NUMBER: return "a number, such as 3, >0.5, 0.3..0.9";
    case FILTER_BYTES: return "a number of octets, such as >10M, 1K..64K";
    case FILTER_TIME:
    case FILTER_SINCE:
    case FILTER_UNTIL: return "a time: 7d, 12h, 30m ago, or 2026-11-24, 2026-11-24T14:00 (UTC)";
    default: return "a text";
    }
}

static bool read_by_kind(const struct filter_field *f, struct str raw, int64_t wall_ms, struct arena *arena, struct filter_value *v)
{
    switch (f->kind) {
    case FILTER_NUMBER:
    case FILTER_BYTES:
    case FILTER_TIME:
    case FILTER_SINCE:
    case FILTER_UNTIL: return read_measure(f->kind, raw, wall_ms, v);
    case FILTER_NETWORK: return read_network(raw, arena, v);
    case FILTER_CHOICE: v->text = lower(arena, raw); return is_choice(f->also, v->text);
    case FILTER_REASON: {
        enum reason r = reason_find(raw);
        v->text = r == REASON_NONE ? STR("") : str_from(reason_row(r)->id);
        return r != REASON_NONE;
    }
    case FILTER_ADDRESS: v->text = lower(arena, str_eq(raw, STR("<>")) ? STR("") : raw); return true;
    case FILTER_DOMAIN: v->text = lower(arena, raw); return raw.len > 0;
    case FILTER_EXACT: v->text = f->also[0] == 'A' ? upper(arena, raw) : arena_str(arena, raw); return raw.len > 0;
    default: v->text = arena_str(arena, raw); return raw.len > 0;
    }
}

bool filter_value_read(const struct filter_field *field, struct str raw, bool is_quoted, int64_t wall_ms, struct arena *arena, struct filter_value *out,
                       struct buf *error)
{
    *out = (struct filter_value){.is_quoted = is_quoted, .has_wildcard = !is_quoted && str_find(raw, '*') >= 0};
    if (read_by_kind(field, raw, wall_ms, arena, out))
        return true;
    buf_addf(error, "%s: \"" STR_FMT "\" is not %s%s", field->name, STR_ARG(str_sub(raw, 0, 60)), field->kind == FILTER_CHOICE ? "one of " : "", what_is_meant(field));
    return false;
}
