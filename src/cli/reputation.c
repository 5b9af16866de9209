/* reputation.c: `postern reputation …`: asks the running relay. */
#include "cli/command.h"

#include <stdio.h>
#include <sysexits.h>

int reputation_main(const struct command_line *line)
{
    if (line->words != 1 || !*line->word[0]) {
        fprintf(stderr, "postern: reputation %s wants an address or a domain\n", line->verb);
        return EX_USAGE;
    }
    json_t *request = json_pack("{s:s, s:s, s:s}", "noun", "reputation", "verb", line->verb, "name", line->word[0]);
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
