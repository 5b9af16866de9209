/* account_parts.h: what the files of `postern account` share; nobody else includes it. */
#ifndef CLI_ACCOUNT_PARTS_H
#define CLI_ACCOUNT_PARTS_H

#include "cli/command.h"
#include "store/accounts.h"

/* Says on standard error what is wrong with LOGIN; a sysexits code. */
int account_complain(const char *login, enum account_result result, const struct buf *error);
/* Ends a transaction that changed what the command line says, with its row of the audit trail; false when it did not come to pass. */
bool account_commit(const struct command_line *line, struct db *d);
/* account_limits.c: `postern account limits`. */
int account_limits(const struct command_line *line, struct db *d);

#endif
