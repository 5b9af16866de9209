/* spf_term.c: one term of an SPF record: directive or modifier (RFC 7208 §12). */
#include "auth/spf_parts.h"

static bool is_name_char(char c)
{
    return ascii_is_alnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

/* "." toplabel ["."]: at least one letter, or a hyphen inside. */
static bool ends_in_toplabel(struct str s)
{
    bool has_letter = false, has_hyphen = false;

    if (s.len && s.at[s.len - 1] == '.')
        s.len--;
    ptrdiff_t dot = str_find_last(s, '.');
    if (dot < 0)
        return false;
    struct str label = str_from_index(s, (size_t)dot + 1);
    if (label.len == 0 || label.at[0] == '-' || label.at[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        if (!ascii_is_alnum((unsigned char)label.at[i]) && label.at[i] != '-')
            return false;
        has_letter = has_letter || ascii_is_alpha((unsigned char)label.at[i]);
        has_hyphen = has_hyphen || label.at[i] == '-';
    }
    return has_letter || has_hyphen;
}

static bool domain_spec_is_valid(struct str s)
{
    if (s.len == 0 || !spf_macro_is_valid(s, false))
        return false;
    /* a macro-expand at the end: "}", or one of %% %_ %- */
    if (s.at[s.len - 1] == '}')
        return true;
    if (s.len >= 2 && s.at[s.len - 2] == '%' && (s.at[s.len - 1] == '%' || s.at[s.len - 1] == '_' || s.at[s.len - 1] == '-'))
        return true;
    return ends_in_toplabel(s);
}

/* "0", or digits without a leading zero, at most MOST. */
static bool take_bits(struct str digits, unsigned most, uint8_t *out)
{
    uint64_t n;

    if ((digits.len > 1 && digits.at[0] == '0') || !str_to_u64(digits, most, &n))
        return false;
    *out = (uint8_t)n;
    return true;
}

static bool is_digits(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_digit((unsigned char)s.at[i]))
            return false;
    return true;
}

/* Takes "[/bits][//bits]" off the end of *S. False when it is there and wrong. */
static bool take_dual_cidr(struct str *s, struct spf_term *t)
{
    ptrdiff_t slash = str_find_last(*s, '/');

    t->prefix4 = 32;
    t->prefix6 = 128;
    if (slash < 0 || !is_digits(str_from_index(*s, (size_t)slash + 1)))
        return true; /* a '/' of the domain-spec, or of a macro's delimiters */
    struct str digits = str_from_index(*s, (size_t)slash + 1);
    if (slash > 0 && s->at[slash - 1] == '/') {
        if (!take_bits(digits, 128, &t->prefix6))
            return false;
        *s = str_sub(*s, 0, (size_t)slash - 1);
        slash = str_find_last(*s, '/');
        if (slash < 0 || !is_digits(str_from_index(*s, (size_t)slash + 1)))
            return true;
        digits = str_from_index(*s, (size_t)slash + 1);
    }
    if (!take_bits(digits, 32, &t->prefix4))
        return false;
    *s = str_sub(*s, 0, (size_t)slash);
    return true;
}

static bool take_network(struct str value, int family, struct spf_term *t)
{
    ptrdiff_t slash = str_find(value, '/');
    uint8_t *bits = family == 4 ? &t->prefix4 : &t->prefix6;

    *bits = family == 4 ? 32 : 128;
    if (slash >= 0 && !take_bits(str_from_index(value, (size_t)slash + 1), family == 4 ? 32 : 128, bits))
        return false;
    struct str address = slash < 0 ? value : str_sub(value, 0, (size_t)slash);
    if (!ip_parse(address, &t->network))
        return false;
    if (family == 6 && t->network.family == 4 && str_find(address, ':') >= 0)
        t->network.family = 0; /* IPv4 written as IPv6: well formed, and no client has such an address */
    return t->network.family == family || t->network.family == 0;
}

/* REST begins with the ':' or '/' behind the name, or is empty. */
static bool parse_mechanism(struct str name, struct str rest, struct spf_term *t)
{
    static const struct { const char *name; enum spf_kind kind; } kinds[] = {
        {"all", TERM_ALL}, {"include", TERM_INCLUDE}, {"a", TERM_A},   {"mx", TERM_MX},
        {"ptr", TERM_PTR}, {"ip4", TERM_IP4},         {"ip6", TERM_IP6}, {"exists", TERM_EXISTS}};
    size_t i = 0;

    while (i < sizeof kinds / sizeof *kinds && !str_is_case(name, kinds[i].name))
        i++;
    if (i == sizeof kinds / sizeof *kinds)
        return false;
    t->kind = kinds[i].kind;
    bool has_value = rest.len && rest.at[0] == ':';
    if (t->kind == TERM_ALL)
        return rest.len == 0;
    if (t->kind == TERM_IP4 || t->kind == TERM_IP6)
        return has_value && take_network(str_from_index(rest, 1), t->kind == TERM_IP4 ? 4 : 6, t);
    if ((t->kind == TERM_A || t->kind == TERM_MX) && !take_dual_cidr(&rest, t))
        return false;
    has_value = rest.len && rest.at[0] == ':';
    if (!has_value)
        return rest.len == 0 && t->kind != TERM_INCLUDE && t->kind != TERM_EXISTS;
    t->domain_spec = str_from_index(rest, 1);
    return domain_spec_is_valid(t->domain_spec);
}

static bool parse_modifier(struct str name, struct str value, struct spf_term *t)
{
    t->kind = str_is_case(name, "redirect") ? TERM_REDIRECT : str_is_case(name, "exp") ? TERM_EXP : TERM_OTHER;
    if (t->kind == TERM_OTHER)
        return spf_macro_is_valid(value, false);
    t->domain_spec = value;
    return domain_spec_is_valid(value);
}

bool spf_term_parse(struct str text, struct spf_term *out)
{
    static const struct { char sign; enum spf_result result; } qualifiers[] = {
        {'+', SPF_PASS}, {'-', SPF_FAIL}, {'~', SPF_SOFTFAIL}, {'?', SPF_NEUTRAL}};
    struct str rest = text;
    size_t name_len = 0;
    bool has_qualifier = false;

    *out = (struct spf_term){.text = text, .if_matched = SPF_PASS};
    for (size_t i = 0; i < sizeof qualifiers / sizeof *qualifiers && rest.len && !has_qualifier; i++) {
        has_qualifier = rest.at[0] == qualifiers[i].sign;
        if (has_qualifier)
            out->if_matched = qualifiers[i].result;
    }
    rest = str_from_index(rest, has_qualifier);
    while (name_len < rest.len && is_name_char(rest.at[name_len]))
        name_len++;
    struct str name = str_sub(rest, 0, name_len);
    rest = str_from_index(rest, name_len);
    if (name.len == 0 || !ascii_is_alpha((unsigned char)name.at[0]))
        return false;
    if (rest.len && rest.at[0] == '=')
        return !has_qualifier && parse_modifier(name, str_from_index(rest, 1), out);
    return parse_mechanism(name, rest, out);
}
