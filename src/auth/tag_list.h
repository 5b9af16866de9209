/* tag_list.h: "name=value; name=value" of DKIM signatures, keys and ARC (RFC 6376 §3.2). Values keep their folding white space. */
#ifndef AUTH_TAG_LIST_H
#define AUTH_TAG_LIST_H

#include "base/str.h"

enum { TAGS_MAX = 64 };

struct tag_list {
    struct { struct str name, value; } at[TAGS_MAX];
    size_t count;
};

/* False when TEXT is no tag list, a tag stands twice, or there are more than TAGS_MAX. A final ';' is fine. */
bool tag_list_parse(struct str text, struct tag_list *out) __attribute__((warn_unused_result));
/* at == NULL: not there. */
struct str tag_find(const struct tag_list *list, const char *name);
/* Folding white space at both ends taken off. */
struct str tag_trim(struct str s);
/* Base64 with folding white space anywhere, into TO. False when it is none, or longer than SIZE. */
bool tag_base64(struct str value, unsigned char *to, size_t size, size_t *len) __attribute__((warn_unused_result));

#endif
