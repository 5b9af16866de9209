/* message_words.c: see message_words.h. */
#include "store/message_words.h"

#include "mail/utf8.h"

#include <string.h>
#include <unicode/uchar.h>

static bool is_word_part(uint32_t code)
{
    return code != UTF8_REPLACEMENT && (U_GET_GC_MASK((UChar32)code) & (U_GC_L_MASK | U_GC_N_MASK | U_GC_M_MASK));
}

static bool is_word_by_itself(uint32_t code)
{
    return (code >= 0x2E80 && code <= 0x9FFF) || (code >= 0xAC00 && code <= 0xD7AF) || (code >= 0xF900 && code <= 0xFAFF) ||
           (code >= 0x20000 && code <= 0x3FFFF);
}

static uint32_t fold(uint32_t code)
{
    if (code < 0x80)
        return code >= 'A' && code <= 'Z' ? code + 0x20 : code;
    return (uint32_t)u_foldCase((UChar32)code, U_FOLD_CASE_DEFAULT);
}

static bool skip_to_word(struct str *rest)
{
    const char *at = rest->at, *end = rest->at + rest->len;

    while (at < end) {
        const char *before = at;
        if (is_word_part(utf8_next(&at, end, NULL))) {
            *rest = str_n(before, (size_t)(end - before));
            return true;
        }
    }
    *rest = str_n(end, 0);
    return false;
}

bool message_word_next(struct str *rest, char field, struct message_word *out)
{
    bool is_cut = false;

    if (!rest->len || !skip_to_word(rest))
        return false;
    out->at[0] = field;
    out->len = 1;
    const char *at = rest->at, *end = rest->at + rest->len;
    while (at < end) {
        const char *before = at;
        uint32_t code = utf8_next(&at, end, NULL);
        bool alone = is_word_by_itself(code);
        if (!is_word_part(code) || (alone && out->len > 1)) {
            at = before;
            break;
        }
        char octets[UTF8_MAX];
        size_t len = utf8_put(octets, fold(code));
        is_cut = is_cut || out->len + len > sizeof out->at;
        if (!is_cut) {
            memcpy(out->at + out->len, octets, len);
            out->len += len;
        }
        if (alone)
            break;
    }
    *rest = str_n(at, (size_t)(end - at));
    return true;
}

size_t message_fold(struct str text, char *to, size_t size)
{
    size_t len = 0;

    for (const char *at = text.at, *end = text.at + text.len; at < end;) {
        char octets[UTF8_MAX];
        size_t n = utf8_put(octets, fold(utf8_next(&at, end, NULL)));
        if (len + n > size)
            break;
        memcpy(to + len, octets, n);
        len += n;
    }
    return len;
}
