/*
 * message_row.h: a row of table message, from an event, into the journal (message_journal.h) and out of it. Texts are UTF-8 without controls
 * (attachments: but for LF), addresses and domains in lower case.
 */
#ifndef STORE_MESSAGE_ROW_H
#define STORE_MESSAGE_ROW_H

#include "base/arena.h"
#include "store/db.h"
#include "store/event_log.h"

enum message_column {
#define MESSAGE_COLUMN(name, type, when) MESSAGE_##name,
#include "store/message_columns.def"
#undef MESSAGE_COLUMN
    MESSAGE_COLUMNS
};

enum message_column_type { MESSAGE_KEY, MESSAGE_NUMBER, MESSAGE_REAL, MESSAGE_TEXT };
enum message_column_when { MESSAGE_ONCE, MESSAGE_TOLD, MESSAGE_NEWS };

struct message_column_row {
    const char *name;
    enum message_column_type type;
    enum message_column_when when;
};
extern const struct message_column_row message_columns[MESSAGE_COLUMNS];

enum { MESSAGE_ROW_MAX = 1024 * 1024 /* bytes of one, in the journal */, MESSAGE_ROW_MEMORY = 512 * 1024 };

struct message_row {
    bool is_news;                              /* of a row that should be there already */
    struct db_value at[MESSAGE_COLUMNS];       /* texts are borrowed */
};

/* Every column at what it is by itself. */
void message_row_init(struct message_row *row);
/* E as a row; its texts live in ARENA or are E's own. False out of memory. NODE: this host's name. */
bool message_row_of(const struct event *e, struct str node, struct arena *arena, struct message_row *row) __attribute__((warn_unused_result));
/* Adds ROW to OUT; what is as by itself is left out. False when it does not fit. */
bool message_row_encode(const struct message_row *row, struct buf *out) __attribute__((warn_unused_result));
/* Texts are borrowed from BYTES. False when it is none, or not whole. */
bool message_row_decode(struct str bytes, struct message_row *row) __attribute__((warn_unused_result));

/* The address as 32 hexadecimal digits (IPv4 as ::ffff:a.b.c.d); "" for family 0. Returns TO. */
enum { MESSAGE_CLIENT_KEY = 33 };
char *message_client_key(const struct ip *ip, char to[MESSAGE_CLIENT_KEY]);

#endif
