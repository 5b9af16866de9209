/* external_login.c: see external_login.h. */
#include "gate/external_login.h"

#include "auth/elsewhere.h"
#include "auth/password.h"
#include "base/clock.h"
#include "base/log.h"
#include "gate/cut_through.h"
#include "gate/session.h"
#include "store/schema.h"

#include <stdio.h>
#include <string.h>

enum { ADDRESSES_MAX = 4, DN_MAX = 1000, WHAT_MAX = 1500 };

static const struct domain *domain_of(const struct session *s, struct str login)
{
    ptrdiff_t at = str_find_last(login, '@');

    return at > 0 ? settings_domain(s->runtime->settings, str_from_index(login, (size_t)at + 1)) : NULL;
}

bool external_login_concerns(const struct session *s, struct str login)
{
    const struct domain *d = domain_of(s, login);

    return d && *setting_text(&d->policy, SETTING_auth_source);
}

static size_t addresses_of(struct session *s, const struct elsewhere_source *source, int64_t deadline_ms, struct endpoint *to)
{
    static const enum dns_type types[] = {DNS_A, DNS_AAAA};
    size_t count = 0;

    if (ip_parse(str_from(source->host), &to[0].ip)) {
        to[0].port = source->port;
        return 1;
    }
    for (size_t t = 0; t < 2; t++) {
        struct dns_question *q = dns_start(s->gate->parts.dns, str_from(source->host), types[t]);
        const struct dns_answer *a = dns_wait_until(q, deadline_ms);
        for (size_t i = 0; a->status == DNS_OK && i < a->count && count < ADDRESSES_MAX; i++)
            to[count++] = (struct endpoint){.ip = a->at[i].ip, .port = source->port};
        dns_done(&q);
    }
    return count;
}

/* One address after the other, until one says yes or no. */
static enum elsewhere_answer ask(struct session *s, struct elsewhere_question *q, char *why, size_t size)
{
    struct endpoint at[ADDRESSES_MAX];
    size_t count = addresses_of(s, q->source, q->deadline_ms, at);
    enum elsewhere_answer answer = ELSEWHERE_UNKNOWN;

    snprintf(why, size, "%.150s: the DNS knows no address of it", q->source->host);
    for (size_t i = 0; i < count && answer == ELSEWHERE_UNKNOWN; i++) {
        q->at = at[i];
        answer = elsewhere_ask(q, why, size);
    }
    return answer;
}

static enum elsewhere_answer ask_domain(struct session *s, const struct domain *d, struct str login, struct str password, char *why, size_t size)
{
    struct elsewhere_source source;
    struct buf dn = buf_make(DN_MAX);
    enum elsewhere_answer answer = ELSEWHERE_UNKNOWN;

    if (!elsewhere_parse(str_from(setting_text(&d->policy, SETTING_auth_source)), &source)) {
        snprintf(why, size, "auth_source cannot be read");
        return answer;
    }
    struct elsewhere_question q = {.source = &source, .tls = s->gate->parts.tls, .verify = setting_flag(&d->policy, SETTING_auth_source_verify),
                                   .own_name = s->runtime->host, .login = login, .password = password,
                                   .deadline_ms = clock_mono_ms() + setting_number(session_policy(s), SETTING_auth_source_timeout)};
    if (source.kind == ELSEWHERE_LDAP) {
        if (!elsewhere_dn(str_from(setting_text(&d->policy, SETTING_auth_ldap_dn)), login, &dn)) {
            snprintf(why, size, "auth_ldap_dn is not set");
            buf_free(&dn);
            return answer;
        }
        q.login = buf_str(&dn);
    }
    answer = ask(s, &q, why, size);
    buf_free(&dn);
    return answer;
}

enum credentials_result external_login_check(struct session *s, struct str login, struct str password)
{
    const struct domain *d = domain_of(s, login);
    struct buf what = buf_make(WHAT_MAX);
    char why[200] = "too many wait for servers elsewhere";
    enum elsewhere_answer answer = ELSEWHERE_UNKNOWN;

    buf_addf(&what, "%s\n%s\n" STR_FMT, setting_text(&d->policy, SETTING_auth_source), setting_text(&d->policy, SETTING_auth_ldap_dn), STR_ARG(login));
    bool is_remembered = !what.failed && password_is_remembered(s->gate->parts.passwords, buf_str(&what), password);
    if (is_remembered)
        answer = ELSEWHERE_RIGHT;
    else if (destination_wait_begin(s)) {
        answer = ask_domain(s, d, login, password, why, sizeof why);
        destination_wait_end(s);
    }
    if (answer == ELSEWHERE_RIGHT && !is_remembered && !what.failed)
        password_remember(s->gate->parts.passwords, buf_str(&what), password);
    buf_free(&what);
    if (answer == ELSEWHERE_UNKNOWN)
        log_warning("the login of " STR_FMT " cannot be tested: %s", STR_ARG(login), why);
    return answer == ELSEWHERE_RIGHT ? CREDENTIALS_RIGHT : answer == ELSEWHERE_WRONG ? CREDENTIALS_WRONG : CREDENTIALS_UNKNOWN;
}

static bool adopt(struct db *d, const struct domain *domain, struct str login)
{
    if (db_begin(d) != DB_OK)
        return false;
    bool made = account_adopt(d, login, domain->name) == ACCOUNT_OK && schema_touch(d) == DB_OK && db_commit(d) == DB_OK;
    if (!made)
        db_rollback(d);
    return made;
}

enum credentials_result external_login_account(struct session *s, struct str login, struct account *out)
{
    struct db *d = accounts_borrow(s->gate->parts.accounts);

    if (!d)
        return CREDENTIALS_UNKNOWN;
    enum account_result result = account_find(d, login, out);
    if (result == ACCOUNT_NONE)
        result = adopt(d, domain_of(s, login), login) ? account_find(d, login, out) : ACCOUNT_FAILED;
    if (result != ACCOUNT_OK)
        log_error("the account of " STR_FMT " cannot be made: %s", STR_ARG(login), db_error(d));
    accounts_return(s->gate->parts.accounts, d);
    return result == ACCOUNT_OK ? CREDENTIALS_RIGHT : CREDENTIALS_UNKNOWN;
}
