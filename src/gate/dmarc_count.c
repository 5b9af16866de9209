/* dmarc_count.c: see dmarc_count.h. */
#include "gate/dmarc_count.h"

#include "base/clock.h"
#include "gate/authentication_parts.h"
#include "gate/lookup.h"
#include "gate/session.h"
#include "policy/policy.h"

/* DMARC's own finding among all; NULL: it had nothing against the message. */
static const struct finding *dmarc_finding(const struct findings *found)
{
    for (size_t i = 0; i < found->count; i++)
        if (found->at[i].reason == REASON_DMARC_REJECT || found->at[i].reason == REASON_DMARC_QUARANTINE)
            return &found->at[i];
    return NULL;
}

/* What DMARC alone has done to the message, whatever else did. */
static const char *disposition_of(const struct session *s, const struct dmarc_verdict *v, const struct finding *f)
{
    const struct recipient *r = s->tx->recipients[0];
    struct findings one = {0};

    if (v->result == DMARC_PASS)
        return v->published == DMARC_POLICY_NONE ? "none" : "pass";
    if (!f)
        return "none";
    findings_add(&one, f);
    enum action a = verdict_decide(&one, s->tx->recipients[0]->policy, r->allowed, r->role).action;
    return a >= ACTION_REFUSE ? "reject" : a == ACTION_QUARANTINE || a == ACTION_TAG ? "quarantine" : "none";
}

/* RFC 9990 §3.1.6: why it is not what the domain published. "": it is. */
static const char *override_of(const struct session *s, const struct authentication *a, const struct finding *f, const char *disposition)
{
    const struct dmarc_verdict *v = &a->verdict;
    const struct policy *p = s->tx->recipients[0]->policy;

    if (v->result == DMARC_PASS || str_is(str_from(disposition), dmarc_policy_name(v->published)))
        return "";
    if (v->record.is_test && str_is(str_from(disposition), dmarc_policy_name(v->policy)))
        return "policy_test_mode";
    bool is_asked = setting_action(p, SETTING_dmarc) != ACTION_OFF && !s->tx->recipients[0]->skips_content &&
                    !networks_have(setting_networks(p, SETTING_dmarc_exempt_networks), &s->client.peer.ip);
    return is_asked && !f && a->arc.chain == CHAIN_PASS ? "trusted_forwarder" : "local_policy";
}

/* The recipients' domain, where they have one in common. */
static struct str recipients_domain(const struct transaction *tx)
{
    struct str domain = address_domain(&tx->recipients[0]->args.recipient);

    for (size_t i = 1; i < tx->count; i++)
        if (!str_eq_case(domain, address_domain(&tx->recipients[i]->args.recipient)))
            return str_n(NULL, 0);
    return domain;
}

/* RFC 9990 §3.1.3: what tells most comes first. */
static int rank_of(const struct authentication *a, size_t i)
{
    struct str domain = str_from(a->dkim[i]->domain), organization = str_from(a->verdict.author_organization);

    if (!authentication_counts(a, i))
        return 3;
    if (str_eq_case(domain, str_from(a->author)))
        return 0;
    return str_eq_case(domain, organization) || str_is_case(domain, a->verdict.dkim_domain) ? 1 : 2;
}

static void add_signatures(const struct authentication *a, struct buf *row)
{
    bool any = false;

    for (int rank = 0; rank <= 3; rank++)
        for (size_t i = 0; i < a->dkim_count; i++) {
            if (rank_of(a, i) != rank)
                continue;
            if (any)
                buf_add_char(row, ' ');
            any = true;
            dmarc_add_field(row, str_from(a->dkim[i]->domain));
            buf_add_char(row, ':');
            dmarc_add_field(row, str_from(a->dkim[i]->selector));
            buf_addf(row, ":%s", authentication_result(a, i));
        }
}

static void add(struct buf *row, struct str field)
{
    dmarc_add_field(row, field);
    buf_add_char(row, '\t');
}

static void describe(const struct session *s, const struct authentication *a, const struct finding *f, struct buf *row)
{
    char ip[IP_TEXT_MAX];
    const char *disposition = disposition_of(s, &a->verdict, f);
    struct str spf_domain;
    const struct spf_verdict *spf = lookup_known_spf(s, &spf_domain);

    add(row, str_from(ip_format(&s->client.peer.ip, ip)));
    add(row, str_from(disposition));
    add(row, str_from(a->verdict.dkim_aligned ? "pass" : "fail"));
    add(row, str_from(a->verdict.spf_aligned ? "pass" : "fail"));
    add(row, str_from(override_of(s, a, f, disposition)));
    add(row, str_from(a->author));
    add(row, address_domain(&s->tx->mail.sender));
    add(row, recipients_domain(s->tx));
    add(row, spf ? spf_domain : str_n(NULL, 0));
    add(row, str_from(spf ? spf_result_name(spf->result) : ""));
    add_signatures(a, row);
}

/* What was published, with the defaults of what was not (RFC 9990 §3.1.1.5). */
static void describe_policy(const struct dmarc_record *r, struct buf *out)
{
    add(out, str_from(dmarc_policy_name(r->is_spoiled ? DMARC_POLICY_NONE : r->p)));
    add(out, str_from(r->has_sp ? dmarc_policy_name(r->sp) : ""));
    add(out, str_from(r->has_np ? dmarc_policy_name(r->np) : ""));
    add(out, str_from(r->strict_dkim ? "s" : "r"));
    add(out, str_from(r->strict_spf ? "s" : "r"));
    add(out, str_from(r->fo));
    add(out, str_from(r->is_test ? "y" : "n"));
    for (const char *c = r->rua; *c; c++) /* blanks stand around its commas */
        if (*c > 32 && *c < 127)
            buf_add_char(out, *c);
}

static void count(struct session *s, const struct findings *found)
{
    const struct authentication *a = s->tx->authentication;
    struct buf row = buf_make(DMARC_ROW_MAX), published = buf_make(2 * DMARC_URIS_MAX);

    if (!a || !a->has_author || !*a->verdict.record.rua || (a->verdict.result != DMARC_PASS && a->verdict.result != DMARC_FAIL))
        return;
    if (!setting_flag(settings_system(s->tx->runtime->settings), SETTING_dmarc_reports))
        return;
    describe(s, a, dmarc_finding(found), &row);
    describe_policy(&a->verdict.record, &published);
    if (!row.failed && !published.failed)
        dmarc_tally_add(s->gate->parts.dmarc_tally, clock_wall_ms(), str_from(a->verdict.policy_domain), buf_str(&published), buf_str(&row));
    buf_free(&row);
    buf_free(&published);
}

void dmarc_count_refused(struct session *s, const struct finding *by, const struct findings *found)
{
    if (reason_row(by->reason)->code / 100 == 5)
        count(s, found);
}

void dmarc_count_accepted(struct session *s, const struct findings *found)
{
    count(s, found);
}
