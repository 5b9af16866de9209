/* check.h: the headers that cmocka wants before its own. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A file of the public test material into TO; false where it is not at hand. */
static inline int conformance_path(const char *name, char *to, size_t size)
{
    const char *base = getenv("POSTERN_CONFORMANCE");
    FILE *f;

    snprintf(to, size, "%s/%s", base ? base : SOURCE_ROOT "/../shared/conformance", name);
    f = fopen(to, "re");
    if (f)
        fclose(f);
    return f != NULL;
}

#endif
