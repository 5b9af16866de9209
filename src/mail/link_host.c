/*
 * link_host.c: hosts as browsers read them (WHATWG URL, host parsing): percent-decoding, UTS 46 without transition, addresses in all the forms that
 * inet_aton() knew. What a browser refuses is no link.
 */
#include "mail/link_parts.h"

#include "mail/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>

enum { RAW_MAX = 1024 /* octets of a host as written; more fits no name */, UNICODE_MAX = 1024 };

static int hex_value(char c)
{
    if (ascii_is_digit((unsigned char)c))
        return c - '0';
    int lower = ascii_lower((unsigned char)c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

size_t link_defanged_dot(struct str s)
{
    static const struct str forms[] = {{"[.]", 3}, {"(.)", 3}, {"{.}", 3}, {"[dot]", 5}, {"(dot)", 5}};

    if (!s.len || !strchr("[({", s.at[0]) || !s.at[0])
        return 0;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (str_starts_case(s, forms[i]))
            return forms[i].len;
    return 0;
}

/* Percent-decodes RAW and turns defanged dots into dots; false when it does not fit. */
static bool unwrap(struct str raw, char to[RAW_MAX], size_t *length, unsigned *tricks)
{
    size_t n = 0;

    for (size_t i = 0; i < raw.len; n++) {
        size_t dot = link_defanged_dot(str_from_index(raw, i));
        if (n >= RAW_MAX)
            return false;
        if (dot) {
            to[n] = '.';
            i += dot;
            *tricks |= LINK_DEFANGED;
        } else if (raw.at[i] == '%' && i + 2 < raw.len && hex_value(raw.at[i + 1]) >= 0 && hex_value(raw.at[i + 2]) >= 0) {
            to[n] = (char)(hex_value(raw.at[i + 1]) * 16 + hex_value(raw.at[i + 2]));
            i += 3;
            *tricks |= LINK_PERCENT_HOST;
        } else {
            to[n] = raw.at[i++];
        }
    }
    *length = n;
    return true;
}

static bool has_forbidden(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.at[i];
        if (c <= ' ' || c == 0x7F || strchr("#/:<>?@[\\]^|%\"`{}", c))
            return true;
    }
    return false;
}

/* One number of an IPv4 address: decimal, octal with 0, hex with 0x. False when it is none or above 32 bits. */
static bool read_number(struct str s, uint64_t *value, bool *odd)
{
    unsigned base = 10;

    if (s.len == 0)
        return false;
    if (str_starts_case(s, STR("0x"))) {
        base = 16;
        s = str_from_index(s, 2);
        *odd = true;
    } else if (s.len > 1 && s.at[0] == '0') {
        base = 8;
        s = str_from_index(s, 1);
        *odd = true;
    }
    *value = 0;
    for (size_t i = 0; i < s.len; i++) {
        int digit = hex_value(s.at[i]);
        if (digit < 0 || (unsigned)digit >= base)
            return false;
        *value = *value * base + (unsigned)digit;
        if (*value > UINT32_MAX)
            return false;
    }
    return true;
}

/* The host's last label makes it an address or nothing (WHATWG "ends in a number"). */
static bool ends_in_number(struct str host)
{
    struct str last = str_from_index(host, (size_t)(str_find_last(host, '.') + 1));
    bool is_hex = str_starts_case(last, STR("0x"));

    for (size_t i = is_hex ? 2 : 0; i < last.len; i++)
        if (is_hex ? hex_value(last.at[i]) < 0 : !ascii_is_digit((unsigned char)last.at[i]))
            return false;
    return last.len > 0;
}

static bool read_ipv4(struct str host, struct link *out)
{
    uint64_t part[4] = {0, 0, 0, 0}, address = 0;
    struct str rest = host;
    bool odd = false;
    int count = 0;

    while (rest.len) {
        if (count == 4 || !read_number(str_cut(&rest, '.'), &part[count], &odd))
            return false;
        count++;
    }
    for (int i = 0; i < count - 1; i++) {
        if (part[i] > 255)
            return false;
        address |= part[i] << (24 - 8 * i);
    }
    if (part[count - 1] >= (uint64_t)1 << (8 * (5 - count)))
        return false;
    address |= part[count - 1];
    out->ip = (struct ip){.family = 4};
    for (int i = 0; i < 4; i++)
        out->ip.bytes[i] = (uint8_t)(address >> (24 - 8 * i));
    if (odd || count != 4)
        out->tricks |= LINK_ODD_IP;
    return true;
}

static bool keep_address(struct arena *arena, struct link *out)
{
    char text[IP_TEXT_MAX];

    out->tricks |= LINK_IP_HOST;
    out->host = arena_str(arena, str_from(ip_format(&out->ip, text)));
    out->domain = STR("");
    return out->host.at != NULL;
}

static bool read_ipv6(struct arena *arena, struct str raw, struct link *out)
{
    struct str inside = str_sub(raw, 1, raw.len - 2);

    if (raw.len < 4 || raw.at[raw.len - 1] != ']' || str_find(inside, ':') < 0 || !ip_parse(inside, &out->ip))
        return false;
    if (out->ip.family == 4)
        out->tricks |= LINK_ODD_IP; /* ::ffff:192.0.2.1 */
    return keep_address(arena, out);
}

static bool has_ace_label(struct str host)
{
    while (host.len)
        if (str_starts_case(str_cut(&host, '.'), STR("xn--")))
            return true;
    return false;
}

/* What browsers do not ask UTS 46 for: lengths, hyphens. */
static const uint32_t forgiven = UIDNA_ERROR_EMPTY_LABEL | UIDNA_ERROR_LABEL_TOO_LONG | UIDNA_ERROR_DOMAIN_NAME_TOO_LONG |
                                 UIDNA_ERROR_LEADING_HYPHEN | UIDNA_ERROR_TRAILING_HYPHEN | UIDNA_ERROR_HYPHEN_3_4;

/* UTS 46 as browsers ask for it: no transition, STD3 off. */
static bool to_ascii(struct link_context *c, struct str host, char to[UNICODE_MAX], size_t *length)
{
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    UErrorCode error = U_ZERO_ERROR;
    int32_t made = uidna_nameToASCII_UTF8(c->idna, host.at, (int32_t)host.len, to, UNICODE_MAX, &info, &error);

    if (U_FAILURE(error) || made < 0 || made > UNICODE_MAX || (info.errors & ~forgiven))
        return false;
    *length = (size_t)made;
    return true;
}

bool link_is_ignored(uint32_t c)
{
    return c == 0xAD || c == 0x200B || (c >= 0x2060 && c <= 0x2064) || c == 0xFEFF || c == 0x034F;
}

/*
 * Characters that UTS 46 drops from names, so that a reader of the bytes sees another one. Joiners are not among them: they stay, where Persian and
 * Indic names need them. A selector that asks for the picture of an emoji is honest, one behind a letter is not.
 */
static bool has_ignored(struct str host)
{
    const char *at = host.at, *end = host.at + host.len;
    uint32_t before = '.';

    while (at < end) {
        uint32_t c = utf8_next(&at, end, NULL);
        if (link_is_ignored(c))
            return true;
        if (c >= 0xFE00 && c <= 0xFE0F && (before < 0x80 || u_isalpha((UChar32)before)))
            return true;
        before = c;
    }
    return false;
}

enum { LATIN = 1, HAN = 2, KANA = 4, HANGUL = 8, BOPOMOFO = 16, OTHER = 32 };

static unsigned script_bit(UScriptCode script)
{
    switch (script) {
    case USCRIPT_LATIN: return LATIN;
    case USCRIPT_HAN: return HAN;
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA: return KANA;
    case USCRIPT_HANGUL: return HANGUL;
    case USCRIPT_BOPOMOFO: return BOPOMOFO;
    default: return OTHER;
    }
}

/* One label with scripts that are not written together (UTS 39, "highly restrictive"). */
static bool mixes_scripts(struct str host)
{
    const char *at = host.at, *end = host.at + host.len;
    UScriptCode other = USCRIPT_COMMON;
    unsigned seen = 0;

    while (at < end) {
        UErrorCode error = U_ZERO_ERROR;
        uint32_t c = utf8_next(&at, end, NULL);
        if (c == '.') {
            seen = 0;
            other = USCRIPT_COMMON;
            continue;
        }
        UScriptCode script = uscript_getScript((UChar32)c, &error);
        if (U_FAILURE(error) || script == USCRIPT_COMMON || script == USCRIPT_INHERITED)
            continue;
        unsigned bit = script_bit(script);
        if (bit == OTHER && (seen & OTHER) && script != other)
            return true;
        if (bit == OTHER)
            other = script;
        seen |= bit;
        if (seen != OTHER && (seen & ~(unsigned)(LATIN | HAN | KANA)) && (seen & ~(unsigned)(LATIN | HAN | HANGUL)) &&
            (seen & ~(unsigned)(LATIN | HAN | BOPOMOFO)))
            return true;
    }
    return false;
}

/* U-labels of an internationalised name: its skeleton, and whether its labels mix scripts. */
static void look_at_idn(struct arena *arena, struct link_context *c, struct link *out)
{
    struct str shown = out->domain.len ? out->domain : out->host;
    char unicode[UNICODE_MAX], skeleton[UNICODE_MAX * 2];
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    UErrorCode error = U_ZERO_ERROR;

    int32_t n = uidna_nameToUnicodeUTF8(c->idna, out->host.at, (int32_t)out->host.len, unicode, sizeof unicode, &info, &error);
    if (U_SUCCESS(error) && n <= UNICODE_MAX && mixes_scripts(str_n(unicode, (size_t)n)))
        out->tricks |= LINK_MIXED_SCRIPT;
    error = U_ZERO_ERROR;
    info = (UIDNAInfo)UIDNA_INFO_INITIALIZER;
    n = uidna_nameToUnicodeUTF8(c->idna, shown.at, (int32_t)shown.len, unicode, sizeof unicode, &info, &error);
    if (U_FAILURE(error) || n > UNICODE_MAX || (info.errors & ~forgiven))
        return; /* nobody shows these as letters */
    n = uspoof_getSkeletonUTF8(c->spoof, 0, unicode, n, skeleton, sizeof skeleton, &error);
    if (U_SUCCESS(error) && n <= (int32_t)sizeof skeleton) {
        struct str kept = arena_str(arena, str_n(skeleton, (size_t)n));
        if (kept.at)
            out->skeleton = kept;
    }
}

/* DNS carries no name like this. What is over-long loses its front, since the end is what somebody owns. */
static struct str check_length(struct str host, struct link *out)
{
    struct str rest = host;

    while (rest.len)
        if (str_cut(&rest, '.').len > 63)
            out->tricks |= LINK_LONG_HOST;
    if (host.len <= LINK_HOST_MAX)
        return host;
    out->tricks |= LINK_LONG_HOST;
    host = str_from_index(host, host.len - LINK_HOST_MAX);
    ptrdiff_t dot = str_find(host, '.');
    return dot >= 0 && (size_t)dot + 1 < host.len ? str_from_index(host, (size_t)dot + 1) : host;
}

static bool read_name(struct arena *arena, struct link_context *c, struct str name, struct link *out)
{
    char ascii[UNICODE_MAX + 1] = "";
    size_t length = name.len;
    bool plain = utf8_ascii_prefix(name) == name.len, ace = has_ace_label(name);

    if (!plain && has_ignored(name))
        out->tricks |= LINK_CONTROL;
    if ((!plain || ace) && !to_ascii(c, name, ascii, &length)) {
        if (!plain)
            return false;
        plain = true; /* "xn--" with nothing sensible behind it: some readers ask DNS all the same */
        ace = false;
        out->tricks |= LINK_IDN;
        length = name.len;
    }
    if (plain && !ace)
        memcpy(ascii, name.at, length);
    str_lower(ascii, length);
    ascii[length] = '\0';
    if (length > 1 && ascii[length - 1] == '.')
        length--;
    struct str host = str_n(ascii, length);
    if (strspn(ascii, ".") >= length || ascii[length - 1] == '.' || has_forbidden(host)) /* two dots at its end: no DNS has it */
        return false;
    if (ends_in_number(host)) {
        out->tricks |= utf8_ascii_prefix(name) < name.len ? LINK_ODD_IP : 0; /* full width or circled digits */
        return read_ipv4(host, out) && keep_address(arena, out);
    }
    out->host = arena_str(arena, check_length(host, out));
    if (!out->host.at)
        return false;
    out->domain = link_registrable(c, out->host);
    if (has_ace_label(out->host)) {
        out->tricks |= LINK_IDN;
        look_at_idn(arena, c, out);
    }
    return true;
}

bool link_read_host(struct arena *arena, struct link_context *c, struct str raw, bool is_web, struct link *out)
{
    char name[RAW_MAX];
    size_t length = 0;

    if (raw.len && raw.at[0] == '[' && !link_defanged_dot(raw))
        return read_ipv6(arena, raw, out);
    if (raw.len > RAW_MAX) { /* the end says whose it is */
        out->tricks |= LINK_LONG_HOST;
        raw = str_from_index(raw, raw.len - RAW_MAX);
        while (raw.len && ((unsigned char)raw.at[0] & 0xC0) == 0x80)
            raw = str_from_index(raw, 1);
    }
    if (!unwrap(raw, name, &length, &out->tricks) || length == 0 || !utf8_is_valid(str_n(name, length)))
        return false;
    if (!is_web && utf8_ascii_prefix(str_n(name, length)) < length)
        return false; /* opaque hosts are ASCII */
    return read_name(arena, c, str_n(name, length), out);
}
