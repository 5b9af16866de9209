/* cli.c: takes the command line apart and runs the row of commands.def that it names. */
#include "cli/cli.h"

#include "base/log.h"
#include "cli/command.h"
#include "cli/sink.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char default_config[] = "/etc/postern/postern.conf";

const struct command_row command_rows[] = {
#define COMMAND(noun, verb, function, arguments, help) {noun, verb, arguments, help, function},
#include "catalog/commands.def"
#undef COMMAND
};
const size_t command_row_count = sizeof command_rows / sizeof *command_rows;

struct option {
    const char *name;
    size_t offset;
    enum { OPTION_TEXT, OPTION_FLAG, OPTION_NUMBER } type;
};

static const struct option options[] = {
    {"--config", offsetof(struct command_line, config), OPTION_TEXT},
    {"-c", offsetof(struct command_line, config), OPTION_TEXT},
    {"--control", offsetof(struct command_line, control), OPTION_TEXT},
    {"--reason", offsetof(struct command_line, reason), OPTION_TEXT},
    {"--domain", offsetof(struct command_line, domain), OPTION_TEXT},
    {"--tenant", offsetof(struct command_line, tenant), OPTION_TEXT},
    {"--mailbox", offsetof(struct command_line, mailbox), OPTION_TEXT},
    {"--account", offsetof(struct command_line, account), OPTION_TEXT},
    {"--route", offsetof(struct command_line, route), OPTION_TEXT},
    {"--directory", offsetof(struct command_line, directory), OPTION_TEXT},
    {"--selector", offsetof(struct command_line, selector), OPTION_TEXT},
    {"--type", offsetof(struct command_line, type), OPTION_TEXT},
    {"--definition", offsetof(struct command_line, definition), OPTION_TEXT},
    {"--message", offsetof(struct command_line, message), OPTION_TEXT},
    {"--from", offsetof(struct command_line, from), OPTION_TEXT},
    {"--to", offsetof(struct command_line, to), OPTION_TEXT},
    {"--ip", offsetof(struct command_line, ip), OPTION_TEXT},
    {"--model", offsetof(struct command_line, model), OPTION_TEXT},
    {"--index", offsetof(struct command_line, index), OPTION_TEXT},
    {"--rate", offsetof(struct command_line, rate), OPTION_TEXT},
    {"--protocol", offsetof(struct command_line, protocol), OPTION_TEXT},
    {"--learn", offsetof(struct command_line, learn), OPTION_FLAG},
    {"--limit", offsetof(struct command_line, limit), OPTION_NUMBER},
    {"--json", offsetof(struct command_line, json), OPTION_FLAG},
    {"--force", offsetof(struct command_line, force), OPTION_FLAG},
    {"--dry-run", offsetof(struct command_line, dry_run), OPTION_FLAG},
    {"--no-samples", offsetof(struct command_line, no_samples), OPTION_FLAG},
    {"--sender", offsetof(struct command_line, sender), OPTION_FLAG},
    {"--once", offsetof(struct command_line, once), OPTION_FLAG},
};

static const struct option *find_option(const char *word)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(options[i].name, word) == 0)
            return &options[i];
    return NULL;
}

static bool take_option(const struct option *o, const char *value, struct command_line *line)
{
    char *at = (char *)line + o->offset, *end = NULL;

    if (o->type == OPTION_FLAG) {
        *(bool *)at = true;
        return true;
    }
    if (!value) {
        fprintf(stderr, "postern: %s wants a value\n", o->name);
        return false;
    }
    if (o->type == OPTION_TEXT) {
        *(const char **)(void *)at = value;
        return true;
    }
    long number = strtol(value, &end, 10);
    if (*end || number <= 0) {
        fprintf(stderr, "postern: %s wants a number above 0, not %s\n", o->name, value);
        return false;
    }
    *(long *)(void *)at = number;
    return true;
}

static bool parse(int argc, char **argv, struct command_line *line)
{
    for (int i = 1; i < argc; i++) {
        const struct option *o = find_option(argv[i]);
        if (o) {
            bool wants = o->type != OPTION_FLAG;
            if (!take_option(o, wants && i + 1 < argc ? argv[i + 1] : NULL, line))
                return false;
            i += wants;
            continue;
        }
        if (argv[i][0] == '-' && argv[i][1]) {
            fprintf(stderr, "postern: unknown option %s\n", argv[i]);
            return false;
        }
        if (line->words == MOST_WORDS) {
            fprintf(stderr, "postern: too many arguments\n");
            return false;
        }
        line->word[line->words++] = argv[i];
    }
    return true;
}

static void drop_words(struct command_line *line, size_t n)
{
    line->words -= n;
    memmove(line->word, line->word + n, line->words * sizeof *line->word);
}

static const struct command_row *find_command(struct command_line *line)
{
    for (size_t i = 0; i < command_row_count && line->words; i++) {
        const struct command_row *row = &command_rows[i];
        bool has_verb = *row->verb;
        if (strcmp(row->noun, line->word[0]) != 0)
            continue;
        if (has_verb && (line->words < 2 || strcmp(row->verb, line->word[1]) != 0))
            continue;
        line->noun = row->noun;
        line->verb = row->verb;
        drop_words(line, has_verb ? 2 : 1);
        return row;
    }
    return NULL;
}

static int usage(FILE *to, int code)
{
    fputs("usage: postern -c FILE                 run the gateway\n", to);
    for (size_t i = 0; i < command_row_count; i++) {
        const struct command_row *row = &command_rows[i];
        fprintf(to, "       postern %s%s%s %s\n           %s\n", row->noun, *row->verb ? " " : "", row->verb, row->arguments, row->help);
    }
    fputs("options: --config FILE (default /etc/postern/postern.conf), --control SOCKET, --json\n"
          "A queue filter is key:value with reference, sender, recipient, domain, state, older (such as 2h); * is any text.\n", to);
    return code;
}

int help_main(const struct command_line *line)
{
    (void)line;
    return usage(stdout, EX_OK);
}

/* Reached only by a call from inside: `postern sink` has options of its own and is sent on before they are parsed here. */
int sink_command_main(const struct command_line *line)
{
    (void)line;
    return usage(stderr, EX_USAGE);
}

int cli_run(int argc, char **argv)
{
    struct command_line line = {.config = default_config};

    signal(SIGPIPE, SIG_IGN);
    log_open("postern", LOG_LEVEL_INFO);
    if (argc > 1 && strcmp(argv[1], "sink") == 0) /* it has options of its own */
        return sink_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        return usage(stdout, EX_OK);
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        return version_main(&line);
    if (!parse(argc, argv, &line))
        return EX_USAGE;
    const struct command_row *row = find_command(&line);
    return row ? row->run(&line) : usage(stderr, EX_USAGE);
}
