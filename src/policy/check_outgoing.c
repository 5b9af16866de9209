/* check_outgoing.c: whom an outgoing account may send for: the envelope's sender, and the authors in From (RFC 6409 §6.1). */
#include "policy/policy.h"

#include <string.h>

static bool entry_covers(struct str entry, struct str address, struct str domain, bool is_own)
{
    if (str_is_case(entry, "own"))
        return is_own;
    if (str_find(entry, '@') >= 0)
        return str_eq_case(entry, address);
    if (str_starts(entry, STR("*.")))
        return domain.len > entry.len - 1 && str_ends_case(domain, str_from_index(entry, 1));
    return str_eq_case(entry, domain);
}

static bool is_allowed(struct str address, struct str domain, bool is_own, const struct policy *p)
{
    const struct setting_list *list = setting_list(p, SETTING_allowed_sender_domains);

    for (size_t i = 0; i < list->count; i++)
        if (entry_covers(str_from(list->at[i]), address, domain, is_own))
            return true;
    return list->count == 0;
}

bool sender_domain_is_given(struct str domain, const struct policy *p)
{
    const struct setting_list *list = setting_list(p, SETTING_allowed_sender_domains);

    for (size_t i = 0; i < list->count; i++)
        if (entry_covers(str_from(list->at[i]), STR(""), domain, false))
            return true;
    return false;
}

/* The null sender is nobody's address: reports and answers of machines have it. */
struct finding check_sender_domain(struct str address, struct str domain, bool is_own, const struct policy *p)
{
    if (!address.len || is_allowed(address, domain, is_own, p))
        return finding_none();
    return finding_make(REASON_SENDER_NOT_YOURS, STR_FMT, STR_ARG(str_sub(address, 0, 100)));
}

struct finding check_author(struct str address, struct str domain, bool is_own, const struct address *sender, const struct policy *p)
{
    const char *match = setting_text(p, SETTING_from_must_match);

    if (!is_allowed(address, domain, is_own, p))
        return finding_make(REASON_SENDER_NOT_YOURS, "From has " STR_FMT, STR_ARG(str_sub(address, 0, 100)));
    if (strcmp(match, "no") == 0 || address_is_null(sender))
        return finding_none();
    bool same = strcmp(match, "domain") == 0 ? str_eq_case(domain, address_domain(sender)) : str_eq_case(address, address_text(sender));
    return same ? finding_none() : finding_make(REASON_SENDER_NOT_YOURS, "From has " STR_FMT ", which is not the envelope's sender", STR_ARG(str_sub(address, 0, 80)));
}
