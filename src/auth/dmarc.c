/* dmarc.c: tree walk, policy discovery, alignment and the verdict (RFC 9989 §4.10, §5.3). */
#include "auth/dmarc.h"

#include <stdio.h>
#include <string.h>

enum { MOST_QUERIES = 8 };

/* What a walk found, the longest name first. */
struct walk {
    struct str name[MOST_QUERIES];
    struct dmarc_record record[MOST_QUERIES];
    bool found[MOST_QUERIES];
    size_t count;
    bool failed;          /* the DNS did not answer somewhere before the walk's end */
};

const char *dmarc_policy_name(enum dmarc_policy p)
{
    static const char *const names[] = {"none", "quarantine", "reject"};
    return names[p];
}

const char *dmarc_result_name(enum dmarc_result r)
{
    static const char *const names[] = {"none", "pass", "fail", "temperror"};
    return names[r];
}

static size_t label_count(struct str domain)
{
    size_t n = domain.len != 0;

    for (size_t i = 0; i < domain.len; i++)
        n += domain.at[i] == '.';
    return n;
}

static struct str parent(struct str domain)
{
    ptrdiff_t dot = str_find(domain, '.');
    return dot < 0 ? str_n(NULL, 0) : str_from_index(domain, (size_t)dot + 1);
}

/* §4.10 steps 3, 4 and 7: from eight labels on, seven remain. */
static struct str next_target(struct str domain)
{
    struct str next = parent(domain);

    while (label_count(next) > MOST_QUERIES - 1)
        next = parent(next);
    return next;
}

static struct dns_question *ask(struct dns *dns, struct str domain)
{
    char name[300];
    int n = snprintf(name, sizeof name, "_dmarc." STR_FMT, STR_ARG(domain));

    return n < 254 ? dns_start(dns, str_n(name, (size_t)n), DNS_TXT) : NULL;
}

/* The only policy record among the answers. */
static bool select_record(const struct dns_answer *a, struct dmarc_record *out)
{
    struct dmarc_record one;
    size_t found = 0;

    for (size_t i = 0; i < a->count; i++)
        if (dmarc_record_parse(a->at[i].data, &one)) {
            *out = one;
            found++;
        }
    return found == 1;
}

static void walk_up(struct dns *dns, struct str domain, struct walk *w)
{
    struct dns_question *q[MOST_QUERIES] = {NULL};
    bool ended = false;

    memset(w, 0, sizeof *w);
    for (struct str at = domain; at.len && w->count < MOST_QUERIES; at = next_target(at)) {
        w->name[w->count] = at;
        q[w->count++] = ask(dns, at);
    }
    for (size_t i = 0; i < w->count; i++) {
        static const struct dns_answer none = {.status = DNS_NO_NAME};
        const struct dns_answer *a = q[i] && !ended ? dns_wait(q[i]) : &none;
        w->failed = w->failed || a->status == DNS_FAILED;
        w->found[i] = select_record(a, &w->record[i]);
        ended = ended || w->failed || (w->found[i] && w->record[i].psd != 'u');
        if (q[i])
            dns_done(&q[i]);
    }
}

/* §4.10.2: which of the names is the organisational domain. */
static struct str organization_of(const struct walk *w)
{
    size_t last = 0;
    bool any = false;

    for (size_t i = 0; i < w->count; i++) {
        if (!w->found[i])
            continue;
        if (w->record[i].psd == 'n')
            return w->name[i];
        if (w->record[i].psd == 'y' && i > 0) {
            struct str below = w->name[0]; /* one label below, also where the walk skipped it */
            while (label_count(below) > label_count(w->name[i]) + 1)
                below = parent(below);
            return below;
        }
        if (w->record[i].psd != 'y') {
            last = i;
            any = true;
        }
    }
    return any ? w->name[last] : w->name[0];
}

bool dmarc_organization(struct dns *dns, struct str domain, char to[256])
{
    struct walk w;

    walk_up(dns, domain, &w);
    str_copy(to, 256, w.count ? organization_of(&w) : domain);
    return !w.failed;
}

/* §4.10.1: the author's own record, else that of the organisation, else that of the public suffix. -1: none. */
static int discover(const struct walk *w, struct str organization)
{
    int suffix = -1;

    if (w->count && w->found[0])
        return 0;
    for (size_t i = 1; i < w->count; i++) {
        if (w->found[i] && str_eq(w->name[i], organization))
            return (int)i;
        if (w->found[i] && w->record[i].psd == 'y')
            suffix = (int)i;
    }
    return suffix;
}

/* RFC 8020: NXDOMAIN for the name is DNS_NO_NAME. */
static enum dns_status existence_of(struct dns *dns, struct str domain)
{
    struct dns_question *q = dns_start(dns, domain, DNS_A);
    enum dns_status status = dns_wait(q)->status;

    dns_done(&q);
    return status;
}

/* *FAILED: the DNS could not say which of two policies is the one. */
static enum dmarc_policy published_policy(struct dns *dns, struct str author, struct dmarc_verdict *out, bool *failed)
{
    const struct dmarc_record *r = &out->record;
    enum dmarc_policy existing = r->has_sp ? r->sp : r->p;

    if (r->is_spoiled)
        return DMARC_POLICY_NONE;
    if (str_is(author, out->policy_domain))
        return r->p;
    enum dns_status status = r->has_np ? existence_of(dns, author) : DNS_OK;
    if (status == DNS_NO_NAME) {
        out->is_subdomain_policy = true;
        return r->np;
    }
    *failed = *failed || (status == DNS_FAILED && r->np != existing);
    out->is_subdomain_policy = r->has_sp;
    return existing;
}

/* Is DOMAIN aligned with the author? *FAILED: the DNS could not say. */
static bool is_aligned(struct dns *dns, struct str author, const char *author_organization, struct str domain, bool strict, bool *failed)
{
    char organization[256];

    if (!domain.len)
        return false;
    if (str_eq_case(domain, author))
        return true;
    if (strict)
        return false;
    if (!dmarc_organization(dns, domain, organization)) {
        *failed = true;
        return false;
    }
    return str_eq_case(str_from(organization), str_from(author_organization));
}

/* FAILED: the DNS has left something open that matters where nothing is aligned. */
static void align(struct dns *dns, const struct dmarc_identifiers *ids, struct dmarc_verdict *out, bool failed)
{
    out->spf_aligned = is_aligned(dns, ids->author, out->author_organization, ids->spf, out->record.strict_spf, &failed);
    for (size_t i = 0; i < ids->dkim_count && !out->dkim_aligned; i++) {
        out->dkim_aligned = is_aligned(dns, ids->author, out->author_organization, ids->dkim[i], out->record.strict_dkim, &failed);
        if (out->dkim_aligned)
            str_copy(out->dkim_domain, sizeof out->dkim_domain, ids->dkim[i]);
    }
    out->result = out->spf_aligned || out->dkim_aligned ? DMARC_PASS : failed ? DMARC_TEMPERROR : DMARC_FAIL;
}

void dmarc_check(struct dns *dns, const struct dmarc_identifiers *ids, struct dmarc_verdict *out)
{
    struct walk w;

    memset(out, 0, sizeof *out);
    if (!ids->author.len || ids->author.len > 253)
        return;
    walk_up(dns, ids->author, &w);
    struct str organization = organization_of(&w);
    int at = discover(&w, organization);
    if (at < 0 || (at > 0 && w.failed)) {
        out->result = w.failed ? DMARC_TEMPERROR : DMARC_NONE;
        return;
    }
    out->record = w.record[at];
    str_copy(out->policy_domain, sizeof out->policy_domain, w.name[at]);
    str_copy(out->author_organization, sizeof out->author_organization, organization);
    if (out->record.is_spoiled && !*out->record.rua) { /* §4.10.1: a record that wants nothing and asks for nothing */
        out->result = DMARC_NONE;
        return;
    }
    bool failed = false;
    out->published = out->policy = published_policy(dns, ids->author, out, &failed);
    if (out->record.is_test && out->policy > DMARC_POLICY_NONE)
        out->policy--;
    /* the organisation that relaxed alignment compares with may be another than what could be seen */
    if (w.failed && out->policy != DMARC_POLICY_NONE && !(out->record.strict_spf && out->record.strict_dkim))
        failed = true;
    align(dns, ids, out, failed);
}
