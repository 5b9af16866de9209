/* inspect.h: the two shapes in which `postern inspect` shows a report. */
#ifndef CLI_INSPECT_H
#define CLI_INSPECT_H

#include "policy/policy.h"

#include <jansson.h>

/* A new object. */
json_t *inspect_json(const struct scan_report *r, const struct findings *found, const struct policy *p);
void inspect_print(const struct scan_report *r, const struct findings *found, const struct policy *p);

#endif
