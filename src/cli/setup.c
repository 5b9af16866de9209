/*
 * setup.c: `postern setup example.com --route mail.example.com`: a first domain, judged but not refused (observe), and what its DNS must say, beside what it says now.
 */
#include "cli/api.h"

#include "mail/address.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum { NAME_MOST = 300, RECORD_MOST = 700 };

struct setup {
    const struct command_line *line;
    char domain[256], host[256];
    json_t *checks; /* what is printed: name, type, wanted, found, is_fine, why */
};

/* Texts of the records; an empty array where there are none, NULL where nobody can say. */
static json_t *look_up(struct setup *s, const char *name, const char *type)
{
    json_t *question = json_pack("{s:s, s:s}", "name", name, "type", type), *found = NULL, *record;
    struct command_line asking = *s->line;
    struct api_answer answer;
    size_t i;

    asking.dry_run = false; /* a question changes nothing */
    bool reached = api_ask(&asking, "POST", "/api/v1/dns/lookup", NULL, question, NULL, &answer);
    const char *status = json_string_value(json_object_get(answer.json, "status"));
    if (reached && answer.status == 200 && status && (strcmp(status, "ok") == 0 || strstr(status, "no ") || strstr(status, "not "))) {
        found = json_array();
        json_array_foreach(json_object_get(answer.json, "records"), i, record)
            json_array_append(found, json_object_get(record, "data"));
    }
    api_clear(&answer);
    json_decref(question);
    return found;
}

/* Is there a record that begins so (behind a quote) and holds PART? */
static bool has_record(const json_t *found, const char *start, const char *part)
{
    json_t *one;
    size_t i;

    json_array_foreach(found, i, one) {
        const char *text = json_string_value(one);
        text += *text == '"';
        if (str_starts_case(str_from(text), str_from(start)) && (!*part || strcasestr(text, part)))
            return true;
    }
    return false;
}

static void note(struct setup *s, const char *what, const char *name, const char *type, const char *wanted, json_t *take_found, bool fine, const char *why)
{
    const char *state = !take_found ? "not known" : fine ? "fine" : json_array_size(take_found) ? "differs" : "missing";

    json_array_append_new(s->checks, json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "check", what, "state", state, "name", name, "type", type, "record", wanted,
                                               "found", take_found ? take_found : json_null(), "why", why));
}

static void check_mx(struct setup *s)
{
    char wanted[RECORD_MOST];
    json_t *found = look_up(s, s->domain, "MX"), *one;
    bool fine = json_array_size(found) > 0;
    size_t i;

    snprintf(wanted, sizeof wanted, "10 %s.", s->host);
    json_array_foreach(found, i, one) /* another MX is a way around the gateway */
        fine = fine && strcasestr(json_string_value(one), s->host);
    note(s, "MX", s->domain, "MX", wanted, found, fine, "Mail for the domain comes here, and nowhere else. Change this last.");
}

static void check_text(struct setup *s, const char *what, const char *prefix, const char *start, const char *part, const char *wanted, const char *why)
{
    char name[NAME_MOST];

    snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", s->domain);
    json_t *found = look_up(s, name, "TXT");
    bool fine = has_record(found, start, part);
    note(s, what, name, "TXT", wanted, found, fine, why);
}

static void check_texts(struct setup *s)
{
    char spf[RECORD_MOST], dmarc[RECORD_MOST], sts[RECORD_MOST];

    snprintf(spf, sizeof spf, "\"v=spf1 a:%s -all\"", s->host);
    snprintf(dmarc, sizeof dmarc, "\"v=DMARC1; p=none; rua=mailto:postmaster@%s\"", s->domain);
    snprintf(sts, sizeof sts, "\"v=STSv1; id=1\"");
    check_text(s, "SPF", "", "v=spf1", "", spf, "Who may send in the domain's name. Add other senders before -all.");
    check_text(s, "DMARC", "_dmarc", "v=DMARC1", "", dmarc, "What becomes of mail that only claims to come from the domain. Begin with p=none, read the reports, then tighten.");
    check_text(s, "MTA-STS", "_mta-sts", "v=STSv1", "", sts, "Senders insist on TLS; goes with https://mta-sts.<domain>/.well-known/mta-sts.txt.");
}

static void check_dkim(struct setup *s)
{
    char wanted[RECORD_MOST];

    snprintf(wanted, sizeof wanted, "postern dkim new %s", s->domain);
    json_array_append_new(s->checks, json_pack("{s:s, s:s, s:s, s:s, s:s, s:n, s:s}", "check", "DKIM", "state", "see why", "name", s->domain, "type", "TXT", "record",
                                               wanted, "found", "why", "Makes a key and prints its record; `postern dkim check` compares them with the DNS."));
}

/* Every address of our name should lead back to it. */
static void check_ptr(struct setup *s)
{
    static const char *const types[] = {"A", "AAAA"};
    char wanted[RECORD_MOST];
    json_t *address;
    size_t i;

    snprintf(wanted, sizeof wanted, "%s.", s->host);
    for (size_t t = 0; t < 2; t++) {
        json_t *addresses = look_up(s, s->host, types[t]);
        if (t == 0 && json_array_size(addresses) == 0)
            note(s, "address", s->host, "A", "the address of this host", addresses ? json_incref(addresses) : NULL, false, "The name in MX and greeting must lead here.");
        json_array_foreach(addresses, i, address) {
            json_t *names = look_up(s, json_string_value(address), "PTR");
            note(s, "PTR", json_string_value(address), "PTR", wanted, names, has_record(names, s->host, ""), "Others refuse mail from addresses without a name of their own.");
        }
        json_decref(addresses);
    }
}

static void print_checks(const struct setup *s)
{
    json_t *one;
    size_t i;

    printf("\nDNS of %s, as the gateway sees it:\n", s->domain);
    json_array_foreach(s->checks, i, one) {
        const char *state = json_string_value(json_object_get(one, "state"));
        printf("\n%-8s %s\n         %s\n", json_string_value(json_object_get(one, "check")), state, json_string_value(json_object_get(one, "why")));
        if (strcmp(state, "see why") == 0)
            printf("         %s\n", json_string_value(json_object_get(one, "record")));
        else if (strcmp(state, "fine") != 0)
            printf("         %s.  %s  %s\n", json_string_value(json_object_get(one, "name")), json_string_value(json_object_get(one, "type")),
                   json_string_value(json_object_get(one, "record")));
        json_t *found = json_object_get(one, "found"), *record;
        size_t k;
        json_array_foreach(found, k, record)
            printf("         now: %s\n", json_string_value(record));
    }
}

/* The domain, its route, and observe. An existing one gets them set. */
static int make_domain(struct setup *s, const char *route)
{
    struct api_answer answer;
    json_t *body = json_pack("{s:s, s:[s], s:b}", "name", s->domain, "routes", route, "observe", 1);
    bool reached = api_ask(s->line, "POST", "/api/v1/domains", NULL, body, NULL, &answer);
    int code = !reached ? EX_UNAVAILABLE : api_judge(&answer);

    json_decref(body);
    api_clear(&answer);
    return code;
}

static bool route_text(const char *route, char to[NAME_MOST])
{
    bool is_whole = strchr(route, ':') || strcmp(route, "mx") == 0;
    int n = snprintf(to, NAME_MOST, "%s%s", route, is_whole ? "" : ":25");

    return n > 0 && n < NAME_MOST;
}

int setup_main(const struct command_line *line)
{
    struct setup s = {.line = line, .checks = json_array()};
    char route[NAME_MOST];

    if (line->words != 1 || !line->route || !route_text(line->route, route) || !domain_to_ascii(str_from(line->word[0]), s.domain, sizeof s.domain)) {
        fprintf(stderr, "usage: postern setup DOMAIN --route HOST[:PORT]\n");
        json_decref(s.checks);
        return EX_USAGE;
    }
    struct settings *settings = command_settings(line);
    if (!settings)
        return EX_CONFIG;
    settings_host_name(settings_system(settings), s.host, sizeof s.host);
    settings_unref(settings);
    int code = make_domain(&s, route);
    if (code == EX_OK) {
        check_mx(&s);
        check_texts(&s);
        check_dkim(&s);
        check_ptr(&s);
        if (line->json) {
            print_json(s.checks);
        } else {
            printf("%s is %s: its mail goes to %s. It is observed: everything is judged and logged, nothing is refused that is policy.\n"
                   "When the log looks right: postern setting set observe no --domain %s\n", s.domain, line->dry_run ? "possible" : "set up", route, s.domain);
            print_checks(&s);
        }
    }
    json_decref(s.checks);
    return code;
}
