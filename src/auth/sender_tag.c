/* sender_tag.c: see sender_tag.h. */
#include "auth/sender_tag.h"

#include <stdio.h>
#include <string.h>

enum { HASH_CHARACTERS = 6, DAY_CHARACTERS = 2, SRS_WHEEL = 1024, BATV_WHEEL = 1000, BATV_HASH = 6, TEXT_MAX = 1024 };
static const int64_t day_ms = INT64_C(24) * 3600 * 1000;
static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";

/* Days from day AT to today on a wheel of SIZE days: 0 … SIZE-1. */
static int64_t days_since(int64_t now_ms, int64_t at, int64_t size)
{
    return (now_ms / day_ms % size - at + size) % size;
}

static void srs_hash(const struct secrets *s, size_t i, const char *purpose, struct str text, char to[HASH_CHARACTERS + 1])
{
    unsigned char mac[SECRET_BYTES];
    char lower[TEXT_MAX];

    str_copy(lower, sizeof lower, text);
    str_lower(lower, strlen(lower));
    secrets_hmac(s, i, purpose, str_from(lower), mac);
    for (int k = 0; k < HASH_CHARACTERS; k++)
        to[k] = base32[mac[k] & 31];
    to[HASH_CHARACTERS] = '\0';
}

/* Does HASH stand for TEXT under one of the secrets? The time taken tells nothing: it is compared whole. */
static bool srs_hash_holds(const struct secrets *s, const char *purpose, struct str text, struct str hash)
{
    char wanted[HASH_CHARACTERS + 1];
    bool holds = false;

    for (size_t i = 0; i < s->count && hash.len == HASH_CHARACTERS; i++) {
        unsigned differs = 0;
        srs_hash(s, i, purpose, text, wanted);
        for (int k = 0; k < HASH_CHARACTERS; k++)
            differs |= (unsigned)(wanted[k] ^ ascii_lower((unsigned char)hash.at[k]));
        holds = holds || !differs;
    }
    return holds;
}

static bool is_dot_atom(struct str local)
{
    static const char others[] = "!#$%&'*+-/=?^_`{|}~.";

    for (size_t i = 0; i < local.len; i++) {
        unsigned char c = (unsigned char)local.at[i];
        bool is_dot = c == '.' && (i == 0 || i + 1 == local.len || local.at[i - 1] == '.');
        if (is_dot || !(ascii_is_alnum(c) || c > 127 || memchr(others, c, sizeof others - 1)))
            return false;
    }
    return local.len > 0;
}

/* LOCAL as it is meant, quoted where it must be, and DOMAIN. False where that is no address. */
static bool write_address(struct str local, struct str domain, bool is_utf8, struct address *out)
{
    char text[2 * TEXT_MAX];
    struct buf b = buf_make(sizeof text);
    bool quoted = !is_dot_atom(local);
    const char *why;

    if (quoted)
        buf_add_char(&b, '"');
    for (size_t i = 0; i < local.len; i++) {
        if (quoted && (local.at[i] == '"' || local.at[i] == '\\'))
            buf_add_char(&b, '\\');
        buf_add_char(&b, local.at[i]);
    }
    if (quoted)
        buf_add_char(&b, '"');
    buf_add_char(&b, '@');
    buf_add_str(&b, domain);
    bool fine = !b.failed && address_parse(buf_str(&b), is_utf8, out, &why) == ADDRESS_OK;
    buf_free(&b);
    return fine;
}

static struct str unquoted(const struct address *a, char to[LOCAL_PART_MAX + 1])
{
    return str_n(to, address_local_unquoted(a, to));
}

/* "SRS0" with one of its three separators; what follows. */
static bool has_prefix(struct str local, const char *prefix, struct str *rest)
{
    if (local.len < 6 || !str_starts_case(local, str_from(prefix)) || !memchr("=+-", local.at[4], 3))
        return false;
    *rest = str_from_index(local, 5);
    return true;
}

static bool srs1_write(const struct secrets *s, struct str first, struct str rest, struct str domain, bool is_utf8, struct address *out)
{
    char what[TEXT_MAX], local[TEXT_MAX], hash[HASH_CHARACTERS + 1];
    int n = snprintf(what, sizeof what, STR_FMT "=" STR_FMT, STR_ARG(first), STR_ARG(rest));

    srs_hash(s, 0, "srs1", str_n(what, (size_t)n), hash);
    n = snprintf(local, sizeof local, "SRS1=%s=%s", hash, what);
    return write_address(str_n(local, (size_t)n), domain, is_utf8, out);
}

bool srs_rewrite(const struct secrets *s, const struct address *sender, struct str domain, int64_t now_ms, struct address *out)
{
    char buffer[LOCAL_PART_MAX + 1], what[TEXT_MAX], local[TEXT_MAX], hash[HASH_CHARACTERS + 1];
    struct str name = unquoted(sender, buffer), rest;
    unsigned day = (unsigned)(now_ms / day_ms % SRS_WHEEL);

    if (address_is_null(sender) || !address_domain(sender).len || memchr(name.at, '\0', name.len))
        return false;
    if (has_prefix(name, "SRS0", &rest)) /* its separator goes along, so that the first forwarder gets back what it wrote */
        return srs1_write(s, address_domain(sender), str_from_index(name, 4), domain, sender->is_utf8, out);
    if (has_prefix(name, "SRS1", &rest)) { /* hash=first==rest: only the hash is ours to write anew */
        str_cut(&rest, '=');
        struct str first = str_cut(&rest, '=');
        return first.len && rest.len && srs1_write(s, first, rest, domain, sender->is_utf8, out);
    }
    int n = snprintf(what, sizeof what, "%c%c=" STR_FMT "=" STR_FMT, base32[day >> 5], base32[day & 31], STR_ARG(address_domain(sender)), STR_ARG(name));
    srs_hash(s, 0, "srs0", str_n(what, (size_t)n), hash);
    n = snprintf(local, sizeof local, "SRS0=%s=%s", hash, what);
    return write_address(str_n(local, (size_t)n), domain, sender->is_utf8, out);
}

static int base32_digit(char c)
{
    const char *at = memchr(base32, ascii_lower((unsigned char)c), 32);

    return at ? (int)(at - base32) : -1;
}

static enum tag_result srs0_reverse(const struct secrets *s, struct str rest, bool is_utf8, int64_t now_ms, struct address *out)
{
    struct str hash = str_cut(&rest, '='), what = rest, day = str_cut(&rest, '='), domain = str_cut(&rest, '=');

    if (!what.at || !srs_hash_holds(s, "srs0", what, hash) || day.len != DAY_CHARACTERS)
        return TAG_BAD;
    int high = base32_digit(day.at[0]), low = base32_digit(day.at[1]);
    if (high < 0 || low < 0 || !write_address(rest, domain, is_utf8, out))
        return TAG_BAD;
    return days_since(now_ms, high * 32 + low, SRS_WHEEL) <= SRS_DAYS ? TAG_GOOD : TAG_EXPIRED;
}

/* It never goes further than to the first forwarder, which looks at its own hash and day. */
static enum tag_result srs1_reverse(const struct secrets *s, struct str rest, bool is_utf8, struct address *out)
{
    char local[LOCAL_PART_MAX + 8];
    struct str hash = str_cut(&rest, '='), what = rest, first = str_cut(&rest, '=');

    if (!what.at || !srs_hash_holds(s, "srs1", what, hash))
        return TAG_BAD;
    int n = snprintf(local, sizeof local, "SRS0" STR_FMT, STR_ARG(rest));
    return write_address(str_n(local, (size_t)n), first, is_utf8, out) ? TAG_GOOD : TAG_BAD;
}

enum tag_result srs_reverse(const struct secrets *s, const struct address *recipient, int64_t now_ms, struct address *out)
{
    char buffer[LOCAL_PART_MAX + 1];
    struct str local = unquoted(recipient, buffer), rest;

    if (memchr(local.at, '\0', local.len))
        return TAG_NONE;
    if (has_prefix(local, "SRS0", &rest))
        return srs0_reverse(s, rest, recipient->is_utf8, now_ms, out);
    if (has_prefix(local, "SRS1", &rest))
        return srs1_reverse(s, rest, recipient->is_utf8, out);
    return TAG_NONE;
}

/* Three octets of a hash over day and address. */
static void batv_hash(const struct secrets *s, size_t i, const char *day, struct str local, struct str domain, char to[BATV_HASH + 1])
{
    unsigned char mac[SECRET_BYTES];
    char what[TEXT_MAX];
    int n = snprintf(what, sizeof what, "%s=" STR_FMT "@" STR_FMT, day, STR_ARG(local), STR_ARG(domain));

    str_lower(what, (size_t)n);
    secrets_hmac(s, i, "batv", str_n(what, (size_t)n), mac);
    snprintf(to, BATV_HASH + 1, "%02x%02x%02x", mac[0], mac[1], mac[2]);
}

static bool is_tagged(struct str local)
{
    return str_starts_case(local, STR("prvs="));
}

bool batv_sign(const struct secrets *s, const struct address *sender, int64_t now_ms, struct address *out)
{
    char buffer[LOCAL_PART_MAX + 1], local[TEXT_MAX], day[8], hash[BATV_HASH + 1];
    struct str name = unquoted(sender, buffer);

    if (address_is_null(sender) || !address_domain(sender).len || is_tagged(name) || memchr(name.at, '\0', name.len))
        return false;
    snprintf(day, sizeof day, "0%03d", (int)((now_ms / day_ms + BATV_DAYS) % BATV_WHEEL));
    batv_hash(s, 0, day, name, address_domain(sender), hash);
    int n = snprintf(local, sizeof local, "prvs=%s%s=" STR_FMT, day, hash, STR_ARG(name));
    return write_address(str_n(local, (size_t)n), address_domain(sender), sender->is_utf8, out);
}

static bool batv_hash_holds(const struct secrets *s, const char *day, struct str hash, struct str local, struct str domain)
{
    char wanted[BATV_HASH + 1];
    bool holds = false;

    for (size_t i = 0; i < s->count; i++) {
        unsigned differs = 0;
        batv_hash(s, i, day, local, domain, wanted);
        for (int k = 0; k < BATV_HASH; k++)
            differs |= (unsigned)(wanted[k] ^ ascii_lower((unsigned char)hash.at[k]));
        holds = holds || !differs;
    }
    return holds;
}

enum tag_result batv_check(const struct secrets *s, const struct address *recipient, int64_t now_ms, struct address *out)
{
    char buffer[LOCAL_PART_MAX + 1], day[5];
    struct str rest = unquoted(recipient, buffer);
    uint64_t expires;

    if (!is_tagged(rest) || memchr(rest.at, '\0', rest.len))
        return TAG_NONE;
    rest = str_from_index(rest, 5);
    struct str tag = str_cut(&rest, '=');
    if (tag.len != sizeof day - 1 + BATV_HASH || !rest.len || !str_to_u64(str_sub(tag, 1, 3), 999, &expires))
        return TAG_BAD;
    str_copy(day, sizeof day, str_sub(tag, 0, 4));
    if (!batv_hash_holds(s, day, str_from_index(tag, 4), rest, address_domain(recipient)) ||
        !write_address(rest, address_domain(recipient), recipient->is_utf8, out))
        return TAG_BAD;
    return days_since(now_ms, (int64_t)expires - BATV_DAYS + BATV_WHEEL, BATV_WHEEL) <= BATV_DAYS ? TAG_GOOD : TAG_EXPIRED;
}
