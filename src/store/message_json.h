/* message_json.h: a row of the message log as JSON, for the command line and the API. */
#ifndef STORE_MESSAGE_JSON_H
#define STORE_MESSAGE_JSON_H

#include "store/message_row.h"

#include <jansson.h>

/* A new object with all columns: numbers of rows as texts, times as "2026-11-24T14:11:00.123Z", findings and results as JSON. NULL out of memory. */
json_t *message_row_json(const struct message_row *row);
/* What a list shows of it: time, reference, status, sender, recipient, subject, reason, size. */
json_t *message_row_brief(const struct message_row *row);

#endif
