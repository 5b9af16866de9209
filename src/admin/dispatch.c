/*
 * dispatch.c: the one way into the administration. Order: the operation, who asks, what he may, what was sent, the thing and whether it is within his scope; then the
 * operation runs, in one transaction with its audit row. A thing outside of the scope is answered like one that is not there.
 */
#include "admin/parts.h"
#include "admin/schema.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/audit.h"
#include "store/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MOST = 128 };

bool admin_is_path(struct str path)
{
    return str_starts(path, STR("/api/")) || str_is(path, "/api");
}

size_t admin_body_ceiling(struct str method, struct str path)
{
    const struct operation *o;
    struct str parameter[MOST_PARAMETERS];
    char allowed[64];

    if (operation_find(method, path, &o, parameter, allowed) != MATCH_FOUND || !o->changes)
        return 0;
    return o->flags & OP_CSV ? ADMIN_CSV_MAX : ADMIN_BODY_MAX;
}

static const char *kind_name(enum object kind)
{
    static const char *const names[] = {[OBJECT_TENANT] = "tenant", [OBJECT_DOMAIN] = "domain", [OBJECT_MAILBOX] = "mailbox", [OBJECT_ACCOUNT] = "account",
                                        [OBJECT_ENTRY] = "list entry", [OBJECT_RULE] = "rule", [OBJECT_PERSON] = "person", [OBJECT_MESSAGE] = "message",
                                        [OBJECT_QUARANTINED] = "quarantined message"};
    return (size_t)kind < sizeof names / sizeof *names && names[kind] ? names[kind] : "gateway";
}

/* 0: the thing is there and within the actor's scope. */
static int find_place(struct call *c)
{
    enum object kind = c->operation->object;
    enum db_result result;

    if (kind == OBJECT_PUBLIC || kind == OBJECT_SELF || kind == OBJECT_SCOPE)
        return 0;
    if (kind == OBJECT_SYSTEM) {
        c->place = (struct place){.level = 's'};
        return c->actor.scope.kind == SCOPE_ALL ? 0 : call_problem(c, 403, "scope", "This concerns the whole gateway.");
    }
    if (!place_find(c->db, kind, str_from(c->parameter[0]), &c->place, &result))
        return result == DB_OK ? call_not_found(c, kind_name(kind)) : call_store_failed(c, result);
    if (!scope_covers(c->db, &c->actor.scope, &c->place))
        return call_not_found(c, kind_name(kind));
    if (c->operation->flags & OP_ABOVE && !scope_is_above(&c->actor.scope, &c->place))
        return call_problem(c, 403, "scope", "Only who stands above this %s may do that.", kind_name(kind));
    call_object(c, kind_name(kind), c->place.id, str_from(c->place.name));
    return 0;
}

static char *as_text(json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
    return text ? text : strdup("");
}

/* Whom the change concerns: what was made, or the thing of the path, or all that the actor's scope holds. */
static struct place concerned(const struct call *c)
{
    struct place p = c->about.id || c->about.tenant || c->about.domain ? c->about : c->place;

    if (p.id || p.tenant || p.domain)
        return p;
    p.tenant = c->actor.scope.kind == SCOPE_TENANT ? c->actor.scope.id : 0;
    p.domain = c->actor.scope.kind == SCOPE_DOMAIN ? c->actor.scope.id : 0;
    return p;
}

static enum db_result write_audit(struct call *c)
{
    const struct place about = concerned(c);
    char client[IP_TEXT_MAX], action[64];
    json_t *sent = c->after ? json_incref(c->after) : schema_without_secrets(c->operation->request, c->in);
    char *before = as_text(c->before), *after = as_text(json_object_size(sent) || !json_is_object(sent) ? sent : NULL);

    snprintf(action, sizeof action, "%s", c->operation->id);
    for (char *at = action; *at; at++)
        *at = *at == '_' ? '-' : *at;
    struct audit_row row = {.tenant = about.tenant, .domain = about.domain, .actor = str_from(c->actor.name), .acting_as = str_from(c->actor.acting_as),
                            .client = str_from(c->request->is_local ? "local" : ip_format(&c->request->client, client)), .action = str_from(action),
                            .object = str_from(c->object), .before = str_from(before ? before : ""), .after = str_from(after ? after : ""),
                            .reason = str_from(c->reason)};
    enum db_result result = audit_add(c->db, &row, NULL);
    free(before);
    free(after);
    json_decref(sent);
    return result;
}

static bool wants_replay(const struct call *c)
{
    return c->request->idempotency_key.len && !c->dry_run && c->operation->object != OBJECT_PUBLIC;
}

/* What belongs to a change, in its transaction. */
static enum db_result finish(struct call *c, int status)
{
    enum db_result result = c->no_audit ? DB_OK : write_audit(c);

    if (result == DB_OK && c->operation->flags & OP_TOUCH && !c->no_audit)
        result = schema_touch(c->db);
    if (result == DB_OK && wants_replay(c))
        result = replay_keep(c, status);
    return result;
}

/* True: this very request has been answered before, or must not be run; *STATUS says how it is answered now. */
static bool is_answered(struct call *c, int *status)
{
    switch (replay_find(c)) {
    case REPLAY_NEW: return false;
    case REPLAY_SAME:
        c->answer->is_replay = true;
        *status = c->answer->status;
        return true;
    case REPLAY_OTHER:
        *status = call_problem(c, 422, "idempotency-key", "This Idempotency-Key has been used for another request.");
        return true;
    case REPLAY_FAILED: break;
    }
    *status = call_store_failed(c, DB_FAILED);
    return true;
}

static int mark_dry_run(struct call *c, int status)
{
    if (status >= 400)
        return status;
    if (!c->out)
        c->out = json_object();
    json_object_set_new(c->out, "dry_run", json_true());
    return 200;
}

static int run_change(struct call *c)
{
    int status;
    enum db_result result = db_begin(c->db);

    if (result != DB_OK)
        return call_store_failed(c, result);
    if (wants_replay(c) && is_answered(c, &status)) {
        db_rollback(c->db);
        return status;
    }
    status = c->operation->run(c);
    if (status >= 400 || c->dry_run) {
        db_rollback(c->db);
        return c->dry_run ? mark_dry_run(c, status) : status;
    }
    result = finish(c, status);
    if (result == DB_OK)
        result = db_commit(c->db);
    else
        db_rollback(c->db);
    if (result != DB_OK)
        return call_store_failed(c, result);
    if (c->afterwards)
        json_decref(call_relay(c, c->afterwards));
    c->afterwards = NULL;
    return status;
}

/* What is done outside of the store is done: where the audit row cannot be written, that is said in the log, and the answer stays. */
static int run_outside(struct call *c)
{
    int status;

    if (wants_replay(c) && is_answered(c, &status))
        return status;
    status = c->operation->run(c);
    if (c->dry_run)
        return mark_dry_run(c, status);
    if (status >= 400)
        return status;
    enum db_result result = db_begin(c->db);
    if (result == DB_OK)
        result = finish(c, status);
    if (result == DB_OK)
        result = db_commit(c->db);
    if (result != DB_OK) {
        db_rollback(c->db);
        log_error("%s by %s was done, but the audit row could not be written: %s", c->operation->id, c->actor.name, db_error(c->db));
    }
    return status;
}

static int run(struct call *c)
{
    if (!c->operation->changes)
        return c->operation->run(c);
    replay_sweep(c->admin, c->db);
    return c->operation->flags & OP_OUTSIDE ? run_outside(c) : run_change(c);
}

static int handle(struct call *c)
{
    struct str raw[MOST_PARAMETERS] = {{NULL, 0}};
    enum operation_match match = operation_find(c->request->method, c->request->path, &c->operation, raw, c->answer->allow);
    int status;

    if (match == MATCH_NONE)
        return call_problem(c, 404, "not-found", "There is no such path.");
    if (match == MATCH_OTHER_METHOD)
        return call_problem(c, 405, "method", "This path knows %s.", c->answer->allow);
    if (c->request->idempotency_key.len > KEY_MOST)
        return call_problem(c, 400, "invalid", "Idempotency-Key has more than %d octets.", (int)KEY_MOST);
    if (c->operation->object != OBJECT_PUBLIC && (status = identify(c)) != 0)
        return status;
    if (c->operation->permission != PERMISSION_NONE && !(c->actor.permissions & PERMISSION_BIT(c->operation->permission)))
        return call_problem(c, 403, "permission", "This needs the permission %s.", permission_name(c->operation->permission));
    if (!input_parameters(c, raw) || !input_read(c))
        return (int)json_integer_value(json_object_get(c->out, "status"));
    status = find_place(c);
    return status ? status : run(c);
}

/* Operations that write text of their own have done so already. */
static void write_answer(struct call *c, int status)
{
    struct admin_answer *answer = c->answer;

    answer->status = status;
    if (answer->body.len && status < 400)
        return;
    buf_clear(&answer->body);
    answer->type = status >= 400 ? "application/problem+json" : "application/json";
    char *text = c->out ? json_dumps(c->out, JSON_COMPACT) : NULL;
    if (text)
        buf_add_text(&answer->body, text);
    if (!text || answer->body.failed) {
        if (c->out)
            answer->status = 500;
        else if (status == 200 || status == 201)
            answer->status = 204;
        buf_clear(&answer->body);
    }
    free(text);
}

void admin_handle(struct admin *a, const struct admin_request *request, struct admin_answer *answer)
{
    struct call c = {.admin = a, .request = request, .answer = answer, .in = json_object(), .settings = admin_settings(a), .db = pool_take(a), .reason = ""};

    *answer = (struct admin_answer){.body = buf_make(ADMIN_ANSWER_MAX)};
    int status = c.db ? handle(&c) : call_problem(&c, 503, "store", "The store cannot be opened.");
    write_answer(&c, status);
    atomic_fetch_add(&a->answers[answer->status / 100 % 6], 1);
    if (c.db)
        pool_give(a, c.db);
    json_decref(c.in);
    json_decref(c.out);
    json_decref(c.keep);
    json_decref(c.before);
    json_decref(c.after);
    json_decref(c.afterwards);
    settings_unref(c.settings);
}
