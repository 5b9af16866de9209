/* greylist.c: `postern greylist …`: asks the running relay. */
#include "cli/command.h"

#include "net/ip.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static int print(const struct command_line *line, json_t *take_request)
{
    json_t *result = control_ask(line, take_request);

    json_decref(take_request);
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

int greylist_main(const struct command_line *line)
{
    struct ip ip;

    if (strcmp(line->verb, "list") == 0)
        return print(line, json_pack("{s:s, s:s, s:s, s:I}", "noun", "greylist", "verb", "list", "text", line->words ? line->word[0] : "", "limit",
                                     (json_int_t)line->limit));
    if (line->words != 1 || !ip_parse(str_from(line->word[0]), &ip)) {
        fprintf(stderr, "postern: greylist forget wants the address of a client\n");
        return EX_USAGE;
    }
    return print(line, json_pack("{s:s, s:s, s:s}", "noun", "greylist", "verb", "forget", "address", line->word[0]));
}
