/*
 * directory.h: what an LDAP directory (RFC 4511) knows: one search of a whole subtree, in pages (RFC 2696), over TLS. Nothing of it is believed: entries,
 * values and time have ceilings, and a search that is not complete has failed. Referrals are not followed.
 */
#ifndef NET_DIRECTORY_H
#define NET_DIRECTORY_H

#include "base/buf.h"

enum { DIRECTORY_ATTRIBUTES_MAX = 16, DIRECTORY_VALUES_MAX = 1000, DIRECTORY_VALUE_MAX = 1000 };

struct directory_search {
    const char *url;                /* ldap://host[:port] or ldaps://host[:port] */
    bool tls;                       /* ldap:// turns to TLS before anything is said, or fails */
    const char *roots;              /* PEM file of the authorities that its certificate is checked against */
    const char *bind_dn;            /* "": anonymous */
    struct str password;
    const char *base, *filter;
    const char *const *attributes;
    size_t attribute_count;
    size_t most;                    /* entries */
    bool (*is_over)(void *arg);     /* asked about once a second: true gives up */
    /* An entry's values, of all attributes in the order of their names above; borrowed for the call. False gives up, with the reason said by the one who does. */
    bool (*entry)(void *arg, const struct str *values, size_t count);
    void *arg;
};

/* Is URL one that a search takes? */
bool directory_url_is_fine(struct str url);
/* False, with the reason in ERROR: it is not reached, refuses, or its answer is not complete. Entries may have come by then. */
bool directory_ask(const struct directory_search *s, struct buf *error) __attribute__((warn_unused_result));

#endif
