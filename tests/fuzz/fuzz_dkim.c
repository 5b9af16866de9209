/* fuzz_dkim.c: a message of any bytes: its signatures are read without harm, and its canonical body is what RFC 6376 §3.4 says of it. */
#include "auth/dkim_canonical.h"
#include "auth/dkim_key.h"
#include "base/bug.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(void *arg, const char *at, size_t len)
{
    char *last = arg;

    for (size_t i = 0; i < len; i++)
        *last = at[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct signature_context *context;
    static struct signature list[SIGNATURES_MAX];
    struct str text = str_n((const char *)data, size);
    char last = '\n';

    if (!context)
        context = signature_context_new();
    bug_unless(context != NULL);
    size_t count = signatures_read(context, text, list, SIGNATURES_MAX);
    bug_unless(count <= SIGNATURES_MAX);
    for (size_t i = 0; i < count; i++) {
        bug_unless(memchr(list[i].domain, 0, DKIM_NAME_MAX) && memchr(list[i].selector, 0, DKIM_NAME_MAX) && list[i].instance <= ARC_SETS_MAX);
        bug_unless(list[i].bytes_len <= SIGNATURE_BYTES_MAX && list[i].fault < FAULT_COUNT);
    }
    for (int relaxed = 0; relaxed < 2; relaxed++) {
        dkim_canonical_body(text, relaxed, look, &last);
        bug_unless(last == '\n');
    }
    dkim_key_problem(text);
    return 0;
}
