/*
 * cmd_rcpt.c: RCPT TO, the last cheap place to say no. What was found at connect, HELO and MAIL is answered here, so that every
 * refused attempt is logged under a recipient.
 */
#include "gate/callout.h"
#include "gate/custom_rules.h"
#include "gate/cut_through.h"
#include "gate/lookup.h"
#include "gate/outgoing.h"
#include "gate/origins.h"
#include "gate/session.h"

#include "base/hash.h"
#include "gate/standing.h"

#include "auth/sender_tag.h"
#include "base/clock.h"
#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR_MS = 3600 * 1000 };

static enum session_next refuse_arguments(struct session *s, enum args_result result, const char *why)
{
    switch (result) {
    case ARGS_ADDRESS:
        return answer_detail(s, REASON_BAD_RECIPIENT_SYNTAX, why);
    case ARGS_NEEDS_SMTPUTF8:
        return answer(s, REASON_NEEDS_SMTPUTF8);
    case ARGS_PARAMETER:
        return answer_detail(s, REASON_BAD_MAIL_PARAMETER, why);
    default:
        return answer_detail(s, REASON_BAD_ARGUMENTS, why ? why : "RCPT TO:<address> is needed");
    }
}

static bool counts_as_invalid(enum reason r)
{
    return r == REASON_DESTINATION_UNKNOWN || r == REASON_DESTINATION_REFUSED || r == REASON_RELAY_DENIED ||
           r == REASON_RESTRICTED_CHARACTERS || r == REASON_BLOCKED_RECIPIENT;
}

/* Somebody who tries addresses: 10 in a session, 100 an hour from one address. */
static bool tried_too_many(struct session *s, enum reason r)
{
    const struct policy *p = session_policy(s);
    struct ip key = ip_limit_key(&s->client.peer.ip);
    int64_t most = setting_number(p, SETTING_max_invalid_recipients);
    int64_t hourly = setting_number(p, SETTING_max_invalid_recipients_per_hour);

    if (!counts_as_invalid(r) || (s->ip_skips & SKIP_RATE) || s->client.is_trusted_sender)
        return false;
    s->invalid_recipients++;
    uint64_t hour = counter_add(s->gate->parts.counters, COUNTER_INVALID_RECIPIENTS, &key, sizeof key, 1, HOUR_MS);
    return (most && s->invalid_recipients > most) || (hourly && hour > (uint64_t)hourly);
}

static enum session_next refuse(struct session *s, const struct recipient *r, const struct finding *by, const struct findings *all)
{
    char reference[REFERENCE_LEN + 1];

    random_reference(reference);
    standing_lose(s, by->reason);
    origins_refused(s, by->reason);
    outgoing_refused(s, by->reason);
    if (counts_as_invalid(by->reason))
        outgoing_invalid_recipient(s);
    if (tried_too_many(s, by->reason)) {
        struct finding f = finding_make(REASON_TOO_MANY_INVALID_RECIPIENTS, "%s", by->evidence);
        origins_refused(s, f.reason);
        event_refused(s, &f, reference, &r->args.recipient, all, NULL);
        answer_finding(s, &f, reference);
        s->closing = true;
        return answer(s, REASON_TOO_MANY_ERRORS);
    }
    event_refused(s, by, reference, &r->args.recipient, all, NULL);
    return answer_finding(s, by, reference);
}

/* What this recipient needs of the transaction as such. */
static struct finding check_transaction(struct session *s, const struct recipient *r)
{
    const struct policy *p = r->policy;
    const struct transaction *tx = s->tx;

    if (!s->client.tls && setting_flag(p, SETTING_require_tls))
        return finding_make(REASON_TLS_REQUIRED, "%s", "");
    return check_message_size(tx->mail.size, p);
}

static uint64_t fingerprint(const struct recipient *r)
{
    return (r->domain ? r->policy->data_fingerprint : 0) ^ (r->allowed ? 0x9e3779b97f4a7c15U : 0) ^ (r->role ? 0xc2b2ae3d27d4eb4fU : 0) ^
           (r->skips_content ? 0x165667b19e3779f9U : 0) ^ r->own_authors ^ r->own_rules;
}

/* May both be in one message, whatever it is to each of them? A size that is too large for one of them, and a destination that answers in our stead, are answers for all. */
static bool can_be_split(const struct recipient *a, const struct recipient *b)
{
    return setting_flag(a->policy, SETTING_split_recipients) && setting_flag(b->policy, SETTING_split_recipients) &&
           setting_number(a->policy, SETTING_max_message_size) == setting_number(b->policy, SETTING_max_message_size) &&
           setting_flag(a->policy, SETTING_cut_through) == setting_flag(b->policy, SETTING_cut_through);
}

/*
 * One answer to DATA holds for all recipients. Where another recipient's settings could want another answer, and a copy in quarantine may not stand for it, this
 * one is asked for again in a transaction of its own; most servers do that at once.
 */
static struct finding check_same_settings(const struct session *s, const struct recipient *r)
{
    if (s->tx->count == 0 || s->tx->fingerprint == fingerprint(r) || can_be_split(s->tx->recipients[0], r))
        return finding_none();
    return finding_make(REASON_RETRY_PER_RECIPIENT, "%s", "");
}

static struct finding check_bounce_rate(struct session *s, const struct recipient *r)
{
    int64_t most = setting_number(r->policy, SETTING_max_bounces_per_hour);

    if (!most || !r->domain || !address_is_null(&s->tx->mail.sender))
        return finding_none();
    uint64_t count = counter_add(s->gate->parts.counters, COUNTER_BOUNCES, r->domain->name.at, r->domain->name.len, 1, HOUR_MS);
    return count > (uint64_t)most ? finding_make(REASON_BOUNCE_LIMIT, "%s", "") : finding_none();
}

/* Without what a rule spares it. */
static struct verdict weigh(const struct recipient *r, struct findings *found)
{
    findings_skip(found, &r->skips);
    return verdict_decide(found, r->policy, r->allowed, r->role);
}

/* Everything about this recipient in the order of the specification; the first finding that decides wins. */
static struct verdict judge(struct session *s, struct recipient *r, const struct rule_outcome *rules, struct findings *found)
{
    const struct policy *p = r->policy;
    struct envelope_facts e = {.sender = &s->tx->mail.sender, .recipient = &r->args.recipient, .domain = r->domain, .scope = &r->scope, .is_known = r->domain && settings_knows_recipient(s->tx->runtime->settings, r->domain, r->scope.local_part),
                               .recipients_before = s->tx->count, .smtputf8 = s->tx->mail.smtputf8, .is_our_postmaster = r->ours, .is_return = r->is_return,
                               .lacks_tag = r->lacks_tag};

    stage_recipient(&s->client, &e, str_from(s->runtime->host), p, s->tx->runtime->lists, found);
    struct verdict v = weigh(r, found);
    if (v.action >= ACTION_REFUSE)
        return v;
    custom_rules_refuse(rules, found);
    v = weigh(r, found);
    if (v.action >= ACTION_REFUSE)
        return v;
    struct sender_facts sender;
    lookup_sender(s, p, lists_ip_skips(s->tx->runtime->lists, &s->client.peer.ip, &r->scope), &sender);
    stage_sender(&s->client, &e, &sender, p, found);
    v = weigh(r, found);
    if (v.action >= ACTION_REFUSE)
        return v;
    struct finding (*const more[])(struct session *, const struct recipient *) = {check_transaction, check_bounce_rate};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        struct finding f = more[i](s, r);
        findings_add(found, &f);
    }
    struct finding f = check_same_settings(s, r);
    findings_add(found, &f);
    v = weigh(r, found);
    if (v.action >= ACTION_REFUSE)
        return v;
    if (!reason_set_has(&r->skips, REASON_GREYLISTED)) {
        f = standing_check(s, r, &sender); /* only who could be accepted makes an acquaintance */
        findings_add(found, &f);
    }
    v = weigh(r, found);
    if (v.action >= ACTION_REFUSE)
        return v;
    f = callout_sender(s, r);
    findings_add(found, &f);
    v = weigh(r, found);
    if (v.action >= ACTION_REFUSE)
        return v;
    f = cut_through_rcpt(s, r); /* the dearest questions come last */
    findings_add(found, &f);
    f = callout_recipient(s, r);
    findings_add(found, &f);
    return weigh(r, found);
}

static bool add_recipient(struct transaction *tx, struct recipient *take)
{
    if (tx->count == tx->room) {
        size_t room = tx->room ? tx->room * 2 : 4;
        struct recipient **at = realloc(tx->recipients, room * sizeof *at);
        if (!at)
            return false;
        tx->recipients = at;
        tx->room = room;
    }
    tx->recipients[tx->count++] = take;
    return true;
}

static enum session_next take_recipient(struct session *s, struct recipient *r, const struct findings *found)
{
    uint64_t limit = (uint64_t)setting_number(r->policy, SETTING_max_message_size);

    if (found->count) {
        r->findings = malloc(sizeof *r->findings);
        if (r->findings)
            *r->findings = *found;
    }
    if (s->tx->count == 0)
        s->tx->fingerprint = fingerprint(r);
    if ((found->count && !r->findings) || !add_recipient(s->tx, r)) {
        recipient_free(r);
        return answer(s, REASON_INTERNAL_ERROR);
    }
    if (limit < s->tx->size_limit)
        s->tx->size_limit = limit;
    return answer(s, REASON_RECIPIENT_OK);
}

/* <postmaster> alone must be taken (RFC 5321 §4.5.1), and the same at our own name: delivery reports come from there. */
static bool is_our_postmaster(const struct session *s, const struct address *a)
{
    struct str domain = address_domain(a);

    if (!domain.len)
        return true;
    return str_is_case(address_local(a), "postmaster") && str_is_case(domain, s->tx->runtime->host) &&
           !settings_domain(s->tx->runtime->settings, domain);
}

/* The person behind it: the address of that setting, or else the postmaster of the first domain. */
static bool name_the_postmaster(const struct session *s, struct address *recipient)
{
    const struct settings *settings = s->tx->runtime->settings;
    const char *own = setting_text(settings_system(settings), SETTING_postmaster), *why = NULL;
    const struct domain *first = settings_domain_at(settings, 0);
    char text[320];

    if (*own)
        snprintf(text, sizeof text, "%s", own);
    else if (first)
        snprintf(text, sizeof text, "postmaster@" STR_FMT, STR_ARG(first->name));
    else
        return false;
    struct address a;
    if (address_parse(str_from(text), false, &a, &why) != ADDRESS_OK)
        return false;
    *recipient = a;
    return true;
}

/* A return address that we wrote leads to whom it stands for. One that is forged or too old leads nowhere: false. */
static bool read_back(const struct session *s, struct recipient *r)
{
    const struct settings *settings = s->tx->runtime->settings;
    struct address *a = &r->args.recipient, real;

    r->domain = settings_domain(settings, address_domain(a));
    if (!r->domain)
        return true;
    enum tag_result srs = srs_reverse(s->gate->parts.secrets, a, clock_wall_ms(), &real);
    if (srs == TAG_GOOD) {
        *a = real;
        r->domain = settings_domain(settings, address_domain(a));
        r->is_return = !r->domain;
    } else if (srs != TAG_NONE && setting_flag(&r->domain->policy, SETTING_srs)) {
        return false;
    }
    const char *batv = r->domain ? setting_text(&r->domain->policy, SETTING_batv) : "no";
    if (strcmp(batv, "no") == 0)
        return true;
    bool is_tagged = batv_check(s->gate->parts.secrets, a, clock_wall_ms(), &real) == TAG_GOOD;
    if (is_tagged)
        *a = real;
    r->lacks_tag = !is_tagged && strcmp(batv, "yes") == 0 && address_is_null(&s->tx->mail.sender) && !address_is_role(a);
    return true;
}

/* Most entries count only for who proves to be the sender: SPF is asked for then, before anything is held against the message. */
static bool sender_is_allowed(struct session *s, const struct list_scope *scope)
{
    const struct lists *lists = s->tx->runtime->lists;
    const struct address *sender = &s->tx->mail.sender;
    struct str of;

    if (lists_sender_allowed(lists, sender, scope, false, NULL))
        return true;
    if (!lists_sender_allowed(lists, sender, scope, true, NULL) || !lookup_may_wait(s))
        return false;
    const struct spf_verdict *spf = lookup_spf(s, &of);
    lookup_end_wait(s);
    return spf && spf->result == SPF_PASS;
}

/* Mail for an alias of a domain goes to the same local part of the domain itself, where that is wanted; our reports name what was written. */
static void resolve_alias(struct recipient *r)
{
    struct address *a = &r->args.recipient, real;
    char text[LOCAL_PART_MAX + 300];
    const char *why = NULL;

    if (!r->domain || str_eq_case(address_domain(a), r->domain->name) || !setting_flag(&r->domain->policy, SETTING_alias_rewrite))
        return;
    snprintf(text, sizeof text, STR_FMT "@" STR_FMT, STR_ARG(address_local(a)), STR_ARG(r->domain->name));
    if (address_parse(str_from(text), true, &real, &why) != ADDRESS_OK)
        return;
    struct buf original = buf_make(ORCPT_MAX);
    buf_add_text(&original, "rfc822;");
    xtext_encode(&original, address_text(a));
    if (!r->args.orcpt[0] && !original.failed && !a->is_utf8)
        str_copy(r->args.orcpt, sizeof r->args.orcpt, buf_str(&original));
    buf_free(&original);
    *a = real;
}

/* Whose settings and lists count for it. */
static void place(const struct session *s, struct recipient *r)
{
    const struct settings *settings = s->tx->runtime->settings;
    const struct address *a = &r->args.recipient;

    r->policy = r->domain ? settings_mailbox(settings, r->domain, address_local(a)) : outgoing_policy(s);
    r->scope = (struct list_scope){.domain = r->domain ? r->domain->name : address_domain(a), .local_part = address_local(a),
                                   .tenant = r->domain ? r->domain->tenant : NULL};
}

enum session_next cmd_rcpt(struct session *s, struct str args)
{
    const char *why = NULL;
    struct findings found = {0};
    struct offered offered = session_offered(s);

    if (!s->tx)
        return answer_detail(s, REASON_BAD_SEQUENCE, "MAIL comes first");
    if (s->tx->chunked)
        return answer_detail(s, REASON_BAD_SEQUENCE, "BDAT has begun");
    if (s->tx->count >= (size_t)setting_number(session_policy(s), SETTING_max_recipients))
        return answer(s, REASON_TOO_MANY_RECIPIENTS);
    struct recipient *r = calloc(1, sizeof *r);
    if (!r)
        return answer(s, REASON_INTERNAL_ERROR);
    enum args_result result = rcpt_args_parse(args, &offered, s->tx->mail.smtputf8, &r->args, &why);
    if (result != ARGS_OK) {
        free(r);
        return refuse_arguments(s, result, why);
    }
    r->ours = is_our_postmaster(s, &r->args.recipient);
    if (r->ours && !name_the_postmaster(s, &r->args.recipient)) {
        free(r);
        return answer_detail(s, REASON_BAD_RECIPIENT_SYNTAX, "no domain of this gateway takes mail for postmaster");
    }
    if (!read_back(s, r)) {
        struct finding f = finding_make(REASON_DESTINATION_UNKNOWN, "%s", ": not a return address of ours, or it has expired");
        enum session_next next = refuse(s, r, &f, NULL);
        free(r);
        return next;
    }
    resolve_alias(r);
    place(s, r);
    r->role = r->ours || address_is_role(&r->args.recipient);
    r->allowed = sender_is_allowed(s, &r->scope) || lists_recipient_allowed(s->tx->runtime->lists, &r->args.recipient, &r->scope, NULL);
    r->own_authors = lists_own_authors(s->tx->runtime->lists, &r->scope);
    r->skips_content = lists_ip_skips(s->tx->runtime->lists, &s->client.peer.ip, &r->scope) & SKIP_CONTENT;
    struct rule_outcome rules;
    custom_rules_at_rcpt(s, r, &rules);
    struct verdict v = judge(s, r, &rules, &found);
    if (v.action >= ACTION_REFUSE) {
        enum session_next next = refuse(s, r, v.by, &found);
        recipient_free(r);
        return next;
    }
    return take_recipient(s, r, &found);
}
