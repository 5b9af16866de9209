/* parameter_parts.h: between parameter.c, which reads a field into segments, and parameter_join.c, which makes values of them. */
#ifndef MAIL_PARAMETER_PARTS_H
#define MAIL_PARAMETER_PARTS_H

#include "mail/parameter.h"

struct segment {
    struct str name;  /* lower case, without stars */
    struct str text;  /* without quotes, backslashes and folds */
    struct str raw;
    struct str whole; /* of a quoted string with more behind it: all up to the semicolon; else empty */
    uint32_t section; /* name*SECTION, where has_section */
    bool has_section;
    bool is_extended; /* a star at the end */
    bool is_quoted;
    bool is_joined;   /* done with */
};

struct segments {
    struct arena *arena;
    struct charset_context *charsets;
    struct segment at[PARAMETERS_MAX];
    size_t count;
    unsigned defects;
};

struct parameter *parameter_join(struct segments *list);
/* Raw TEXT as valid UTF-8, with its defects noted. */
struct str parameter_text(struct segments *list, struct str text);
/* ASCII lower case; S itself where it is so already. */
struct str parameter_lower(struct segments *list, struct str s);

#endif
