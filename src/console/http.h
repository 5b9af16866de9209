/*
 * http.h: requests as libmicrohttpd brings them, gathered whole within ceilings, refused where their framing could be read in two ways, and answered by the API
 * (admin/admin.h) or the public pages (pages.h).
 */
#ifndef CONSOLE_HTTP_H
#define CONSOLE_HTTP_H

#include "admin/admin.h"

#include <microhttpd.h>

struct http; /* what serves */

/* ADMIN stays the caller's, and must outlive it. */
struct http *http_new(struct admin *admin);
void http_free(struct http **h); /* ends all connections */
/* The configuration was read anew. */
void http_configure(struct http *h, struct settings *settings);
/* FD is bound and listening. LOCAL: a UNIX socket, whose peers are known by their user. False with errno. */
bool http_serve(struct http *h, int fd, bool local) __attribute__((warn_unused_result));

#endif
