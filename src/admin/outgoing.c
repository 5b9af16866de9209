/* outgoing.c: accounts that send; see store/account.h. */
#include "admin/parts.h"

#include "base/clock.h"
#include "store/account.h"

#include <string.h>

static json_t *networks_json(const struct networks *n)
{
    json_t *list = json_array();
    char text[IP_TEXT_MAX];

    for (size_t i = 0; i < n->count; i++)
        json_array_append_new(list, json_sprintf("%s/%u", ip_format(&n->at[i].base, text), n->at[i].prefix));
    return list;
}

static json_t *account_json(const struct account *a)
{
    json_t *who = json_pack("{s:o, s:o, s:s, s:s, s:b, s:o}", "id", json_id(a->id), "domain", json_id(a->domain), "kind", account_kind_name(a->kind), "login",
                            a->login, "has_password", *a->password != '\0', "networks", networks_json(&a->networks));
    json_t *rest = json_pack("{s:b, s:s, s:o, s:I, s:o, s:o}", "is_locked", a->is_locked, "lock_reason", a->lock_reason, "locked_until",
                             json_time(a->locked_until_ms), "unlocks", (json_int_t)a->unlocks, "created", json_time(a->created_ms), "used", json_time(a->used_ms));
    json_object_update_new(who, rest);
    return who;
}

static int failed(struct call *c, enum account_result result, const struct buf *why)
{
    switch (result) {
    case ACCOUNT_NONE: return call_not_found(c, "account");
    case ACCOUNT_TAKEN: return call_problem(c, 409, "conflict", "That login is in use.");
    case ACCOUNT_INVALID: return call_problem(c, 422, "invalid", STR_FMT, STR_ARG(why ? buf_str(why) : STR("That is not possible.")));
    default: return call_store_failed(c, DB_FAILED);
    }
}

static int show(struct call *c, int64_t id, int status)
{
    struct account a;
    enum account_result result = account_get(c->db, id, &a);

    if (result != ACCOUNT_OK)
        return failed(c, result, NULL);
    c->out = account_json(&a);
    account_clear(&a);
    return status;
}

struct page_of {
    json_t *items;
    int64_t limit;
    bool more;
};

static void take(const struct account *a, void *arg)
{
    struct page_of *p = arg;

    p->more = (int64_t)json_array_size(p->items) == p->limit;
    if (!p->more)
        json_array_append_new(p->items, account_json(a));
}

int op_account_list(struct call *c)
{
    struct page_of page = {.items = json_array(), .limit = c->limit};
    enum account_result result = account_each(c->db, c->place.domain, str_from(c->cursor ? c->cursor : ""), (size_t)call_limit(c), take, &page);
    const json_t *last = json_array_get(page.items, json_array_size(page.items) - 1);

    if (result != ACCOUNT_OK) {
        json_decref(page.items);
        return failed(c, result, NULL);
    }
    json_t *next = page.more ? json_copy(json_object_get(last, "login")) : json_null();
    c->out = json_pack("{s:o, s:o}", "items", page.items, "next", next);
    return 200;
}

enum { MOST_NETWORKS = ACCOUNT_NETWORKS_MAX };

int op_account_add(struct call *c)
{
    struct account_new new = {.domain = str_from(c->place.name), .login = call_str(c, "login"), .password = call_str(c, "password")};
    struct str networks[MOST_NETWORKS];
    struct buf why = buf_make(500);
    json_t *one;
    size_t i;
    int64_t id = 0;

    json_array_foreach(json_object_get(c->in, "networks"), i, one)
        if (i < MOST_NETWORKS)
            networks[new.network_count++] = str_from(json_string_value(one));
    new.networks = networks;
    if (!account_kind_find(call_str(c, "kind"), &new.kind))
        return call_wrong_field(c, "kind", "is none of user, domain, network");
    enum account_result result = account_create(c->db, &new, &id, &why);
    int status = result == ACCOUNT_OK ? show(c, id, 201) : failed(c, result, &why);
    buf_free(&why);
    c->about = (struct place){.id = id, .tenant = c->place.tenant, .domain = c->place.domain};
    call_object(c, "account", id, new.login);
    return status;
}

int op_account_show(struct call *c)
{
    return show(c, c->place.id, 200);
}

int op_account_remove(struct call *c)
{
    enum db_result cleared = level_clear(c->db, 'u', c->place.id);

    if (cleared != DB_OK)
        return call_store_failed(c, cleared);
    enum account_result result = account_delete(c->db, c->place.id);
    return result == ACCOUNT_OK ? 204 : failed(c, result, NULL);
}

int op_account_password(struct call *c)
{
    struct buf why = buf_make(500);
    enum account_result result = account_set_password(c->db, c->place.id, call_str(c, "password"), &why);
    int status = result == ACCOUNT_OK ? 204 : failed(c, result, &why);

    buf_free(&why);
    return status;
}

int op_account_lock(struct call *c)
{
    int64_t minutes = call_number(c, "minutes", 0);
    enum account_result result = account_lock(c->db, c->place.id, call_str(c, "why"), minutes ? clock_wall_ms() + minutes * 60000 : 0);

    return result == ACCOUNT_OK ? show(c, c->place.id, 200) : failed(c, result, NULL);
}

int op_account_unlock(struct call *c)
{
    enum account_result result = account_unlock(c->db, c->place.id, true);
    return result == ACCOUNT_OK ? show(c, c->place.id, 200) : failed(c, result, NULL);
}
