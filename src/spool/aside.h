/*
 * aside.h: messages that scan did not survive. The first time says little: a process may die for other reasons. A message that killed or hung
 * scan twice, octet by octet the same, is kept in <spool_directory>/aside for the operator: REFERENCE.eml as it came, REFERENCE.json with its
 * envelope. It is a copy: its sender was answered 451 each time and still has it. For the next hour it is not read again, so that its
 * retries do not cost a process each.
 */
#ifndef SPOOL_ASIDE_H
#define SPOOL_ASIDE_H

#include "base/blob.h"

#include <stddef.h>
#include <stdint.h>

struct aside;
/* MOST messages are kept, then the oldest goes. The folder is made with the first of them. NULL: out of memory. */
struct aside *aside_new(const char *spool_directory, size_t most);
void aside_free(struct aside **a);

/* Has MESSAGE (sealed) done it twice, the last time less than an hour ago? Costs nothing as long as no message has. */
bool aside_holds(struct aside *a, const struct blob *message);

struct aside_envelope {
    const char *reference, *client, *helo, *why;
    struct str sender;
    const struct str *recipients;
    size_t recipient_count;
    int64_t received_ms;
};
enum aside_result { ASIDE_FIRST, ASIDE_KEPT, ASIDE_FAILED /* it is the second time, but it could not be written; said in the log */ };
/* MESSAGE has just killed or hung scan. */
enum aside_result aside_harmed(struct aside *a, const struct blob *message, const struct aside_envelope *envelope);

#endif
