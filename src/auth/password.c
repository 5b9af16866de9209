/* password.c: see password.h. */
#include "auth/password.h"

#include <sodium.h>
#include <string.h>
#include <unicode/usprep.h>
#include <unicode/ustring.h>

enum { OPERATIONS = 2, MEMORY_BYTES = 19 * 1024 * 1024 };
_Static_assert(PASSWORD_HASH_MAX >= crypto_pwhash_STRBYTES, "libsodium's hashes must fit");

static bool is_plain_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] < 0x20 || (unsigned char)s.at[i] > 0x7e)
            return false;
    return true;
}

/* Everything but plain ASCII goes through RFC 4013's tables. Code points that Unicode 3.2 did not know are let through, as for a query (§2.5 of RFC 3454). */
static bool prepare_unicode(struct str raw, char to[PASSWORD_MAX], size_t *len)
{
    UErrorCode trouble = U_ZERO_ERROR;
    UChar in[PASSWORD_MAX], out[PASSWORD_MAX * 2];
    int32_t units = 0, octets = 0;

    u_strFromUTF8(in, PASSWORD_MAX, &units, raw.at, (int32_t)raw.len, &trouble);
    UStringPrepProfile *profile = usprep_openByType(USPREP_RFC4013_SASLPREP, &trouble);
    if (U_FAILURE(trouble))
        return false;
    units = usprep_prepare(profile, in, units, out, PASSWORD_MAX * 2, USPREP_ALLOW_UNASSIGNED, NULL, &trouble);
    usprep_close(profile);
    if (U_SUCCESS(trouble))
        u_strToUTF8(to, PASSWORD_MAX, &octets, out, units, &trouble);
    *len = (size_t)octets;
    sodium_memzero(in, sizeof in);
    sodium_memzero(out, sizeof out);
    return (U_SUCCESS(trouble) || trouble == U_STRING_NOT_TERMINATED_WARNING) && octets > 0 && octets <= PASSWORD_MAX;
}

bool password_prepare(struct str raw, char to[PASSWORD_MAX], size_t *len)
{
    if (raw.len == 0 || raw.len > PASSWORD_MAX || memchr(raw.at, '\0', raw.len))
        return false;
    if (!is_plain_ascii(raw))
        return utf8_is_valid(raw) && prepare_unicode(raw, to, len);
    memcpy(to, raw.at, raw.len);
    *len = raw.len;
    return true;
}

const char *password_refused(struct str raw)
{
    char prepared[PASSWORD_MAX];
    size_t len, characters = 0;

    if (raw.len > PASSWORD_MAX)
        return "it is too long";
    if (!password_prepare(raw, prepared, &len))
        return "it is empty, or holds what no keyboard gives";
    for (size_t i = 0; i < len; i++)
        characters += ((unsigned char)prepared[i] & 0xc0) != 0x80;
    sodium_memzero(prepared, sizeof prepared);
    return characters < PASSWORD_MIN ? "it has fewer than eight characters" : NULL;
}

bool password_hash(struct str raw, char to[PASSWORD_HASH_MAX])
{
    char prepared[PASSWORD_MAX];
    size_t len;

    if (sodium_init() < 0 || !password_prepare(raw, prepared, &len))
        return false;
    int failed = crypto_pwhash_str_alg(to, prepared, len, OPERATIONS, MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13);
    sodium_memzero(prepared, sizeof prepared);
    return failed == 0;
}

bool password_matches(const char *hash, struct str raw)
{
    char prepared[PASSWORD_MAX];
    size_t len = 0;

    if (sodium_init() < 0)
        return false;
    bool usable = password_prepare(raw, prepared, &len);
    bool same = crypto_pwhash_str_verify(hash, prepared, usable ? len : 0) == 0;
    sodium_memzero(prepared, sizeof prepared);
    return usable && same;
}
