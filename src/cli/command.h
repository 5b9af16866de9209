/* command.h: what all commands share: options, the control socket, and the functions that commands.def names. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "base/buf.h"
#include "catalog/settings.h"
#include "store/audit.h"

#include <jansson.h>

enum { MOST_WORDS = 64 };

/* The command line behind `postern`, taken apart. Words point into argv. */
struct command_line {
    const char *noun, *verb;         /* verb "" where there is none */
    const char *word[MOST_WORDS];    /* what is no option, behind noun and verb */
    size_t words;
    const char *config;              /* --config, or the default */
    const char *control;             /* --control; NULL: from the configuration */
    const char *reason, *domain, *tenant, *mailbox, *account, *route, *directory, *selector, *type, *definition, *message, *from, *to, *ip;
    const char *model, *index, *rate, *protocol;
    long limit;                      /* --limit; 0: not given */
    bool json, dry_run, no_samples, once, sender, learn;
    bool force;                      /* --force */
};

/* One per row of commands.def. Returns a sysexits code. */
typedef int command_main(const struct command_line *line);
#define COMMAND(noun, verb, function, arguments, help) command_main function;
#include "catalog/commands.def"
#undef COMMAND

struct command_row {
    const char *noun, *verb, *arguments, *help;
    command_main *run;
};
extern const struct command_row command_rows[];
extern const size_t command_row_count;

/* Sends REQUEST to the relay's control socket; a new object, or NULL after saying on standard error why not. */
json_t *control_ask(const struct command_line *line, const json_t *request);
/* Prints {"ok": false, "error": …} to standard error. True when RESULT is ok. */
bool control_is_ok(const json_t *result);
/* The configuration; NULL after saying what is wrong on standard error. */
struct settings *command_settings(const struct command_line *line);
/* store.c: the store, in this program's format; NULL after saying why not on standard error. */
struct db *command_store(const struct command_line *line);
/* The row of who runs this command; ACTOR holds its text. Object and values are for the caller to fill in. */
enum { COMMAND_ACTOR_MAX = 64 };
struct audit_row command_audit(const struct command_line *line, const char *action, char actor[COMMAND_ACTOR_MAX]);
/* Ends the transaction of a change with its row in the trail, and tells the relay by the revision. False: it is rolled back. */
bool command_commit(struct db *d, const struct audit_row *audit) __attribute__((warn_unused_result));
void print_json(const json_t *value);
void print_table(const json_t *rows);   /* an array of flat objects as columns, the keys of the first as head */
void print_result(const json_t *result); /* key: value, arrays as tables; "ok" is left out */

#endif
