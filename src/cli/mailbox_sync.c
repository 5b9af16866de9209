/* mailbox_sync.c: `postern mailbox sync`: a domain's directory, asked now and from here, which is also the test of its settings. */
#include "cli/command.h"

#include "store/directory_sync.h"
#include "store/settings_file.h"
#include "store/settings_store.h"

#include <stdio.h>
#include <sysexits.h>

enum { TEXT_MAX = 64 * 1024 * 1024, ERROR_MAX = 64 * 1024 };

static bool add_store(void *arg, struct settings *s, struct buf *error)
{
    return settings_store_load(arg, s, error);
}

/* The configuration and the store together, as the relay has them. */
static struct settings *whole_settings(const struct command_line *line, struct db *d)
{
    struct buf text = buf_make(TEXT_MAX), error = buf_make(ERROR_MAX);
    struct settings *s = settings_file_read(line->config, &text, &error) ? settings_file_parse_with(buf_text(&text), line->config, add_store, d, &error, NULL) : NULL;

    if (!s)
        fprintf(stderr, "postern: " STR_FMT "\n", STR_ARG(buf_str(&error)));
    buf_free(&text);
    buf_free(&error);
    return s;
}

static int print_outcome(const struct command_line *line, const struct directory_outcome *o)
{
    json_t *result = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "found", (json_int_t)o->found, "added", (json_int_t)o->changes.added, "removed",
                               (json_int_t)o->changes.removed, "kept", (json_int_t)o->changes.kept, "aliases_added", (json_int_t)o->changes.aliases_added,
                               "aliases_removed", (json_int_t)o->changes.aliases_removed, "aliases_kept", (json_int_t)o->changes.aliases_kept, "left_out",
                               (json_int_t)o->left_out, "error", o->error);

    if (line->json)
        print_json(result);
    else if (o->succeeded)
        print_result(result);
    if (*o->error)
        fprintf(stderr, "postern: the directory: %s\n", o->error);
    json_decref(result);
    return !o->succeeded ? EX_UNAVAILABLE : o->is_suspicious ? EX_DATAERR : EX_OK;
}

static int sync_domain(const struct command_line *line, struct db *d, const struct settings *settings)
{
    const struct domain *domain = settings_domain(settings, str_from(line->word[0]));
    char actor[COMMAND_ACTOR_MAX];
    const struct audit_row who = command_audit(line, "", actor);
    const struct directory_wish wish = {.force = line->force, .dry_run = line->dry_run, .actor = who.actor, .reason = who.reason};
    struct directory_outcome out;

    if (!domain || !directory_is_set(domain)) {
        fprintf(stderr, "postern: %s: %s\n", line->word[0], domain ? "it has no directory (ldap_url), or is not in the store" : "is no domain of this gateway");
        return EX_DATAERR;
    }
    if (directory_sync(d, settings, domain, &wish, &out))
        return print_outcome(line, &out);
    fprintf(stderr, "postern: %s\n", out.error);
    return EX_UNAVAILABLE;
}

int mailbox_sync_main(const struct command_line *line)
{
    if (line->words != 1) {
        fprintf(stderr, "postern: mailbox sync wants a domain\n");
        return EX_USAGE;
    }
    struct db *d = command_store(line);
    struct settings *settings = d ? whole_settings(line, d) : NULL;
    int code = !d ? EX_UNAVAILABLE : settings ? sync_domain(line, d, settings) : EX_CONFIG;
    settings_unref(settings);
    db_close(&d);
    return code;
}
