/* outgoing_message.c: one message of an outgoing account: whom it is from, which user of the account sent it, and how much that makes; see outgoing.h. */
#include "gate/outgoing_parts.h"

#include "base/clock.h"
#include "gate/session.h"
#include "mail/header.h"
#include "policy/policy.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDENTITY_TEXT_MAX = 998 };

void outgoing_turn_free(struct outgoing_turn **t)
{
    if (!*t)
        return;
    policy_free(&(*t)->policy);
    free(*t);
    *t = NULL;
}

const struct policy *outgoing_policy(const struct session *s)
{
    return s->tx && s->tx->turn ? s->tx->turn->policy : settings_system(s->tx ? s->tx->runtime->settings : s->runtime->settings);
}

struct str outgoing_identity(const struct session *s)
{
    return str_from(s->tx && s->tx->turn ? s->tx->turn->identity : "");
}

static bool is_own_domain(const struct session *s, struct str domain)
{
    const struct domain *d = settings_domain(s->tx->runtime->settings, domain);

    return str_eq_case(domain, str_from(s->outgoing->account.domain_name)) || (d && str_eq_case(d->name, str_from(s->outgoing->account.domain_name)));
}

/* What a domain that was taken off this gateway has set does not hold any more; the operator's does. */
static const struct policy *parent_of(const struct session *s)
{
    const struct settings *settings = s->tx->runtime->settings;
    const struct domain *d = settings_domain(settings, str_from(s->outgoing->account.domain_name));

    return d ? &d->policy : settings_system(settings);
}

static struct outgoing_turn *turn_new(struct session *s)
{
    struct outgoing_turn *t = calloc(1, sizeof *t);
    struct db *d = t ? accounts_borrow(s->gate->parts.accounts) : NULL;

    if (d) {
        t->account = s->outgoing->account.id;
        t->policy = account_policy(d, t->account, parent_of(s));
        accounts_return(s->gate->parts.accounts, d);
    }
    if (t && !t->policy)
        outgoing_turn_free(&t);
    return t;
}

/* The part of TEXT that the pattern names: its first group, or all of the match. */
static struct str pick(const char *pattern, const char *text)
{
    regex_t compiled;
    regmatch_t found[2];
    struct str part = str_from(text);

    if (!*pattern || regcomp(&compiled, pattern, REG_EXTENDED | REG_ICASE) != 0)
        return part;
    if (regexec(&compiled, text, 2, found, 0) == 0) {
        int group = compiled.re_nsub > 0 && found[1].rm_so >= 0 ? 1 : 0;
        part = str_sub(part, (size_t)found[group].rm_so, (size_t)(found[group].rm_eo - found[group].rm_so));
    }
    regfree(&compiled);
    return part;
}

static void take_identity(struct outgoing_turn *t, struct str text)
{
    char plain[IDENTITY_TEXT_MAX + 1];

    str_copy(plain, sizeof plain, text);
    struct str part = str_trim(pick(setting_text(t->policy, SETTING_identity_pattern), plain));
    str_copy(t->identity, sizeof t->identity, part);
    str_lower(t->identity, strlen(t->identity));
}

/* The field's first value, unfolded. */
static void read_field(const struct session *s, struct str name, struct buf *out)
{
    struct header_walk walk = header_walk(blob_bytes(s->tx->body));
    struct header_field field;

    while (header_next(&walk, &field)) {
        if (!str_eq_case(field.name, name))
            continue;
        header_unfold(out, str_sub(field.value, 0, IDENTITY_TEXT_MAX));
        return;
    }
}

void outgoing_find_identity(struct session *s, bool body_is_here)
{
    struct str what = str_from(setting_text(s->tx->turn->policy, SETTING_identity));
    struct buf value = buf_make(IDENTITY_TEXT_MAX);

    if (str_is_case(what, "sender"))
        take_identity(s->tx->turn, address_text(&s->tx->mail.sender));
    if (body_is_here && str_starts_case(what, STR("header:"))) {
        read_field(s, str_from_index(what, 7), &value);
        take_identity(s->tx->turn, buf_str(&value));
    }
    buf_free(&value);
}

struct rules {
    struct limit_rules account, identity;
    struct limit_query queries[2];
    size_t count;
    char account_key[32], identity_key[LIMIT_KEY_MAX];
};

static void fill_rules(const struct outgoing_turn *t, struct rules *r)
{
    const struct policy *p = t->policy;

    r->account = (struct limit_rules){.messages = {setting_limit(p, SETTING_outgoing_per_minute), setting_limit(p, SETTING_outgoing_per_hour),
                                                   setting_limit(p, SETTING_outgoing_per_day), setting_limit(p, SETTING_outgoing_per_week),
                                                   setting_limit(p, SETTING_outgoing_per_month)},
                                      .recipients_per_day = setting_limit(p, SETTING_outgoing_recipients_per_day),
                                      .invalid_percent = setting_limit(p, SETTING_outgoing_invalid_percent)};
    r->identity = (struct limit_rules){.messages = {setting_limit(p, SETTING_identity_per_minute), setting_limit(p, SETTING_identity_per_hour),
                                                    setting_limit(p, SETTING_identity_per_day), LIMIT_NONE, LIMIT_NONE},
                                       .recipients_per_day = setting_limit(p, SETTING_identity_recipients_per_day), .invalid_percent = LIMIT_NONE};
    snprintf(r->account_key, sizeof r->account_key, "a:%lld", (long long)t->account);
    snprintf(r->identity_key, sizeof r->identity_key, "i:%lld:%s", (long long)t->account, t->identity);
    r->queries[0] = (struct limit_query){str_from(r->account_key), &r->account};
    r->queries[1] = (struct limit_query){str_from(r->identity_key), &r->identity};
    r->count = *t->identity ? 2 : 1;
}

static struct finding over(const struct limit_answer *a, int64_t now_ms)
{
    char when[64] = "";
    struct finding f;

    if (a->until_ms)
        snprintf(when, sizeof when, "; come again in %lld seconds", (long long)((a->until_ms - now_ms + 999) / 1000));
    if (a->result == LIMIT_INVALID)
        f = finding_make(REASON_RATE_MESSAGES, "more than %lld %% of the recipients in a day were invalid%s", (long long)a->most, when);
    else
        f = finding_make(REASON_RATE_MESSAGES, "%lld %s%s in %s %s%s", (long long)a->most, a->result == LIMIT_RECIPIENTS ? "recipient" : "message",
                         a->most == 1 ? "" : "s", a->window == LIMIT_HOUR ? "an" : "a", limit_window_name(a->window), when);
    f.until_ms = a->until_ms;
    f.seconds = a->until_ms ? (uint32_t)((a->until_ms - now_ms + 999) / 1000) : 0;
    return f;
}

/* Nothing is counted yet: whoever has no room for one more need not send it. */
static struct finding look_at_limits(struct session *s)
{
    const struct limit_counts one = {.messages = 1, .recipients = 1};
    int64_t most = setting_limit(s->tx->turn->policy, SETTING_outgoing_per_connection), now_ms = clock_wall_ms();
    struct limit_answer a;
    struct rules r;

    if (most != NO_LIMIT && s->messages >= most)
        return finding_make(REASON_RATE_MESSAGES, "%lld messages in a session", (long long)most);
    fill_rules(s->tx->turn, &r);
    limits_look(s->gate->parts.limits, r.queries, r.count, &one, now_ms, &a);
    return a.result == LIMIT_FITS ? finding_none() : over(&a, now_ms);
}

struct finding outgoing_mail(struct session *s)
{
    const struct address *sender = &s->tx->mail.sender;

    if (!s->outgoing)
        return finding_none();
    s->tx->turn = turn_new(s);
    if (!s->tx->turn)
        return finding_make(REASON_INTERNAL_ERROR, "%s", "what is set for the account cannot be read");
    outgoing_find_identity(s, false);
    struct finding f = outgoing_check_identity(s);
    if (f.reason != REASON_NONE)
        return f;
    f = check_sender_domain(address_text(sender), address_domain(sender), is_own_domain(s, address_domain(sender)), s->tx->turn->policy);
    return f.reason == REASON_NONE ? look_at_limits(s) : f;
}

static struct finding check_all_authors(struct session *s, const struct scan_report *report)
{
    struct str rest = report_records(report);
    struct finding f = finding_none();
    struct record r;

    while (f.reason == REASON_NONE && report_next(&rest, RECORD_MAILBOX, &r))
        if (str_is_case(r.mailbox.field, "from"))
            f = check_author(r.mailbox.address, r.mailbox.domain, is_own_domain(s, r.mailbox.domain), &s->tx->mail.sender, s->tx->turn->policy);
    return f;
}

struct finding outgoing_message(struct session *s, const struct scan_report *report)
{
    struct outgoing_turn *t = s->tx->turn;
    struct limit_counts more = {.messages = 1, .recipients = (uint32_t)s->tx->count};
    int64_t now_ms = clock_wall_ms();
    struct limit_answer a;
    struct rules r;

    if (!t)
        return finding_none();
    struct finding f = check_all_authors(s, report);
    if (f.reason != REASON_NONE)
        return f;
    outgoing_find_identity(s, true);
    f = outgoing_check_identity(s);
    if (f.reason != REASON_NONE)
        return f;
    fill_rules(t, &r);
    limits_take(s->gate->parts.limits, r.queries, r.count, &more, now_ms, &a);
    if (a.result != LIMIT_FITS)
        return over(&a, now_ms);
    t->taken = more;
    t->taken_ms = now_ms;
    return finding_none();
}

void outgoing_sent(struct session *s)
{
    if (s->tx->turn)
        s->tx->turn->taken_ms = 0;
}

void outgoing_end_message(struct session *s)
{
    struct outgoing_turn *t = s->tx->turn;
    struct rules r;

    if (!t || !t->taken_ms)
        return;
    fill_rules(t, &r);
    limits_give_back(s->gate->parts.limits, r.queries, r.count, &t->taken, t->taken_ms);
    t->taken_ms = 0;
}

void outgoing_invalid_recipient(struct session *s)
{
    const struct limit_counts one = {.invalid = 1};
    struct rules r;

    if (!s->tx->turn)
        return;
    fill_rules(s->tx->turn, &r);
    for (size_t i = 0; i < r.count; i++)
        limits_note(s->gate->parts.limits, r.queries[i].key, r.queries[i].rules, &one, clock_wall_ms());
}

bool outgoing_may_sign(const struct session *s, struct str domain)
{
    return !s->tx->turn || is_own_domain(s, domain) || sender_domain_is_given(domain, s->tx->turn->policy);
}
