/*
 * large_senders.h: senders so large that they need no introduction (src/policy/large-senders, or the operator's own file). Immutable once loaded;
 * swapped on reload.
 */
#ifndef POLICY_LARGE_SENDERS_H
#define POLICY_LARGE_SENDERS_H

#include "base/buf.h"
#include "net/ip.h"

extern const char large_senders_shipped[]; /* the list of this build */

struct large_senders;
/* PATH "": the shipped list. NULL with "file:line: reason" in ERROR. */
struct large_senders *large_senders_load(const char *path, struct buf *error);
void large_senders_free(struct large_senders **l);

bool large_senders_have_client(const struct large_senders *l, const struct ip *client);
/* NAME must be proven: a PTR that leads back, or a domain that passed SPF. The entry that fits, or NULL. */
const char *large_senders_name(const struct large_senders *l, struct str name);

#endif
