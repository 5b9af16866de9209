/*
 * html.h: what a reader sees of an HTML part, and what it does not. A streaming tokenizer after the HTML standard's states (not a tree builder): linear time, memory bounded by the ceilings, whatever comes.
 */
#ifndef MAIL_HTML_H
#define MAIL_HTML_H
#include "base/arena.h"
enum html_hidden { HIDDEN_DISPLAY_NONE = 1, HIDDEN_VISIBILITY = 2, HIDDEN_FONT_SIZE = 4, HIDDEN_COLOUR = 8 /* text colour equals or nearly equals its background */, HIDDEN_OPACITY = 16, HIDDEN_OFF_SCREEN = 32, HIDDEN_SIZE = 64 /* max-height/width 0, overflow hidden */, HIDDEN_ATTRIBUTE = 128 /* hidden, aria… */, HIDDEN_COMMENT = 256, HIDDEN_MSO = 512 };
enum html_feature { HTML_SCRIPT = 1, HTML_EVENT_HANDLER = 2, HTML_FORM = 4, HTML_PASSWORD_FIELD = 8, HTML_IFRAME = 16, HTML_OBJECT = 32, HTML_META_REFRESH = 64, HTML_BASE = 128, HTML_SVG = 256, HTML_DATA_URL = 512, HTML_STYLE_BLOCK = 1024, HTML_REMOTE_IMAGE = 2048, HTML_CID_IMAGE = 4096, HTML_TINY_IMAGE = 8192 /* 1×1 */, HTML_OBFUSCATED = 16384 /* long runs of entities for plain letters, comments inside words, escaped script */, HTML_UNTERMINATED = 32768 /* a tag, comment or quote that never ends: readers differ */, HTML_NUL = 65536, HTML_JAVASCRIPT_URL = 131072, HTML_CEILING = 262144, HTML_TABLE = 524288 };
enum html_link_kind { LINK_ANCHOR, LINK_IMAGE, LINK_FORM, LINK_FRAME, LINK_META, LINK_AREA, LINK_STYLE, LINK_OTHER };
struct html_link { enum html_link_kind kind; struct str target /* entities decoded, blanks and controls removed as browsers do (URL standard), resolved against base href where relative */; struct str shown /* visible text inside, trimmed, cut at 512 */; bool hidden; struct html_link *next; };
struct html_limits { size_t visible_bytes, hidden_bytes; uint32_t links; uint16_t depth /* of the style stack; deeper elements inherit the deepest's style */; };
/* Called for each start tag and attribute in order, for the classifier's tokens; NULL: not wanted. NAME lower case. */
typedef void html_visit(void *arg, struct str tag, struct str attribute, struct str value);
struct html_result {
    struct str visible;   /* UTF-8; block elements separate by \n, inline ones by nothing; blanks collapsed; script, style, title, comments dropped */
    struct str hidden; unsigned hidden_why;
    struct str title; struct str base;
    unsigned features;
    struct html_link *links; uint32_t link_count, links_dropped;
    uint32_t image_count, tag_count, max_depth;
    size_t plain_letters_as_entities;
};
/* TEXT is UTF-8 (see charset.h). */
void html_read(struct arena *arena, struct str text, const struct html_limits *limits, html_visit *visit, void *arg, struct html_result *out);
/* Looks for <meta charset>/http-equiv in the first 1,024 octets of raw BYTES; "" none. */
struct str html_meta_charset(struct str bytes);
#endif
