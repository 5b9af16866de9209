/*
 * mailboxes.h: the mailboxes of a domain as somebody else keeps them: in a file (CSV) or a directory (LDAP). A set of them is built, then the store follows it: rows that came
 * from there (`source`) and are in it no more go, new ones come, and what was made by hand or came from elsewhere is left alone.
 */
#ifndef STORE_MAILBOXES_H
#define STORE_MAILBOXES_H

#include "mail/address.h"
#include "store/db.h"

enum { MAILBOXES_MOST = 1000000 /* addresses of one domain */ };

/* The local part TEXT, as an address has it, as the store keeps it: without quotes, lower case. False: it is none. */
bool mailbox_local_normal(struct str text, char to[LOCAL_PART_MAX + 1]) __attribute__((warn_unused_result));
/* The way back: with quotes where it needs them. False: OUT is full. */
bool mailbox_local_write(struct str local, struct buf *out);
/* The same of a local part or an address, which must be one of the domain or of an alias of it. */
bool mailbox_local_of(struct db *d, int64_t domain, struct str text, char to[LOCAL_PART_MAX + 1]) __attribute__((warn_unused_result));
/* Removes one with all that is set for it, within the caller's transaction. */
enum db_result mailbox_remove(struct db *d, int64_t id) __attribute__((warn_unused_result));

struct mailbox_set;
struct mailbox_set *mailbox_set_new(void); /* NULL out of memory */
void mailbox_set_free(struct mailbox_set **s);
/* A mailbox, or another local part of the mailbox that was added last. LINE says where it stands. False: too many, or out of memory. */
bool mailbox_set_add(struct mailbox_set *s, const char *local, bool is_alias, size_t line) __attribute__((warn_unused_result));
size_t mailbox_set_mailboxes(const struct mailbox_set *s); /* without aliases */

/* LOCAL, from LINE, is left out; WHAT says why. */
typedef void mailbox_trouble(void *arg, size_t line, const char *local, const char *what);

struct mailbox_changes {
    int64_t added, removed, kept;                         /* mailboxes */
    int64_t aliases_added, aliases_removed, aliases_kept;
};

/*
 * Makes the rows of DOMAIN that came from SOURCE those of S, within the caller's transaction. Unless MAY_REMOVE nobody goes. A local part that stands twice in S, or is
 * in the way of another's row, is TROUBLE, and left out. The caller calls schema_touch() where something changed.
 */
enum db_result mailboxes_follow(struct db *d, int64_t domain, const char *source, struct mailbox_set *s, bool may_remove, struct mailbox_changes *out,
                                mailbox_trouble *trouble, void *arg) __attribute__((warn_unused_result));
/* How many mailboxes of DOMAIN came from SOURCE; -1: the store does not say. */
int64_t mailboxes_count(struct db *d, int64_t domain, const char *source);

/*
 * Reads CSV: a mailbox a line (its local part, or its address in the domain), and behind it others separated by blanks; a first line of names is skipped. What is wrong
 * is TROUBLE, with the rest read on. False: out of memory, or too many, or the text is no CSV from a line on, which is TROUBLE too.
 */
bool mailboxes_read_csv(struct db *d, int64_t domain, struct str text, struct mailbox_set *into, mailbox_trouble *trouble, void *arg)
    __attribute__((warn_unused_result));

#endif
