/* dns.c: `postern dns …`: asks the running relay about its DNS. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum { NO_SUCH_RECORD = 1 };

/* Of a look-up, as scripts want it; everything else has no status. */
static int exit_code(const json_t *result)
{
    const char *status = json_string_value(json_object_get(result, "status"));

    if (!status || strcmp(status, "ok") == 0)
        return EX_OK;
    return strcmp(status, "failed") == 0 ? EX_TEMPFAIL : NO_SUCH_RECORD;
}

int dns_main(const struct command_line *line)
{
    bool is_lookup = strcmp(line->verb, "lookup") == 0;
    size_t most = is_lookup ? 2 : strcmp(line->verb, "flush") == 0 ? 1 : 0;

    if (line->words > most || (is_lookup && !line->words)) {
        fprintf(stderr, "postern: dns %s wants %s\n", line->verb, is_lookup ? "a name or an address, and perhaps a type" : most ? "one name, or none" : "nothing");
        return EX_USAGE;
    }
    json_t *request = json_pack("{s:s, s:s, s:s, s:s}", "noun", "dns", "verb", line->verb, "name", line->words ? line->word[0] : "", "type",
                                line->words > 1 ? line->word[1] : "");
    json_t *result = request ? control_ask(line, request) : NULL; /* NULL: the words are not UTF-8 */
    if (!request)
        fprintf(stderr, "postern: dns %s: not a name\n", line->verb);
    json_decref(request);
    if (!result)
        return request ? EX_UNAVAILABLE : EX_USAGE;
    bool ok = control_is_ok(result);
    int code = ok ? exit_code(result) : EX_DATAERR;
    if (ok && line->json)
        print_json(result);
    else if (ok)
        print_result(result);
    json_decref(result);
    return code;
}
