/* credentials.c: see credentials.h. */
#include "gate/credentials.h"

#include "auth/password.h"
#include "base/clock.h"
#include "base/log.h"
#include "gate/external_login.h"
#include "gate/session.h"

#include <string.h>

/* May somebody log in to it from here? */
static bool takes_logins_from(const struct account *a, const struct ip *client)
{
    return a->kind != ACCOUNT_NETWORK && (!a->networks.count || networks_have(&a->networks, client));
}

/* RIGHT: OUT is an account that may be logged in to from here. WRONG: there is none. MAY_ASK: its password is not here, and could be elsewhere. */
static enum credentials_result find(struct session *s, struct str login, struct account *out, bool *may_ask)
{
    *may_ask = false;
    switch (accounts_find(s->gate->parts.accounts, login, out)) {
    case ACCOUNT_OK:
        break;
    case ACCOUNT_NONE:
        *may_ask = true;
        return CREDENTIALS_WRONG;
    default:
        return CREDENTIALS_UNKNOWN;
    }
    *may_ask = out->kind == ACCOUNT_USER && !*out->password;
    if (takes_logins_from(out, &s->client.peer.ip))
        return CREDENTIALS_RIGHT;
    *may_ask = false;
    account_clear(out);
    return CREDENTIALS_WRONG;
}

static enum credentials_result of_password(enum password_result r)
{
    return r == PASSWORD_RIGHT ? CREDENTIALS_RIGHT : r == PASSWORD_WRONG ? CREDENTIALS_WRONG : CREDENTIALS_UNKNOWN;
}

enum credentials_result credentials_check(struct session *s, struct str login, struct str password, struct account *out)
{
    bool may_ask = false;
    enum credentials_result found = find(s, login, out, &may_ask);

    if (found == CREDENTIALS_UNKNOWN)
        return found;
    if (may_ask && external_login_concerns(s, login)) {
        if (found == CREDENTIALS_RIGHT)
            account_clear(out);
        enum credentials_result elsewhere = external_login_check(s, login, password);
        return elsewhere == CREDENTIALS_RIGHT ? external_login_account(s, login, out) : elsewhere;
    }
    enum credentials_result result = of_password(password_check(s->gate->parts.passwords, found == CREDENTIALS_RIGHT ? out->password : NULL, password));
    if (found == CREDENTIALS_RIGHT && result != CREDENTIALS_RIGHT)
        account_clear(out);
    return result;
}

enum credentials_result credentials_keys(struct session *s, struct str login, struct scram_keys *keys, bool *is_real)
{
    struct account a;
    bool ignored;
    enum credentials_result found = find(s, login, &a, &ignored);
    unsigned char secret[SECRET_BYTES];

    *is_real = false;
    if (found == CREDENTIALS_UNKNOWN)
        return found;
    if (found == CREDENTIALS_RIGHT) {
        *is_real = scram_keys_parse(str_from(a.scram), keys);
        account_clear(&a);
    }
    if (!*is_real) {
        secrets_hmac(s->gate->parts.secrets, 0, "scram", STR(""), secret);
        scram_keys_pretend(secret, login, keys);
    }
    return CREDENTIALS_RIGHT;
}

enum credentials_result credentials_account(struct session *s, struct str login, struct account *out)
{
    bool ignored;

    return find(s, login, out, &ignored);
}

void credentials_waste_time(struct session *s, struct str password)
{
    enum password_result ignored = password_check(s->gate->parts.passwords, NULL, password);
    (void)ignored;
}

int64_t credentials_denied_ms(const struct session *s, struct str login)
{
    char key[DENIAL_KEY_MAX];

    if (login.len)
        return denials_left_ms(s->gate->parts.denials, denial_key_account(login, &s->client.peer.ip, key));
    return denials_left_ms(s->gate->parts.denials, denial_key_address(&s->client.peer.ip, key));
}

struct finding auth_denied_finding(int64_t left_ms)
{
    struct finding f = finding_make(REASON_AUTH_DENIED, "%s", "");

    f.seconds = (uint32_t)((left_ms + 999) / 1000);
    f.until_ms = clock_wall_ms() + left_ms;
    return f;
}

static void note(struct session *s, const char *key)
{
    size_t limit = (size_t)setting_number(session_policy(s), SETTING_auth_failures);
    int64_t for_ms = denials_failed(s->gate->parts.denials, key, limit);

    if (for_ms)
        log_warning("authentication is denied to %s for %lld s, after %zu failures", key, (long long)(for_ms / 1000), limit);
}

void credentials_failed(struct session *s, struct str login)
{
    char key[DENIAL_KEY_MAX];

    note(s, denial_key_address(&s->client.peer.ip, key));
    if (login.len)
        note(s, denial_key_account(login, &s->client.peer.ip, key));
}

/* The address stays under suspicion: whoever has one right password may be trying others. */
void credentials_succeeded(struct session *s, struct str login)
{
    char key[DENIAL_KEY_MAX];

    denials_succeeded(s->gate->parts.denials, denial_key_account(login, &s->client.peer.ip, key));
}
