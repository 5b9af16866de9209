/*
 * html_token.h: HTML as tokens, after the tokenizer of the HTML standard (§13.2.5) as far as it decides what is text, tag, attribute and comment. Every
 * octet is looked at a bounded number of times; nothing is allocated.
 */
#ifndef MAIL_HTML_TOKEN_H
#define MAIL_HTML_TOKEN_H

#include "base/buf.h"

enum html_tag {
    TAG_OTHER,
#define TAG(id, name, flags) TAG_##id,
#include "mail/html_tags.def"
#undef TAG
    TAG_COUNT
};

enum html_tag_flag {
    TAG_IS_BLOCK = 1,
    TAG_IS_CELL = 2,
    TAG_IS_VOID = 4,
    TAG_IS_RAW = 8,
    TAG_IS_RCDATA = 16,
    TAG_IS_SILENT = 32,
    TAG_IS_FORMAT = 64,
    TAG_IS_MARKER = 128,
    TAG_IS_CLOSES_P = 256,
    TAG_IS_INLINE = 512
};

enum html_attribute_id {
    ATTRIBUTE_OTHER,
#define ATTRIBUTE(id, name, flags) ATTRIBUTE_##id,
#include "mail/html_attributes.def"
#undef ATTRIBUTE
    ATTRIBUTE_COUNT
};

enum { HTML_NAME_MAX = 31, HTML_ATTRIBUTES_MAX = 40 /* those that matter may come on top, each once */ };

struct html_attribute {
    enum html_attribute_id id;
    uint8_t name_len;
    char name[HTML_NAME_MAX + 1]; /* lower case, cut */
    struct str value;             /* raw: entities not decoded */
};

enum html_token_kind {
    TOKEN_END,     /* of the input */
    TOKEN_TEXT,
    TOKEN_START,
    TOKEN_CLOSE,   /* an end tag */
    TOKEN_COMMENT, /* text: between <!-- and --> */
    TOKEN_BOGUS,   /* doctype, <? …>, </ …>, <![if …]>: not shown */
    TOKEN_CUT      /* text: a tag, comment, script … that never ends, up to the end of the input; browsers show nothing of it */
};

struct html_token {
    enum html_token_kind kind;
    enum html_tag tag;
    struct str name;        /* of a tag: lower case, cut, valid until the next call */
    struct str text;        /* TEXT: raw, see has_entities. COMMENT, BOGUS, CUT: the inside */
    bool has_entities;      /* TEXT: & is to be decoded */
    bool is_self_closing;
    bool attributes_dropped; /* more than HTML_ATTRIBUTES_MAX */
    unsigned attribute_count;
    uint64_t seen;           /* bits of enum html_attribute_id */
    struct html_attribute attributes[HTML_ATTRIBUTES_MAX + ATTRIBUTE_COUNT];
};

struct html_tokenizer {
    const char *at, *end;
    enum html_tag raw_tag;       /* not TAG_OTHER: inside of script, style, title … */
    char name[HTML_NAME_MAX + 1];
    bool is_foreign;             /* the caller says: inside of svg or math, where CDATA is text */
};

struct html_tokenizer html_tokenizer(struct str text);
/* The next token; false at the end. T is filled where its kind says so, not cleared. */
bool html_token_next(struct html_tokenizer *z, struct html_token *t);

unsigned html_tag_flags(enum html_tag tag);
bool html_attribute_is_url(enum html_attribute_id id);
/* The first of that name (later ones do not count), or NULL. */
const struct html_attribute *html_token_attribute(const struct html_token *t, enum html_attribute_id id);

/*
 * The character reference at AT, which is '&': code points into CODES (the second 0 where there is one only), and the octets it takes; 0 where it is none.
 * In an attribute, old names without semicolon are left alone before = and letters (§13.2.5.73).
 */
size_t html_entity(const char *at, const char *end, bool in_attribute, uint32_t codes[2]);
/*
 * VALUE with its references decoded and NUL dropped: itself where there are none, else in SCRATCH, which is cleared first (and `failed` where that is too
 * small: then it is cut, not inside a character). PLAIN, if not NULL, is raised by the number of ASCII letters and digits that came as references.
 */
struct str html_attribute_decode(struct str value, struct buf *scratch, size_t *plain);
bool html_code_is_plain(const uint32_t codes[2]);

#endif
