/* authentication.c: see authentication.h. */
#include "gate/authentication.h"

#include "base/clock.h"
#include "gate/authentication_parts.h"
#include "gate/lookup.h"
#include "gate/lookup_client.h"
#include "gate/session.h"
#include "scan/record_signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AUTHORS_MAX = 5 /* domains in From; RFC 9989 §4 knows one */, NAME_LOOKED_AT = 200 };

/* 0 when out of memory, or nothing is signed: COUNT tells. */
static bool take_signatures(struct authentication *a, const struct scan_report *report)
{
    struct str rest = report_records(report);
    struct record r;
    size_t count = 0;

    while (report_next(&rest, RECORD_SIGNATURE, &r))
        count++;
    if (count > SIGNATURES_MAX)
        count = SIGNATURES_MAX;
    if (count == 0)
        return true;
    a->signatures = calloc(count, sizeof *a->signatures);
    if (!a->signatures)
        return false;
    rest = report_records(report);
    while (a->count < count && report_next(&rest, RECORD_SIGNATURE, &r))
        if (signature_of_record(&r, &a->signatures[a->count]))
            a->count++;
    return true;
}

static void verify_dkim(struct session *s, struct authentication *a, int64_t now_s)
{
    struct dns_question *early[DKIM_MAX];

    for (size_t i = 0; i < a->count && a->dkim_count < DKIM_MAX; i++) {
        if (a->signatures[i].kind != SIGNATURE_DKIM)
            continue;
        early[a->dkim_count] = dkim_key_ask(s->gate->parts.dns, &a->signatures[i]);
        a->dkim[a->dkim_count++] = &a->signatures[i];
    }
    for (size_t i = 0; i < a->dkim_count; i++)
        dkim_verify(s->gate->parts.dns, s->gate->keys, a->dkim[i], now_s, &a->verdicts[i]);
    for (size_t i = 0; i < a->dkim_count; i++)
        dns_done(&early[i]);
}

bool authentication_is_partial(const struct signature *s)
{
    return s->has_length && s->length < s->body_length;
}

/* Whoever has a partial one may put anything behind it that its reader then sees (RFC 6376 §8.2). */
bool authentication_counts(const struct authentication *a, size_t i)
{
    return a->verdicts[i].result == DKIM_PASS && (a->trusts_partial || !authentication_is_partial(a->dkim[i]));
}

const char *authentication_result(const struct authentication *a, size_t i)
{
    return dkim_result_name(a->verdicts[i].result == DKIM_PASS && !authentication_counts(a, i) ? DKIM_POLICY : a->verdicts[i].result);
}

static bool dkim_is_uncertain(const struct authentication *a)
{
    for (size_t i = 0; i < a->dkim_count; i++)
        if (a->verdicts[i].result == DKIM_TEMPERROR)
            return true;
    return false;
}

/* The most telling one: a pass for the author, another pass, the first there is. */
static void say_dkim(struct authentication *a)
{
    size_t best = 0;

    for (size_t i = 0; i < a->dkim_count; i++) {
        bool is_author = str_eq_case(str_from(a->dkim[i]->domain), str_from(a->author));
        bool best_is_author = str_eq_case(str_from(a->dkim[best]->domain), str_from(a->author));
        if (authentication_counts(a, i) && (!authentication_counts(a, best) || (is_author && !best_is_author)))
            best = i;
    }
    if (a->dkim_count)
        snprintf(a->dkim_text, sizeof a->dkim_text, "%s %s", authentication_result(a, best), a->dkim[best]->domain);
}

/*
 * The domain of an author as the DNS has it. "x_y.bank.test", "a..bank.test" and "[bank.test]" are no names of hosts, but their reader sees bank.test, whose
 * policy goes for all that is below: what cannot be asked for stands as "_". False: there is no domain.
 */
static bool author_name(struct str domain, char to[DKIM_NAME_MAX])
{
    char kept[DKIM_NAME_MAX], above[DKIM_NAME_MAX] = "";
    size_t len = 0;
    bool is_ascii = true;
    struct ip literal;

    if (domain_to_ascii(domain, to, DKIM_NAME_MAX))
        return true;
    if (address_literal_parse(domain, &literal))
        return false;
    while (domain.len > NAME_LOOKED_AT) /* of a name that is too long for the DNS its end counts */
        str_cut(&domain, '.');
    for (size_t i = 0; i < domain.len; i++) {
        unsigned char c = (unsigned char)domain.at[i];
        is_ascii = is_ascii && c <= 0x7F;
        if (ascii_is_alnum(c) || (c && strchr("-_.", c)) || c > 0x7F)
            kept[len++] = (char)ascii_lower(c);
    }
    kept[len] = '\0';
    struct str name = str_n(kept, len), rest = name;
    if (domain_to_ascii(name, to, DKIM_NAME_MAX))
        return true;
    do
        str_cut(&rest, '.');
    while (rest.len && !domain_to_ascii(rest, above, sizeof above));
    bool as_written = is_ascii && spf_domain_is_askable(name);
    return rest.len && snprintf(to, DKIM_NAME_MAX, "%s%s", as_written ? "" : "_.", as_written ? kept : above) < DKIM_NAME_MAX;
}

/* Domains of From as A-labels, each once. A name without a domain is no author; that there are more than AUTHORS_MAX is check_structure's finding. */
static size_t read_authors(const struct scan_report *report, char to[AUTHORS_MAX][DKIM_NAME_MAX])
{
    struct str rest = report_records(report);
    struct record r;
    size_t count = 0;

    while (count < AUTHORS_MAX && report_next(&rest, RECORD_MAILBOX, &r)) {
        bool known = false;
        if (!str_is_case(r.mailbox.field, "from") || !r.mailbox.domain.len || !author_name(r.mailbox.domain, to[count]))
            continue;
        for (size_t i = 0; i < count; i++)
            known = known || strcmp(to[i], to[count]) == 0;
        count += !known;
    }
    return count;
}

/* A fail that asks for more is worse; where the DNS fails nothing is known. */
static int badness(const struct dmarc_verdict *v)
{
    switch (v->result) {
    case DMARC_PASS: return 0;
    case DMARC_NONE: return 1;
    case DMARC_FAIL: return v->policy == DMARC_POLICY_NONE ? 2 : v->policy == DMARC_POLICY_QUARANTINE ? 4 : 5;
    case DMARC_TEMPERROR: return 3;
    }
    return 3;
}

static void conclude(const struct session *s, struct authentication *a, const struct dmarc_verdict *v, const char *author, bool uncertain)
{
    struct str spf_domain;
    const struct spf_verdict *spf = lookup_known_spf(s, &spf_domain);
    char domain[64];

    str_copy(domain, sizeof domain, spf_domain);
    str_copy(a->author, sizeof a->author, str_from(author));
    say_dkim(a);
    str_copy(a->policy_domain, sizeof a->policy_domain, str_from(*v->policy_domain ? v->policy_domain : author));
    snprintf(a->summary, sizeof a->summary, "SPF %s%s%.40s, DKIM %.60s", spf ? spf_result_name(spf->result) : "none", spf ? " for " : "",
             domain, *a->dkim_text ? a->dkim_text : "none");
    str_copy(a->problem, sizeof a->problem, v->result == DMARC_TEMPERROR ? STR("the DNS does not answer for its policy")
                                                                         : STR("the DNS does not answer for SPF or for a key"));
    a->facts = (struct author_facts){.result = v->result, .policy = v->policy, .domain = a->author, .policy_domain = a->policy_domain,
                                     .summary = a->summary, .problem = a->problem, .is_uncertain = uncertain};
    a->verdict = *v;
    a->has_author = true;
}

static void check_dmarc_of(struct session *s, struct authentication *a, const struct scan_report *report)
{
    char authors[AUTHORS_MAX][DKIM_NAME_MAX];
    size_t count = read_authors(report, authors), passed = 0;
    struct str spf_domain, domains[DKIM_MAX];
    const struct spf_verdict *spf = lookup_spf(s, &spf_domain);
    struct dmarc_verdict worst, v;

    for (size_t i = 0; i < a->dkim_count; i++)
        if (authentication_counts(a, i))
            domains[passed++] = str_from(a->dkim[i]->domain);
    for (size_t i = 0; i < count; i++) {
        const struct dmarc_identifiers ids = {.author = str_from(authors[i]), .dkim = domains, .dkim_count = passed,
                                              .spf = spf && spf->result == SPF_PASS ? spf_domain : str_n("", 0)};
        dmarc_check(s->gate->parts.dns, &ids, &v);
        if (i && badness(&v) <= badness(&worst))
            continue;
        worst = v;
        conclude(s, a, &v, authors[i], dkim_is_uncertain(a) || (spf && spf->result == SPF_TEMPERROR));
    }
}

bool authentication_run(struct session *s, const struct scan_report *report)
{
    int64_t now_s = clock_wall_ms() / 1000;
    struct authentication *a = calloc(1, sizeof *a);

    if (s->service != SERVICE_MX) {
        free(a);
        return true;
    }
    s->tx->authentication = a;
    if (!a || !take_signatures(a, report))
        return false;
    if (!lookup_may_wait(s)) {
        a->facts = (struct author_facts){.result = DMARC_TEMPERROR, .domain = report->from, .policy_domain = "", .summary = "", .sealer = "",
                                         .problem = "too many questions are under way"};
        a->has_author = true;
        return true;
    }
    a->was_verified = true;
    a->trusts_partial = setting_flag(settings_system(s->tx->runtime->settings), SETTING_trust_partial_signatures);
    client_lookup_settle(s);
    verify_dkim(s, a, now_s);
    arc_verify(s->gate->parts.dns, s->gate->keys, a->signatures, a->count, now_s, &a->arc);
    say_dkim(a);
    check_dmarc_of(s, a, report);
    lookup_end_wait(s);
    a->facts.chain = a->arc.chain;
    a->facts.chain_sets = a->arc.sets;
    a->facts.sealer = a->arc.sealer;
    return true;
}

const struct author_facts *authentication_author(const struct session *s)
{
    const struct authentication *a = s->tx ? s->tx->authentication : NULL;
    return a && a->has_author ? &a->facts : NULL;
}

struct str authentication_dkim(const struct session *s)
{
    const struct authentication *a = s->tx ? s->tx->authentication : NULL;
    return str_from(a ? a->dkim_text : "");
}

const char *authentication_dmarc(const struct session *s)
{
    const struct author_facts *author = authentication_author(s);
    return author ? dmarc_result_name(author->result) : "";
}

void authentication_free(struct authentication **a)
{
    if (!*a)
        return;
    free((*a)->signatures);
    free(*a);
    *a = NULL;
}
