/* sessions.c: signing in and out, sessions, one's own password and authenticator. */
#include "admin/parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

#include <stdio.h>
#include <string.h>

enum { AGENT_MOST = 200, ADDRESS_FACTOR = 3 /* one address may stand for several persons */ };

static struct str octets(const unsigned char *at, size_t len)
{
    return str_n((const char *)at, len);
}

/* The session is in the store and its token in the cookie; the answer has what scripts must send with every change. */
int session_begin(struct call *c, int64_t person, int64_t acting_as)
{
    char token[TOKEN_TEXT_MAX], csrf[TOKEN_TEXT_MAX], client[IP_TEXT_MAX];
    unsigned char hash[32];
    int64_t now_ms = clock_wall_ms();
    int64_t expires_ms = now_ms + setting_number(settings_system(c->settings), SETTING_console_session_lifetime);

    token_make("ps_", token);
    token_make("", csrf);
    token_hash(str_from(token), hash);
    enum db_result result = DB_RUN(c->db, "INSERT INTO session(hash, id, person, acting_as, csrf, client, agent, created_ms, seen_ms, expires_ms) "
                                          "VALUES($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)",
                                   DB_B(octets(hash, sizeof hash)), DB_N(db_new_id()), DB_N(person), acting_as ? DB_N(acting_as) : DB_NOTHING,
                                   DB_T(str_from(csrf)), DB_T(str_from(c->request->is_local ? "local" : ip_format(&c->request->client, client))),
                                   DB_T(str_sub(c->request->agent, 0, AGENT_MOST)), DB_N(now_ms), DB_N(expires_ms));
    if (result != DB_OK)
        return call_store_failed(c, result);
    snprintf(c->answer->cookie, sizeof c->answer->cookie, ADMIN_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict%s", token, c->request->is_https ? "; Secure" : "");
    json_decref(c->out);
    c->out = json_pack("{s:s, s:o}", "csrf", csrf, "expires", json_time(expires_ms));
    return 200;
}

struct candidate {
    int64_t id, totp_last;
    char hash[PASSWORD_HASH_MAX];
    char totp[TOTP_SECRET_BYTES];
    bool has_totp;
};

static enum db_result find_candidate(struct call *c, struct candidate *p)
{
    char login[ACTOR_NAME_MAX + 1];

    str_copy(login, sizeof login, call_str(c, "login"));
    str_lower(login, strlen(login));
    struct db_rows *r = DB_QUERY(c->db, "SELECT id, password, totp, totp_last FROM person WHERE login = $1", DB_T(str_from(login)));
    *p = (struct candidate){.id = 0};
    if (db_next(r)) {
        struct str secret = db_bytes(r, 2);
        p->id = db_number(r, 0);
        p->totp_last = db_number(r, 3);
        p->has_totp = !db_is_null(r, 2);
        str_copy(p->hash, sizeof p->hash, db_text(r, 1));
        if (secret.len == sizeof p->totp)
            memcpy(p->totp, secret.at, sizeof p->totp);
    }
    return db_done(&r);
}

static int too_many(struct call *c, int64_t wait_ms)
{
    c->answer->retry_after_s = (int)((wait_ms + 999) / 1000);
    return call_problem(c, 429, "attempts", "Too many attempts. Try again in %d seconds.", c->answer->retry_after_s);
}

/* Says the same whatever was wrong. */
static int refuse(struct call *c, const char *log_why)
{
    char client[IP_TEXT_MAX];

    atomic_fetch_add(&c->admin->sign_in_failures, 1);
    log_warning("sign-in from %s as %s failed: %s", c->request->is_local ? "the local socket" : ip_format(&c->request->client, client), call_text(c, "login", ""), log_why);
    return call_problem(c, 401, "sign-in", "Login, password or code is wrong.");
}

/* With a code that was not used before: the step is taken in the store, so that of two at the same time one fails. */
static int check_code(struct call *c, const struct candidate *p)
{
    int64_t changed = 0, step = totp_step(str_n(p->totp, sizeof p->totp), call_str(c, "code"), clock_wall_ms(), p->totp_last);
    const struct db_value values[] = {DB_N(p->id), DB_N(step)};

    if (!call_has(c, "code")) {
        refuse(c, "no code");
        return call_problem(c, 401, "code-needed", "The code of the authenticator is needed, too.");
    }
    if (!step)
        return refuse(c, "wrong code");
    enum db_result result = db_run(c->db, "UPDATE person SET totp_last = $2 WHERE id = $1 AND totp_last < $2", values, 2, &changed);
    if (result != DB_OK)
        return call_store_failed(c, result);
    return changed ? 0 : refuse(c, "the code was used before");
}

/* Password and code. 0, or the problem said. */
static int check_candidate(struct call *c, struct candidate *p)
{
    enum db_result result = find_candidate(c, p);

    if (result != DB_OK)
        return call_store_failed(c, result);
    switch (password_check(c->admin->passwords, p->hash, call_str(c, "password"))) {
    case PASSWORD_BUSY: return too_many(c, 1000);
    case PASSWORD_WRONG: return refuse(c, p->id ? "wrong password" : "no such person");
    case PASSWORD_RIGHT: break;
    }
    struct actor actor;
    switch (actor_of_person(c->db, p->id, &actor)) {
    case ACTOR_OK: break;
    case ACTOR_FAILED: return call_store_failed(c, DB_FAILED);
    default: return refuse(c, "locked or suspended");
    }
    c->actor = actor;
    return p->has_totp ? check_code(c, p) : 0;
}

int op_sign_in(struct call *c)
{
    const struct policy *system = settings_system(c->settings);
    int64_t most = setting_number(system, SETTING_console_sign_in_attempts), window_ms = setting_number(system, SETTING_console_sign_in_window);
    struct ip from = ip_limit_key(&c->request->client);
    char address[IP_TEXT_MAX + 8] = "from ", ip[IP_TEXT_MAX], login[ACTOR_NAME_MAX + 8] = "as ";
    struct candidate p;

    if (c->dry_run)
        return call_wrong_field(c, "dry_run", "has no meaning here");
    str_copy(address + 5, sizeof address - 5, str_from(ip_format(&from, ip)));
    str_copy(login + 3, sizeof login - 3, call_str(c, "login"));
    int64_t wait_ms = attempts_take(c->admin->attempts, str_from(address), most * ADDRESS_FACTOR, window_ms);
    int64_t login_wait_ms = attempts_take(c->admin->attempts, str_from(login), most, window_ms);
    if (wait_ms || login_wait_ms)
        return too_many(c, wait_ms > login_wait_ms ? wait_ms : login_wait_ms);
    int status = check_candidate(c, &p);
    if (status)
        return status;
    attempts_forget(c->admin->attempts, str_from(login));
    attempts_undo(c->admin->attempts, str_from(address));
    atomic_fetch_add(&c->admin->sign_ins, 1);
    call_object(c, "person", p.id, str_from(c->actor.name));
    if (DB_RUN(c->db, "UPDATE person SET seen_ms = $2 WHERE id = $1", DB_N(p.id), DB_N(clock_wall_ms())) != DB_OK)
        return call_store_failed(c, DB_BUSY);
    return session_begin(c, p.id, 0);
}

int op_sign_out(struct call *c)
{
    c->no_audit = true;
    snprintf(c->answer->cookie, sizeof c->answer->cookie, ADMIN_COOKIE "=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    enum db_result result = DB_RUN(c->db, "DELETE FROM session WHERE id = $1", DB_N(c->actor.session));
    return result == DB_OK ? 204 : call_store_failed(c, result);
}

static json_t *permissions_json(permission_set set)
{
    json_t *list = json_array();

    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++)
        if (set & PERMISSION_BIT(p))
            json_array_append_new(list, json_string(permission_name(p)));
    return list;
}

int op_me_show(struct call *c)
{
    const struct actor *a = &c->actor;
    static const char *const vias[] = {"nothing", "local", "session", "key"};

    c->out = json_pack("{s:o, s:o, s:o, s:s, s:o, s:s, s:o, s:s, s:o}", "person", json_id_or_null(a->person), "name", json_str(str_from(a->name)), "acting_as",
                       *a->acting_as ? json_str(str_from(a->acting_as)) : json_null(), "role", role_name(a->role), "permissions", permissions_json(a->permissions),
                       "scope", scope_kind_name(a->scope.kind), "scope_id", json_id_or_null(a->scope.id), "via", vias[a->via], "csrf",
                       a->via == VIA_SESSION ? json_string(a->csrf) : json_null());
    return 200;
}

/* What belongs to the person alone: not with a key that leaked, and not while somebody acts as him. */
static int needs_own_session(struct call *c)
{
    if (c->actor.via == VIA_SESSION && !*c->actor.acting_as)
        return 0;
    return call_problem(c, 403, "session", "This needs a session of one's own.");
}

static enum db_result end_others(struct call *c)
{
    return DB_RUN(c->db, "DELETE FROM session WHERE person = $1 AND id <> $2", DB_N(c->actor.person), DB_N(c->actor.session));
}

int op_me_password(struct call *c)
{
    char hash[PASSWORD_HASH_MAX] = "";
    int status = needs_own_session(c);
    const char *why = password_refused(call_str(c, "new"));

    if (status)
        return status;
    struct db_rows *r = DB_QUERY(c->db, "SELECT password FROM person WHERE id = $1", DB_N(c->actor.person));
    if (db_next(r))
        str_copy(hash, sizeof hash, db_text(r, 0));
    enum db_result result = db_done(&r);
    if (result != DB_OK)
        return call_store_failed(c, result);
    int64_t wait_ms = attempts_take(c->admin->attempts, str_from(c->actor.name), setting_number(settings_system(c->settings), SETTING_console_sign_in_attempts),
                                    setting_number(settings_system(c->settings), SETTING_console_sign_in_window));
    if (wait_ms)
        return too_many(c, wait_ms);
    enum password_result old = password_check(c->admin->passwords, hash, call_str(c, "old"));
    if (old == PASSWORD_BUSY)
        return too_many(c, 1000);
    if (old == PASSWORD_WRONG)
        return call_wrong_field(c, "old", "is not the present password");
    attempts_forget(c->admin->attempts, str_from(c->actor.name));
    if (why)
        return call_wrong_field(c, "new", "%s", why);
    if (!password_hash(call_str(c, "new"), hash))
        return call_problem(c, 503, "memory", "There is not enough memory for a password now. Try again.");
    result = DB_RUN(c->db, "UPDATE person SET password = $2 WHERE id = $1", DB_N(c->actor.person), DB_T(str_from(hash)));
    if (result == DB_OK)
        result = end_others(c);
    call_object(c, "person", c->actor.person, str_from(c->actor.name));
    return result == DB_OK ? 204 : call_store_failed(c, result);
}

int op_me_totp_begin(struct call *c)
{
    unsigned char secret[TOTP_SECRET_BYTES];
    char text[TOTP_SECRET_TEXT], host[256], url[700];
    int status = needs_own_session(c);

    if (status)
        return status;
    random_bytes(secret, sizeof secret);
    totp_secret_text(secret, text);
    settings_host_name(settings_system(c->settings), host, sizeof host);
    snprintf(url, sizeof url, "otpauth://totp/%s?secret=%s&issuer=%s", host, text, host);
    enum db_result result = DB_RUN(c->db, "UPDATE person SET totp_pending = $2 WHERE id = $1", DB_N(c->actor.person), DB_B(octets(secret, sizeof secret)));
    if (result != DB_OK)
        return call_store_failed(c, result);
    c->out = json_pack("{s:s, s:s}", "secret", text, "url", url);
    c->no_audit = true; /* it does not count yet */
    return 200;
}

/* Confirms the pending secret, or proves the present one. */
static int totp_step_of_code(struct call *c, const char *sql, int64_t *step)
{
    char secret[TOTP_SECRET_BYTES];
    struct db_rows *r = DB_QUERY(c->db, sql, DB_N(c->actor.person));
    bool there = db_next(r) && db_bytes(r, 0).len == sizeof secret;
    int64_t last = there ? db_number(r, 1) : 0;

    if (there)
        memcpy(secret, db_bytes(r, 0).at, sizeof secret);
    enum db_result result = db_done(&r);
    if (result != DB_OK)
        return call_store_failed(c, result);
    if (!there)
        return call_problem(c, 409, "totp", "There is no authenticator.");
    *step = totp_step(str_n(secret, sizeof secret), call_str(c, "code"), clock_wall_ms(), last);
    return *step ? 0 : call_wrong_field(c, "code", "is wrong");
}

int op_me_totp_confirm(struct call *c)
{
    int64_t step;
    int status = needs_own_session(c);

    if (!status)
        status = totp_step_of_code(c, "SELECT totp_pending, 0 FROM person WHERE id = $1", &step);
    if (status)
        return status;
    call_object(c, "person", c->actor.person, str_from(c->actor.name));
    enum db_result result = DB_RUN(c->db, "UPDATE person SET totp = totp_pending, totp_pending = NULL, totp_last = $2 WHERE id = $1", DB_N(c->actor.person), DB_N(step));
    if (result == DB_OK)
        result = end_others(c);
    return result == DB_OK ? 204 : call_store_failed(c, result);
}

int op_me_totp_remove(struct call *c)
{
    int64_t step;
    int status = needs_own_session(c);

    if (!status)
        status = totp_step_of_code(c, "SELECT totp, totp_last FROM person WHERE id = $1", &step);
    if (status)
        return status;
    call_object(c, "person", c->actor.person, str_from(c->actor.name));
    enum db_result result = DB_RUN(c->db, "UPDATE person SET totp = NULL, totp_pending = NULL, totp_last = $2 WHERE id = $1", DB_N(c->actor.person), DB_N(step));
    return result == DB_OK ? 204 : call_store_failed(c, result);
}

static json_t *session_json(struct db_rows *r)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "id", json_id(db_number(r, 0)), "client", json_str(db_text(r, 1)), "agent",
                     json_str(db_text(r, 2)), "created", json_time(db_number(r, 3)), "seen", json_time(db_number(r, 4)), "expires",
                     json_time(db_number(r, 5)), "acting_as", json_id_or_null(db_number(r, 6)), "current", db_number(r, 7) != 0);
}

int session_list(struct call *c, int64_t person)
{
    int64_t after;

    if (!call_cursor_number(c, 0, &after))
        return 400;
    return call_page(c, DB_QUERY(c->db, "SELECT id, client, agent, created_ms, seen_ms, expires_ms, acting_as, CASE WHEN id = $4 THEN 1 ELSE 0 END FROM session "
                                        "WHERE person = $1 AND id > $2 AND expires_ms > $5 ORDER BY id LIMIT $3",
                                 DB_N(person), DB_N(after), DB_N(call_limit(c)), DB_N(c->actor.session), DB_N(clock_wall_ms())), session_json, 0);
}

int op_me_sessions(struct call *c)
{
    return session_list(c, c->actor.real_person);
}

int op_me_session_end(struct call *c)
{
    uint64_t id = 0;
    int64_t changed = 0;

    if (!str_to_u64(str_from(c->parameter[0]), INT64_MAX, &id))
        return call_not_found(c, "session");
    const struct db_value values[] = {DB_N((int64_t)id), DB_N(c->actor.real_person)};
    enum db_result result = db_run(c->db, "DELETE FROM session WHERE id = $1 AND person = $2", values, 2, &changed);
    if (result != DB_OK)
        return call_store_failed(c, result);
    call_object(c, "session", (int64_t)id, STR(""));
    return changed ? 204 : call_not_found(c, "session");
}
