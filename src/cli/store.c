/* store.c: what the commands that work on the store itself share: opening it, and saying who changed something. */
#include "cli/command.h"

#include "store/open.h"
#include "store/schema.h"

#include <stdio.h>
#include <unistd.h>

enum { ERROR_MAX = 2000 };

struct db *command_store(const struct command_line *line)
{
    struct settings *settings = command_settings(line);
    struct buf error = buf_make(ERROR_MAX);
    struct db *d = settings ? store_open(settings_system(settings), &error) : NULL;

    if (settings && !d)
        fprintf(stderr, "postern: " STR_FMT "\n", STR_ARG(buf_str(&error)));
    settings_unref(settings);
    buf_free(&error);
    return d;
}

struct audit_row command_audit(const struct command_line *line, const char *action, char actor[COMMAND_ACTOR_MAX])
{
    snprintf(actor, COMMAND_ACTOR_MAX, "local user %lld", (long long)getuid());
    return (struct audit_row){.actor = str_from(actor), .client = STR("local"), .action = str_from(action), .reason = str_from(line->reason)};
}

bool command_commit(struct db *d, const struct audit_row *audit)
{
    if (audit_add(d, audit, NULL) == DB_OK && schema_touch(d) == DB_OK && db_commit(d) == DB_OK)
        return true;
    db_rollback(d);
    return false;
}
