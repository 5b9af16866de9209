/* account_lock.c: see account_lock.h. */
#include "store/account_lock.h"

#include "base/clock.h"
#include "base/random.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

enum { TOKEN_OCTETS = 20, LIVE_MS_PER_DAY = 24 * 3600 * 1000 };

static enum account_result result_of(enum db_result result, int64_t changed)
{
    return result != DB_OK ? ACCOUNT_FAILED : changed ? ACCOUNT_OK : ACCOUNT_NONE;
}

static void read_lock(struct db_rows *r, int first, struct identity_lock *out)
{
    str_copy(out->reason, sizeof out->reason, db_text(r, first));
    out->until_ms = db_number(r, first + 1);
    out->unlocks = db_number(r, first + 2);
}

enum account_result identity_lock_get(struct db *d, int64_t account, struct str identity, struct identity_lock *out)
{
    struct db_rows *r = DB_QUERY(d, "SELECT reason, until_ms, unlocks FROM identity_lock WHERE account = $1 AND identity = $2", DB_N(account), DB_T(identity));
    bool found = db_next(r);

    if (found)
        read_lock(r, 0, out);
    return result_of(db_done(&r), found);
}

enum account_result identity_lock_set(struct db *d, int64_t account, struct str identity, struct str reason, int64_t until_ms, int64_t unlocks)
{
    const struct db_value values[] = {DB_N(account), DB_T(identity), DB_T(str_sub(reason, 0, ACCOUNT_REASON_MAX)), DB_N(clock_wall_ms()), DB_N(until_ms), DB_N(unlocks)};
    enum db_result result = db_run(d, "INSERT INTO identity_lock(account, identity, reason, locked_ms, until_ms, unlocks) VALUES($1, $2, $3, $4, $5, $6) "
                                      "ON CONFLICT(account, identity) DO UPDATE SET reason = excluded.reason, locked_ms = excluded.locked_ms, "
                                      "until_ms = excluded.until_ms, unlocks = excluded.unlocks", values, sizeof values / sizeof *values, NULL);

    return result_of(result, 1);
}

enum account_result identity_unlock(struct db *d, int64_t account, struct str identity)
{
    const struct db_value values[] = {DB_N(account), DB_T(identity)};
    int64_t changed = 0;
    enum db_result result = db_run(d, "DELETE FROM identity_lock WHERE account = $1 AND identity = $2", values, 2, &changed);

    return result_of(result, changed);
}

void identity_lock_each(struct db *d, int64_t account, void (*each)(struct str identity, const struct identity_lock *lock, void *arg), void *arg)
{
    struct db_rows *r = DB_QUERY(d, "SELECT identity, reason, until_ms, unlocks FROM identity_lock WHERE account = $1 ORDER BY identity", DB_N(account));
    struct identity_lock lock;

    while (db_next(r)) {
        read_lock(r, 1, &lock);
        each(db_text(r, 0), &lock, arg);
    }
    enum db_result ignored = db_done(&r);
    (void)ignored;
}

static void hash_of(struct str token, unsigned char hash[SHA256_DIGEST_LENGTH])
{
    SHA256((const unsigned char *)token.at, token.len, hash);
}

static struct db_value hash_value(const unsigned char hash[SHA256_DIGEST_LENGTH])
{
    return DB_B(str_n((const char *)hash, SHA256_DIGEST_LENGTH));
}

enum account_result unlock_token_make(struct db *d, int64_t account, struct str identity, char to[UNLOCK_TOKEN_SIZE])
{
    unsigned char octets[TOKEN_OCTETS], hash[SHA256_DIGEST_LENGTH];
    int64_t now_ms = clock_wall_ms();

    random_bytes(octets, sizeof octets);
    for (size_t i = 0; i < sizeof octets; i++)
        snprintf(to + i * 2, 3, "%02x", octets[i]);
    hash_of(str_from(to), hash);
    enum db_result result = DB_RUN(d, "DELETE FROM token WHERE kind = 'unlock' AND object = $1 AND recipient = $2", DB_N(account), DB_T(identity));
    if (result == DB_OK)
        result = DB_RUN(d, "INSERT INTO token(hash, kind, object, recipient, created_ms, expires_ms) VALUES($1, 'unlock', $2, $3, $4, $5)", hash_value(hash),
                        DB_N(account), DB_T(identity), DB_N(now_ms), DB_N(now_ms + (int64_t)UNLOCK_DAYS * LIVE_MS_PER_DAY));
    return result_of(result, 1);
}

enum account_result unlock_token_look(struct db *d, struct str token, struct unlock_target *out)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];

    hash_of(token, hash);
    struct db_rows *r = DB_QUERY(d, "SELECT t.object, a.login, t.recipient FROM token t JOIN account a ON a.id = t.object "
                                    "WHERE t.hash = $1 AND t.kind = 'unlock' AND t.used_ms = 0 AND t.expires_ms > $2", hash_value(hash), DB_N(clock_wall_ms()));
    bool found = db_next(r);
    if (found) {
        out->account = db_number(r, 0);
        str_copy(out->login, sizeof out->login, db_text(r, 1));
        str_copy(out->identity, sizeof out->identity, db_text(r, 2));
    }
    return result_of(db_done(&r), found);
}

enum account_result unlock_token_use(struct db *d, struct str token, struct unlock_target *out)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    enum account_result result = unlock_token_look(d, token, out);

    if (result != ACCOUNT_OK)
        return result;
    hash_of(token, hash);
    if (DB_RUN(d, "UPDATE token SET used_ms = $1 WHERE hash = $2", DB_N(clock_wall_ms()), hash_value(hash)) != DB_OK)
        return ACCOUNT_FAILED;
    result = *out->identity ? identity_unlock(d, out->account, str_from(out->identity)) : account_unlock(d, out->account, true);
    return result == ACCOUNT_FAILED ? ACCOUNT_FAILED : ACCOUNT_OK; /* unlocked meanwhile by somebody else is as well */
}
