/* explain.c: `postern explain CODE|REASON|REFERENCE`: the page of a reason on the terminal, or what the log knows of a reference. */
#include "base/random.h"
#include "catalog/reason_page.h"
#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char *setting_name(const struct reason_row *row)
{
    return row->setting < 0 ? "none" : setting_row((enum setting)row->setting)->name;
}

static json_t *row_json(enum reason r)
{
    const struct reason_row *row = reason_row(r);

    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:s, s:s}", "id", row->id, "slug", row->slug, "stage",
                     reason_stage_name(row->stage), "code", row->code, "enhanced", row->enhanced, "text", row->text, "action",
                     action_name(row->action), "setting", setting_name(row), "allow_list_lifts", row->allow_lifts, "quarantined",
                     row->quarantined, "enforced", row->enforced, "title", reason_page(r)->title, "page", reason_page(r)->text);
}

static void print_row(enum reason r)
{
    const struct reason_row *row = reason_row(r);

    printf("%s (%d%s%s)\n", row->id, row->code, *row->enhanced ? " " : "", row->enhanced);
    printf("found at %s; by default: %s; setting: %s; a sender on the allow list %s\n", reason_stage_name(row->stage),
           action_name(row->action), setting_name(row), row->allow_lifts ? "is let through" : "changes nothing");
    if (!row->enforced)
        puts("This build does not give this answer yet.");
    printf("\n%s\n", reason_page(r)->text);
}

static void print_short(enum reason r)
{
    const struct reason_row *row = reason_row(r);

    printf("%d %-7s %-28s %s\n", row->code, row->enhanced, row->slug, reason_page(r)->title);
}

/* All rows with that SMTP code or enhanced code. Returns how many. */
static size_t explain_code(const char *word, bool json)
{
    size_t hits = 0;
    enum reason only = REASON_NONE;
    json_t *list = json_array();

    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        char code[8];
        snprintf(code, sizeof code, "%d", reason_row(r)->code);
        if (strcmp(code, word) != 0 && (!*reason_row(r)->enhanced || strcmp(reason_row(r)->enhanced, word) != 0))
            continue;
        hits++;
        only = r;
        json_array_append_new(list, row_json(r));
    }
    if (hits && json)
        print_json(list);
    else if (hits == 1)
        print_row(only);
    else
        for (size_t i = 0; i < json_array_size(list); i++)
            print_short(reason_find(str_from(json_string_value(json_object_get(json_array_get(list, i), "id")))));
    json_decref(list);
    return hits;
}

static bool is_reference(const char *word)
{
    return strlen(word) == REFERENCE_LEN && strspn(word, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == REFERENCE_LEN;
}

static void print_event(const json_t *event)
{
    static const char *const keys[] = {"time", "status", "sender", "recipient", "client_ip", "helo", "subject", "reason", "reply", "host",
                                       "remote_reply", "next_try"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = json_string_value(json_object_get(event, keys[i]));
        if (value && *value)
            printf("%-13s %s\n", keys[i], value);
    }
    putchar('\n');
}

/* Every event of that reference, then the page of the last reason. */
static int explain_reference(const struct command_line *line, const char *reference)
{
    struct settings *settings = command_settings(line);
    enum reason last = REASON_NONE;
    size_t found = 0, room = 0;
    char *text = NULL;

    if (!settings)
        return EX_CONFIG;
    const char *path = setting_text(settings_system(settings), SETTING_log_json);
    FILE *f = *path ? fopen(path, "re") : NULL;
    if (!f)
        fprintf(stderr, "postern: message log %s: %s\n", *path ? path : "(log_json)", *path ? strerror(errno) : "is off");
    while (f && getline(&text, &room, f) > 0) {
        if (!strstr(text, reference))
            continue;
        json_t *event = json_loads(text, 0, NULL);
        const char *of = json_string_value(json_object_get(event, "reference"));
        if (of && strcmp(of, reference) == 0) {
            found++;
            const char *reason = json_string_value(json_object_get(event, "reason"));
            last = reason && *reason ? reason_find(str_from(reason)) : last;
            line->json ? print_json(event) : print_event(event);
        }
        json_decref(event);
    }
    if (f)
        fclose(f);
    free(text);
    settings_unref(settings);
    if (!found)
        fprintf(stderr, "postern: the message log does not know %s\n", reference);
    if (last != REASON_NONE && !line->json)
        print_row(last);
    return found ? EX_OK : EX_DATAERR;
}

int explain_main(const struct command_line *line)
{
    if (line->words == 0) {
        for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++)
            print_short(r);
        return EX_OK;
    }
    const char *word = line->word[0];
    enum reason r = reason_find(str_from(word));
    if (r != REASON_NONE) {
        if (!line->json) {
            print_row(r);
            return EX_OK;
        }
        json_t *row = row_json(r);
        print_json(row);
        json_decref(row);
        return EX_OK;
    }
    if (explain_code(word, line->json))
        return EX_OK;
    if (is_reference(word))
        return explain_reference(line, word);
    fprintf(stderr, "postern: %s is no code, reason or reference of ours (postern explain lists them)\n", word);
    return EX_DATAERR;
}
