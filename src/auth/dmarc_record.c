/* dmarc_record.c: a DMARC policy record taken apart (RFC 9989 §4.7, §4.8). */
#include "auth/dmarc.h"

#include <string.h>

/* dmarc-sep and equals allow blanks around. */
static struct str trim(struct str s)
{
    while (s.len && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = str_from_index(s, 1);
    while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static bool take_policy(struct str value, enum dmarc_policy *out)
{
    for (int p = DMARC_POLICY_NONE; p <= DMARC_POLICY_REJECT; p++)
        if (str_is_case(value, dmarc_policy_name((enum dmarc_policy)p))) {
            *out = (enum dmarc_policy)p;
            return true;
        }
    return false;
}

/* A list with at least one thing that can be a URI: a scheme, a colon, something behind it. */
static void take_uris(struct str value, char to[DMARC_URIS_MAX])
{
    struct str rest = value;
    bool any = false;

    while (rest.len && !any) {
        struct str one = trim(str_cut(&rest, ','));
        ptrdiff_t colon = str_find(one, ':');
        any = colon > 0 && ascii_is_alpha((unsigned char)one.at[0]) && (size_t)colon + 1 < one.len;
    }
    if (any && !*to)
        str_copy(to, DMARC_URIS_MAX, value);
}

/* "0" and "1" exclude each other, d and s once each. */
static bool fo_is_valid(struct str value)
{
    unsigned seen = 0;

    while (value.at) {
        struct str one = str_cut(&value, ':');
        static const char letters[] = "01dsDS";
        const char *hit = one.len == 1 ? strchr(letters, one.at[0]) : NULL;
        if (!hit)
            return false;
        unsigned bit = 1U << (hit - letters) % 4;
        if (hit - letters >= 4)
            bit = 1U << (hit - letters - 2);
        if (seen & bit)
            return false;
        seen |= bit;
    }
    return (seen & 3) != 3;
}

static void take_tag(struct str name, struct str value, struct dmarc_record *r)
{
    bool valid;

    if (str_is_case(name, "p") && !r->has_p) {
        r->has_p = take_policy(value, &r->p);
    } else if (str_is_case(name, "sp")) {
        valid = take_policy(value, &r->sp);
        r->has_sp = r->has_sp || valid;
        r->is_spoiled = r->is_spoiled || !valid;
    } else if (str_is_case(name, "np")) {
        valid = take_policy(value, &r->np);
        r->has_np = r->has_np || valid;
        r->is_spoiled = r->is_spoiled || !valid;
    } else if (str_is_case(name, "adkim")) {
        r->strict_dkim = str_is_case(value, "s");
    } else if (str_is_case(name, "aspf")) {
        r->strict_spf = str_is_case(value, "s");
    } else if (str_is_case(name, "t")) {
        r->is_test = str_is_case(value, "y");
    } else if (str_is_case(name, "psd")) {
        r->psd = str_is_case(value, "y") ? 'y' : str_is_case(value, "n") ? 'n' : 'u';
    } else if (str_is_case(name, "fo") && fo_is_valid(value)) {
        str_copy(r->fo, sizeof r->fo, value);
    } else if (str_is_case(name, "rua")) {
        take_uris(value, r->rua);
    } else if (str_is_case(name, "ruf")) {
        take_uris(value, r->ruf);
    }
}

/* "v" equals %s"DMARC1", then a separator or the end. */
static bool is_version(struct str tag)
{
    struct str value = tag, name = trim(str_cut(&value, '='));
    return value.at && str_is_case(name, "v") && str_is(trim(value), "DMARC1");
}

bool dmarc_record_parse(struct str text, struct dmarc_record *out)
{
    struct str rest = text;

    *out = (struct dmarc_record){.psd = 'u', .fo = "0"};
    if (!is_version(trim(str_cut(&rest, ';'))))
        return false;
    while (rest.len) {
        struct str value = trim(str_cut(&rest, ';')), name = trim(str_cut(&value, '='));
        if (value.at)
            take_tag(name, trim(value), out);
    }
    out->is_spoiled = out->is_spoiled || !out->has_p;
    if (!*out->ruf)
        strcpy(out->fo, "0");
    return true;
}
