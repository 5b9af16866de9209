/* message_retention.h: takes rows out of table message once they are older than log_retention says for their domain, a few at a time. */
#ifndef STORE_MESSAGE_RETENTION_H
#define STORE_MESSAGE_RETENTION_H

#include "catalog/settings.h"
#include "store/message_rows.h"

struct message_retention;

struct message_retention *message_retention_new(struct settings_holder *settings); /* borrowed; NULL out of memory */
void message_retention_free(struct message_retention **r);

enum { RETENTION_EVERY_MS = 10 * 60 * 1000, RETENTION_BATCH = 100 /* rows looked at in one transaction */ };

/* Does a bounded piece, in a transaction of its own, where it is time for it. True: there is more to do now. Trouble is said, and tried again later. */
bool message_retention_step(struct message_retention *r, struct db *d, struct message_rows *rows);

#endif
