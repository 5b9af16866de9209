/* callout_parts.h: what the files of callouts share. */
#ifndef COURIER_CALLOUT_PARTS_H
#define COURIER_CALLOUT_PARTS_H

#include "base/hash.h"
#include "base/list.h"
#include "courier/callout.h"

#include <pthread.h>

enum { CALLOUT_KEY_MAX = 340, CALLOUT_TEXT_KEPT = 200 };

/* An address, or a whole domain: key "r:local@domain", "s:local@domain", "d:domain". The domain is lower case, the local part as written. */
struct callout_entry {
    struct hash_node node;
    struct list used;        /* least recently used first */
    enum callout_result result; /* of a domain: does it take any address? */
    int64_t asked_ms;        /* wall clock */
    char key[];              /* NUL-terminated; behind it what the destination said, NUL-terminated */
};

/* A destination that is being asked, or was found down: a domain, or the host that many of them may share ("192.0.2.1:25"). */
struct callout_slot {
    struct hash_node node;
    struct list list;
    char domain[256];
    unsigned users;          /* threads that hold it */
    unsigned active, waiting;
    int64_t down_until_ms;   /* monotonic */
    char down_text[256];
};

/* A question under way. */
struct callout_question {
    struct list list;
    const char *key;
    struct callout_answer answer;
    bool done;
    unsigned refs;           /* who asks, and who waits for the same */
};

struct callouts {
    struct courier *courier;
    pthread_mutex_t lock;    /* guards all below */
    pthread_cond_t changed;
    struct hash_table entries, slots;
    struct list used, questions, all_slots;
    size_t count, most;
    uint64_t changes;        /* of what is kept */
    bool stopping;
    pthread_cond_t stop;
    pthread_t keeper;        /* where there is a path */
    char *path;              /* owned; NULL: nothing is kept */
};

struct callout_entry *callout_find(struct callouts *c, const char *key);
/* Replaces what was there. Out of memory: nothing is remembered. */
void callout_remember(struct callouts *c, const char *key, enum callout_result result, int64_t asked_ms, const char *text);
void callout_forget(struct callouts *c, struct callout_entry *e);
const char *callout_entry_text(const struct callout_entry *e);
void callout_domain_key(struct str domain, char to[CALLOUT_KEY_MAX]);

/* A turn at HOST, of which MOST may be taken at once; waited for until the deadline, unless too many wait. Without *TIMELY there is none, and HOST is left
 * alone. NULL with *TIMELY: out of memory, and it goes without. */
struct callout_slot *callout_host_begin(struct callouts *c, const char *host, unsigned most, int64_t deadline_ms, bool *timely);
void callout_host_end(struct callouts *c, struct callout_slot *slot); /* SLOT may be NULL */

/* callout_probe.c: the dialogue itself. *CATCH_ALL: UNKNOWN where it is to be found out, and then what was. */
void callout_probe(struct courier *c, const struct settings *settings, const struct address *who, enum callout_kind kind, enum callout_result *catch_all,
                   struct callout_answer *out);

#endif
