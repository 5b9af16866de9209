/* account.c: outgoing accounts in the store; see account.h. */
#include "store/account.h"

#include "base/clock.h"
#include "mail/address.h"

#include <string.h>

#define COLUMNS "a.id, a.domain, d.name, a.kind, a.login, a.password, a.scram, a.networks, a.is_locked, a.lock_reason, a.locked_until_ms, a.unlocks, " \
                "a.created_ms, a.used_ms"
#define FROM_ACCOUNTS " FROM account a JOIN domain d ON d.id = a.domain"

static const char *const kinds[] = {[ACCOUNT_USER] = "user", [ACCOUNT_DOMAIN] = "domain", [ACCOUNT_NETWORK] = "network"};

const char *account_kind_name(enum account_kind k)
{
    return kinds[k];
}

bool account_kind_find(struct str name, enum account_kind *out)
{
    for (enum account_kind k = ACCOUNT_USER; k <= ACCOUNT_NETWORK; k++)
        if (str_is_case(name, kinds[k])) {
            *out = k;
            return true;
        }
    return false;
}

void account_clear(struct account *a)
{
    networks_free(&a->networks);
    explicit_bzero(a, sizeof *a);
}

static bool read_networks(struct str text, struct networks *out)
{
    for (struct str word = str_word(&text); word.len; word = str_word(&text)) {
        struct network n;
        if (!network_parse(word, &n) || !networks_add(out, &n))
            return false;
    }
    return true;
}

/* False where a column is not what account.h promises: such an account is nobody's. */
static bool read_row(struct db_rows *r, struct account *a)
{
    *a = (struct account){.id = db_number(r, 0), .domain = db_number(r, 1), .is_locked = db_number(r, 8) != 0, .locked_until_ms = db_number(r, 10),
                          .unlocks = db_number(r, 11), .created_ms = db_number(r, 12), .used_ms = db_number(r, 13)};
    str_copy(a->lock_reason, sizeof a->lock_reason, db_text(r, 9));
    bool fits = str_copy(a->domain_name, sizeof a->domain_name, db_text(r, 2)) && account_kind_find(db_text(r, 3), &a->kind) &&
                str_copy(a->login, sizeof a->login, db_text(r, 4)) && str_copy(a->password, sizeof a->password, db_text(r, 5)) &&
                str_copy(a->scram, sizeof a->scram, db_text(r, 6)) && read_networks(db_text(r, 7), &a->networks);
    if (!fits)
        account_clear(a);
    return fits;
}

static enum account_result take_one(struct db_rows *rows, struct account *out)
{
    bool found = db_next(rows), fits = found && read_row(rows, out);
    enum db_result result = db_done(&rows);

    if (fits && result != DB_OK)
        account_clear(out);
    if (result != DB_OK || (found && !fits))
        return ACCOUNT_FAILED;
    return found ? ACCOUNT_OK : ACCOUNT_NONE;
}

enum account_result account_find(struct db *d, struct str login, struct account *out)
{
    char lower[ACCOUNT_LOGIN_MAX + 1];

    if (!login.len || !str_copy(lower, sizeof lower, login))
        return ACCOUNT_NONE;
    str_lower(lower, login.len);
    return take_one(DB_QUERY(d, "SELECT " COLUMNS FROM_ACCOUNTS " WHERE a.login = $1", DB_T(str_from(lower))), out);
}

enum account_result account_get(struct db *d, int64_t id, struct account *out)
{
    return take_one(DB_QUERY(d, "SELECT " COLUMNS FROM_ACCOUNTS " WHERE a.id = $1", DB_N(id)), out);
}

enum account_result account_each(struct db *d, int64_t domain, struct str after, size_t most, void (*each)(const struct account *a, void *arg), void *arg)
{
    struct db_rows *rows = domain ? DB_QUERY(d, "SELECT " COLUMNS FROM_ACCOUNTS " WHERE a.domain = $1 AND a.login > $2 ORDER BY a.login LIMIT $3",
                                             DB_N(domain), DB_T(after), DB_N((int64_t)most))
                                  : DB_QUERY(d, "SELECT " COLUMNS FROM_ACCOUNTS " WHERE a.login > $1 ORDER BY a.login LIMIT $2", DB_T(after),
                                             DB_N((int64_t)most));
    struct account a;

    while (db_next(rows))
        if (read_row(rows, &a)) {
            each(&a, arg);
            account_clear(&a);
        }
    return db_done(&rows) == DB_OK ? ACCOUNT_OK : ACCOUNT_FAILED;
}

static enum account_result result_of(enum db_result result, int64_t changed)
{
    if (result == DB_CONFLICT)
        return ACCOUNT_TAKEN;
    return result != DB_OK ? ACCOUNT_FAILED : changed ? ACCOUNT_OK : ACCOUNT_NONE;
}

static bool make_keys(struct str password, char hash[PASSWORD_HASH_MAX], char scram[SCRAM_TEXT_MAX], struct buf *error)
{
    const char *why = password_refused(password);
    struct scram_keys keys;

    if (!why && (!password_hash(password, hash) || !scram_keys_make(password, &keys)))
        why = "it cannot be hashed: memory is short";
    if (why) {
        buf_addf(error, "this can be no password: %s", why);
        return false;
    }
    scram_keys_format(&keys, scram);
    return true;
}

/* What each kind may be called. */
static bool login_fits(const struct account_new *new, struct str login, struct buf *error)
{
    struct address a;
    const char *why = NULL;

    if (login.len > ACCOUNT_LOGIN_MAX || memchr(login.at, '\0', login.len) || !utf8_is_valid(login)) {
        buf_add_text(error, "the login is too long, or no text");
        return false;
    }
    switch (new->kind) {
    case ACCOUNT_USER:
        if (address_parse(login, true, &a, &why) == ADDRESS_OK && str_eq_case(address_domain(&a), new->domain))
            return true;
        buf_addf(error, "the login of a user is an address of " STR_FMT, STR_ARG(new->domain));
        return false;
    case ACCOUNT_DOMAIN:
        if (str_eq_case(login, new->domain))
            return true;
        buf_addf(error, "the login of a domain is its name, " STR_FMT, STR_ARG(new->domain));
        return false;
    case ACCOUNT_NETWORK:
        if (login.len)
            return true;
        buf_add_text(error, "a name is needed");
        return false;
    }
    return false;
}

static bool join_networks(const struct account_new *new, struct buf *out, struct buf *error)
{
    struct network n;

    if (new->network_count > ACCOUNT_NETWORKS_MAX || (new->kind == ACCOUNT_NETWORK && !new->network_count)) {
        buf_addf(error, "%s %d networks", new->network_count ? "at most" : "an account that is known by its network needs 1 to", ACCOUNT_NETWORKS_MAX);
        return false;
    }
    for (size_t i = 0; i < new->network_count; i++) {
        if (!network_parse(new->networks[i], &n)) {
            buf_addf(error, "\"" STR_FMT "\" is not a network such as 192.0.2.0/24 or 2001:db8::/32", STR_ARG(new->networks[i]));
            return false;
        }
        buf_addf(out, "%s" STR_FMT, i ? " " : "", STR_ARG(new->networks[i]));
    }
    return !out->failed;
}

enum account_result account_create(struct db *d, const struct account_new *new, int64_t *id, struct buf *error)
{
    char hash[PASSWORD_HASH_MAX] = "", scram[SCRAM_TEXT_MAX] = "", login[ACCOUNT_LOGIN_MAX + 1];
    struct str name = new->kind == ACCOUNT_DOMAIN && !new->login.len ? new->domain : new->login;
    struct buf networks = buf_make(ACCOUNT_NETWORKS_MAX * 64);
    int64_t changed = 0;

    if (!login_fits(new, name, error) || !join_networks(new, &networks, error) ||
        (new->kind != ACCOUNT_NETWORK && !make_keys(new->password, hash, scram, error))) {
        buf_free(&networks);
        return ACCOUNT_INVALID;
    }
    str_copy(login, sizeof login, name);
    str_lower(login, name.len);
    *id = db_new_id();
    const struct db_value values[] = {DB_N(*id), DB_T(str_from(kinds[new->kind])), DB_T(str_from(login)), DB_T(str_from(hash)), DB_T(str_from(scram)),
                                      DB_T(buf_str(&networks)), DB_N(clock_wall_ms()), DB_T(new->domain)};
    enum db_result result = db_run(d, "INSERT INTO account(id, domain, kind, login, password, scram, networks, created_ms) "
                                      "SELECT $1, id, $2, $3, $4, $5, $6, $7 FROM domain WHERE name = $8", values, sizeof values / sizeof *values, &changed);
    buf_free(&networks);
    explicit_bzero(scram, sizeof scram);
    return result_of(result, changed);
}

enum account_result account_adopt(struct db *d, struct str login, struct str domain)
{
    char lower[ACCOUNT_LOGIN_MAX + 1];

    if (!str_copy(lower, sizeof lower, login))
        return ACCOUNT_INVALID;
    str_lower(lower, login.len);
    enum db_result result = DB_RUN(d, "INSERT INTO domain(id, name, created_ms) VALUES($1, $2, $3) ON CONFLICT(name) DO NOTHING", DB_N(db_new_id()), DB_T(domain),
                                   DB_N(clock_wall_ms()));
    if (result == DB_OK)
        result = DB_RUN(d, "INSERT INTO account(id, domain, kind, login, created_ms) SELECT $1, id, 'user', $2, $3 FROM domain WHERE name = $4 ON CONFLICT(login) DO NOTHING",
                        DB_N(db_new_id()), DB_T(str_from(lower)), DB_N(clock_wall_ms()), DB_T(domain));
    return result_of(result, 1);
}

enum account_result account_set_password(struct db *d, int64_t id, struct str password, struct buf *error)
{
    char hash[PASSWORD_HASH_MAX], scram[SCRAM_TEXT_MAX];
    int64_t changed = 0;

    if (!make_keys(password, hash, scram, error))
        return ACCOUNT_INVALID;
    const struct db_value values[] = {DB_T(str_from(hash)), DB_T(str_from(scram)), DB_N(id)};
    enum db_result result = db_run(d, "UPDATE account SET password = $1, scram = $2 WHERE id = $3 AND kind <> 'network'", values, 3, &changed);
    return result_of(result, changed);
}

enum account_result account_delete(struct db *d, int64_t id)
{
    const struct db_value values[] = {DB_N(id)};
    int64_t changed = 0;
    enum db_result result = db_run(d, "DELETE FROM setting WHERE level = 'u' AND owner = $1", values, 1, NULL);

    if (result == DB_OK)
        result = db_run(d, "DELETE FROM account WHERE id = $1", values, 1, &changed);
    return result_of(result, changed);
}

enum account_result account_lock(struct db *d, int64_t id, struct str reason, int64_t until_ms)
{
    const struct db_value values[] = {DB_T(str_sub(reason, 0, ACCOUNT_REASON_MAX)), DB_N(until_ms), DB_N(id)};
    int64_t changed = 0;
    enum db_result result = db_run(d, "UPDATE account SET is_locked = 1, lock_reason = $1, locked_until_ms = $2 WHERE id = $3", values, 3, &changed);

    return result_of(result, changed);
}

enum account_result account_unlock(struct db *d, int64_t id, bool by_hand)
{
    const struct db_value values[] = {DB_N(by_hand ? 0 : 1), DB_N(id)};
    int64_t changed = 0;
    enum db_result result = db_run(d, "UPDATE account SET is_locked = 0, lock_reason = '', locked_until_ms = 0, unlocks = (unlocks + $1) * $1 WHERE id = $2",
                                   values, 2, &changed);

    return result_of(result, changed);
}
