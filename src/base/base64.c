/* base64.c: see base64.h. */
#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_encode(struct str in, struct buf *out)
{
    if (!buf_reserve(out, (in.len + 2) / 3 * 4))
        return false;
    for (size_t i = 0; i < in.len; i += 3) {
        size_t left = in.len - i;
        uint32_t group = (uint32_t)(unsigned char)in.at[i] << 16;
        if (left > 1)
            group |= (uint32_t)(unsigned char)in.at[i + 1] << 8;
        if (left > 2)
            group |= (unsigned char)in.at[i + 2];
        char four[4] = {alphabet[group >> 18], alphabet[group >> 12 & 63], left > 1 ? alphabet[group >> 6 & 63] : '=', left > 2 ? alphabet[group & 63] : '='};
        buf_add(out, four, sizeof four);
    }
    return !out->failed;
}

/* Four characters, of which PADDING at the end are '='. */
static bool decode_group(const char *at, size_t padding, struct buf *out)
{
    uint32_t group = 0;

    for (size_t i = 0; i < 4; i++) {
        int v = i < 4 - padding ? value_of(at[i]) : 0;
        if (v < 0)
            return false;
        group = group << 6 | (uint32_t)v;
    }
    if ((padding == 1 && group & 0xff) || (padding == 2 && group & 0xffff))
        return false;
    const char three[3] = {(char)(group >> 16 & 0xff), (char)(group >> 8 & 0xff), (char)(group & 0xff)};
    return buf_add(out, three, 3 - padding);
}

bool base64_decode(struct str in, struct buf *out)
{
    size_t before = out->len;

    if (in.len % 4)
        return false;
    for (size_t i = 0; i < in.len; i += 4) {
        bool last = i + 4 == in.len;
        size_t padding = last && in.at[i + 3] == '=' ? in.at[i + 2] == '=' ? 2 : 1 : 0;
        if (!decode_group(in.at + i, padding, out)) {
            buf_truncate(out, before);
            return false;
        }
    }
    return true;
}
