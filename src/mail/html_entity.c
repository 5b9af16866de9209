/* html_entity.c: character references (HTML standard §13.2.5.72 to 80). The names are a table made at build time by html_entities.py. */
#include "mail/html_token.h"

#include "mail/utf8.h"

#include <string.h>

struct row {
    uint16_t at;
    uint8_t len;
    uint32_t code;
    uint16_t second;
};
#include "html_entities.h"

enum { LONGEST_NAME = 32, LONGEST_OLD_NAME = 6 };

static const struct row *find(struct str name)
{
    size_t low = 0, high = sizeof rows / sizeof *rows;

    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct row *row = &rows[middle];
        size_t shorter = row->len < name.len ? row->len : name.len;
        int order = memcmp(names + row->at, name.at, shorter);
        if (order == 0 && row->len == name.len)
            return row;
        if (order < 0 || (order == 0 && row->len < name.len))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* C1 controls as numbers mean what they do in windows-1252; what is no character is U+FFFD. */
static uint32_t numeric_code(uint32_t code)
{
    static const uint16_t c1[32] = {0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
                                    0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
                                    0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};

    if (code >= 0x80 && code <= 0x9F)
        return c1[code - 0x80];
    if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return UTF8_REPLACEMENT;
    return code;
}

static int digit_of(char c, bool hex)
{
    int lower = ascii_lower((unsigned char)c);

    if (ascii_is_digit((unsigned char)c))
        return c - '0';
    return hex && lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* AT is behind "&#". Leading zeros may be any number of them: the whole run of digits belongs to the reference. */
static size_t numeric(const char *at, const char *end, uint32_t codes[2])
{
    const char *from = at;
    bool hex = at < end && (*at == 'x' || *at == 'X');
    uint32_t code = 0;
    int digit;

    at += hex;
    const char *first = at;
    for (; at < end && (digit = digit_of(*at, hex)) >= 0; at++)
        if (code <= 0x10FFFF)
            code = code * (hex ? 16 : 10) + (uint32_t)digit;
    if (at == first)
        return 0;
    codes[0] = numeric_code(code);
    codes[1] = 0;
    if (at < end && *at == ';')
        at++;
    return 2 + (size_t)(at - from);
}

size_t html_entity(const char *at, const char *end, bool in_attribute, uint32_t codes[2])
{
    const char *from = at + 1;
    size_t len = 0, most = (size_t)(end - from) < LONGEST_NAME ? (size_t)(end - from) : LONGEST_NAME;
    const struct row *row = NULL;

    if (from < end && *from == '#')
        return numeric(from + 1, end, codes);
    while (len < most && ascii_is_alnum((unsigned char)from[len]))
        len++;
    if (len == 0)
        return 0;
    if (len < most && from[len] == ';' && (row = find(str_n(from, len + 1))))
        len++;
    size_t run = len;
    for (len = row ? len : len < LONGEST_OLD_NAME ? len : LONGEST_OLD_NAME; !row && len >= 2; len -= !row)
        row = find(str_n(from, len));
    if (!row)
        return 0;
    if (in_attribute && from[len - 1] != ';' && (len < run || (from + len < end && from[len] == '=')))
        return 0;
    codes[0] = row->code;
    codes[1] = row->second;
    return 1 + len;
}

bool html_code_is_plain(const uint32_t codes[2])
{
    return codes[1] == 0 && codes[0] < 128 && ascii_is_alnum((int)codes[0]);
}

struct str html_attribute_decode(struct str value, struct buf *scratch, size_t *plain)
{
    const char *at = value.at, *end = value.at + value.len;
    char character[UTF8_MAX];
    uint32_t codes[2];

    if (str_find(value, '&') < 0 && str_find(value, '\0') < 0)
        return value;
    buf_clear(scratch);
    for (; at < end; at++) {
        if (scratch->ceiling - scratch->len < 2 * UTF8_MAX && (*at & '\xC0') != '\x80') {
            scratch->failed = true;
            break;
        }
        size_t taken = *at == '&' ? html_entity(at, end, true, codes) : 0;
        if (!taken) {
            if (*at)
                buf_add_char(scratch, *at);
            continue;
        }
        at += taken - 1;
        if (plain)
            *plain += html_code_is_plain(codes);
        buf_add(scratch, character, utf8_put(character, codes[0]));
        if (codes[1])
            buf_add(scratch, character, utf8_put(character, codes[1]));
    }
    return scratch->len ? buf_str(scratch) : str_n(value.at, 0); /* the buffer may have no memory yet */
}
