/* outgoing.c: see outgoing.h. */
#include "gate/outgoing_parts.h"

#include "base/clock.h"
#include "gate/session.h"

#include <stdlib.h>
#include <string.h>

void outgoing_free(struct outgoing **o)
{
    if (!*o)
        return;
    account_clear(&(*o)->account);
    free(*o);
    *o = NULL;
}

static bool is_known_network(const struct session *s)
{
    return networks_have(setting_networks(session_policy(s), SETTING_submission_networks), &s->client.peer.ip);
}

static bool become(struct session *s, struct account *take, bool by_auth)
{
    struct outgoing *o = calloc(1, sizeof *o);

    if (!o) {
        account_clear(take);
        return false;
    }
    o->account = *take;
    o->by_auth = by_auth;
    *take = (struct account){0};
    outgoing_free(&s->outgoing);
    s->outgoing = o;
    s->client.is_trusted_sender = true;
    return true;
}

/* FAILED: nobody knows. */
static enum account_result look_up_address(struct session *s)
{
    struct account a;
    enum account_result result = accounts_find_by_address(s->gate->parts.accounts, &s->client.peer.ip, &a);

    if (result == ACCOUNT_OK && !become(s, &a, false))
        return ACCOUNT_FAILED;
    return result;
}

void outgoing_sign_out(struct session *s)
{
    outgoing_free(&s->outgoing);
    sasl_free(&s->sasl);
    s->client.is_trusted_sender = s->service != SERVICE_MX && is_known_network(s);
}

void outgoing_begin(struct session *s)
{
    outgoing_sign_out(s);
    if (s->service != SERVICE_MX)
        look_up_address(s); /* where the store does not answer, MAIL asks again */
}

bool outgoing_sign_in(struct session *s, struct account *take, enum sasl_mechanism m)
{
    accounts_used(s->gate->parts.accounts, take);
    if (!become(s, take, true))
        return false;
    s->outgoing->mechanism = m;
    return true;
}

/* The account as it is now. A new password means: prove it again. */
static enum account_result read_again(struct session *s)
{
    struct outgoing *o = s->outgoing;
    struct account now;
    enum account_result result = accounts_get(s->gate->parts.accounts, o->account.id, &now);

    if (result != ACCOUNT_OK)
        return result;
    if (strcmp(now.password, o->account.password) != 0) {
        account_clear(&now);
        return ACCOUNT_NONE;
    }
    account_clear(&o->account);
    o->account = now;
    return ACCOUNT_OK;
}

static enum account_result who_is_it(struct session *s)
{
    if (!s->outgoing || !s->outgoing->by_auth) {
        outgoing_sign_out(s);
        return look_up_address(s);
    }
    enum account_result result = read_again(s);
    if (result == ACCOUNT_NONE)
        outgoing_sign_out(s);
    return result;
}

/* A lock whose time is over ends here: one more that did so by itself. */
static bool end_lock(struct session *s)
{
    struct account *a = &s->outgoing->account;
    struct db *d = accounts_borrow(s->gate->parts.accounts);
    bool done = d && account_unlock(d, a->id, false) == ACCOUNT_OK;

    if (d)
        accounts_return(s->gate->parts.accounts, d);
    a->is_locked = !done;
    a->unlocks += done;
    return done;
}

static struct finding check_lock(struct session *s)
{
    const struct account *a = &s->outgoing->account;

    if (!a->is_locked)
        return finding_none();
    if (a->locked_until_ms && a->locked_until_ms <= clock_wall_ms() && end_lock(s))
        return finding_none();
    return outgoing_locked(a->lock_reason, a->locked_until_ms);
}

struct finding outgoing_check(struct session *s)
{
    if (s->service == SERVICE_MX)
        return finding_none();
    if (who_is_it(s) == ACCOUNT_FAILED)
        return finding_make(REASON_INTERNAL_ERROR, "%s", "the store does not answer: the account is not known");
    if (!s->client.is_trusted_sender)
        return finding_make(REASON_AUTH_REQUIRED, "%s", "");
    return s->outgoing ? check_lock(s) : finding_none();
}

struct str outgoing_account(const struct session *s)
{
    return str_from(s->outgoing ? s->outgoing->account.login : "");
}

struct str outgoing_mechanism(const struct session *s)
{
    return str_from(s->outgoing && s->outgoing->by_auth ? sasl_mechanism_name(s->outgoing->mechanism) : "");
}
