/*
 * cli.h: `postern <noun> <verb>`: one file per noun; the table is catalog/commands.def. Commands that steer the relay speak JSON over its
 * control socket <run_directory>/control: the client sends one JSON object and a newline, the relay answers with one JSON object and closes.
 * Requests are {"noun": "queue", "verb": "list", …}; answers {"ok": true, …} or {"ok": false, "error": text}.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

/* Returns a sysexits code. */
int cli_run(int argc, char **argv);

#endif
