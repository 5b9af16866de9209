/* json_out.c: see json_out.h. */
#include "base/json_out.h"

/* Bytes that stand for themselves between quotes. DEL is escaped too: it is no control character to JSON, but to terminals. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

static void escape(struct buf *out, unsigned char c)
{
    static const char short_names[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
    static const char hex[] = "0123456789abcdef";

    if (c < sizeof short_names && short_names[c]) {
        buf_add(out, (char[]){'\\', short_names[c]}, 2);
        return;
    }
    buf_add(out, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

/* Length of the valid UTF-8 sequence at the start of S, or 0. */
static size_t sequence(struct str s)
{
    unsigned char lead = (unsigned char)s.at[0];
    size_t len = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;

    return len <= s.len && utf8_is_valid(str_n(s.at, len)) ? len : 0;
}

void json_out_string(struct buf *out, struct str s)
{
    size_t i = 0;

    buf_add_char(out, '"');
    while (i < s.len) {
        size_t from = i;
        while (i < s.len && is_plain((unsigned char)s.at[i]))
            i++;
        if (i > from)
            buf_add(out, s.at + from, i - from);
        if (i == s.len)
            break;
        if ((unsigned char)s.at[i] < 0x80) {
            escape(out, (unsigned char)s.at[i++]);
            continue;
        }
        size_t len = sequence(str_from_index(s, i));
        buf_add(out, len ? s.at + i : "\xEF\xBF\xBD", len ? len : 3);
        i += len ? len : 1;
    }
    buf_add_char(out, '"');
}
