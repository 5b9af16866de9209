/* fuzz_spf.c: any record of a domain: the check ends with a result, and its texts are texts. */
#include "auth/spf_parts.h"
#include "base/bug.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str nobody(void *arg)
{
    (void)arg;
    return STR("unknown");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size), rest = text;
    struct spf_query q = {.helo = STR("h.example"), .local = STR("strong-bad"), .domain = STR("email.example.com"), .receiver = STR("r.example")};
    struct spf_macro_values values = {.query = &q, .local = q.local, .sender_domain = q.domain, .domain = q.domain, .validated = nobody};
    struct arena arena = arena_make(1 << 20);
    struct spf_term term;

    bug_unless(ip_parse(STR("2001:db8::cb01"), &q.ip));
    while (rest.len)
        if (spf_term_parse(str_cut(&rest, ' '), &term) && term.domain_spec.len)
            bug_unless(spf_macro_is_valid(term.domain_spec, false));
    if (spf_macro_is_valid(text, true)) {
        struct str out = spf_macro_expand(&arena, text, &values);
        for (size_t i = 0; i < out.len; i++)
            bug_unless((unsigned char)out.at[i] >= 0x20 && (unsigned char)out.at[i] < 0x7F);
    }
    arena_free(&arena);
    return 0;
}
