/* control_reputation.c: what the control socket says of a name's reputation, and forgets of it. */
#include "relay/parts.h"

#include "base/clock.h"

#include <string.h>

json_t *control_reputation_stats(struct reputation *r)
{
    struct reputation_stats s;

    reputation_stats(r, &s);
    return json_pack("{s:I, s:I, s:I, s:I}", "entries", (json_int_t)s.entries, "strangers", (json_int_t)s.strangers, "evicted", (json_int_t)s.evicted,
                     "unwritten", (json_int_t)s.unwritten);
}

/* All that NAME may be remembered as. */
static void facts_of(struct str name, struct reputation_facts *out)
{
    char text[64];
    struct ip ip;

    if (ip_parse(name, &ip)) {
        reputation_facts_add(out, REPUTATION_ADDRESS, str_from(ip_format(&ip, text)));
        reputation_facts_add(out, REPUTATION_NETWORK, str_from(greylist_network(&ip, text)));
        return;
    }
    for (int k = REPUTATION_HOST; k < REPUTATION_KINDS; k++)
        reputation_facts_add(out, (enum reputation_kind)k, name);
}

static json_t *row_of(const struct reputation_fact *f, const struct policy *system)
{
    const char *name = reputation_is_poor(&f->count, system) ? "poor" : reputation_is_good(&f->count, system) ? "good" : "unknown";

    return json_pack("{s:s, s:s, s:f, s:f, s:f, s:s}", "what", reputation_kind_name(f->kind), "name", f->name, "good", (double)(int64_t)(f->count.good * 100 + 0.5) / 100, "bad",
                     (double)(int64_t)(f->count.bad * 100 + 0.5) / 100, "badness", (double)(int64_t)(reputation_badness(&f->count) * 100 + 0.5) / 100, "reputation", name);
}

static json_t *show(const struct relay *r, struct reputation_facts *facts)
{
    struct settings *settings = settings_take(r->settings);
    const struct policy *system = settings_system(settings);
    json_t *rows = json_array();

    reputation_read(r->reputation, facts, setting_number(system, SETTING_reputation_half_life), clock_wall_ms());
    for (size_t i = 0; i < facts->count; i++)
        if (facts->at[i].count.good + facts->at[i].count.bad > 0)
            json_array_append_new(rows, row_of(&facts->at[i], system));
    settings_unref(settings);
    return json_pack("{s:b, s:o}", "ok", 1, "rows", rows);
}

json_t *control_reputation(const struct relay *r, const json_t *request)
{
    const char *verb = json_string_value(json_object_get(request, "verb")), *name = json_string_value(json_object_get(request, "name"));
    struct reputation_facts facts = {.count = 0};
    json_int_t forgotten = 0;

    if (name)
        facts_of(str_from(name), &facts);
    if (facts.count && strcmp(verb, "show") == 0)
        return show(r, &facts);
    if (!facts.count || strcmp(verb, "forget") != 0)
        return json_pack("{s:b, s:s}", "ok", 0, "error", "show or forget, with an address or a domain");
    for (size_t i = 0; i < facts.count; i++)
        forgotten += reputation_forget(r->reputation, facts.at[i].kind, str_from(facts.at[i].name));
    return json_pack("{s:b, s:I}", "ok", 1, "forgotten", forgotten);
}
