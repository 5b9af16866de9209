/* spf.c: check_host() of RFC 7208 §4 to §6. */
#include "auth/spf_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MOST_LOOKUPS = 10, MOST_VOID = 2, MOST_NAMES = 10, MOST_TERMS = 512, MOST_EARLY = 12, ARENA_BYTES = 512 * 1024 };

/* One check: what its includes and redirects share. */
struct check {
    struct dns *dns;
    const struct spf_query *query;
    struct spf_verdict *out;
    struct arena arena;
    struct str local, sender_domain;
    struct dns_question *early[MOST_EARLY]; /* asked before they are needed, so that they wait together */
    size_t early_count;
    bool broken;   /* permerror or temperror: nothing more is evaluated */
};

/* One record under evaluation. */
struct level {
    struct check *check;
    struct str domain;
    struct spf_term terms[MOST_TERMS];
    size_t count;
    const struct spf_term *redirect, *exp;
};

const char *spf_result_name(enum spf_result r)
{
    static const char *const names[] = {"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"};
    return names[r];
}

__attribute__((format(printf, 3, 4)))
static enum spf_result fault(struct check *c, enum spf_result result, const char *format, ...)
{
    va_list args;

    if (!c->broken) {
        va_start(args, format);
        vsnprintf(c->out->problem, sizeof c->out->problem, format, args);
        va_end(args);
    }
    c->broken = true;
    return result;
}

/* §4.3: labels of 1 to 63 octets, two of them at least, 253 in all; what characters is the DNS's business. */
bool spf_domain_is_askable(struct str domain)
{
    size_t label = 0, labels = 0;

    if (domain.len && domain.at[domain.len - 1] == '.')
        domain.len--;
    if (domain.len == 0 || domain.len > 253)
        return false;
    for (size_t i = 0; i <= domain.len; i++) {
        if (i < domain.len && domain.at[i] != '.') {
            label++;
            continue;
        }
        if (label == 0 || label > 63)
            return false;
        labels++;
        label = 0;
    }
    return labels >= 2;
}

/* Asks, counting void answers. The question stays open until done. */
static const struct dns_answer *ask(struct check *c, struct str name, enum dns_type type, struct dns_question **q)
{
    static const struct dns_answer no_name = {.status = DNS_NO_NAME};
    const struct dns_answer *a = &no_name;

    *q = NULL;
    if (spf_domain_is_askable(name)) {
        *q = dns_start(c->dns, name, type);
        a = dns_wait_until(*q, c->query->deadline_ms ? c->query->deadline_ms : INT64_MAX);
    }
    return a;
}

static bool count_void(struct check *c, const struct dns_answer *a)
{
    if (a->status != DNS_NO_DATA && a->status != DNS_NO_NAME)
        return true;
    if (++c->out->void_lookups <= MOST_VOID)
        return true;
    fault(c, SPF_PERMERROR, "more than %d questions without an answer", MOST_VOID);
    return false;
}

static bool count_lookup(struct check *c)
{
    if (++c->out->lookups <= MOST_LOOKUPS)
        return true;
    fault(c, SPF_PERMERROR, "more than %d terms that ask the DNS", MOST_LOOKUPS);
    return false;
}

static bool ip_in(const struct ip *ip, const struct ip *base, uint8_t bits)
{
    if (ip->family != base->family || ip->family == 0)
        return false;
    size_t whole = bits / 8;
    unsigned rest = bits % 8;
    if (memcmp(ip->bytes, base->bytes, whole) != 0)
        return false;
    return rest == 0 || (ip->bytes[whole] ^ base->bytes[whole]) >> (8 - rest) == 0;
}

static enum dns_type address_type(const struct check *c)
{
    return c->query->ip.family == 6 ? DNS_AAAA : DNS_A;
}

static bool any_matches(const struct check *c, const struct dns_answer *a, const struct spf_term *t)
{
    uint8_t bits = c->query->ip.family == 6 ? t->prefix6 : t->prefix4;

    for (size_t i = 0; i < a->count; i++)
        if (ip_in(&c->query->ip, &a->at[i].ip, bits))
            return true;
    return false;
}

enum match { MATCH_NO, MATCH_YES, MATCH_FAULT /* c->broken; *RESULT says how */ };

static enum match temporary(struct check *c, struct str name, enum spf_result *result)
{
    *result = fault(c, SPF_TEMPERROR, "the DNS does not answer for " STR_FMT, STR_ARG(str_sub(name, 0, 100)));
    return MATCH_FAULT;
}

static enum match match_address(struct check *c, struct str name, const struct spf_term *t, enum spf_result *result)
{
    struct dns_question *q;
    const struct dns_answer *a = ask(c, name, address_type(c), &q);
    enum match m = a->status == DNS_FAILED ? temporary(c, name, result) : any_matches(c, a, t) ? MATCH_YES : MATCH_NO;

    if (m == MATCH_NO && !count_void(c, a)) {
        *result = SPF_PERMERROR;
        m = MATCH_FAULT;
    }
    dns_done(&q);
    return m;
}

static enum match match_mx(struct check *c, struct str name, const struct spf_term *t, enum spf_result *result)
{
    struct dns_question *q, *hosts[MOST_NAMES] = {NULL};
    const struct dns_answer *a = ask(c, name, DNS_MX, &q);
    enum match m = a->status == DNS_FAILED ? temporary(c, name, result) : MATCH_NO;

    if (m == MATCH_NO && (!count_void(c, a) || a->count > MOST_NAMES)) {
        *result = fault(c, SPF_PERMERROR, "more than %d MX hosts", MOST_NAMES);
        m = MATCH_FAULT;
    }
    for (size_t i = 0; m == MATCH_NO && i < a->count; i++)
        if (spf_domain_is_askable(a->at[i].data))
            hosts[i] = dns_start(c->dns, a->at[i].data, address_type(c)); /* all at once; then one after the other */
    for (size_t i = 0; m == MATCH_NO && i < a->count; i++)
        if (hosts[i])
            m = match_address(c, a->at[i].data, t, result);
    for (size_t i = 0; i < MOST_NAMES; i++)
        if (hosts[i])
            dns_done(&hosts[i]);
    dns_done(&q);
    return m;
}

/* "4.3.2.1.in-addr.arpa" */
static struct str reverse_name(struct arena *arena, const struct ip *ip)
{
    char text[IP_REVERSED_MAX];

    return str_from(arena_printf(arena, "%s.%s", ip_reversed(ip, text), ip->family == 6 ? "ip6.arpa" : "in-addr.arpa"));
}

static bool is_below(struct str name, struct str domain)
{
    return str_eq_case(name, domain) ||
           (name.len > domain.len && name.at[name.len - domain.len - 1] == '.' && str_ends_case(name, domain));
}

static bool name_has_client(struct check *c, struct str name)
{
    struct dns_question *q;
    const struct dns_answer *a = ask(c, name, address_type(c), &q);
    bool has = false;

    for (size_t i = 0; i < a->count && !has; i++)
        has = ip_eq(&a->at[i].ip, &c->query->ip);
    dns_done(&q);
    return has;
}

/* §5.5: of the first ten names of the client, those that lead back to it. WANTED "": any; the domain itself is preferred, then one below it. */
static struct str validated_name(struct check *c, struct str wanted, bool only_wanted)
{
    struct dns_question *q;
    const struct dns_answer *a = ask(c, reverse_name(&c->arena, &c->query->ip), DNS_PTR, &q);
    struct str found = str_n(NULL, 0);

    for (int pass = 0; pass < (only_wanted ? 2 : 3) && !found.len; pass++)
        for (size_t i = 0; i < a->count && i < MOST_NAMES && !found.len; i++) {
            struct str name = a->at[i].data;
            bool fits = pass == 0 ? str_eq_case(name, wanted) : pass == 1 ? is_below(name, wanted) : true;
            if (fits && name_has_client(c, name))
                found = arena_str(&c->arena, name);
        }
    dns_done(&q);
    return found;
}

struct validation {
    struct check *check;
    struct str domain;
};

static struct str validated_for_macro(void *arg)
{
    struct validation *v = arg;
    struct str name = validated_name(v->check, v->domain, false);

    return name.len ? name : STR("unknown");
}

static struct str expand(struct level *l, struct str spec)
{
    struct validation v = {l->check, l->domain};
    struct spf_macro_values values = {.query = l->check->query, .local = l->check->local, .sender_domain = l->check->sender_domain,
                                      .domain = l->domain, .validated = validated_for_macro, .arg = &v};

    return spf_has_macro(spec) ? spf_macro_expand(&l->check->arena, spec, &values) : spec;
}

/* §7.3: a name that is too long loses labels from the left. */
static struct str target_of(struct level *l, struct str spec)
{
    struct str name = spec.len ? expand(l, spec) : l->domain;

    if (name.len && name.at[name.len - 1] == '.')
        name.len--;
    while (name.len > 253) {
        ptrdiff_t dot = str_find(name, '.');
        if (dot < 0)
            break;
        name = str_from_index(name, (size_t)dot + 1);
    }
    return name;
}

static enum spf_result check_host(struct check *c, struct str domain, bool is_first);

/* §5.2: what the included domain says of the client decides whether this term matches. */
static enum match match_include(struct level *l, const struct spf_term *t, enum spf_result *result)
{
    struct check *c = l->check;
    struct str name = target_of(l, t->domain_spec);
    enum spf_result r = check_host(c, name, false);

    switch (r) {
    case SPF_PASS: return MATCH_YES;
    case SPF_NONE:
        *result = fault(c, SPF_PERMERROR, "include of " STR_FMT ", which has no record", STR_ARG(str_sub(name, 0, 90)));
        return MATCH_FAULT;
    case SPF_TEMPERROR:
    case SPF_PERMERROR:
        *result = r;
        return MATCH_FAULT;
    default: return MATCH_NO;
    }
}

static enum match match_exists(struct level *l, const struct spf_term *t, enum spf_result *result)
{
    struct check *c = l->check;
    struct str name = target_of(l, t->domain_spec);
    struct dns_question *q;
    const struct dns_answer *a = ask(c, name, DNS_A, &q);
    enum match m = a->status == DNS_FAILED ? temporary(c, name, result) : a->status == DNS_OK ? MATCH_YES : MATCH_NO;

    if (m == MATCH_NO && !count_void(c, a)) {
        *result = SPF_PERMERROR;
        m = MATCH_FAULT;
    }
    dns_done(&q);
    return m;
}

static enum match match_term(struct level *l, const struct spf_term *t, enum spf_result *result)
{
    struct check *c = l->check;

    if (t->kind == TERM_ALL)
        return MATCH_YES;
    if (t->kind == TERM_IP4 || t->kind == TERM_IP6)
        return ip_in(&c->query->ip, &t->network, t->kind == TERM_IP4 ? t->prefix4 : t->prefix6) ? MATCH_YES : MATCH_NO;
    if (!count_lookup(c)) {
        *result = SPF_PERMERROR;
        return MATCH_FAULT;
    }
    switch (t->kind) {
    case TERM_A: return match_address(c, target_of(l, t->domain_spec), t, result);
    case TERM_MX: return match_mx(c, target_of(l, t->domain_spec), t, result);
    case TERM_PTR: return validated_name(c, target_of(l, t->domain_spec), true).len ? MATCH_YES : MATCH_NO;
    case TERM_EXISTS: return match_exists(l, t, result);
    default: return match_include(l, t, result);
    }
}

/* §6.2: words of the domain itself. Whatever goes wrong, there are none. */
static void explain(struct level *l)
{
    struct check *c = l->check;
    struct dns_question *q;

    if (!l->exp)
        return;
    struct str name = target_of(l, l->exp->domain_spec);
    const struct dns_answer *a = ask(c, name, DNS_TXT, &q);
    if (a->status == DNS_OK && a->count == 1 && spf_macro_is_valid(a->at[0].data, true)) {
        struct str text = expand(l, a->at[0].data);
        bool is_ascii = true;
        for (size_t i = 0; i < text.len; i++)
            is_ascii = is_ascii && (unsigned char)text.at[i] >= 0x20 && (unsigned char)text.at[i] < 0x7F;
        if (is_ascii)
            str_copy(c->out->explanation, sizeof c->out->explanation, text);
    }
    dns_done(&q);
}

static enum spf_result matched(struct level *l, const struct spf_term *t, bool is_first)
{
    struct spf_verdict *out = l->check->out;

    if (!is_first)
        return t->if_matched;
    str_copy(out->mechanism, sizeof out->mechanism, t->text);
    str_copy(out->domain, sizeof out->domain, l->domain);
    out->sends_nothing = t->kind == TERM_ALL && t->if_matched == SPF_FAIL && l->count == 1;
    if (t->if_matched == SPF_FAIL)
        explain(l);
    return t->if_matched;
}

static enum spf_result evaluate(struct level *l, bool is_first)
{
    struct check *c = l->check;
    enum spf_result result = SPF_NEUTRAL;

    for (size_t i = 0; i < l->count; i++) {
        const struct spf_term *t = &l->terms[i];
        if (t->kind >= TERM_REDIRECT)
            continue;
        enum match m = match_term(l, t, &result);
        if (m == MATCH_FAULT)
            return result;
        if (m == MATCH_YES)
            return matched(l, t, is_first);
    }
    if (!l->redirect)
        return SPF_NEUTRAL;
    if (!count_lookup(c))
        return SPF_PERMERROR;
    struct str name = target_of(l, l->redirect->domain_spec);
    result = check_host(c, name, is_first);
    return result == SPF_NONE ? fault(c, SPF_PERMERROR, "redirect to " STR_FMT ", which has no record", STR_ARG(str_sub(name, 0, 90))) : result;
}

/* Only once in a record (§6). */
static bool set_once(const struct spf_term **slot, const struct spf_term *t)
{
    bool first = *slot == NULL;
    *slot = t;
    return first;
}

/* §4.6: a mistake anywhere spoils the whole record. */
static bool parse_record(struct level *l, struct str record)
{
    struct str rest = record;
    bool fine = true;

    while (rest.len && fine) {
        struct str word = str_cut(&rest, ' ');
        if (word.len == 0)
            continue;
        struct spf_term *t = l->count < MOST_TERMS ? &l->terms[l->count++] : NULL;
        fine = t && spf_term_parse(word, t);
        if (fine && t->kind == TERM_REDIRECT)
            fine = set_once(&l->redirect, t);
        else if (fine && t->kind == TERM_EXP)
            fine = set_once(&l->exp, t);
        if (!fine)
            fault(l->check, SPF_PERMERROR, "\"" STR_FMT "\" in the record of " STR_FMT, STR_ARG(str_sub(word, 0, 60)),
                  STR_ARG(str_sub(l->domain, 0, 60)));
    }
    return fine;
}

/* What will be asked all the same: its questions run while the first of them is waited for. */
static void ask_ahead(struct level *l)
{
    struct check *c = l->check;
    struct str name;
    enum dns_type type;

    for (size_t i = 0; i < l->count && l->terms[i].kind != TERM_ALL && c->early_count < MOST_EARLY; i++)
        if (spf_term_asks(&l->terms[i], l->domain, c->query->ip.family, &name, &type))
            c->early[c->early_count++] = dns_start(c->dns, name, type);
}

/* §4.5: the one record; SPF_PASS when RECORD is set. */
static enum spf_result select_record(struct check *c, struct str domain, struct str *record)
{
    struct dns_question *q;
    const struct dns_answer *a = ask(c, domain, DNS_TXT, &q);
    size_t found = 0;

    for (size_t i = 0; i < a->count; i++)
        if (spf_is_record(a->at[i].data)) {
            found++;
            *record = arena_str(&c->arena, str_from_index(a->at[i].data, 6));
        }
    enum spf_result r = SPF_PASS;
    if (a->status == DNS_FAILED)
        r = fault(c, SPF_TEMPERROR, "the DNS does not answer for " STR_FMT, STR_ARG(str_sub(domain, 0, 100)));
    else if (found == 0)
        r = SPF_NONE;
    else if (found > 1 || !record->at)
        r = fault(c, SPF_PERMERROR, "%zu SPF records of " STR_FMT, found, STR_ARG(str_sub(domain, 0, 100)));
    dns_done(&q);
    return r;
}

static enum spf_result check_host(struct check *c, struct str domain, bool is_first)
{
    struct str record = str_n(NULL, 0);

    if (!spf_domain_is_askable(domain))
        return SPF_NONE;
    enum spf_result r = select_record(c, domain, &record);
    if (r != SPF_PASS)
        return r;
    struct level *l = arena_alloc(&c->arena, sizeof *l); /* at most one for each of the ten look-ups */
    if (!l)
        return fault(c, SPF_PERMERROR, "the records are too large");
    l->check = c;
    l->domain = domain;
    if (!parse_record(l, record))
        return SPF_PERMERROR;
    ask_ahead(l);
    return evaluate(l, is_first);
}

void spf_check(struct dns *dns, const struct spf_query *query, struct spf_verdict *out)
{
    memset(out, 0, sizeof *out);
    struct check c = {.dns = dns, .query = query, .out = out, .arena = arena_make(ARENA_BYTES * 4),
                      .local = query->local.len ? query->local : STR("postmaster"),
                      .sender_domain = query->domain.len ? query->domain : query->helo};

    out->result = check_host(&c, c.sender_domain, true);
    for (size_t i = 0; i < c.early_count; i++)
        dns_done(&c.early[i]);
    arena_free(&c.arena);
}
