/* settings_check.h: what makes sense only together, or needs a closer look than type and bounds. */
#ifndef CATALOG_SETTINGS_CHECK_H
#define CATALOG_SETTINGS_CHECK_H

#include "catalog/settings.h"

/* False with all that is wrong in ERROR, a line each. */
bool settings_check(const struct settings *s, struct buf *error);

/* The finer grammar of one value, where its type alone does not tell; false with the reason in ERROR. For who takes values one by one and can leave a bad one out. */
bool setting_value_check(enum setting id, const struct setting_value *v, struct buf *error);

#endif
