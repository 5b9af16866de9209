/*
 * parameter.h: "type/subtype; name=value" of Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2183, RFC 2231), with comments, quoted strings,
 * continuations (name*0, name*1*), charsets and languages, and all the ways in which real and hostile mail gets them wrong.
 * Never an error: what the widest-used readers make of it, and flags for what another reader could read differently. Linear.
 */
#ifndef MAIL_PARAMETER_H
#define MAIL_PARAMETER_H

#include "base/arena.h"

struct charset_context;

enum { PARAMETERS_MAX = 64, PARAMETER_VALUE_MAX = 16384 };

enum parameter_defect {
    PARAMETER_TWICE = 1,             /* a name twice with different values; the first counts (as most readers have it), all are in the list */
    PARAMETER_UNQUOTED = 2,          /* a value with blanks or specials that should have been quoted; it goes on to the semicolon (Outlook, Gmail) */
    PARAMETER_QUOTE_OPEN = 4,        /* a quoted string without its end: the value is all the rest */
    PARAMETER_COMMENT = 8,           /* comments in the field: right, but Outlook and Gmail do not know them */
    PARAMETER_NO_VALUE = 16,         /* name without =, or = without value: not in the list */
    PARAMETER_JUNK = 32,             /* what is no parameter at all */
    PARAMETER_CONTINUATION_GAP = 64, /* *0 missing, a gap, a leading zero, or out of order: all pieces are joined by number */
    PARAMETER_BAD_PERCENT = 128,     /* % without two hex digits: stays */
    PARAMETER_BAD_CHARSET = 256,     /* missing, unknown, or octets that it does not have */
    PARAMETER_ENCODED_WORD = 512,    /* RFC 2047 word inside a parameter (forbidden by its §5, decoded by all) */
    PARAMETER_BOTH_FORMS = 1024,     /* name, name* and name*0 together, with different values: readers differ; name* counts, then name*0 (RFC 6266 §4.3) */
    PARAMETER_8BIT = 2048,           /* raw octets above 127 */
    PARAMETER_CONTROL = 4096,        /* control characters or NUL, raw or encoded; they stay in the value */
    PARAMETER_SLASH = 8192,          /* type without subtype, or more than one slash */
    PARAMETER_NO_SEMICOLON = 16384,  /* two parameters with only a blank between: read as two, by others as one value */
    PARAMETER_CUT = 32768,           /* more parameters or a longer value than the ceilings: the rest is not in the list (PARAMETER_JUNK with it) */
    PARAMETER_QUOTED_EXTENDED = 65536 /* name*="charset'language'…" in quotes: decoded all the same */
};

struct parameter {
    struct str name;  /* lower case, without * */
    struct str value; /* decoded, valid UTF-8; may hold control characters and NUL (PARAMETER_CONTROL) */
    struct str raw;   /* as written, quotes included; the first piece of a continued one */
    struct str charset, language;
    struct parameter *next;
};

struct content_type {
    struct str type, subtype; /* lower case; "" when it cannot be read */
    struct parameter *parameters;
    unsigned defects; /* enum parameter_defect flags, of all of the field */
};

struct disposition {
    struct str kind; /* lower case: attachment, inline, … "" none */
    struct parameter *parameters;
    unsigned defects;
};

/*
 * VALUE is the field's raw value (folded); strings point into it or the arena, so it must live as long. Where the arena is used up, strings and list
 * are short and arena->failed says so.
 */
void content_type_parse(struct arena *arena, struct charset_context *charsets, struct str value, struct content_type *out);
void disposition_parse(struct arena *arena, struct charset_context *charsets, struct str value, struct disposition *out);
/* The first one of that name, or NULL. */
const struct parameter *parameter_find(const struct parameter *list, const char *name);
bool content_type_is(const struct content_type *t, const char *type, const char *subtype /* NULL: any */);

#endif
