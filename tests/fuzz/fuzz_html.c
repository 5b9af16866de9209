/* fuzz_html.c: any text read as HTML gives texts within the ceilings that are UTF-8 again. */
#include "base/bug.h"
#include "mail/html.h"
#include "mail/utf8.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_text(struct str s, size_t most)
{
    bug_unless(s.len <= most && utf8_is_valid(s));
}

static void see(void *arg, struct str tag, struct str attribute, struct str value)
{
    size_t *octets = arg;
    is_text(value, SIZE_MAX);
    *octets += tag.len + attribute.len + value.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct html_limits limits = {.visible_bytes = 4096, .hidden_bytes = 1024, .links = 20, .depth = 12};
    struct arena arena = arena_make(16 << 20);
    struct html_result out;
    uint32_t links = 0;
    size_t octets = 0;
    char *text = malloc(size + 1);

    bug_unless(text != NULL);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)data[i];
    if (!utf8_is_valid(str_n(text, size)))
        for (size_t i = 0; i < size; i++)
            text[i] &= 0x7F;
    html_read(&arena, str_n(text, size), &limits, see, &octets, &out);
    is_text(out.visible, limits.visible_bytes);
    is_text(out.hidden, limits.hidden_bytes);
    is_text(out.title, 1024);
    bug_unless((out.hidden.len == 0) == (out.hidden_why == 0) || out.features & HTML_CEILING);
    for (const struct html_link *l = out.links; l; l = l->next, links++) {
        is_text(l->target, HTML_TARGET_MAX);
        is_text(l->shown, HTML_SHOWN_MAX);
        bug_unless(l->target.len > 0);
    }
    bug_unless(links == out.link_count && links <= limits.links);
    html_meta_charset(str_n(text, size));
    free(text);
    arena_free(&arena);
    return 0;
}
