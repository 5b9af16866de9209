/* sts_parts.h: what the files of MTA-STS share: sts.c (who asks), sts_fetch.c (the thread and its transfers), sts_file.c (across restarts). */
#ifndef COURIER_STS_PARTS_H
#define COURIER_STS_PARTS_H

#include "base/hash.h"
#include "base/list.h"
#include "courier/sts.h"

#include <curl/curl.h>
#include <pthread.h>

enum { STS_DOMAIN_MAX = 255, STS_MOST_ENTRIES = 20000, STS_MOST_TRANSFERS = 16, STS_WHY_MAX = 200 };
enum { STS_RETRY_MS = 5 * 60 * 1000 /* RFC 8461 §3.3 */, STS_REFRESH_MS = 24 * 3600 * 1000 };

#define STS_UNUSED_MS (30LL * 24 * 3600 * 1000) /* a policy that nobody asked for so long is not kept fresh */

/* What is known of one domain. Times on the wall clock, since they outlive the process. */
struct sts_entry {
    struct hash_node node;
    struct list used;          /* least recently used first */
    struct list wanted;        /* in the list of those to fetch, or alone */
    char domain[STS_DOMAIN_MAX + 1];
    char id[STS_ID_MAX + 1];   /* of the TXT record when the policy was fetched */
    struct sts_policy policy;
    bool has_policy;
    int64_t fetched_ms, used_ms;
    char tried_id[STS_ID_MAX + 1]; /* the last fetch, whatever came of it */
    int64_t tried_ms;          /* 0: never */
    char trouble[STS_WHY_MAX]; /* why it failed; "": it did not */
    bool is_wanted;            /* a fetch is due or under way */
    unsigned waiting;          /* threads that hold it: it must not go */
};

struct sts {
    struct dns *dns;
    char roots[256], path[300];
    uint16_t port;
    int64_t timeout_ms;
    struct tls_reports *reports;
    pthread_t thread;
    CURLM *multi;
    pthread_mutex_t lock;      /* guards all below, and the entries */
    pthread_cond_t fetched;
    struct hash_table table;
    struct list used, wanted;
    size_t count;
    bool stop, is_changed;
};

/* sts.c; under the lock */
struct sts_entry *sts_entry_find(struct sts *s, const char *domain);
struct sts_entry *sts_entry_make(struct sts *s, const char *domain); /* NULL out of memory */
bool sts_entry_holds(const struct sts_entry *e, int64_t wall_ms);    /* a policy that has not expired */
void sts_entry_want(struct sts *s, struct sts_entry *e, const char *id);
void sts_take_policy(struct sts *s, struct sts_entry *e, struct sts_policy *take, int64_t wall_ms);

/* sts_fetch.c */
void *sts_thread(void *arg);

/* sts_file.c */
void sts_file_read(struct sts *s);
void sts_file_write(struct sts *s); /* takes the lock itself */

#endif
