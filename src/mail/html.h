/*
 * html.h: what a reader sees of an HTML part, and what it does not. Tokens after the HTML standard's states, a bounded stack of inherited style, no tree:
 * linear time, memory bounded by the ceilings, whatever comes.
 */
#ifndef MAIL_HTML_H
#define MAIL_HTML_H

#include "base/arena.h"

enum html_hidden { /* why a text is not seen */
    HIDDEN_DISPLAY_NONE = 1,
    HIDDEN_VISIBILITY = 2,
    HIDDEN_FONT_SIZE = 4,   /* under 3 px */
    HIDDEN_COLOUR = 8,      /* text colour equals or nearly equals its background (see html_colour.h) */
    HIDDEN_OPACITY = 16,    /* under 0.1 */
    HIDDEN_OFF_SCREEN = 32, /* 500 px or more to the left of the page or above it */
    HIDDEN_SIZE = 64,       /* in a box of no width or height that clips; clipped away; scaled to nothing */
    HIDDEN_ATTRIBUTE = 128, /* hidden */
    HIDDEN_COMMENT = 256,   /* in a tag, comment or script that never ends: another reader may show it */
    HIDDEN_MSO = 512        /* in a conditional comment: Outlook alone shows it */
};

enum html_feature {
    HTML_SCRIPT = 1,
    HTML_EVENT_HANDLER = 2,
    HTML_FORM = 4,
    HTML_PASSWORD_FIELD = 8,
    HTML_IFRAME = 16,
    HTML_OBJECT = 32,
    HTML_META_REFRESH = 64,
    HTML_BASE = 128,
    HTML_SVG = 256,
    HTML_DATA_URL = 512,
    HTML_STYLE_BLOCK = 1024,
    HTML_REMOTE_IMAGE = 2048,
    HTML_CID_IMAGE = 4096,
    HTML_TINY_IMAGE = 8192,       /* 1×1 or smaller */
    HTML_OBFUSCATED = 16384,      /* many plain letters as entities; words cut by comments, unknown tags or hidden text; script that decodes itself */
    HTML_UNTERMINATED = 32768,    /* a tag, comment or quote that never ends: readers differ */
    HTML_NUL = 65536,
    HTML_JAVASCRIPT_URL = 131072,
    HTML_CEILING = 262144,        /* some ceiling was reached */
    HTML_TABLE = 524288
};

enum html_link_kind { LINK_ANCHOR, LINK_IMAGE, LINK_FORM, LINK_FRAME, LINK_META, LINK_AREA, LINK_STYLE, LINK_OTHER };

const char *html_link_kind_name(unsigned kind); /* "anchor", …; "other" where it is none */

enum { HTML_TARGET_MAX = 4096, HTML_SHOWN_MAX = 512 }; /* octets */

struct html_link {
    enum html_link_kind kind;
    struct str target; /* entities decoded, outer blanks and inner tabs and newlines gone (URL standard), resolved against base href where relative; cut */
    struct str shown;  /* ANCHOR: the visible text inside on one line, else an image's alt text; cut */
    bool hidden;       /* nothing of it can be seen */
    size_t seen_from, seen_to; /* ANCHOR: where its text stands in `visible`; equal where there is none */
    struct html_link *next;
};

struct html_limits {
    size_t visible_bytes, hidden_bytes;
    uint32_t links;
    uint16_t depth; /* of the style stack, at least 8; deeper elements inherit the deepest's style */
};

/*
 * Called for each start tag (ATTRIBUTE "") and each of its attributes in order, for the classifier's tokens; NULL: not wanted. Names in lower case, cut at
 * 31 octets; VALUE decoded. All are valid during the call only.
 */
typedef void html_visit(void *arg, struct str tag, struct str attribute, struct str value);

struct html_result { /* all strings in the arena */
    struct str visible;   /* UTF-8; block elements separate by \n, table cells by a blank, inline ones by nothing; blanks collapsed; script, style, title, comments dropped */
    struct str hidden;
    unsigned hidden_why;  /* enum html_hidden, of what is in `hidden` */
    struct str title, base;
    unsigned features;    /* enum html_feature */
    struct html_link *links;
    uint32_t link_count, links_dropped;
    uint32_t image_count, tag_count, max_depth;
    uint32_t split_words; /* by comments, unknown tags or hidden text */
    size_t plain_letters_as_entities; /* but for addresses in mailto links */
};

/* TEXT is UTF-8 (see charset.h). */
void html_read(struct arena *arena, struct str text, const struct html_limits *limits, html_visit *visit, void *arg, struct html_result *out);
/* Looks for <meta charset>/http-equiv in the first 1,024 octets of raw BYTES; "" none. Points into BYTES, or is "utf-8" where that names UTF-16. */
struct str html_meta_charset(struct str bytes);

#endif
