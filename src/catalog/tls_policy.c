/* tls_policy.c: see tls_policy.h. */
#include "catalog/tls_policy.h"

static bool refuse(struct buf *error, struct str entry, const char *what)
{
    if (error)
        buf_addf(error, "\"" STR_FMT "\" %s", STR_ARG(entry), what);
    return false;
}

static bool is_level(struct str level)
{
    for (struct str rest = str_from(setting_row(SETTING_destination_tls)->unit); rest.at;)
        if (str_eq(str_cut(&rest, '|'), level))
            return true;
    return false;
}

static bool is_domain(struct str name)
{
    if (str_starts(name, STR(".")))
        name = str_from_index(name, 1);
    if (!name.len || name.len > 253)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.at[i];
        if (!ascii_is_alnum(c) && c != '-' && c != '_' && !(c == '.' && i && name.at[i - 1] != '.'))
            return false;
    }
    return name.at[name.len - 1] != '.';
}

bool tls_policy_parse(struct str entry, struct tls_policy *out, struct buf *error)
{
    struct str rest = entry;

    *out = (struct tls_policy){0};
    out->domain = str_trim(str_cut(&rest, '='));
    if (!rest.at)
        return refuse(error, entry, "is not destination=level");
    if (!is_domain(out->domain))
        return refuse(error, entry, "does not begin with a domain, or a dot and a domain");
    out->level = str_trim(str_cut(&rest, ':'));
    if (!is_level(out->level))
        return refuse(error, entry, "has none of the levels of destination_tls");
    while (rest.at) {
        struct str name = str_trim(str_cut(&rest, ':'));
        if (!is_domain(name))
            return refuse(error, entry, "has a name that is no domain");
        if (out->name_count == TLS_POLICY_NAMES_MAX)
            return refuse(error, entry, "has too many names");
        out->names[out->name_count++] = name;
    }
    if (out->name_count && !str_is(out->level, "verify") && !str_is(out->level, "secure"))
        return refuse(error, entry, "has names, which only verify and secure look at");
    return true;
}

/* Is DOMAIN what the entry is for? */
static bool is_for(struct str entry, struct str domain)
{
    if (!str_starts(entry, STR(".")))
        return str_eq_case(entry, domain);
    return domain.len > entry.len && str_eq_case(entry, str_from_index(domain, domain.len - entry.len));
}

/* The longest one is the nearest: its own name is longer than a dot and a domain above. */
bool tls_policy_find(const struct setting_list *list, struct str domain, struct tls_policy *out)
{
    bool found = false;

    for (size_t i = 0; i < list->count; i++) {
        struct tls_policy one;
        if (!tls_policy_parse(str_from(list->at[i]), &one, NULL) || !is_for(one.domain, domain))
            continue;
        if (!found || one.domain.len > out->domain.len)
            *out = one;
        found = true;
    }
    return found;
}
