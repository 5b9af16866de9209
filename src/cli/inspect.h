/* inspect.h: a message read for people who look at it, and the two shapes in which `postern inspect` shows the report. */
#ifndef CLI_INSPECT_H
#define CLI_INSPECT_H

#include "base/blob.h"
#include "cli/command.h"
#include "policy/policy.h"

#include <jansson.h>

/* The message in file PATH ("-": standard input), sealed, its lines ending in CR LF. NULL after saying why on standard error. */
struct blob *inspect_read_message(const char *path);
/* What holds where nothing is configured. NULL after saying what is wrong. */
struct settings *inspect_defaults(void);
/* The configuration where there is one, else the defaults. NULL after saying what is wrong. */
struct settings *inspect_settings(const struct command_line *line);
/* MESSAGE as a confined process sees it, with texts and fields; scan_report_free() when done. False after saying why. */
bool inspect_scan(const struct blob *message, const struct policy *system, struct scan_report *out);

/* A new object. */
json_t *inspect_json(const struct scan_report *r, const struct findings *found, const struct policy *p);
void inspect_print(const struct scan_report *r, const struct findings *found, const struct policy *p);

#endif
