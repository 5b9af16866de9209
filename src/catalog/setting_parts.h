/* setting_parts.h: what the files behind settings.h share; nobody else includes it. */
#ifndef CATALOG_SETTING_PARTS_H
#define CATALOG_SETTING_PARTS_H

#include "catalog/settings.h"

/* Frees all that P owns. */
void policy_clear(struct policy *p);

#endif
