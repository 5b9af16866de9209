/* spf_parts.h: a record taken apart (RFC 7208 §12), and macros (§7). */
#ifndef AUTH_SPF_PARTS_H
#define AUTH_SPF_PARTS_H

#include "auth/spf.h"
#include "base/arena.h"

enum spf_kind { TERM_ALL, TERM_INCLUDE, TERM_A, TERM_MX, TERM_PTR, TERM_IP4, TERM_IP6, TERM_EXISTS, TERM_REDIRECT, TERM_EXP, TERM_OTHER };

struct spf_term {
    enum spf_kind kind;
    enum spf_result if_matched;  /* by its qualifier */
    struct str text;             /* as written */
    struct str domain_spec;      /* not expanded; "" where none is given */
    struct ip network;           /* ip4, ip6 */
    uint8_t prefix4, prefix6;    /* bits */
};

/* The term that TEXT is; false when it is none. */
bool spf_term_parse(struct str text, struct spf_term *out) __attribute__((warn_unused_result));
/* §4.5: is TEXT a record of this version? */
bool spf_is_record(struct str text);
/* What evaluating T of DOMAIN's record will ask first, where no macro leaves that open. */
bool spf_term_asks(const struct spf_term *t, struct str domain, unsigned family, struct str *name, enum dns_type *type);

/* Is S a macro-string (§7.1)? IN_EXPLANATION: c, r and t are letters too, and blanks are allowed. */
bool spf_macro_is_valid(struct str s, bool in_explanation);
bool spf_has_macro(struct str s);

struct spf_macro_values {
    const struct spf_query *query;
    struct str local, sender_domain; /* of <sender> */
    struct str domain;               /* current <domain> */
    struct str (*validated)(void *arg); /* %{p}: asks the DNS only when it is needed */
    void *arg;
};
/* S must be valid. at == NULL when memory is out, or the text gets longer than 64 KiB. */
struct str spf_macro_expand(struct arena *arena, struct str s, const struct spf_macro_values *values);

#endif
