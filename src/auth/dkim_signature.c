/* dkim_signature.c: the field of one signature taken apart (RFC 6376 §3.5, §6.1.1; RFC 8617 §4.1). */
#include "auth/dkim_signature.h"

#include "auth/tag_list.h"

#include <string.h>

const char *signature_kind_name(unsigned kind)
{
    static const char *const names[] = {"dkim", "arc-message", "arc-seal", "arc-results"};
    return kind < sizeof names / sizeof *names ? names[kind] : "";
}

const char *signature_algorithm_name(unsigned algorithm)
{
    static const char *const names[] = {"rsa-sha256", "rsa-sha1", "ed25519-sha256"};
    return algorithm < sizeof names / sizeof *names ? names[algorithm] : "unknown";
}

const char *signature_fault_text(enum signature_fault f)
{
    static const char *const texts[FAULT_COUNT] = {
        "", "it is no list of tags", "its version is not known", "a required tag is missing", "a tag's value is not valid", "its algorithm is not known",
        "its canonicalization is not known", "its domain is not valid", "its identity is not of its domain", "From is not signed",
        "it covers more than there is", "it names no known way to its key", "it expires before it was made", "its instance is not valid",
        "its chain value is not valid", "it covers a seal"};
    return texts[f];
}

/* Letters, digits, hyphens, underscores, dots: what a DNS name for a key is made of. Lower case into TO. */
static bool take_name(struct str value, char to[DKIM_NAME_MAX])
{
    if (value.len == 0 || value.len >= DKIM_NAME_MAX || value.at[0] == '.' || value.at[value.len - 1] == '.')
        return false;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.at[i];
        if (!ascii_is_alnum(c) && !strchr("-_.", c))
            return false;
        if (c == '.' && value.at[i + 1] == '.')
            return false;
    }
    str_copy(to, DKIM_NAME_MAX, value);
    str_lower(to, value.len);
    return true;
}

static enum signature_algorithm algorithm_of(struct str value)
{
    static const char *const names[] = {"rsa-sha256", "rsa-sha1", "ed25519-sha256"};

    for (int i = 0; i < ALGORITHM_UNKNOWN; i++)
        if (str_is_case(value, names[i]))
            return (enum signature_algorithm)i;
    return ALGORITHM_UNKNOWN;
}

/* "relaxed/simple"; the body's is simple where it is not given. */
static bool take_canonicalization(struct str value, struct signature *s)
{
    struct str body = value, header = str_cut(&body, '/');

    s->header_relaxed = str_is_case(tag_trim(header), "relaxed");
    s->body_relaxed = body.at && str_is_case(tag_trim(body), "relaxed");
    return (s->header_relaxed || str_is_case(tag_trim(header), "simple")) &&
           (s->body_relaxed || !body.at || str_is_case(tag_trim(body), "simple"));
}

static bool take_number(struct str value, bool *has, int64_t *out)
{
    uint64_t n;

    if (!value.at)
        return true;
    *has = str_to_u64(value, (uint64_t)1 << 48, &n);
    *out = *has ? (int64_t)n : 0;
    return *has;
}

/* §3.5 i=: at or below d=. */
static bool take_identity(struct str value, struct signature *s)
{
    struct str domain = str_from(s->domain);

    if (!value.at) {
        str_copy(s->identity_domain, sizeof s->identity_domain, domain);
        return true;
    }
    ptrdiff_t at = str_find_last(value, '@');
    if (at < 0 || !take_name(tag_trim(str_from_index(value, (size_t)at + 1)), s->identity_domain))
        return false;
    struct str own = str_from(s->identity_domain);
    return str_eq(own, domain) || (own.len > domain.len && own.at[own.len - domain.len - 1] == '.' && str_ends_case(own, domain));
}

static bool lists_field(struct str fields, const char *name)
{
    while (fields.at && fields.len)
        if (str_is_case(tag_trim(str_cut(&fields, ':')), name))
            return true;
    return false;
}

static bool instance_is_valid(struct str value, struct signature *s)
{
    uint64_t n;

    if (!value.at || !str_to_u64(value, ARC_SETS_MAX, &n) || n == 0)
        return false;
    s->instance = (uint8_t)n;
    return true;
}

static enum signature_fault parse_common(const struct tag_list *tags, struct signature *s)
{
    struct str a = tag_find(tags, "a"), b = tag_find(tags, "b"), d = tag_find(tags, "d"), selector = tag_find(tags, "s");
    size_t len;

    if (!a.at || !b.at || !d.at || !selector.at)
        return FAULT_MISSING_TAG;
    s->algorithm = (uint8_t)algorithm_of(a);
    if (!take_name(d, s->domain))
        return FAULT_DOMAIN;
    if (!take_name(selector, s->selector))
        return FAULT_BAD_TAG;
    if (!tag_base64(b, s->bytes, sizeof s->bytes, &len) || len == 0)
        return FAULT_BAD_TAG;
    s->bytes_len = (uint16_t)len;
    if (!take_number(tag_find(tags, "t"), &s->has_time, &s->time_s))
        return FAULT_BAD_TAG;
    return s->algorithm == ALGORITHM_UNKNOWN ? FAULT_ALGORITHM : FAULT_NONE;
}

static enum signature_fault parse_message_tags(const struct tag_list *tags, struct signature *s, struct str *fields, struct str *body_hash)
{
    struct str c = tag_find(tags, "c"), l = tag_find(tags, "l");

    *fields = tag_find(tags, "h");
    *body_hash = tag_find(tags, "bh");
    if (!fields->at || !body_hash->at)
        return FAULT_MISSING_TAG;
    if (c.at && !take_canonicalization(c, s))
        return FAULT_CANONICALIZATION;
    s->has_length = l.at != NULL;
    if (l.at && !str_to_u64(l, INT64_MAX, &s->length))
        return FAULT_BAD_TAG;
    if (!take_number(tag_find(tags, "x"), &s->has_expiry, &s->expiry_s))
        return FAULT_BAD_TAG;
    if (s->has_time && s->has_expiry && s->expiry_s < s->time_s)
        return FAULT_DATES;
    s->subject_signed = lists_field(*fields, "Subject");
    return FAULT_NONE;
}

static enum signature_fault parse_dkim(const struct tag_list *tags, struct signature *s, struct str *fields, struct str *body_hash)
{
    struct str v = tag_find(tags, "v"), q = tag_find(tags, "q");
    enum signature_fault fault;

    if (!v.at)
        return FAULT_MISSING_TAG;
    if (!str_is(v, "1"))
        return FAULT_VERSION;
    if ((fault = parse_common(tags, s)) != FAULT_NONE || (fault = parse_message_tags(tags, s, fields, body_hash)) != FAULT_NONE)
        return fault;
    if (!take_identity(tag_find(tags, "i"), s))
        return FAULT_IDENTITY;
    if (!lists_field(*fields, "From"))
        return FAULT_FROM_NOT_SIGNED;
    bool known = !q.at;
    while (q.len && !known)
        known = str_is_case(tag_trim(str_cut(&q, ':')), "dns/txt");
    return known ? FAULT_NONE : FAULT_QUERY;
}

static enum signature_fault parse_arc_message(const struct tag_list *tags, struct signature *s, struct str *fields, struct str *body_hash)
{
    enum signature_fault fault;

    if (!instance_is_valid(tag_find(tags, "i"), s))
        return FAULT_INSTANCE;
    if ((fault = parse_common(tags, s)) != FAULT_NONE || (fault = parse_message_tags(tags, s, fields, body_hash)) != FAULT_NONE)
        return fault;
    return lists_field(*fields, "ARC-Seal") ? FAULT_SEAL_SIGNED : FAULT_NONE; /* RFC 8617 §4.1.2 */
}

/* RFC 8617 §4.1.3: no h=, no bh=; cv= says what the sealer made of the chain before it. */
static enum signature_fault parse_arc_seal(const struct tag_list *tags, struct signature *s)
{
    static const char *const values[] = {"none", "pass", "fail"};
    struct str cv = tag_find(tags, "cv");

    s->chain = CHAIN_MISSING;
    for (int i = 0; i < CHAIN_MISSING; i++)
        if (cv.at && str_is_case(cv, values[i]))
            s->chain = (uint8_t)i;
    if (!instance_is_valid(tag_find(tags, "i"), s))
        return FAULT_INSTANCE;
    if (tag_find(tags, "h").at || tag_find(tags, "bh").at)
        return FAULT_BAD_TAG;
    s->header_relaxed = true;
    enum signature_fault fault = parse_common(tags, s);
    return fault != FAULT_NONE ? fault : s->chain == CHAIN_MISSING ? FAULT_CHAIN : FAULT_NONE;
}

/* "i=1; mx.example; spf=pass …": what follows the instance is no tag list. */
static enum signature_fault parse_arc_results(struct str value, struct signature *s)
{
    struct str rest = value, tag = str_cut(&rest, ';'), name = tag_trim(str_cut(&tag, '='));

    return str_is(name, "i") && tag.at && instance_is_valid(tag_trim(tag), s) ? FAULT_NONE : FAULT_INSTANCE;
}

void signature_parse(struct str value, enum signature_kind kind, struct signature *out, struct str *signed_fields, struct str *body_hash)
{
    struct tag_list tags;

    memset(out, 0, sizeof *out);
    out->kind = (uint8_t)kind;
    *signed_fields = *body_hash = str_n(NULL, 0);
    if (kind == SIGNATURE_ARC_RESULTS)
        out->fault = (uint8_t)parse_arc_results(value, out);
    else if (!tag_list_parse(value, &tags))
        out->fault = FAULT_SYNTAX;
    else if (kind == SIGNATURE_DKIM)
        out->fault = (uint8_t)parse_dkim(&tags, out, signed_fields, body_hash);
    else if (kind == SIGNATURE_ARC_MESSAGE)
        out->fault = (uint8_t)parse_arc_message(&tags, out, signed_fields, body_hash);
    else
        out->fault = (uint8_t)parse_arc_seal(&tags, out);
}
