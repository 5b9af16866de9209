/* utf8.c: see utf8.h. */
#include "mail/utf8.h"

#include <string.h>

size_t utf8_put(char *to, uint32_t code)
{
    if ((code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF)
        code = UTF8_REPLACEMENT;
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xC0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xE0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3F));
        to[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3F));
    to[2] = (char)(0x80 | (code >> 6 & 0x3F));
    to[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

static uint32_t ill_formed(bool *bad)
{
    if (bad)
        *bad = true;
    return UTF8_REPLACEMENT;
}

uint32_t utf8_next(const char **at, const char *end, bool *bad)
{
    unsigned char lead = (unsigned char)*(*at)++, low = 0x80, high = 0xBF;
    uint32_t code;
    int tail;

    if (lead < 0x80)
        return lead;
    if (lead >= 0xC2 && lead <= 0xDF) {
        tail = 1;
        code = lead & 0x1F;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        tail = 2;
        code = lead & 0x0F;
        low = lead == 0xE0 ? 0xA0 : low;
        high = lead == 0xED ? 0x9F : high;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        tail = 3;
        code = lead & 0x07;
        low = lead == 0xF0 ? 0x90 : low;
        high = lead == 0xF4 ? 0x8F : high;
    } else {
        return ill_formed(bad);
    }
    for (; tail; tail--, (*at)++) {
        unsigned char c = *at < end ? (unsigned char)**at : 0;
        if (c < low || c > high)
            return ill_formed(bad);
        code = code << 6 | (c & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    return code;
}

size_t utf8_ascii_prefix(struct str s)
{
    size_t i = 0;
    uint64_t word;

    for (; s.len - i >= sizeof word; i += sizeof word) {
        memcpy(&word, s.at + i, sizeof word);
        if (word & 0x8080808080808080U)
            break;
    }
    while (i < s.len && (unsigned char)s.at[i] < 0x80)
        i++;
    return i;
}

struct str utf8_cut(struct str s, size_t max)
{
    if (s.len <= max)
        return s;
    while (max && ((unsigned char)s.at[max] & 0xC0) == 0x80)
        max--;
    s.len = max;
    return s;
}
