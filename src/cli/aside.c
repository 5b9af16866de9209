/* aside.c: `postern aside …`: the folder of messages that scan did not survive (spool/aside.h), read as it stands, whether the gateway runs or not. */
#include "cli/command.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { PATH_SIZE = 640 };

static void path_of(const char *folder, const char *reference, const char *ending, char to[PATH_SIZE])
{
    snprintf(to, PATH_SIZE, "%s/%.64s%s", folder, reference, ending);
}

/* A new object, with the file's name added; NULL where there is none that can be read. */
static json_t *load(const char *folder, const char *reference)
{
    char path[PATH_SIZE];

    path_of(folder, reference, ".json", path);
    json_t *envelope = json_load_file(path, 0, NULL);
    path_of(folder, reference, ".eml", path);
    if (!json_is_object(envelope) || access(path, R_OK) != 0) {
        json_decref(envelope);
        return NULL;
    }
    json_object_set_new(envelope, "file", json_string(path));
    return envelope;
}

static int list(const char *folder, bool json)
{
    struct dirent **names;
    json_t *rows = json_array();
    int count = scandir(folder, &names, NULL, alphasort);

    if (count < 0 && errno != ENOENT) {
        fprintf(stderr, "postern: %s: %s\n", folder, strerror(errno));
        json_decref(rows);
        return EX_NOINPUT;
    }
    for (int i = 0; i < count; i++) {
        char *ending = strrchr(names[i]->d_name, '.');
        if (ending && strcmp(ending, ".json") == 0) {
            *ending = '\0';
            json_array_append_new(rows, load(folder, names[i]->d_name)); /* refuses NULL: a copy that is being written */
        }
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    if (json)
        print_json(rows);
    else if (json_array_size(rows))
        print_table(rows);
    else
        puts("Nothing is kept aside.");
    json_decref(rows);
    return EX_OK;
}

static bool is_reference(const char *word)
{
    return *word && !strchr(word, '/') && *word != '.';
}

static int show(const char *folder, const char *reference, bool json)
{
    json_t *envelope = is_reference(reference) ? load(folder, reference) : NULL;

    if (!envelope) {
        fprintf(stderr, "postern: no such message is kept aside: %s\n", reference);
        return EX_DATAERR;
    }
    if (json)
        print_json(envelope);
    else
        print_result(envelope);
    json_decref(envelope);
    return EX_OK;
}

static int remove_copy(const char *folder, const char *reference)
{
    char path[PATH_SIZE];

    path_of(folder, reference, ".json", path);
    if (!is_reference(reference) || unlink(path) != 0) {
        fprintf(stderr, "postern: %s: %s\n", reference, is_reference(reference) ? strerror(errno) : "no reference");
        return EX_DATAERR;
    }
    path_of(folder, reference, ".eml", path);
    unlink(path);
    return EX_OK;
}

int aside_main(const struct command_line *line)
{
    char folder[PATH_SIZE / 2];
    int result = EX_OK;

    if (strcmp(line->verb, "list") != 0 && line->words == 0) {
        fprintf(stderr, "postern: aside %s wants a reference\n", line->verb);
        return EX_USAGE;
    }
    struct settings *settings = command_settings(line);
    if (!settings)
        return EX_CONFIG;
    snprintf(folder, sizeof folder, "%s/aside", setting_text(settings_system(settings), SETTING_spool_directory));
    settings_unref(settings);
    if (strcmp(line->verb, "list") == 0)
        return list(folder, line->json);
    if (strcmp(line->verb, "show") == 0)
        return show(folder, line->word[0], line->json);
    for (size_t i = 0; i < line->words && result == EX_OK; i++)
        result = remove_copy(folder, line->word[i]);
    return result;
}
