/* setting_parts.h: what the files behind settings.h share; nobody else includes it. */
#ifndef CATALOG_SETTING_PARTS_H
#define CATALOG_SETTING_PARTS_H

#include "catalog/settings.h"

/* Frees all that P owns. */
void policy_clear(struct policy *p);

/* Why a value of the right type is none all the same, and WHICH entry; NULL where it is fine. */
const char *setting_outgoing_is_wrong(enum setting s, const struct setting_value *v, const char **which);

/* POSIX patterns are compiled by copying what + and {n,m} repeat: nested, that takes memory without end. True where PATTERN asks for at most a few thousand copies. */
bool pattern_is_modest(const char *pattern);

#endif
