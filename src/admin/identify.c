/* identify.c: who asks: by the local socket, an API key, or a session, whose token must come twice where something is changed (against forged requests). */
#include "admin/parts.h"

#include <string.h>

static int say_unknown(struct call *c, const char *what)
{
    c->answer->wants_key = true;
    return call_problem(c, 401, "unknown", "%s", what);
}

static int of_result(struct call *c, enum actor_result result, const char *what)
{
    switch (result) {
    case ACTOR_OK: return 0;
    case ACTOR_ELSEWHERE: return call_problem(c, 403, "network", "This key may not be used from this address.");
    case ACTOR_FAILED: return call_store_failed(c, DB_FAILED);
    case ACTOR_UNKNOWN: break;
    }
    return say_unknown(c, what);
}

static int by_session(struct call *c)
{
    int64_t idle_ms = setting_number(settings_system(c->settings), SETTING_console_session_idle);
    int status = of_result(c, actor_by_session(c->db, c->request->session, idle_ms, &c->actor), "The session is over. Sign in again.");

    if (status || !c->operation->changes)
        return status;
    if (texts_are_equal(c->request->csrf, str_from(c->actor.csrf)))
        return 0;
    return call_problem(c, 403, "csrf", "The header X-CSRF-Token is missing or wrong.");
}

int identify(struct call *c)
{
    const struct admin_request *r = c->request;
    struct str rest = r->authorization;

    if (r->authorization.len) {
        struct str scheme = str_word(&rest), token = str_trim(rest);
        if (!str_is_case(scheme, "Bearer") || !token.len)
            return say_unknown(c, "Authorization wants Bearer and an API key.");
        return of_result(c, actor_by_key(c->db, token, &r->client, &c->actor), "The API key is not known, or has expired.");
    }
    if (r->session.len)
        return by_session(c);
    if (r->is_local) {
        actor_local(&c->actor, r->uid);
        return 0;
    }
    return say_unknown(c, "Sign in, or send an API key.");
}
