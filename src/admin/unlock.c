/* unlock.c: see unlock.h. */
#include "admin/unlock.h"

#include "admin/parts.h"
#include "store/audit.h"
#include "store/schema.h"

#include <stdio.h>

static bool add_trail(struct db *d, const struct unlock_target *t, const struct ip *client)
{
    char object[ACCOUNT_LOGIN_MAX + UNLOCK_IDENTITY_MAX + 40], ip[IP_TEXT_MAX];
    const struct db_value account[] = {DB_N(t->account)};

    snprintf(object, sizeof object, "account %lld %s%s%s", (long long)t->account, t->login, *t->identity ? " " : "", t->identity);
    const struct audit_row row = {.domain = db_ask_number(d, "SELECT domain FROM account WHERE id = $1", account, 1, 0), .actor = STR("link by mail"),
                                  .client = str_from(ip_format(client, ip)), .action = STR("account-unlock"), .object = str_from(object)};
    return audit_add(d, &row, NULL) == DB_OK;
}

static enum unlock_answer answer_of(enum account_result result, enum unlock_answer fine)
{
    return result == ACCOUNT_OK ? fine : result == ACCOUNT_NONE ? UNLOCK_UNKNOWN : UNLOCK_FAILED;
}

static enum unlock_answer use(struct db *d, struct str token, const struct ip *client, struct unlock_target *out)
{
    if (db_begin(d) != DB_OK)
        return UNLOCK_FAILED;
    enum account_result result = unlock_token_use(d, token, out);
    if (result == ACCOUNT_OK && (!add_trail(d, out, client) || schema_touch(d) != DB_OK || db_commit(d) != DB_OK))
        result = ACCOUNT_FAILED;
    if (result != ACCOUNT_OK)
        db_rollback(d);
    return answer_of(result, UNLOCK_DONE);
}

enum unlock_answer admin_unlock(struct admin *a, struct str token, bool go, const struct ip *client, struct unlock_target *out)
{
    struct db *d = pool_take(a);

    if (!d)
        return UNLOCK_FAILED;
    enum unlock_answer answer = go ? use(d, token, client, out) : answer_of(unlock_token_look(d, token, out), UNLOCK_READY);
    pool_give(a, d);
    return answer;
}
