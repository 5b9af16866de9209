/* auth.c: `postern auth denied …`: asks the running relay who may not authenticate for now. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

int auth_main(const struct command_line *line)
{
    bool is_clear = line->words == 2 && strcmp(line->word[0], "clear") == 0;

    if (!is_clear && !(line->words == 1 && strcmp(line->word[0], "list") == 0)) {
        fprintf(stderr, "postern: auth denied list, or auth denied clear TEXT|all\n");
        return EX_USAGE;
    }
    json_t *request = json_pack("{s:s, s:s, s:s, s:I}", "noun", "auth", "verb", is_clear ? "clear" : "list", "text", is_clear ? line->word[1] : "", "limit",
                                (json_int_t)line->limit);
    json_t *result = control_ask(line, request);
    json_decref(request);
    if (!result)
        return EX_UNAVAILABLE;
    bool ok = control_is_ok(result);
    if (ok && line->json)
        print_json(result);
    else if (ok)
        print_result(result);
    json_decref(result);
    return ok ? EX_OK : EX_DATAERR;
}
