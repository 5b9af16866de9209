/*
 * directory_sync.h: the mailboxes of a domain from its LDAP directory (settings ldap_…). Rows that came from there follow it; others stay. One that fails, or has
 * fewer than half of the mailboxes that it had, removes nobody. What became of it stands in the table directory_sync.
 */
#ifndef STORE_DIRECTORY_SYNC_H
#define STORE_DIRECTORY_SYNC_H

#include "catalog/settings.h"
#include "store/mailboxes.h"

struct directory_outcome {
    bool succeeded;              /* all of it was read, and the store follows it */
    bool is_suspicious;          /* it was read, but nobody was removed: too few */
    int64_t found, left_out;     /* mailboxes; addresses that another's row is in the way of, or that stand there twice */
    struct mailbox_changes changes;
    char error[600];             /* "" none */
};

struct directory_wish {
    bool force;                  /* few are believed, too */
    bool dry_run;                /* nothing is changed */
    struct str actor, reason;    /* for the trail */
    bool (*is_over)(void *arg);  /* true: give up */
    void *arg;
};

/* Has the domain a directory, as DOMAIN's policy says? */
bool directory_is_set(const struct domain *domain);
/* Asks it and makes the store follow. DOMAIN is a snapshot's; it must have a number in the store. False: the store failed, with the reason in OUT. */
bool directory_sync(struct db *d, const struct settings *settings, const struct domain *domain, const struct directory_wish *wish, struct directory_outcome *out)
    __attribute__((warn_unused_result));

#endif
