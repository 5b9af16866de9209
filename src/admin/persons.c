/*
 * persons.c: who may sign in. Nobody makes, changes or becomes a person that may more than he may himself: what a role or a key allows must be allowed to the one
 * who gives it.
 */
#include "admin/parts.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define PERSON_COLUMNS "p.id, p.login, p.name, p.role, p.tenant, p.domain, p.mailbox, p.language, p.is_locked, " \
                       "CASE WHEN p.password <> '' THEN 1 ELSE 0 END, CASE WHEN p.totp IS NULL THEN 0 ELSE 1 END, p.created_ms, p.seen_ms"

static json_t *person_json(struct db_rows *r)
{
    json_t *who = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", json_id(db_number(r, 0)), "login", json_str(db_text(r, 1)), "name",
                            json_str(db_text(r, 2)), "role", json_str(db_text(r, 3)), "tenant", json_id_or_null(db_number(r, 4)), "domain",
                            json_id_or_null(db_number(r, 5)), "mailbox", json_id_or_null(db_number(r, 6)));
    json_t *rest = json_pack("{s:o, s:b, s:b, s:b, s:o, s:o}", "language", json_str(db_text(r, 7)), "is_locked", db_number(r, 8) != 0, "has_password",
                             db_number(r, 9) != 0, "has_totp", db_number(r, 10) != 0, "created", json_time(db_number(r, 11)), "seen",
                             json_time(db_number(r, 12)));
    json_object_update_new(who, rest);
    return who;
}

static int show(struct call *c, int64_t id, int status)
{
    return call_row(c, DB_QUERY(c->db, "SELECT " PERSON_COLUMNS " FROM person p WHERE p.id = $1", DB_N(id)), person_json, status);
}

int op_person_list(struct call *c)
{
    return call_page(c, DB_QUERY(c->db, "SELECT " PERSON_COLUMNS " FROM person p LEFT JOIN domain d ON d.id = p.domain LEFT JOIN mailbox m ON m.id = p.mailbox "
                                        "LEFT JOIN domain e ON e.id = m.domain "
                                        "WHERE " SQL_IN_SCOPE("COALESCE(p.tenant, d.tenant, e.tenant)", "COALESCE(p.domain, e.id)", "p.mailbox")
                                        " AND p.login > $3 AND substr(p.login, 1, length($4)) = $4 ORDER BY p.login LIMIT $5",
                                 DB_SCOPE(&c->actor.scope), DB_T(str_from(c->cursor ? c->cursor : "")), DB_T(call_str(c, "login")), DB_N(call_limit(c))),
                     person_json, 1);
}

int op_person_show(struct call *c)
{
    return show(c, c->place.id, 200);
}

/* May the actor give, or take, what that role allows? 0, or the problem said. */
static int may_handle(struct call *c, enum role role)
{
    if (role != ROLE_NONE && actor_has_all(&c->actor, role_permissions(role)))
        return 0;
    return call_problem(c, 403, "more-permissions", "That role allows more than you may yourself.");
}

static enum role role_of_place(struct call *c)
{
    struct db_rows *r = DB_QUERY(c->db, "SELECT role FROM person WHERE id = $1", DB_N(c->place.id));
    enum role role = db_next(r) ? role_find(db_text(r, 0)) : ROLE_NONE;

    return db_done(&r) == DB_OK ? role : ROLE_NONE;
}

/* Where the new person stands. 0, or the problem said. */
static int new_scope(struct call *c, struct scope *scope, struct place *at)
{
    static const struct { const char *field; enum object kind; enum scope_kind scope; } fields[] = {
        {"tenant", OBJECT_TENANT, SCOPE_TENANT}, {"domain", OBJECT_DOMAIN, SCOPE_DOMAIN}, {"mailbox", OBJECT_MAILBOX, SCOPE_MAILBOX}};

    *scope = (struct scope){SCOPE_ALL, 0};
    *at = (struct place){.id = 0};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (!call_has(c, fields[i].field))
            continue;
        if (scope->kind != SCOPE_ALL)
            return call_wrong_field(c, fields[i].field, "is one too many: a person stands at one place");
        int status = call_reference(c, fields[i].field, fields[i].kind, at);
        if (status)
            return status;
        *scope = (struct scope){fields[i].scope, at->id};
    }
    if (scope->kind == SCOPE_ALL && c->actor.scope.kind != SCOPE_ALL)
        return call_problem(c, 403, "scope", "Say where the person stands: tenant, domain or mailbox.");
    return 0;
}

/* The login in lower case, with a letter in it. */
static bool login_normal(struct str login, char to[ACTOR_NAME_MAX + 1])
{
    if (!str_copy(to, ACTOR_NAME_MAX + 1, login) || !name_is_fine(login) || str_find(login, ' ') >= 0)
        return false;
    str_lower(to, strlen(to));
    return true;
}

static int hash_new(struct call *c, const char *field, char hash[PASSWORD_HASH_MAX])
{
    const char *why = password_refused(call_str(c, field));

    if (why)
        return call_wrong_field(c, field, "%s", why);
    if (!password_hash(call_str(c, field), hash))
        return call_problem(c, 503, "memory", "There is not enough memory for a password now. Try again.");
    return 0;
}

int op_person_add(struct call *c)
{
    enum role role = role_find(call_str(c, "role"));
    char login[ACTOR_NAME_MAX + 1], hash[PASSWORD_HASH_MAX] = "";
    struct scope scope;
    struct place at;
    int64_t id = db_new_id();
    int status = may_handle(c, role);

    if (!status)
        status = new_scope(c, &scope, &at);
    if (status)
        return status;
    if (!role_fits_scope(role, str_from(scope_kind_name(scope.kind))))
        return call_wrong_field(c, "role", "does not fit a person whose scope is %s", scope_kind_name(scope.kind));
    if (!login_normal(call_str(c, "login"), login))
        return call_wrong_field(c, "login", "must have a letter in it and no blank");
    if (call_has(c, "password") && (status = hash_new(c, "password", hash)) != 0)
        return status;
    enum db_result result = DB_RUN(c->db, "INSERT INTO person(id, tenant, domain, mailbox, login, name, role, password, language, created_ms) "
                                          "VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                                   DB_N(id), scope.kind == SCOPE_TENANT ? DB_N(scope.id) : DB_NOTHING, scope.kind == SCOPE_DOMAIN ? DB_N(scope.id) : DB_NOTHING,
                                   scope.kind == SCOPE_MAILBOX ? DB_N(scope.id) : DB_NOTHING, DB_T(str_from(login)), DB_T(call_str(c, "name")),
                                   DB_T(str_from(role_name(role))), DB_T(str_from(hash)), DB_T(call_str(c, "language")), DB_N(clock_wall_ms()));
    if (result != DB_OK)
        return call_store_failed(c, result);
    c->about = (struct place){.id = id, .tenant = at.tenant, .domain = at.domain};
    call_object(c, "person", id, str_from(login));
    return show(c, id, 201);
}

static enum db_result end_sessions(struct call *c, int64_t person)
{
    return DB_RUN(c->db, "DELETE FROM session WHERE person = $1 OR acting_as = $1", DB_N(person));
}

int op_person_change(struct call *c)
{
    enum role role = role_find(call_str(c, "role"));
    const json_t *locked = json_object_get(c->in, "is_locked");
    int status = may_handle(c, role_of_place(c));
    struct actor shown;

    if (!status && call_has(c, "role"))
        status = may_handle(c, role);
    if (!status)
        status = show(c, c->place.id, 200);
    if (status != 200)
        return status;
    c->before = c->out;
    c->out = NULL;
    if (actor_of_person(c->db, c->place.id, &shown) == ACTOR_FAILED)
        return call_store_failed(c, DB_FAILED);
    if (call_has(c, "role") && !role_fits_scope(role, str_from(scope_kind_name(shown.scope.kind))))
        return call_wrong_field(c, "role", "does not fit a person whose scope is %s", scope_kind_name(shown.scope.kind));
    enum db_result result = DB_RUN(c->db, "UPDATE person SET name = CASE WHEN $2 = 1 THEN $3 ELSE name END, language = CASE WHEN $4 = 1 THEN $5 ELSE language END, "
                                          "role = CASE WHEN $6 = '' THEN role ELSE $6 END, is_locked = CASE WHEN $7 < 0 THEN is_locked ELSE $7 END WHERE id = $1",
                                   DB_N(c->place.id), DB_N(call_has(c, "name")), DB_T(call_str(c, "name")), DB_N(call_has(c, "language")),
                                   DB_T(call_str(c, "language")), DB_T(call_str(c, "role")), DB_N(locked ? json_is_true(locked) : -1));
    if (result == DB_OK && json_is_true(locked))
        result = end_sessions(c, c->place.id);
    return result == DB_OK ? show(c, c->place.id, 200) : call_store_failed(c, result);
}

int op_person_remove(struct call *c)
{
    int status = may_handle(c, role_of_place(c));

    if (status)
        return status;
    if (c->place.id == c->actor.real_person)
        return call_problem(c, 409, "self", "Nobody removes himself.");
    enum db_result result = DB_RUN(c->db, "DELETE FROM person WHERE id = $1", DB_N(c->place.id));
    return result == DB_OK ? 204 : call_store_failed(c, result);
}

int op_person_password(struct call *c)
{
    char hash[PASSWORD_HASH_MAX];
    int status = may_handle(c, role_of_place(c));

    if (!status)
        status = hash_new(c, "password", hash);
    if (status)
        return status;
    enum db_result result = DB_RUN(c->db, "UPDATE person SET password = $2 WHERE id = $1", DB_N(c->place.id), DB_T(str_from(hash)));
    if (result == DB_OK)
        result = end_sessions(c, c->place.id);
    return result == DB_OK ? 204 : call_store_failed(c, result);
}

int op_person_totp_remove(struct call *c)
{
    int status = may_handle(c, role_of_place(c));

    if (status)
        return status;
    enum db_result result = DB_RUN(c->db, "UPDATE person SET totp = NULL, totp_pending = NULL WHERE id = $1", DB_N(c->place.id));
    if (result == DB_OK)
        result = end_sessions(c, c->place.id);
    return result == DB_OK ? 204 : call_store_failed(c, result);
}

int op_person_sessions(struct call *c)
{
    return session_list(c, c->place.id);
}

int op_person_sessions_end(struct call *c)
{
    int status = may_handle(c, role_of_place(c));

    if (status)
        return status;
    enum db_result result = end_sessions(c, c->place.id);
    return result == DB_OK ? 204 : call_store_failed(c, result);
}

int op_person_keys(struct call *c)
{
    return key_list(c, c->place.id);
}

int op_person_key_add(struct call *c)
{
    enum role role = role_of_place(c);
    int status = may_handle(c, role);

    return status ? status : key_add(c, c->place.id, role_permissions(role));
}

int op_person_key_remove(struct call *c)
{
    int status = may_handle(c, role_of_place(c));
    return status ? status : key_remove(c, c->place.id, c->parameter[1]);
}

int op_person_impersonate(struct call *c)
{
    if (c->actor.via != VIA_SESSION || *c->actor.acting_as)
        return call_problem(c, 403, "session", "This needs a session of one's own.");
    if (c->place.id == c->actor.person)
        return call_problem(c, 409, "self", "That is you.");
    return session_begin(c, c->actor.person, c->place.id);
}
