/* queue.c: `postern queue …`: builds the request, prints the relay's answer as a table or as JSON. */
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static bool parse_age(const char *text, json_int_t *seconds)
{
    char *end;
    long n = strtol(text, &end, 10);
    static const struct { char unit; long factor; } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'\0', 1}};

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (*end != units[i].unit || (*end && end[1]))
            continue;
        *seconds = (json_int_t)n * units[i].factor;
        return end != text && n >= 0;
    }
    return false;
}

/* The words of the filter grammar and the fields they ask for. */
static const struct { const char *word, *field; } filters[] = {
    {"reference", "reference"}, {"from", "sender"}, {"sender", "sender"}, {"to", "recipient"}, {"recipient", "recipient"}, {"domain", "domain"},
    {"state", "state"}};

/* All filters must match, so one field cannot be asked for twice: the second would silently stand for both. */
static bool set_filter(json_t *filter, const char *field, json_t *take_value)
{
    if (json_object_get(filter, field)) {
        fprintf(stderr, "postern: two filters for the %s; give one, with * for any text\n", field);
        json_decref(take_value);
        return false;
    }
    return json_object_set_new(filter, field, take_value) == 0;
}

/* key:value into FILTER; a bare word is a reference. */
static bool add_filter(json_t *filter, const char *word)
{
    const char *colon = strchr(word, ':');
    json_int_t seconds;

    if (!colon)
        return set_filter(filter, "reference", json_string(word));
    struct str key = str_n(word, (size_t)(colon - word));
    if (str_is(key, "older")) {
        if (!parse_age(colon + 1, &seconds)) {
            fprintf(stderr, "postern: %s: a time is a number with s, m, h or d\n", word);
            return false;
        }
        return set_filter(filter, "older_s", json_integer(seconds));
    }
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (str_is(key, filters[i].word))
            return set_filter(filter, filters[i].field, json_string(colon + 1));
    fprintf(stderr, "postern: unknown filter %s; there are reference:, from:, to:, domain:, state: and older:\n", word);
    return false;
}

static json_t *build_request(const struct command_line *line)
{
    json_t *filter = json_object();

    for (size_t i = 0; i < line->words; i++) {
        if (!add_filter(filter, line->word[i])) {
            json_decref(filter);
            return NULL;
        }
    }
    json_t *request = json_pack("{s:s, s:s, s:o, s:b}", "noun", "queue", "verb", line->verb, "filter", filter, "dry_run", line->dry_run);
    if (request && line->limit)
        json_object_set_new(request, "limit", json_integer(line->limit));
    if (request && line->reason)
        json_object_set_new(request, "reason", json_string(line->reason));
    return request;
}

static int ask_and_print(const struct command_line *line, json_t *request)
{
    json_t *result = control_ask(line, request);
    bool ok = control_is_ok(result);
    bool is_show = strcmp(line->verb, "show") == 0;
    bool found = !is_show || json_array_size(json_object_get(result, "rows")) > 0;

    if (ok && line->json)
        print_json(result);
    else if (ok && found)
        print_result(result);
    else if (ok)
        fprintf(stderr, "postern: no such message is in the queue: %s\n", line->word[0]);
    json_decref(request);
    json_decref(result);
    return !ok ? EX_UNAVAILABLE : found ? EX_OK : EX_DATAERR;
}

int queue_main(const struct command_line *line)
{
    bool changes = strcmp(line->verb, "list") != 0 && strcmp(line->verb, "top") != 0;

    if (changes && line->words == 0) {
        fprintf(stderr, "postern: queue %s wants a filter (all: recipient:*)\n", line->verb);
        return EX_USAGE;
    }
    json_t *request = build_request(line);
    if (!request)
        return EX_USAGE;
    return ask_and_print(line, request);
}

int stats_main(const struct command_line *line)
{
    return ask_and_print(line, json_pack("{s:s, s:s}", "noun", "relay", "verb", "stats"));
}

int clock_main(const struct command_line *line)
{
    uint64_t seconds;

    if (line->words != 1 || !str_to_u64(str_from(line->word[0]), 366 * 86400, &seconds)) {
        fprintf(stderr, "postern: clock advance wants a number of seconds\n");
        return EX_USAGE;
    }
    return ask_and_print(line, json_pack("{s:s, s:s, s:I}", "noun", "clock", "verb", "advance", "seconds", (json_int_t)seconds));
}
