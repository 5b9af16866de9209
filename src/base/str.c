/* str.c: see str.h. */
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

int ascii_lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

bool ascii_is_alpha(int c)
{
    int lower = ascii_lower(c);
    return lower >= 'a' && lower <= 'z';
}

bool ascii_is_digit(int c)
{
    return c >= '0' && c <= '9';
}

bool ascii_is_alnum(int c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

struct str str_from(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

struct str str_n(const char *at, size_t len)
{
    return (struct str){at, len};
}

bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool str_eq_case(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower((unsigned char)a.at[i]) != ascii_lower((unsigned char)b.at[i]))
            return false;
    return true;
}

bool str_is(struct str a, const char *text)
{
    return str_eq(a, str_from(text));
}

bool str_is_case(struct str a, const char *text)
{
    return str_eq_case(a, str_from(text));
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_n(s.at, prefix.len), prefix);
}

bool str_starts_case(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq_case(str_n(s.at, prefix.len), prefix);
}

bool str_ends_case(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq_case(str_from_index(s, s.len - suffix.len), suffix);
}

ptrdiff_t str_find(struct str s, char c)
{
    const char *hit = s.len ? memchr(s.at, c, s.len) : NULL;
    return hit ? hit - s.at : -1;
}

ptrdiff_t str_find_last(struct str s, char c)
{
    const char *hit = s.len ? memrchr(s.at, c, s.len) : NULL;
    return hit ? hit - s.at : -1;
}

ptrdiff_t str_find_str(struct str s, struct str needle)
{
    if (needle.len == 0)
        return 0;
    const char *hit = s.len ? memmem(s.at, s.len, needle.at, needle.len) : NULL;
    return hit ? hit - s.at : -1;
}

struct str str_sub(struct str s, size_t from, size_t len)
{
    if (from > s.len)
        from = s.len;
    if (len > s.len - from)
        len = s.len - from;
    return (struct str){s.at ? s.at + from : NULL, len};
}

struct str str_from_index(struct str s, size_t from)
{
    return str_sub(s, from, s.len);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_space(char c)
{
    return is_blank(c) || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.len && is_space(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len && is_space(s.at[s.len - 1]))
        s.len--;
    return s;
}

struct str str_cut(struct str *rest, char sep)
{
    ptrdiff_t hit = str_find(*rest, sep);
    struct str before = *rest;

    if (hit < 0) {
        *rest = (struct str){NULL, 0};
        return before;
    }
    before.len = (size_t)hit;
    *rest = str_from_index(*rest, (size_t)hit + 1);
    return before;
}

struct str str_word(struct str *rest)
{
    while (rest->len && is_blank(rest->at[0])) {
        rest->at++;
        rest->len--;
    }
    struct str word = *rest;
    size_t n = 0;
    while (n < rest->len && !is_blank(rest->at[n]))
        n++;
    word.len = n;
    *rest = str_from_index(*rest, n);
    return word;
}

bool str_to_u64(struct str s, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!ascii_is_digit((unsigned char)s.at[i]))
            return false;
        uint64_t digit = (uint64_t)(s.at[i] - '0');
        if (digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

char *str_dup(struct str s)
{
    char *copy = malloc(s.len + 1);
    if (!copy)
        return NULL;
    if (s.len)
        memcpy(copy, s.at, s.len);
    copy[s.len] = '\0';
    return copy;
}

bool str_copy(char *to, size_t size, struct str s)
{
    size_t n = s.len < size ? s.len : size - 1;
    const void *nul = n ? memchr(s.at, '\0', n) : NULL;

    if (n)
        memcpy(to, s.at, n);
    to[n] = '\0';
    return n == s.len && !nul;
}

void str_lower(char *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (char)ascii_lower((unsigned char)at[i]);
}

/* How many bytes follow the lead byte C, or -1 where C cannot lead. */
static int utf8_tail(unsigned char c)
{
    if (c < 0x80)
        return 0;
    if (c >= 0xC2 && c <= 0xDF)
        return 1;
    if (c >= 0xE0 && c <= 0xEF)
        return 2;
    if (c >= 0xF0 && c <= 0xF4)
        return 3;
    return -1;
}

bool utf8_is_valid(struct str s)
{
    for (size_t i = 0; i < s.len;) {
        unsigned char lead = (unsigned char)s.at[i];
        int tail = utf8_tail(lead);

        if (tail < 0 || s.len - i <= (size_t)tail)
            return false;
        for (int k = 1; k <= tail; k++) {
            unsigned char c = (unsigned char)s.at[i + (size_t)k];
            unsigned char low = 0x80, high = 0xBF;
            if (k == 1 && lead == 0xE0)
                low = 0xA0;
            if (k == 1 && lead == 0xED)
                high = 0x9F;
            if (k == 1 && lead == 0xF0)
                low = 0x90;
            if (k == 1 && lead == 0xF4)
                high = 0x8F;
            if (c < low || c > high)
                return false;
        }
        i += 1 + (size_t)tail;
    }
    return true;
}
