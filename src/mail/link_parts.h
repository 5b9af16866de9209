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
    LINK_FIND_BARE = 1,  /* domains without scheme or www., too */
    LINK_FIND_HOSTS = 2, /* only the host is read, and REST moves behind it, so that the path is searched, too */
    LINK_FIND_ALONE = 4  /* what is searched was not cut out of a sentence */
};

struct find {
    struct str rest;  /* still to be searched */
    unsigned flags;   /* enum link_find_flag */
    uint32_t refused; /* names that cost much and came to nothing */
    struct str raw;   /* the link found, as it is written: a part of what was given */
};

/* The next link; f->rest advances. False at the end. */
bool link_find(struct arena *arena, struct link_context *c, struct find *f, struct link *out);
/* RUN is a run of host characters, BEHIND all that follows it. */
bool link_take_bare(struct arena *arena, struct link_context *c, struct str run, struct str behind, struct find *f, struct link *out);
/* The host of S ends at END and is in OUT: takes what follows, where it GOES_ON. */
bool link_take_rest(struct arena *arena, struct link_context *c, struct str s, size_t end, bool goes_on, struct find *f, struct link *out);
/* RUN without signs of other scripts or symbols stuck to its last label. */
struct str link_peel_end(struct str run);
/* Octets of ":80" at the start of S, or 0. */
size_t link_port_length(struct str s);
size_t link_url_length(struct str s);
bool link_is_wide_dot(uint32_t c);
/* UTS 46 drops it from names. */
bool link_is_ignored(uint32_t c);

/* Like link_parse(), but takes "example.com/x" for a link as readers of plain text do. */
bool link_parse_bare(struct arena *arena, struct link_context *c, struct str target, struct link *out);
/* Length of a defanged dot ("[.]", "(dot)") at the start of S, or 0. */
size_t link_defanged_dot(struct str s);
bool link_has_known_suffix(struct link_context *c, struct str ascii_host);

#endif
