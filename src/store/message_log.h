/*
 * message_log.h: the message log in the store: a row of table message for each recipient of each message and for each attempt that was refused, kept
 * up to date by what becomes of it; searched by message_search.h.
 *
 * Mail never waits for it. message_log_add() turns the event into a row in memory; a thread appends what has gathered to the journal
 * (message_journal.h) several times a second, so that a killed process loses what came in the last moment at most; another, with a low
 * scheduling priority, takes rows from there into the database, many in one transaction that also notes how far it came: each row gets there once. When the database
 * is slow, locked or gone, the journal grows, and is caught up with later, by the next process too. Only when it is at its ceiling, or cannot be written,
 * are rows dropped once memory's share is full: counted, and said.
 *
 * Its connection commits without waiting for the disk (db_hurry()): a power failure may cost the last rows of the log, never mail. A file of the journal
 * goes away only after a commit that did wait.
 */
#ifndef STORE_MESSAGE_LOG_H
#define STORE_MESSAGE_LOG_H

#include "catalog/settings.h"
#include "store/event_log.h"

struct message_log;

struct message_log_options {             /* borrowed for the call, but for settings */
    const char *store_path;              /* a database in its present format */
    const char *directory;               /* of the journal */
    const char *node;                    /* this host's name */
    uint64_t journal_bytes_max;
    struct settings_holder *settings;    /* log_retention; NULL: nothing is removed */
};

struct message_log *message_log_open(const struct message_log_options *options, struct buf *error); /* NULL with the reason in ERROR */
/* Writes what waits, for a few seconds at most; the rest stays in the journal for the next process. */
void message_log_close(struct message_log **l);
void message_log_add(struct message_log *l, const struct event *e); /* never waits */
/* Waits until all that was added is in the database; false where it is not within TIMEOUT. */
bool message_log_flush(struct message_log *l, int64_t timeout_ms);

struct message_log_stats {
    uint64_t written;        /* rows, and news of rows, since the start */
    uint64_t dropped;        /* for want of room */
    uint64_t damaged;        /* that could not be read from the journal, or that the database did not take */
    uint64_t waiting_bytes;  /* in the journal */
    bool failing;            /* the database does not take them now */
};
void message_log_stats(struct message_log *l, struct message_log_stats *out);

#endif
