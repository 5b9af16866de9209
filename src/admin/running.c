/* running.c: what only the running relay knows and does: queue, DNS cache, callouts, greylist, counters. */
#include "admin/parts.h"

#include <string.h>

static const char *const filters[] = {"reference", "sender", "recipient", "domain", "state"};

static json_t *queue_filter(const struct call *c)
{
    json_t *filter = json_object();

    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (call_has(c, filters[i]))
            json_object_set_new(filter, filters[i], json_string(call_text(c, filters[i], "")));
    if (call_has(c, "older_s"))
        json_object_set_new(filter, "older_s", json_integer((json_int_t)call_number(c, "older_s", 0)));
    return filter;
}

static json_t *request(const char *noun, const char *verb)
{
    return json_pack("{s:s, s:s}", "noun", noun, "verb", verb);
}

int op_queue_list(struct call *c)
{
    json_t *r = request("queue", "list");

    json_object_set_new(r, "filter", queue_filter(c));
    json_object_set_new(r, "limit", json_integer((json_int_t)call_number(c, "most", PAGE_DEFAULT)));
    return call_relay_answer(c, r);
}

int op_queue_top(struct call *c)
{
    return call_relay_answer(c, request("queue", "top"));
}

/* Never without a filter: "all" is said as recipient=*. */
static int queue_verb(struct call *c, const char *verb)
{
    json_t *filter = queue_filter(c), *r = request("queue", verb);

    if (json_object_size(filter) == 0) {
        json_decref(filter);
        json_decref(r);
        return call_problem(c, 400, "filter", "Say which: reference, sender, recipient, domain, state or older_s. All is recipient *.");
    }
    json_object_set_new(r, "filter", filter);
    json_object_set_new(r, "dry_run", json_boolean(c->dry_run));
    json_object_set_new(r, "reason", json_string(c->reason));
    return call_relay_answer(c, r);
}

int op_queue_retry(struct call *c) { return queue_verb(c, "retry"); }
int op_queue_hold(struct call *c) { return queue_verb(c, "hold"); }
int op_queue_release(struct call *c) { return queue_verb(c, "release"); }
int op_queue_bounce(struct call *c) { return queue_verb(c, "bounce"); }
int op_queue_delete(struct call *c) { return queue_verb(c, "delete"); }

int op_dns_show(struct call *c)
{
    return call_relay_answer(c, request("dns", "show"));
}

static json_t *with(json_t *r, const char *key, const char *value)
{
    json_object_set_new(r, key, json_string(value));
    return r;
}

int op_dns_lookup(struct call *c)
{
    json_t *r = with(request("dns", "lookup"), "name", call_text(c, "name", ""));

    c->no_audit = true; /* a question is no change; the cache remembers its answer, which is why this is no GET */
    if (call_has(c, "type"))
        with(r, "type", call_text(c, "type", ""));
    return call_relay_answer(c, r);
}

/* Nothing to preview: a dry run does nothing. */
static int act(struct call *c, json_t *take_request)
{
    if (!c->dry_run)
        return call_relay_answer(c, take_request);
    json_decref(take_request);
    return 200;
}

int op_dns_flush(struct call *c)
{
    return act(c, with(request("dns", "flush"), "name", call_text(c, "name", "")));
}

int op_callout_show(struct call *c)
{
    json_t *r = with(request("callout", "show"), "what", call_text(c, "what", ""));

    json_object_set_new(r, "limit", json_integer((json_int_t)call_number(c, "most", PAGE_DEFAULT)));
    return call_relay_answer(c, r);
}

int op_callout_clear(struct call *c)
{
    return act(c, with(request("callout", "clear"), "what", call_text(c, "what", "")));
}

/* For who owns the domain: what is known of its addresses, and of itself. */
int op_domain_callout_clear(struct call *c)
{
    return act(c, with(request("callout", "clear"), "what", c->place.name));
}

int op_greylist_list(struct call *c)
{
    json_t *r = with(request("greylist", "list"), "text", call_text(c, "text", ""));

    json_object_set_new(r, "limit", json_integer((json_int_t)call_number(c, "most", PAGE_DEFAULT)));
    return call_relay_answer(c, r);
}

int op_greylist_forget(struct call *c)
{
    return act(c, with(request("greylist", "forget"), "address", call_text(c, "address", "")));
}

int op_relay_stats(struct call *c)
{
    return call_relay_answer(c, request("relay", "stats"));
}

int op_health_show(struct call *c)
{
    struct buf why = buf_make(1000);
    bool ready = admin_is_ready(c->admin, &why);
    json_t *problems = json_array();
    struct str rest = buf_str(&why);

    while (rest.len) {
        struct str line = str_cut(&rest, '\n');
        if (line.len)
            json_array_append_new(problems, json_str(line));
    }
    c->out = json_pack("{s:b, s:o}", "is_ready", ready, "problems", problems);
    buf_free(&why);
    return 200;
}
