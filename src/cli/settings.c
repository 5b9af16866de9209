/* settings.c: `postern setting …`, `postern reload`. */
#include "cli/api.h"
#include "store/settings_file.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static void levels_text(unsigned levels, char *to)
{
    static const char letters[] = "PSTDMU";

    for (int i = 0; letters[i]; i++)
        if (levels & (1U << i))
            *to++ = letters[i];
    *to = '\0';
}

int setting_list_main(const struct command_line *line)
{
    json_t *rows = json_array();

    for (enum setting s = 0; s < SETTING_COUNT; s++) {
        const struct setting_row *row = setting_row(s);
        char levels[8];
        levels_text(row->levels, levels);
        if (line->json)
            json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:b}", "name", row->name, "type",
                                                  setting_type_name(row->type), "default", row->default_text, "min", (json_int_t)row->min, "max",
                                                  (json_int_t)row->max, "levels", levels, "unit", row->unit, "help", row->help, "used",
                                                  row->used));
        else
            printf("%-32s %-8s %-5s %s%s\n    %s%s\n", row->name, setting_type_name(row->type), levels, *row->default_text ? "default " : "",
                   row->default_text, row->help, row->used ? "" : " (not read by this build)");
    }
    if (line->json)
        print_json(rows);
    json_decref(rows);
    return EX_OK;
}

static json_t *value_json(const struct setting_value *v, enum setting_type type)
{
    switch (type) {
    case SETTING_BOOL:
        return json_boolean(v->number);
    case SETTING_TEXT:
    case SETTING_CHOICE:
        return json_string(v->text);
    case SETTING_ACTION:
        return json_string(action_name((enum action)v->number));
    case SETTING_LIST:
    case SETTING_NETWORKS: {
        json_t *list = json_array();
        for (size_t i = 0; i < v->list.count; i++)
            json_array_append_new(list, json_string(v->list.at[i]));
        return list;
    }
    case SETTING_LIMIT:
        return v->number == NO_LIMIT ? json_string("") : json_integer((json_int_t)v->number);
    default:
        return json_integer((json_int_t)v->number);
    }
}

/* As the running gateway has it, with what the store sets. False: it does not run, or this is a setting of the process, which the file alone knows. */
static bool show_running(const struct command_line *line, const char *name)
{
    const char *level = line->mailbox ? "mailboxes" : line->domain ? "domains" : line->tenant ? "tenants" : NULL;
    const char *owner = line->mailbox ? line->mailbox : line->domain ? line->domain : line->tenant;
    struct buf path = buf_make(4096);
    struct api_answer answer = {.text = buf_make(1)};

    if (!api_is_there(line))
        return false;
    buf_addf(&path, "/api/v1/%s", level ? level : "system");
    if (level)
        api_add_segment(&path, owner);
    buf_add_text(&path, "/settings");
    api_add_segment(&path, name);
    bool shown = buf_text(&path) && api_ask(line, "GET", buf_text(&path), NULL, NULL, NULL, &answer) && answer.status == 200;
    json_t *value = json_object_get(answer.json, "value");
    if (shown && line->json) {
        print_json(answer.json);
    } else if (shown) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        printf("%s = %s  (%s%s)\n", name, text ? text : "?", json_is_true(json_object_get(answer.json, "is_set")) ? "set here, " : "from ",
               json_string_value(json_object_get(answer.json, "from")));
        free(text);
    }
    api_clear(&answer);
    buf_free(&path);
    return shown;
}

int setting_show_main(const struct command_line *line)
{
    int id = line->words == 1 ? setting_find(str_from(line->word[0])) : -1;

    if (id < 0) {
        fprintf(stderr, "postern: setting show wants the name of a setting (postern setting list)\n");
        return EX_USAGE;
    }
    struct settings *settings = command_settings(line);
    if (!settings)
        return EX_CONFIG;
    if (show_running(line, setting_row((enum setting)id)->name)) {
        settings_unref(settings);
        return EX_OK;
    }
    const struct domain *domain = line->domain ? settings_domain(settings, str_from(line->domain)) : NULL;
    if (line->domain && !domain) {
        fprintf(stderr, "postern: %s is no domain of this gateway\n", line->domain);
        settings_unref(settings);
        return EX_DATAERR;
    }
    const struct policy *p = domain ? &domain->policy : settings_system(settings);
    const struct setting_value *v = setting_value(p, (enum setting)id);
    const char *where = setting_is_set(p, (enum setting)id) ? "set here"
                        : domain && setting_is_set(settings_system(settings), (enum setting)id) ? "inherited from the system level" : "default";
    json_t *result = json_pack("{s:s, s:o, s:s}", "name", setting_row((enum setting)id)->name, "value",
                               value_json(v, setting_row((enum setting)id)->type), "from", where);
    if (line->json) {
        print_json(result);
    } else {
        char *text = json_dumps(json_object_get(result, "value"), JSON_ENCODE_ANY | JSON_COMPACT);
        printf("%s = %s  (%s)\n", setting_row((enum setting)id)->name, text ? text : "?", where);
        free(text);
    }
    json_decref(result);
    settings_unref(settings);
    return EX_OK;
}

int reload_main(const struct command_line *line)
{
    char path[300];
    long pid = 0;
    struct settings *settings = command_settings(line); /* a broken one is said here, before anything is asked of the gateway */

    if (!settings)
        return EX_CONFIG;
    snprintf(path, sizeof path, "%s/postern.pid", setting_text(settings_system(settings), SETTING_run_directory));
    settings_unref(settings);
    FILE *f = fopen(path, "re");
    if (!f || fscanf(f, "%ld", &pid) != 1 || pid <= 1 || kill((pid_t)pid, SIGHUP) < 0) {
        fprintf(stderr, "postern: %s: %s\n", path, f ? "no running gateway" : strerror(errno));
        if (f)
            fclose(f);
        return EX_UNAVAILABLE;
    }
    fclose(f);
    printf("told process %ld; its log says what became of it\n", pid);
    return EX_OK;
}
