/* dkim_canonical.h: what is signed: header fields and body in their simple and relaxed forms (RFC 6376 §3.4). Lines end in CR LF. */
#ifndef AUTH_DKIM_CANONICAL_H
#define AUTH_DKIM_CANONICAL_H

#include "base/str.h"

/* Takes a piece of canonical bytes. */
typedef void dkim_take(void *arg, const char *at, size_t len);

/* FIELD: name to the end of its value, with or without its final CR LF. The canonical field goes to TAKE, with CR LF at its end where ENDS. */
void dkim_canonical_field(struct str field, bool relaxed, bool ends, dkim_take *take, void *arg);
/* The whole body. Linear, in pieces. */
void dkim_canonical_body(struct str body, bool relaxed, dkim_take *take, void *arg);

#endif
