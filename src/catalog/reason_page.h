/* reason_page.h: the prose of docs/reasons/<slug>.md, compiled in by the build for the public pages and `postern explain`. */
#ifndef CATALOG_REASON_PAGE_H
#define CATALOG_REASON_PAGE_H

#include "catalog/reason.h"

struct reason_page {
    const char *slug;
    const char *title;
    const char *html; /* the page's body, without head and foot; escaped */
    const char *text; /* plain, wrapped, for a terminal */
};

/* Never NULL: the build fails where a row has no page. R is not REASON_NONE. */
const struct reason_page *reason_page(enum reason r);

#endif
