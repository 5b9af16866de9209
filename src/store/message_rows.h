/* message_rows.h: writes rows into table message and their words into message_word; takes old ones out. One thread, one connection. */
#ifndef STORE_MESSAGE_ROWS_H
#define STORE_MESSAGE_ROWS_H

#include "store/message_row.h"

struct message_rows;

struct message_rows *message_rows_new(struct db *d); /* D is borrowed, and closed before this is freed; NULL out of memory */
void message_rows_free(struct message_rows **w);

/* Within a transaction. News of a row that is not there makes one of what it knows, which the row's own event fills later. */
enum db_result message_rows_put(struct message_rows *w, const struct message_row *row) __attribute__((warn_unused_result));
/* Within a transaction: the row of that number and its words, unless the quarantine still holds the message. *GONE says whether it went. */
enum db_result message_rows_remove(struct message_rows *w, int64_t id, bool *gone) __attribute__((warn_unused_result));

#endif
