/*
 * tls_policy.h: one entry of the setting tls_policies, "destination=level" or "destination=level:name:name": what TLS a destination must show.
 * Pure; the courier decides by it (courier/security.h).
 */
#ifndef CATALOG_TLS_POLICY_H
#define CATALOG_TLS_POLICY_H

#include "catalog/settings.h"

enum { TLS_POLICY_NAMES_MAX = 4 };

struct tls_policy {
    struct str domain; /* lower or upper case; ".example.net" for all that is below example.net */
    struct str level;  /* one of the choices of destination_tls */
    struct str names[TLS_POLICY_NAMES_MAX]; /* for verify and secure: whom the certificate may be for instead; ".example.net": any name directly below */
    size_t name_count;
};

/* Texts are borrowed from ENTRY. False with the reason in ERROR (may be NULL). */
bool tls_policy_parse(struct str entry, struct tls_policy *out, struct buf *error) __attribute__((warn_unused_result));
/* The entry for DOMAIN: its own, else that of the nearest domain above. False: there is none. */
bool tls_policy_find(const struct setting_list *list, struct str domain, struct tls_policy *out);

#endif
