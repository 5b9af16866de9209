/* link_parts.h: what the files of link.h share, and nobody else. */
#ifndef MAIL_LINK_PARTS_H
#define MAIL_LINK_PARTS_H

#include "mail/link.h"

#include <libpsl.h>
#include <unicode/uidna.h>
#include <unicode/uspoof.h>

enum {
    LINK_URL_MAX = 2048,        /* octets of a normalised URL */
    LINK_READ_MAX = 1 << 16,    /* octets of a target that are looked at: userinfo may be long to hide the host */
    LINK_HOST_MAX = 253,
    LINK_NESTED_MAX = 8,        /* links found in one */
    LINK_DECODE_ROUNDS = 3
};

struct link_context {
    const psl_ctx_t *suffixes;
    psl_ctx_t *loaded; /* owned; NULL where the built-in list serves */
    UIDNA *idna;
    USpoofChecker *spoof;
};

/* Reads the host as a browser does, into out->host, domain, ip, skeleton, tricks. False where a browser would refuse it. IS_WEB: a scheme with
 * domain names (WHATWG "special"). */
bool link_read_host(struct arena *arena, struct link_context *c, struct str raw, bool is_web, struct link *out);

enum link_find_flag {
    LINK_FIND_BARE = 1,       /* domains without scheme or www., too */
    LINK_FIND_INSIDE = 2      /* *REST moves behind the host only, to see what the path holds */
};
bool link_find(struct arena *arena, struct link_context *c, struct str *rest, unsigned flags, struct link *out);

/* Like link_parse(), but takes "example.com/x" for a link as readers of plain text do. */
bool link_parse_bare(struct arena *arena, struct link_context *c, struct str target, struct link *out);
/* Length of a defanged dot ("[.]", "(dot)") at the start of S, or 0. */
size_t link_defanged_dot(struct str s);
bool link_has_known_suffix(struct link_context *c, struct str ascii_host);

#endif
