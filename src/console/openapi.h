/* openapi.h: docs/openapi.json, which the build puts in. */
#ifndef CONSOLE_OPENAPI_H
#define CONSOLE_OPENAPI_H

#include "base/str.h"

struct str openapi_document(void);

#endif
