/*
 * outgoing_lock.c: an outgoing account, or one user of it, that sends what is refused too often is locked by a rule (lock_rules), for a while and in the end until somebody
 * unlocks it. Counts are kept with the limits, so that a restart does not forget them.
 */
#include "base/clock.h"
#include "base/log.h"
#include "catalog/lock_rule.h"
#include "gate/outgoing_parts.h"
#include "gate/session.h"
#include "store/account_lock.h"
#include "store/audit.h"
#include "store/schema.h"

#include <stdio.h>

static const struct limit_rules kept_a_month = {.messages = {LIMIT_NONE, LIMIT_NONE, LIMIT_NONE, LIMIT_NONE, INT64_MAX}, .recipients_per_day = LIMIT_NONE,
                                                .invalid_percent = LIMIT_NONE};

struct finding outgoing_locked(const char *reason, int64_t until_ms)
{
    struct finding f = finding_make(until_ms ? REASON_ACCOUNT_LOCKED_FOR_NOW : REASON_ACCOUNT_LOCKED, "%s", reason);

    f.until_ms = until_ms;
    return f;
}

struct finding outgoing_check_identity(struct session *s)
{
    const struct outgoing_turn *t = s->tx->turn;
    struct identity_lock lock;

    if (!*t->identity)
        return finding_none();
    struct db *d = accounts_borrow(s->gate->parts.accounts);
    enum account_result result = d ? identity_lock_get(d, t->account, str_from(t->identity), &lock) : ACCOUNT_FAILED;
    if (d)
        accounts_return(s->gate->parts.accounts, d);
    if (result == ACCOUNT_FAILED)
        return finding_make(REASON_INTERNAL_ERROR, "%s", "the store does not answer: whether the identity is locked is not known");
    if (result == ACCOUNT_NONE || (lock.until_ms && lock.until_ms <= clock_wall_ms()))
        return finding_none();
    return outgoing_locked(lock.reason, lock.until_ms);
}

/* Until when: the K-th lock that would end by itself does not. 0: until somebody unlocks it. */
static int64_t end_of_lock(const struct outgoing_turn *t, int64_t unlocks)
{
    int64_t for_ms = setting_number(t->policy, SETTING_lock_time);

    return for_ms && unlocks < setting_number(t->policy, SETTING_lock_unlocks) ? clock_wall_ms() + for_ms : 0;
}

static enum account_result write_lock(struct session *s, struct db *d, const char *reason, int64_t *until_ms)
{
    const struct outgoing_turn *t = s->tx->turn;
    struct identity_lock before = {.unlocks = -1};

    if (!*t->identity) {
        *until_ms = end_of_lock(t, s->outgoing->account.unlocks);
        return account_lock(d, t->account, str_from(reason), *until_ms);
    }
    if (identity_lock_get(d, t->account, str_from(t->identity), &before) == ACCOUNT_FAILED)
        return ACCOUNT_FAILED;
    *until_ms = end_of_lock(t, before.unlocks + 1); /* a lock that is there has ended by itself */
    return identity_lock_set(d, t->account, str_from(t->identity), str_from(reason), *until_ms, before.unlocks + 1);
}

static bool add_trail(struct session *s, struct db *d, const char *reason)
{
    const struct account *a = &s->outgoing->account;
    char object[ACCOUNT_LOGIN_MAX + IDENTITY_MAX + 40], client[IP_TEXT_MAX];

    snprintf(object, sizeof object, "account %lld %s%s%s", (long long)a->id, a->login, *s->tx->turn->identity ? " " : "", s->tx->turn->identity);
    const struct audit_row row = {.domain = a->domain, .actor = STR("lock_rules"), .client = str_from(ip_format(&s->client.peer.ip, client)),
                                  .action = STR("account-lock"), .object = str_from(object), .reason = str_from(reason)};
    return audit_add(d, &row, NULL) == DB_OK;
}

static void lock(struct session *s, const struct lock_rule *rule)
{
    const struct outgoing_turn *t = s->tx->turn;
    struct db *d = accounts_borrow(s->gate->parts.accounts);
    char reason[ACCOUNT_REASON_MAX + 1], token[UNLOCK_TOKEN_SIZE];
    int64_t until_ms = 0;

    if (!d)
        return;
    snprintf(reason, sizeof reason, "%u times " STR_FMT " in %lld minutes", rule->count, STR_ARG(str_sub(rule->pattern, 0, 60)), (long long)(rule->period_ms / 60000));
    bool done = db_begin(d) == DB_OK;
    bool fine = done && write_lock(s, d, reason, &until_ms) == ACCOUNT_OK && unlock_token_make(d, t->account, str_from(t->identity), token) == ACCOUNT_OK &&
                add_trail(s, d, reason) && schema_touch(d) == DB_OK && db_commit(d) == DB_OK;
    if (fine) {
        log_warning("account %s%s%s is locked: %s", s->outgoing->account.login, *t->identity ? ", identity " : "", t->identity, reason);
        outgoing_tell_lock(s, reason, until_ms, token);
    } else {
        log_error("account %s should be locked (%s), and cannot be: %s", s->outgoing->account.login, reason, db_error(d));
        if (done)
            db_rollback(d);
    }
    accounts_return(s->gate->parts.accounts, d);
}

/* What says something about who sends; not what a limit, a lock or the moment says. */
static bool counts(enum reason r)
{
    return reason_row(r)->kind == REASON_KIND_PERMANENT && r != REASON_ACCOUNT_LOCKED;
}

static bool is_reached(struct session *s, const struct lock_rule *rule)
{
    const struct limit_counts one = {.messages = 1};
    const struct outgoing_turn *t = s->tx->turn;
    char key[LIMIT_KEY_MAX];
    int64_t now_ms = clock_wall_ms();
    int n = snprintf(key, sizeof key, "l:%lld:%s:" STR_FMT "/%lld", (long long)t->account, t->identity, STR_ARG(str_sub(rule->pattern, 0, 60)), (long long)rule->period_ms);
    struct str k = str_n(key, n < (int)sizeof key ? (size_t)n : sizeof key - 1);

    limits_note(s->gate->parts.limits, k, &kept_a_month, &one, now_ms);
    if (limits_within(s->gate->parts.limits, k, rule->period_ms, now_ms).messages < rule->count)
        return false;
    limits_forget(s->gate->parts.limits, k);
    return true;
}

void outgoing_refused(struct session *s, enum reason r)
{
    struct lock_rule rule;
    bool locked = false;

    if (!s->tx || !s->tx->turn || !counts(r))
        return;
    outgoing_find_identity(s, s->tx->body != NULL); /* what is refused for good has come whole, if it has begun to come */
    const struct setting_list *rules = setting_list(s->tx->turn->policy, SETTING_lock_rules);
    for (size_t i = 0; i < rules->count; i++) {
        if (!lock_rule_parse(str_from(rules->at[i]), &rule) || !lock_rule_names(rule.pattern, str_from(reason_row(r)->slug)) || !is_reached(s, &rule))
            continue;
        if (!locked)
            lock(s, &rule);
        locked = true;
    }
}
