/* spf_ahead.c: what a record will have us ask, before it is evaluated; see spf.h and spf_parts.h. */
#include "auth/spf_parts.h"

enum { MOST_AHEAD = 12 };

bool spf_is_record(struct str text)
{
    return str_starts_case(text, STR("v=spf1")) && (text.len == 6 || text.at[6] == ' ');
}

bool spf_term_asks(const struct spf_term *t, struct str domain, unsigned family, struct str *name, enum dns_type *type)
{
    *name = t->domain_spec.len ? t->domain_spec : domain;
    if (spf_has_macro(*name) || !spf_domain_is_askable(*name))
        return false;
    switch (t->kind) {
    case TERM_INCLUDE:
    case TERM_REDIRECT:
        *type = DNS_TXT;
        return true;
    case TERM_A:
        *type = family == 6 ? DNS_AAAA : DNS_A;
        return true;
    case TERM_MX:
        *type = DNS_MX;
        return true;
    default:
        return false;
    }
}

/* Whether the record is any good will be seen when it is evaluated. */
static void ask_for_terms(struct dns *dns, struct str domain, struct str record, unsigned family)
{
    struct spf_term t;
    struct str name;
    enum dns_type type;

    for (int asked = 0; record.len && asked < MOST_AHEAD;) {
        struct str word = str_cut(&record, ' ');
        if (word.len == 0)
            continue;
        if (!spf_term_parse(word, &t) || t.kind == TERM_ALL)
            return;
        if (spf_term_asks(&t, domain, family, &name, &type)) {
            dns_ask_ahead(dns, name, type);
            asked++;
        }
    }
}

static void follow_record(struct dns *dns, struct str domain, const struct dns_answer *a, unsigned family)
{
    for (size_t i = 0; i < a->count; i++)
        if (spf_is_record(a->at[i].data)) {
            ask_for_terms(dns, domain, str_from_index(a->at[i].data, 6), family);
            return;
        }
}

struct dns_question *spf_start(struct dns *dns, struct str domain, unsigned family)
{
    return dns_start_and_follow(dns, domain, DNS_TXT, follow_record, family);
}
