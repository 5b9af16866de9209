/* rule.c: `postern rule test`: what a custom rule makes of a message, by the very functions that the gateway uses (policy/rules.h). Changes nothing. */
#include "cli/inspect.h"

#include "policy/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { EX_NO_MATCH = 1 };

static const char *answer_name(enum rule_answer a)
{
    static const char *const names[] = {[RULE_NO] = "no", [RULE_YES] = "yes", [RULE_OPEN] = "open"};
    return names[a];
}

/* The definition itself, or the name of a file that holds it. */
static bool read_definition(const char *given, struct buf *out)
{
    char chunk[4096];
    size_t n;

    while (*given == ' ' || *given == '\n' || *given == '\t')
        given++;
    if (*given == '{')
        return buf_add_text(out, given);
    FILE *f = fopen(given, "re");
    if (!f) {
        perror(given);
        return false;
    }
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0 && buf_add(out, chunk, n))
        ;
    bool ok = !ferror(f) && !out->failed;
    fclose(f);
    if (!ok)
        fprintf(stderr, "postern: %s: cannot be read, or is longer than %d octets\n", given, RULE_DEFINITION_MAX);
    return ok;
}

static struct rule *compile(const char *given)
{
    struct buf text = buf_make(RULE_DEFINITION_MAX + 1), why = buf_make(1000);
    struct rule *r = NULL;

    if (read_definition(given, &text)) {
        r = rule_compile(buf_str(&text), &why);
        if (!r)
            fprintf(stderr, "postern: " STR_FMT "\n", STR_ARG(buf_str(&why)));
    }
    buf_free(&text);
    buf_free(&why);
    return r;
}

/* An envelope is optional, each part by itself. */
static bool take_address(const char *given, struct address *to, const struct address **out)
{
    const char *why = "it is no address";

    if (!given)
        return true;
    memset(to, 0, sizeof *to);
    *out = to;
    if (strcmp(given, "<>") == 0 || address_parse(str_from(given), true, to, &why) == ADDRESS_OK)
        return true;
    fprintf(stderr, "postern: %s: %s\n", given, why);
    return false;
}

static json_t *conditions(const struct rule *r, const struct rule_trace *trace)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < rule_condition_count(r); i++)
        json_array_append_new(rows, json_pack("{s:i, s:s, s:s+, s:I}", "condition", (int)i, "holds", trace[i].limited ? "limit" : answer_name(trace[i].answer), "what",
                                              *trace[i].text ? trace[i].text : "not tried", "", "steps", (json_int_t)trace[i].steps));
    return rows;
}

static int show(const struct command_line *line, const struct rule *r, const struct rule_facts *facts)
{
    struct rule_budget budget = rule_budget_full();
    struct rule_trace trace[RULE_CONDITIONS_MAX] = {0};
    char evidence[EVIDENCE_MAX];
    enum rule_answer answer = rule_match(r, facts, &budget, evidence, trace);
    json_t *result = json_pack("{s:s, s:s, s:s, s:b, s:o}", "matches", answer_name(answer), "action", rule_action_name(rule_action_of(r)), "evidence", evidence,
                               "limited", budget.limited > 0, "conditions", conditions(r, trace));

    if (!result) {
        fputs("postern: out of memory\n", stderr);
        return EX_OSERR;
    }
    if (rule_action_of(r) == RULE_SCORE)
        json_object_set_new(result, "points", json_real(rule_points(r)));
    if (rule_action_of(r) == RULE_ALLOW && rule_holds(r, facts) != RULE_YES)
        json_object_set_new(result, "counts", json_string("only where the sender is authenticated"));
    if (line->json)
        print_json(result);
    else
        print_result(result);
    json_decref(result);
    return answer == RULE_YES ? EX_OK : EX_NO_MATCH;
}

static int with_message(const struct command_line *line, const struct rule *r, struct rule_facts *facts)
{
    struct settings *settings = inspect_settings(line);
    struct blob *message = settings ? inspect_read_message(line->message) : NULL;
    struct scan_report report;
    int code = settings ? EX_NOINPUT : EX_CONFIG;

    if (message) {
        code = EX_SOFTWARE;
        if (inspect_scan(message, settings_system(settings), &report)) {
            facts->report = &report;
            facts->size = blob_size(message);
            code = show(line, r, facts);
            scan_report_free(&report);
        }
    }
    blob_unref(message);
    settings_unref(settings);
    return code;
}

int rule_main(const struct command_line *line)
{
    struct address from, to;
    struct ip ip;
    struct rule_facts facts = {.authenticated = RULE_OPEN};

    if (!line->definition || line->words) {
        fputs("usage: postern rule test --definition FILE|JSON [--message FILE|-] [--from ADDRESS] [--to ADDRESS] [--ip ADDRESS] [--json]\n", stderr);
        return EX_USAGE;
    }
    if (!take_address(line->from, &from, &facts.sender) || !take_address(line->to, &to, &facts.recipient))
        return EX_USAGE;
    if (line->ip && !ip_parse(str_from(line->ip), &ip)) {
        fprintf(stderr, "postern: %s: it is no IP address\n", line->ip);
        return EX_USAGE;
    }
    facts.client = line->ip ? &ip : NULL;
    struct rule *r = compile(line->definition);
    if (!r)
        return EX_DATAERR;
    int code = line->message ? with_message(line, r, &facts) : show(line, r, &facts);
    rule_free(&r);
    return code;
}
