/*
 * date.c: see date.h. Reads what mail programs have sent since RFC 822; comments and blanks may stand between any two tokens
 * (RFC 5322 §4.3). Used by the date check and for our own Date and Received fields.
 */
#include "mail/date.h"

#include <stdio.h>

static const char *const day_names[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char *const month_names[] = {"January", "February", "March",     "April",   "May",      "June",
                                          "July",    "August",   "September", "October", "November", "December"};
enum { DAYS_A_WEEK = 7, MONTHS = 12, MS_A_DAY = 86400000 };

/* Skips blanks, line ends and comments, nested ones too (without recursion). False where a comment does not end. */
static bool skip_between(struct str *s)
{
    size_t i = 0, depth = 0;

    for (; i < s->len; i++) {
        char c = s->at[i];
        if (c == '(')
            depth++;
        else if (depth && c == ')')
            depth--;
        else if (depth && c == '\\')
            i++;
        else if (!depth && c != ' ' && c != '\t' && c != '\r' && c != '\n')
            break;
    }
    *s = str_from_index(*s, i);
    return depth == 0;
}

static bool take(struct str *s, char wanted)
{
    if (s->len == 0 || s->at[0] != wanted)
        return false;
    *s = str_from_index(*s, 1);
    return true;
}

static struct str take_while(struct str *s, bool (*belongs)(int c))
{
    size_t n = 0;

    while (n < s->len && belongs((unsigned char)s->at[n]))
        n++;
    struct str word = str_sub(*s, 0, n);
    *s = str_from_index(*s, n);
    return word;
}

/* A number of LEAST to MOST digits, and what may follow it skipped. */
static bool take_number(struct str *s, size_t least, size_t most, int64_t *value, size_t *digits)
{
    struct str word = take_while(s, ascii_is_digit);
    uint64_t number;

    if (word.len < least || word.len > most || !str_to_u64(word, 99999, &number))
        return false;
    *value = (int64_t)number;
    *digits = word.len;
    return skip_between(s);
}

/* The index of the name that WORD is, whole or by its first three letters; -1 when none. */
static int find_name(struct str word, const char *const *names, int count)
{
    for (int i = 0; i < count && word.len >= 3; i++)
        if (str_is_case(word, names[i]) || (word.len == 3 && str_starts_case(str_from(names[i]), word)))
            return i;
    return -1;
}

static bool take_day_name(struct str *s)
{
    struct str word = take_while(s, ascii_is_alpha);

    if (word.len == 0)
        return true;
    if (find_name(word, day_names, DAYS_A_WEEK) < 0 || !skip_between(s))
        return false;
    return take(s, ',') ? skip_between(s) : true;
}

/* Days since 1970-01-01, proleptic Gregorian; MONTH is 1…12. Years count from March, so that the leap day comes last. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    if (month <= 2)
        year--;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    return days_from_civil(month == MONTHS ? year + 1 : year, month == MONTHS ? 1 : month + 1, 1) - days_from_civil(year, month, 1);
}

static bool take_date(struct str *s, int64_t *days)
{
    int64_t day, year;
    size_t digits;

    if (!take_number(s, 1, 2, &day, &digits))
        return false;
    int month = find_name(take_while(s, ascii_is_alpha), month_names, MONTHS) + 1;
    if (month == 0 || !skip_between(s) || !take_number(s, 2, 5, &year, &digits))
        return false;
    /* RFC 5322 §4.3 */
    if (digits == 2)
        year += year < 50 ? 2000 : 1900;
    else if (digits == 3)
        year += 1900;
    if (year < 1900 || year > 9999 || day < 1 || day > days_in_month(year, month))
        return false;
    *days = days_from_civil(year, month, day);
    return true;
}

static bool take_time(struct str *s, int64_t *seconds)
{
    int64_t hour, minute, second = 0;
    size_t digits;

    if (!take_number(s, 1, 2, &hour, &digits) || !take(s, ':') || !skip_between(s) || !take_number(s, 2, 2, &minute, &digits))
        return false;
    if (take(s, ':') && (!skip_between(s) || !take_number(s, 2, 2, &second, &digits)))
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    *seconds = hour * 3600 + minute * 60 + (second == 60 ? 59 : second);
    return true;
}

/* Names of RFC 5322 §4.3; the military letters other than Z were defined the wrong way round and say nothing. */
static int64_t named_zone_minutes(struct str word)
{
    static const struct {
        const char *name;
        int hours;
    } zones[] = {{"EDT", -4}, {"EST", -5}, {"CDT", -5}, {"CST", -6}, {"MDT", -6}, {"MST", -7}, {"PDT", -7}, {"PST", -8}};

    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
        if (str_is_case(word, zones[i].name))
            return zones[i].hours * 60;
    return 0;
}

/* "+0100", "-0800", and the "+01:00" of ISO 8601. */
static bool take_offset(struct str *s, int64_t *minutes)
{
    int64_t sign = s->at[0] == '-' ? -1 : 1, value, rest;
    size_t digits;

    *s = str_from_index(*s, 1);
    if (!take_number(s, 2, 4, &value, &digits) || digits == 3)
        return false;
    if (digits == 2) {
        if (!take(s, ':') || !take_number(s, 2, 2, &rest, &digits))
            return false;
        value = value * 100 + rest;
    }
    if (value % 100 > 59)
        return false;
    *minutes = sign * (value / 100 * 60 + value % 100);
    return true;
}

/* What stands behind the zone ("CET", "DST") does not change the moment and is not looked at. */
static bool take_zone(struct str *s, int64_t *minutes)
{
    *minutes = 0;
    if (s->len && (s->at[0] == '+' || s->at[0] == '-'))
        return take_offset(s, minutes);
    struct str word = take_while(s, ascii_is_alpha);
    *minutes = named_zone_minutes(word);
    /* "GMT+0200": the offset says it all */
    if (s->len && word.len && (s->at[0] == '+' || s->at[0] == '-'))
        return take_offset(s, minutes);
    return s->len == 0 || word.len > 0;
}

bool date_parse(struct str text, int64_t *wall_ms)
{
    int64_t days, seconds, minutes;

    if (!skip_between(&text) || !take_day_name(&text) || !take_date(&text, &days) || !take_time(&text, &seconds) ||
        !take_zone(&text, &minutes))
        return false;
    *wall_ms = days * MS_A_DAY + (seconds - minutes * 60) * 1000;
    return true;
}

char *date_format(int64_t wall_ms, char to[DATE_TEXT_MAX])
{
    int64_t days = wall_ms / MS_A_DAY, in_day = wall_ms % MS_A_DAY;

    if (in_day < 0) {
        in_day += MS_A_DAY;
        days--;
    }
    int64_t weekday = ((days + 4) % DAYS_A_WEEK + DAYS_A_WEEK) % DAYS_A_WEEK; /* 1970-01-01 was a Thursday */
    /* the reverse of days_from_civil() */
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * from_march + 2) / 5 + 1;
    int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);
    int64_t second = in_day / 1000;

    snprintf(to, DATE_TEXT_MAX, "%.3s, %02d %.3s %04lld %02d:%02d:%02d +0000", day_names[weekday], (int)day, month_names[month - 1],
             (long long)year, (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60));
    return to;
}
