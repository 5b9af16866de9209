/*
 * message_journal.h: where rows of the message log wait for the database: files of the state directory, message-log.<16 digits>, each of records that
 * bear their length and a checksum. One thread appends, another reads and gives up what it has read. What append() has taken outlives the
 * process (not a power failure: it is not synced). What waits to be read keeps to a ceiling.
 */
#ifndef STORE_MESSAGE_JOURNAL_H
#define STORE_MESSAGE_JOURNAL_H

#include "base/buf.h"

struct message_journal;

enum { JOURNAL_RECORD_HEADER = 8, JOURNAL_SEGMENT_BYTES = 8 * 1024 * 1024 /* then a new file is begun */, JOURNAL_MOST_SEGMENTS = 65536 };

/* What earlier processes left is read first; what is added goes to a file of its own. NULL with the reason in ERROR. */
struct message_journal *journal_open(const char *directory, uint64_t ceiling_bytes, struct buf *error);
void journal_close(struct message_journal **j);

/* Adds a record to OUT in the form that journal_append() takes. */
bool journal_frame(struct buf *out, struct str record) __attribute__((warn_unused_result));
/* RECORDS: whole ones. False with errno: EDQUOT at the ceiling, else what the file system says; nothing of them is kept then. */
bool journal_append(struct message_journal *j, struct str records) __attribute__((warn_unused_result));

struct journal_position {
    int64_t segment; /* 0: before the first */
    uint64_t offset;
};

/* Begins where earlier reading ended: as the reader has kept it. */
void journal_seek(struct message_journal *j, struct journal_position at);
/*
 * Up to MOST octets of records from where the reader stands, whole ones (at least one, however large), into OUT, and where it stands behind
 * them into *AFTER, which journal_seek() goes to once they are dealt with. 1; 0: there are none now; -1: the file cannot be read (errno). A record that is
 * not whole ends its file: what follows there is skipped, and said.
 */
int journal_read(struct message_journal *j, size_t most, struct buf *out, struct journal_position *after);
/* The next record of what journal_read() gave. */
bool journal_next(struct str *rest, struct str *record);
/* Files before the reader's are no longer needed by anybody. */
void journal_forget(struct message_journal *j);
/* Is there any such file? */
bool journal_has_read_files(struct message_journal *j);

/* Octets that wait to be read. */
uint64_t journal_waiting(struct message_journal *j);

#endif
