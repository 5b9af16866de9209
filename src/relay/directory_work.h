/* directory_work.h: domains whose mailboxes stand in an LDAP directory follow it, by a thread of the relay's: each when its ldap_interval is over. */
#ifndef RELAY_DIRECTORY_WORK_H
#define RELAY_DIRECTORY_WORK_H

#include "relay/parts.h"

/* NULL with the reason in ERROR. */
struct directory_work *directory_work_start(struct relay *r, const struct policy *p, struct buf *error);
/* Gives up what is under way within some seconds. */
void directory_work_stop(struct directory_work **w);

#endif
