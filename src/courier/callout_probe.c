/* callout_probe.c: one question to a destination: its hosts in order, the next one where one answers 4xx or not at all. */
#include "courier/callout_parts.h"

#include "base/clock.h"
#include "courier/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct probe {
    struct courier *courier;
    const struct settings *settings;
    const struct policy *policy;
    const struct address *who;
    enum callout_kind kind;
    enum callout_result *catch_all;
    struct callout_answer *out;
    int64_t deadline_ms;
    bool was_answered;   /* some host answered MAIL or RCPT, if only with 4xx */
};

static void say(struct callout_answer *out, const struct smtp_reply *r)
{
    char text[REPLY_TEXT_MAX + 1];

    reply_one_line(r, text);
    str_copy(out->text, sizeof out->text, str_from(text));
    str_copy(out->enhanced, sizeof out->enhanced, str_from(r->enhanced));
}

/* What a reply to RCPT says of the address. 4xx says nothing. */
static enum callout_result rcpt(struct probe *p, struct smtp_client *client, const struct address *who)
{
    struct rcpt_args args = {.recipient = *who};
    enum client_result result = smtp_client_rcpt(client, &args);

    if (result != CLIENT_OK) {
        snprintf(p->out->text, sizeof p->out->text, "%s", result == CLIENT_TIMEOUT ? "it did not answer in time" : "the connection was lost");
        return CALLOUT_UNKNOWN;
    }
    p->was_answered = true;
    say(p->out, &client->reply);
    return client->reply.code / 100 == 2 ? CALLOUT_YES : client->reply.code / 100 == 5 ? CALLOUT_NO : CALLOUT_UNKNOWN;
}

/* An address that nobody has: who takes it takes all. */
static bool takes_anything(struct probe *p, struct smtp_client *client)
{
    char reference[REFERENCE_LEN + 1], text[DOMAIN_MAX + 40];
    struct address nobody;
    const char *why;

    random_reference(reference);
    str_lower(reference, REFERENCE_LEN);
    snprintf(text, sizeof text, "nobody-%s@" STR_FMT, reference, STR_ARG(address_domain(p->who)));
    if (address_parse(str_from(text), true, &nobody, &why) != ADDRESS_OK)
        return false;
    *p->catch_all = rcpt(p, client, &nobody);
    return *p->catch_all == CALLOUT_YES;
}

/* Says what it has to say over one connection. */
static enum callout_result ask(struct probe *p, struct smtp_client *client)
{
    struct mail_args mail = {.smtputf8 = p->who->is_utf8};

    if (mail.smtputf8 && !client->caps.smtputf8) {
        snprintf(p->out->text, sizeof p->out->text, "it does not offer SMTPUTF8");
        p->was_answered = true;
        return CALLOUT_NO;
    }
    if (smtp_client_mail(client, &mail) != CLIENT_OK) {
        snprintf(p->out->text, sizeof p->out->text, "it did not answer MAIL");
        return CALLOUT_UNKNOWN;
    }
    p->was_answered = true;
    say(p->out, &client->reply);
    if (client->reply.code / 100 != 2)
        return CALLOUT_UNKNOWN; /* whatever it has against an empty sender: nothing is said of the address */
    if (p->kind == CALLOUT_RECIPIENT && *p->catch_all == CALLOUT_UNKNOWN && takes_anything(p, client)) {
        p->out->is_catch_all = true;
        return CALLOUT_YES;
    }
    if (client->stream.fd < 0 || client->stream.closed)
        return CALLOUT_UNKNOWN;
    return rcpt(p, client, p->who);
}

static void of_resolve(struct probe *p, enum resolve_result result)
{
    bool never = p->kind == CALLOUT_SENDER && (result == RESOLVE_NO_DOMAIN || result == RESOLVE_NULL_MX);

    p->out->result = never ? CALLOUT_NO : CALLOUT_UNKNOWN; /* a route of ours that leads nowhere is ours to mend */
    snprintf(p->out->text, sizeof p->out->text, "%s", result == RESOLVE_NULL_MX ? "its domain says that it takes no mail (null MX)"
                                                      : result == RESOLVE_NO_DOMAIN ? "its domain has no mail server"
                                                      : result == RESOLVE_LOOP ? "its mail would come back to this gateway" : "the DNS does not answer");
}

static void ask_hops(struct probe *p, const struct hop *hops, size_t count)
{
    struct outcome why;
    size_t at = 0;

    while (at < count && p->out->result == CALLOUT_UNKNOWN && clock_mono_ms() < p->deadline_ms) {
        struct connection *one = connection_open_among(p->courier, p->settings, p->policy, address_domain(p->who), hops, count, &at, TLS_WISH_NONE,
                                                       p->deadline_ms, UINT32_MAX, p->out->host, &why);
        if (!one) {
            if (!p->was_answered)
                str_copy(p->out->text, sizeof p->out->text, str_from(why.text));
            break;
        }
        one->client.until_ms = p->deadline_ms;
        p->out->result = ask(p, &one->client);
        connection_retire(p->courier, &one);
    }
    p->out->is_down = p->out->result == CALLOUT_UNKNOWN && !p->was_answered;
}

/* However many domains lead to one host, it is asked no more questions at once than one of them would be. */
static void ask_in_turn(struct probe *p, const struct hop *hops, size_t count)
{
    struct callouts *c = p->courier->callouts;
    unsigned most = (unsigned)setting_number(p->policy, SETTING_max_callouts);
    char endpoint[ENDPOINT_TEXT_MAX];
    bool timely = true;
    const char *host = hops[0].unix_path[0] ? hops[0].unix_path : endpoint_format(&hops[0].endpoint, endpoint);
    struct callout_slot *turn = c ? callout_host_begin(c, host, most, p->deadline_ms, &timely) : NULL;

    if (!timely) {
        snprintf(p->out->text, sizeof p->out->text, "too many questions to its host at once");
        return;
    }
    ask_hops(p, hops, count);
    if (c)
        callout_host_end(c, turn);
}

void callout_probe(struct courier *c, const struct settings *settings, const struct address *who, enum callout_kind kind, enum callout_result *catch_all,
                   struct callout_answer *out)
{
    const struct domain *ours = settings_domain(settings, address_domain(who));
    const struct policy *system = settings_system(settings);
    struct probe p = {.courier = c, .settings = settings, .policy = ours ? &ours->policy : system, .who = who, .kind = kind, .catch_all = catch_all,
                      .out = out, .deadline_ms = clock_mono_ms() + setting_number(system, SETTING_callout_timeout)};
    struct hop *hops = calloc(HOPS_MAX, sizeof *hops);
    size_t count = 0;

    *out = (struct callout_answer){.result = CALLOUT_UNKNOWN, .is_fresh = true, .asked_ms = clock_wall_ms()};
    if (!hops) {
        snprintf(out->text, sizeof out->text, "out of memory");
        return;
    }
    enum resolve_result result = route_resolve(c->parts.dns, settings, address_domain(who), hops, &count);
    if (result == RESOLVE_OK)
        ask_in_turn(&p, hops, count);
    else
        of_resolve(&p, result);
    free(hops);
}

void callout_ask_now(struct courier *c, const struct settings *settings, const struct address *who, enum callout_kind kind, struct callout_answer *out)
{
    enum callout_result catch_all = CALLOUT_UNKNOWN;

    callout_probe(c, settings, who, kind, &catch_all, out);
}
