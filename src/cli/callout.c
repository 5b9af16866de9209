/* callout.c: `postern callout …`: what the relay remembers of addresses it asked about, and a question of our own with its dialogue (courier/callout.h). */
#include "cli/command.h"
#include "courier/callout.h"
#include "net/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { DIALOGUE_MAX = 256 * 1024, NO_SUCH_ADDRESS = 1 };

static int ask_relay(const struct command_line *line)
{
    bool clears = strcmp(line->verb, "clear") == 0;
    const char *what = line->words ? line->word[0] : "";

    if (line->words > 1 || (clears && !line->words)) {
        fprintf(stderr, "postern: callout %s wants a domain or an address\n", line->verb);
        return EX_USAGE;
    }
    if (clears && strcmp(what, "all") == 0)
        what = "";
    json_t *request = json_pack("{s:s, s:s, s:s, s:I}", "noun", "callout", "verb", line->verb, "what", what, "limit", (json_int_t)line->limit);
    json_t *result = control_ask(line, request);
    bool ok = control_is_ok(result);
    if (ok && line->json)
        print_json(result);
    else if (ok)
        print_result(result);
    json_decref(request);
    json_decref(result);
    return ok ? EX_OK : EX_UNAVAILABLE;
}

/* One line of the dialogue for each line said. */
static void hear(void *arg, bool ours, struct str text)
{
    while (text.len) {
        struct str piece = str_cut(&text, '\n');
        buf_addf(arg, "%s " STR_FMT "\n", ours ? "C:" : "S:", STR_ARG(str_trim(piece)));
    }
}

static const char *verdict_of(const struct callout_answer *a)
{
    return a->is_catch_all ? "yes, as any address there" : a->result == CALLOUT_YES ? "yes" : a->result == CALLOUT_NO ? "no" : "not known";
}

static int print_answer(const struct command_line *line, const char *address, const struct callout_answer *a, const struct buf *dialogue)
{
    if (line->json) {
        json_t *result = json_pack("{s:s, s:s, s:s, s:s, s:b, s:s%}", "address", address, "answer", verdict_of(a), "host", a->host, "text", a->text, "is_down",
                                   a->is_down, "dialogue", dialogue->at ? dialogue->at : "", dialogue->len);
        print_json(result);
        json_decref(result);
    } else {
        printf(STR_FMT "%s: %s%s%s%s%s\n", STR_ARG(buf_str(dialogue)), address, verdict_of(a), *a->host ? ", says " : "", a->host, *a->text ? ": " : "", a->text);
    }
    return a->result == CALLOUT_YES ? EX_OK : a->result == CALLOUT_NO ? NO_SUCH_ADDRESS : EX_TEMPFAIL;
}

static int ask_now(const struct command_line *line, struct courier *c, const struct settings *settings, const struct address *who)
{
    struct buf dialogue = buf_make(DIALOGUE_MAX);
    struct callout_answer a;
    char text[400];

    courier_trace(c, (struct smtp_trace){hear, &dialogue});
    callout_ask_now(c, settings, who, line->sender ? CALLOUT_SENDER : CALLOUT_RECIPIENT, &a);
    str_copy(text, sizeof text, address_text(who));
    int code = print_answer(line, text, &a, &dialogue);
    buf_free(&dialogue);
    return code;
}

static int test_with(const struct command_line *line, struct settings *settings, const struct address *who)
{
    const struct policy *p = settings_system(settings);
    const char *zone = setting_text(p, SETTING_dns_zone_file);
    const struct setting_list *resolvers = setting_list(p, SETTING_resolver);
    struct buf error = buf_make(1024);
    struct dns *dns = *zone ? dns_new_zone_file(zone, &error)
                            : dns_new_resolver(resolvers->at, resolvers->count, setting_number(p, SETTING_dns_timeout), &error);
    struct tls_client *tls = tls_client_new(setting_text(p, SETTING_tls_roots), &error);
    struct settings_holder *holder = settings_holder_new(settings_ref(settings));
    struct courier_parts parts = {.settings = holder, .dns = dns, .tls = tls};
    struct courier *c = dns && tls && holder ? courier_new(&parts, 1) : NULL; /* never started: it delivers nothing */
    int code = EX_UNAVAILABLE;

    if (c)
        code = ask_now(line, c, settings, who);
    else
        fprintf(stderr, "postern: " STR_FMT "\n", STR_ARG(buf_str(&error)));
    courier_free(&c);
    settings_holder_free(&holder);
    tls_client_free(&tls);
    dns_free(&dns);
    buf_free(&error);
    return code;
}

int callout_main(const struct command_line *line)
{
    struct address who;
    const char *why = "one is wanted";

    if (strcmp(line->verb, "test") != 0)
        return ask_relay(line);
    if (line->words != 1 || address_parse(str_from(line->word[0]), true, &who, &why) != ADDRESS_OK) {
        fprintf(stderr, "postern: callout test wants an address: %s\n", why);
        return EX_USAGE;
    }
    struct settings *settings = command_settings(line);
    if (!settings)
        return EX_CONFIG;
    int code = test_with(line, settings, &who);
    settings_unref(settings);
    return code;
}
