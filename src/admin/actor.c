/* actor.c: see actor.h. */
#include "admin/actor.h"

#include "base/clock.h"
#include "base/random.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

enum { MOST_NESTED = 16, SEEN_STEP_MS = 60000, NETWORK_MAX = 64 };

const char *scope_kind_name(enum scope_kind k)
{
    static const char *const names[] = {"nothing", "all", "tenant", "domain", "mailbox"};
    return names[k];
}

bool actor_has_all(const struct actor *a, permission_set set)
{
    return (set & ~a->permissions) == 0;
}

void token_make(const char *prefix, char text[TOKEN_TEXT_MAX])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char chance[TOKEN_BYTES + 11];
    size_t len = strlen(prefix);

    random_bytes(chance, sizeof chance);
    memcpy(text, prefix, len);
    for (size_t i = 0; i < sizeof chance; i++) /* six bits of each octet: 258 bits */
        text[len + i] = alphabet[chance[i] & 63];
    text[len + sizeof chance] = '\0';
}

void token_hash(struct str text, unsigned char hash[32])
{
    SHA256((const unsigned char *)(text.len ? text.at : ""), text.len, hash);
}

void actor_local(struct actor *out, int64_t uid)
{
    *out = (struct actor){.via = VIA_LOCAL, .role = ROLE_OPERATOR, .permissions = role_permissions(ROLE_OPERATOR), .scope = {SCOPE_ALL, 0}};
    snprintf(out->name, sizeof out->name, "local user %lld", (long long)uid);
}

/* Is the tenant, or one above it, suspended? */
static bool is_suspended(struct db *d, int64_t tenant)
{
    static const char sql[] = "SELECT is_suspended, parent FROM tenant WHERE id = $1";

    for (int depth = 0; tenant && depth < MOST_NESTED; depth++) {
        struct db_rows *r = DB_QUERY(d, sql, DB_N(tenant));
        bool there = db_next(r), suspended = !there || db_number(r, 0);
        tenant = there ? db_number(r, 1) : 0;
        if (db_done(&r) != DB_OK || suspended)
            return true;
    }
    return tenant != 0;
}

static struct scope scope_of(int64_t tenant, int64_t domain, int64_t mailbox)
{
    if (mailbox)
        return (struct scope){SCOPE_MAILBOX, mailbox};
    if (domain)
        return (struct scope){SCOPE_DOMAIN, domain};
    return tenant ? (struct scope){SCOPE_TENANT, tenant} : (struct scope){SCOPE_ALL, 0};
}

enum actor_result actor_of_person(struct db *d, int64_t person, struct actor *out)
{
    struct db_rows *r = DB_QUERY(d, "SELECT p.role, p.tenant, p.domain, p.mailbox, p.login, p.is_locked, "
                                    "COALESCE(p.tenant, d.tenant, m.tenant) FROM person p LEFT JOIN domain d ON d.id = p.domain "
                                    "LEFT JOIN mailbox b ON b.id = p.mailbox LEFT JOIN domain m ON m.id = b.domain WHERE p.id = $1", DB_N(person));
    bool there = db_next(r), locked = true;
    int64_t tenant = 0;

    *out = (struct actor){.person = person, .real_person = person};
    if (there) {
        out->role = role_find(db_text(r, 0));
        out->permissions = out->role ? role_permissions(out->role) : 0;
        out->scope = scope_of(db_number(r, 1), db_number(r, 2), db_number(r, 3));
        str_copy(out->name, sizeof out->name, db_text(r, 4));
        locked = db_number(r, 5) || !out->role || !role_fits_scope(out->role, str_from(scope_kind_name(out->scope.kind)));
        tenant = db_number(r, 6);
    }
    if (db_done(&r) != DB_OK)
        return ACTOR_FAILED;
    return there && !locked && !is_suspended(d, tenant) ? ACTOR_OK : ACTOR_UNKNOWN;
}

/* While acting as another: his scope, and what both may. */
static enum actor_result act_as(struct db *d, int64_t other, struct actor *a)
{
    struct actor shown;
    enum actor_result result = actor_of_person(d, other, &shown);

    if (result != ACTOR_OK)
        return result;
    if (!(a->permissions & PERMISSION_BIT(PERMISSION_IMPERSONATE)))
        return ACTOR_UNKNOWN;
    str_copy(a->acting_as, sizeof a->acting_as, str_from(shown.name));
    a->person = other;
    a->role = shown.role;
    a->permissions &= shown.permissions & ~PERMISSION_BIT(PERMISSION_API);
    a->scope = shown.scope;
    return ACTOR_OK;
}

static struct str hash_str_of(const unsigned char hash[32])
{
    return str_n((const char *)hash, 32);
}

enum actor_result actor_by_session(struct db *d, struct str token, int64_t idle_ms, struct actor *out)
{
    unsigned char hash[32];
    int64_t now_ms = clock_wall_ms();

    token_hash(token, hash);
    struct db_rows *r = DB_QUERY(d, "SELECT id, person, acting_as, csrf, seen_ms, expires_ms FROM session WHERE hash = $1", DB_B(hash_str_of(hash)));
    bool there = db_next(r);
    int64_t id = there ? db_number(r, 0) : 0, person = there ? db_number(r, 1) : 0, other = there ? db_number(r, 2) : 0;
    int64_t seen_ms = there ? db_number(r, 4) : 0;
    bool over = there && (db_number(r, 5) <= now_ms || seen_ms + idle_ms <= now_ms);
    char csrf[CSRF_TEXT_MAX] = "";
    if (there)
        str_copy(csrf, sizeof csrf, db_text(r, 3));
    if (db_done(&r) != DB_OK)
        return ACTOR_FAILED;
    *out = (struct actor){.via = VIA_NOTHING};
    if (!there || over)
        return ACTOR_UNKNOWN;
    enum actor_result result = actor_of_person(d, person, out);
    if (result == ACTOR_OK && other)
        result = act_as(d, other, out);
    out->via = VIA_SESSION;
    out->session = id;
    memcpy(out->csrf, csrf, sizeof csrf);
    if (result == ACTOR_OK && now_ms - seen_ms > (idle_ms < 4 * SEEN_STEP_MS ? idle_ms / 4 : SEEN_STEP_MS)) /* not at every request: each is a write */
        if (DB_RUN(d, "UPDATE session SET seen_ms = $1 WHERE id = $2", DB_N(now_ms), DB_N(id)) == DB_FAILED)
            return ACTOR_FAILED;
    return result;
}

static bool is_from(struct str networks, const struct ip *client)
{
    struct network n;

    if (!str_trim(networks).len)
        return true;
    for (struct str one = str_word(&networks); one.len; one = str_word(&networks))
        if (network_parse(one, &n) && network_has(&n, client))
            return true;
    return false;
}

enum actor_result actor_by_key(struct db *d, struct str token, const struct ip *client, struct actor *out)
{
    unsigned char hash[32];
    int64_t now_ms = clock_wall_ms();
    permission_set allowed = 0;

    token_hash(token, hash);
    struct db_rows *r = DB_QUERY(d, "SELECT id, person, permissions, networks, expires_ms, used_ms, name FROM api_key WHERE hash = $1",
                                 DB_B(hash_str_of(hash)));
    bool there = db_next(r), usable = there && (!db_number(r, 4) || db_number(r, 4) > now_ms) && permission_set_parse(db_text(r, 2), &allowed);
    bool from_here = usable && is_from(db_text(r, 3), client);
    int64_t id = there ? db_number(r, 0) : 0, person = there ? db_number(r, 1) : 0, used_ms = there ? db_number(r, 5) : 0;
    char name[200] = "";
    if (there)
        str_copy(name, sizeof name, db_text(r, 6));
    if (db_done(&r) != DB_OK)
        return ACTOR_FAILED;
    *out = (struct actor){.via = VIA_NOTHING};
    if (!usable)
        return ACTOR_UNKNOWN;
    if (!from_here)
        return ACTOR_ELSEWHERE;
    enum actor_result result = actor_of_person(d, person, out);
    out->via = VIA_KEY;
    out->key = id;
    out->permissions = result == ACTOR_OK && out->permissions & PERMISSION_BIT(PERMISSION_API) ? out->permissions & allowed : 0;
    size_t len = strlen(out->name);
    snprintf(out->name + len, sizeof out->name - len, " (key %s)", name);
    if (result == ACTOR_OK && now_ms - used_ms > SEEN_STEP_MS)
        if (DB_RUN(d, "UPDATE api_key SET used_ms = $1 WHERE id = $2", DB_N(now_ms), DB_N(id)) == DB_FAILED)
            return ACTOR_FAILED;
    return result;
}
