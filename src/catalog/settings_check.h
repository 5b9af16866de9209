/* settings_check.h: what makes sense only together, or needs a closer look than type and bounds. */
#ifndef CATALOG_SETTINGS_CHECK_H
#define CATALOG_SETTINGS_CHECK_H

#include "catalog/settings.h"

/* False with all that is wrong in ERROR, a line each. */
bool settings_check(const struct settings *s, struct buf *error);

#endif
