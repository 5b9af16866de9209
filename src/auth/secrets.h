/*
 * secrets.h: what this gateway proves with that an address was written by it (auth/sender_tag.h). A file of lines with 64 hexadecimal digits each, '#'
 * comments between: the first signs, all verify, so a new line put on top changes the secret without a gap. Nodes of a cluster have the same file.
 */
#ifndef AUTH_SECRETS_H
#define AUTH_SECRETS_H

#include "base/buf.h"

enum { SECRETS_MAX = 8, SECRET_BYTES = 32 };

struct secrets {
    unsigned char at[SECRETS_MAX][SECRET_BYTES];
    size_t count; /* 1 or more */
};

/* Reads PATH; where it does not exist it is made, with one secret and for its owner only. False with the reason in ERROR. */
bool secrets_load(const char *path, struct secrets *out, struct buf *error) __attribute__((warn_unused_result));

/* HMAC-SHA-256 of PURPOSE, NUL and TEXT under secret I. */
void secrets_hmac(const struct secrets *s, size_t i, const char *purpose, struct str text, unsigned char to[SECRET_BYTES]);

#endif
