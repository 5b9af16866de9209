/* selftest.c: `postern selftest`: each process tries what it must not do. `postern version` and `postern completion` stand here too. */
#include "cli/command.h"
#include "scan/sandbox.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum { MOST_TRIALS = 64 };

int selftest_main(const struct command_line *line)
{
    static const struct { enum sandbox_role role; const char *name; } roles[] = {
        {SANDBOX_SCAN, "scan"}, {SANDBOX_RELAY, "relay"}, {SANDBOX_CONSOLE, "console"}, {SANDBOX_MASTER, "master"}};
    bool all = true;
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        struct sandbox_trial trial[MOST_TRIALS];
        bool ok;
        size_t count = sandbox_self_test(roles[i].role, trial, MOST_TRIALS, &ok);
        all = all && ok;
        for (size_t k = 0; k < count; k++) {
            json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s}", "process", roles[i].name, "act", trial[k].act, "refused",
                                                  trial[k].refused, "how", trial[k].how));
            if (!line->json)
                printf("%-8s %-34s %s (%s)\n", roles[i].name, trial[k].act, trial[k].refused ? "refused" : "allowed", trial[k].how);
        }
        if (!line->json)
            printf("%-8s %s\n", roles[i].name, ok ? "as it must be" : "NOT AS IT MUST BE");
    }
    if (line->json)
        print_json(list);
    json_decref(list);
    return all ? EX_OK : EX_SOFTWARE;
}

int version_main(const struct command_line *line)
{
    (void)line;
    puts("postern " POSTERN_VERSION);
    return EX_OK;
}

int completion_main(const struct command_line *line)
{
    const char *last = "";

    (void)line;
    puts("_postern() {\n  local cur=${COMP_WORDS[COMP_CWORD]} words=\"\"\n  if [ $COMP_CWORD -eq 1 ]; then");
    fputs("    words=\"", stdout);
    for (size_t i = 0; i < command_row_count; i++) {
        if (strcmp(last, command_rows[i].noun) != 0)
            printf("%s ", command_rows[i].noun);
        last = command_rows[i].noun;
    }
    puts("\"\n  elif [ $COMP_CWORD -eq 2 ]; then\n    case ${COMP_WORDS[1]} in");
    for (size_t i = 0; i < command_row_count; i++)
        if (*command_rows[i].verb)
            printf("      %s) words=\"$words %s\";;&\n", command_rows[i].noun, command_rows[i].verb);
    fputs("      explain) words=\"", stdout);
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++)
        printf("%s ", reason_row(r)->slug);
    puts("\";;\n    esac\n  fi\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -F _postern postern");
    return EX_OK;
}
