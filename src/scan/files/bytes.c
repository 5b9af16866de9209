/* bytes.c: small looks at bytes that the readers of this folder share; see reading.h. */
#include "scan/files/reading.h"

#include <string.h>

enum { FIND_STEP = 256 };

uint16_t le16(struct str s, size_t at)
{
    if (at > s.len || s.len - at < 2)
        return 0;
    const unsigned char *p = (const unsigned char *)s.at + at;
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t le32(struct str s, size_t at)
{
    if (at > s.len || s.len - at < 4)
        return 0;
    return (uint32_t)le16(s, at) | (uint32_t)le16(s, at + 2) << 16;
}

uint64_t le64(struct str s, size_t at)
{
    if (at > s.len || s.len - at < 8)
        return 0;
    return (uint64_t)le32(s, at) | (uint64_t)le32(s, at + 4) << 32;
}

bool has_at(struct str s, size_t at, struct str what)
{
    return at <= s.len && s.len - at >= what.len && memcmp(s.at + at, what.at, what.len) == 0;
}

ptrdiff_t find_from(struct str s, size_t from, struct str what)
{
    /* in steps that grow: a sanitizer checks all that memmem() may look at, each time, and hits that lie close together would take minutes */
    for (size_t step = FIND_STEP; from < s.len && s.len - from >= what.len; from += step, step *= 2) {
        size_t len = s.len - from < step + what.len - 1 ? s.len - from : step + what.len - 1;
        const char *at = memmem(s.at + from, len, what.at, what.len);
        if (at)
            return at - s.at;
        if (step > s.len - from)
            return -1;
    }
    return -1;
}

ptrdiff_t find_case(struct str s, struct str lower)
{
    /* memchr for both cases of the first letter, each remembered until it is passed: linear, and quick where it is rare */
    const char first = lower.at[0], upper = first >= 'a' && first <= 'z' ? (char)(first - 32) : first;
    const char *a = NULL, *b = NULL, *at = s.at;

    if (s.len < lower.len || s.len == 0)
        return -1;
    const char *end = s.at + s.len;
    while (end - at >= (ptrdiff_t)lower.len) {
        if (!a || (a != end && a < at))
            a = memchr(at, first, (size_t)(end - at));
        if (!a)
            a = end;
        if (!b || (b != end && b < at))
            b = memchr(at, upper, (size_t)(end - at));
        if (!b)
            b = end;
        at = a < b ? a : b;
        if (end - at < (ptrdiff_t)lower.len)
            return -1;
        if (str_starts_case(str_n(at, lower.len), lower))
            return at - s.at;
        at++;
    }
    return -1;
}

static size_t put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xC0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xE0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3F));
        to[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3F));
    to[2] = (char)(0x80 | (c >> 6 & 0x3F));
    to[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

struct str utf16_text(struct arena *arena, struct str units, bool big_endian)
{
    char *to = arena_alloc(arena, units.len / 2 * 3 + 1);
    size_t n = 0;

    if (!to)
        return str_n(NULL, 0);
    for (size_t i = 0; i + 2 <= units.len; i += 2) {
        uint32_t c = le16(units, i), low;
        if (big_endian)
            c = (c >> 8 | c << 8) & 0xFFFF;
        if (c >= 0xD800 && c < 0xDC00 && i + 4 <= units.len) {
            low = le16(units, i + 2);
            if (big_endian)
                low = (low >> 8 | low << 8) & 0xFFFF;
            if (low >= 0xDC00 && low < 0xE000) {
                c = 0x10000 + ((c & 0x3FF) << 10) + (low & 0x3FF);
                i += 2;
            }
        }
        n += put_utf8(to + n, c >= 0xD800 && c < 0xE000 ? 0xFFFD : c);
    }
    return str_n(to, n);
}

struct str searchable(struct reading *r, struct str text)
{
    bool little = has_at(text, 0, STR("\xFF\xFE")) || (text.len > 3 && text.at[0] && !text.at[1] && !text.at[3]);
    bool big = has_at(text, 0, STR("\xFE\xFF")) || (text.len > 3 && !text.at[0] && text.at[1] && !text.at[2]);

    if ((!little && !big) || text.len / 2 > unpack_room(r))
        return text;
    char *to = arena_alloc(r->arena, text.len / 2 + 1);
    if (!to)
        return text;
    unpack_pay(r, text.len / 2);
    for (size_t i = 0; i + 2 <= text.len; i += 2)
        to[i / 2] = text.at[i + (little ? 1 : 0)] ? '?' : text.at[i + (little ? 0 : 1)];
    return str_n(to, text.len / 2);
}

struct str printable(struct arena *arena, struct str bytes, size_t most)
{
    bool is_utf8 = utf8_is_valid(bytes);
    struct str s = str_sub(bytes, 0, most);

    while (is_utf8 && s.len < bytes.len && s.len && ((unsigned char)bytes.at[s.len] & 0xC0) == 0x80)
        s.len--; /* not in the middle of a character */
    struct str copy = arena_str(arena, s);
    char *at = (char *)(uintptr_t)copy.at;
    for (size_t i = 0; at && i < copy.len; i++) {
        unsigned char c = (unsigned char)at[i];
        bool is_c1 = is_utf8 && c == 0xC2 && (unsigned char)at[i + 1] < 0xA0;
        if (is_c1)
            at[i + 1] = '?';
        if (c < 0x20 || c == 0x7F || is_c1 || (c >= 0x80 && !is_utf8))
            at[i] = '?';
    }
    return copy;
}
