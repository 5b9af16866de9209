/* keys.c: API keys: shown once, kept as a hash; with permissions, networks and an end of their own. */
#include "admin/parts.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

enum { DAY_MS = 24 * 3600 * 1000, MOST_KEYS = 100, NETWORKS_TEXT_MAX = 4096, PERMISSIONS_TEXT_MAX = 512 };

#define KEY_COLUMNS "id, name, permissions, networks, created_ms, expires_ms, used_ms"

static json_t *words_json(struct str words)
{
    json_t *list = json_array();

    for (struct str one = str_word(&words); one.len; one = str_word(&words))
        json_array_append_new(list, json_str(one));
    return list;
}

static json_t *key_json(struct db_rows *r)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", json_id(db_number(r, 0)), "name", json_str(db_text(r, 1)), "permissions",
                     words_json(db_text(r, 2)), "networks", words_json(db_text(r, 3)), "created", json_time(db_number(r, 4)), "expires",
                     json_time(db_number(r, 5)), "used", json_time(db_number(r, 6)));
}

int key_list(struct call *c, int64_t person)
{
    int64_t after;

    if (!call_cursor_number(c, 0, &after))
        return 400;
    return call_page(c, DB_QUERY(c->db, "SELECT " KEY_COLUMNS " FROM api_key WHERE person = $1 AND id > $2 ORDER BY id LIMIT $3", DB_N(person), DB_N(after),
                                 DB_N(call_limit(c))), key_json, 0);
}

/* The field as words; each checked. 0, or the problem said. */
static int take_permissions(struct call *c, permission_set most, struct buf *text)
{
    permission_set all = 0, one;
    json_t *name;
    size_t i;

    json_array_foreach(json_object_get(c->in, "permissions"), i, name) {
        if (!permission_set_parse(str_from(json_string_value(name)), &one))
            return call_wrong_field(c, "permissions", "\"%s\" is no permission", json_string_value(name));
        all |= one;
    }
    if (!all)
        return call_wrong_field(c, "permissions", "must name at least one");
    if (!actor_has_all(&c->actor, all) || (all & ~most))
        return call_problem(c, 403, "more-permissions", "A key may not do more than you, or the person that it is for, may.");
    permission_set_write(all, text);
    return 0;
}

static int take_networks(struct call *c, struct buf *text)
{
    struct network n;
    json_t *one;
    size_t i;

    json_array_foreach(json_object_get(c->in, "networks"), i, one) {
        if (!network_parse(str_from(json_string_value(one)), &n))
            return call_wrong_field(c, "networks", "\"%s\" is not a network such as 192.0.2.0/24 or 2001:db8::/32", json_string_value(one));
        buf_addf(text, "%s%s", i ? " " : "", json_string_value(one));
    }
    return text->failed ? call_wrong_field(c, "networks", "are too many") : 0;
}

static int insert(struct call *c, int64_t person, const struct buf *permissions, const struct buf *networks)
{
    const struct db_value owner[] = {DB_N(person)};
    char token[TOKEN_TEXT_MAX];
    unsigned char hash[32];
    int64_t id = db_new_id(), now_ms = clock_wall_ms(), days = call_number(c, "expires_days", 0);

    if (db_ask_number(c->db, "SELECT count(*) FROM api_key WHERE person = $1", owner, 1, 0) >= MOST_KEYS)
        return call_problem(c, 409, "too-many", "There are %d keys already.", (int)MOST_KEYS);
    token_make("pk_", token);
    token_hash(str_from(token), hash);
    enum db_result result = DB_RUN(c->db, "INSERT INTO api_key(id, person, hash, name, permissions, networks, created_ms, expires_ms) VALUES($1, $2, $3, $4, $5, $6, $7, $8)",
                                   DB_N(id), DB_N(person), DB_B(str_n((const char *)hash, sizeof hash)), DB_T(call_str(c, "name")), DB_T(buf_str(permissions)),
                                   DB_T(buf_str(networks)), DB_N(now_ms), DB_N(days ? now_ms + days * DAY_MS : 0));
    if (result != DB_OK)
        return call_store_failed(c, result);
    call_object(c, "key", id, call_str(c, "name"));
    int status = call_row(c, DB_QUERY(c->db, "SELECT " KEY_COLUMNS " FROM api_key WHERE id = $1", DB_N(id)), key_json, 201);
    if (status == 201)
        json_object_set_new(c->out, "key", json_string(token));
    return status;
}

int key_add(struct call *c, int64_t person, permission_set most)
{
    struct buf permissions = buf_make(PERMISSIONS_TEXT_MAX), networks = buf_make(NETWORKS_TEXT_MAX);
    int status = take_permissions(c, most, &permissions);

    if (!status)
        status = take_networks(c, &networks);
    if (!status)
        status = insert(c, person, &permissions, &networks);
    buf_free(&permissions);
    buf_free(&networks);
    return status;
}

int key_remove(struct call *c, int64_t person, const char *number)
{
    uint64_t id = 0;
    int64_t changed = 0;

    if (!str_to_u64(str_from(number), INT64_MAX, &id))
        return call_not_found(c, "key");
    const struct db_value values[] = {DB_N((int64_t)id), DB_N(person)};
    enum db_result result = db_run(c->db, "DELETE FROM api_key WHERE id = $1 AND person = $2", values, 2, &changed);
    if (result != DB_OK)
        return call_store_failed(c, result);
    call_object(c, "key", (int64_t)id, STR(""));
    return changed ? 204 : call_not_found(c, "key");
}

/* Whoever comes by the local socket is no person and has no keys. */
static int needs_person(struct call *c)
{
    return c->actor.person ? 0 : call_problem(c, 409, "no-person", "Keys belong to persons. Make one, and a key for it.");
}

int op_me_keys(struct call *c)
{
    return key_list(c, c->actor.person);
}

int op_me_key_add(struct call *c)
{
    int status = needs_person(c);
    return status ? status : key_add(c, c->actor.person, role_permissions(c->actor.role));
}

int op_me_key_remove(struct call *c)
{
    int status = needs_person(c);
    return status ? status : key_remove(c, c->actor.person, c->parameter[0]);
}
