/* fuzz_link.c: any text: links in it, in them, and as a target; tricks, normal form and skeleton. */
#include "base/bug.h"
#include "mail/link.h"
#include "mail/text.h"
#include "mail/utf8.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_sound(const struct link *l)
{
    bug_unless(l->url.len <= 2048 && utf8_is_valid(l->url) && utf8_is_valid(l->skeleton));
    bug_unless(l->host.len > 0 && l->host.len <= 253 && utf8_ascii_prefix(l->host) == l->host.len && l->domain.len <= l->host.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct link_context *context;
    struct arena arena = arena_make(32 << 20);
    struct text_tricks tricks;
    struct link l, inner;
    int links = 0;
    char *text = malloc(size + 1);

    if (!context)
        context = link_context_new(NULL);
    bug_unless(context && text);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)data[i];
    if (!utf8_is_valid(str_n(text, size)))
        for (size_t i = 0; i < size; i++)
            text[i] &= 0x7F;
    struct str whole = str_n(text, size), rest = whole;
    while (links++ < 50 && link_next_in_text(&arena, context, &rest, &l)) {
        size_t cursor = 0;
        is_sound(&l);
        while (link_next_nested(&arena, context, &l, &cursor, &inner))
            is_sound(&inner);
    }
    if (link_parse(&arena, context, whole, &l)) {
        is_sound(&l);
        link_shown_differs(&arena, context, &l, whole);
        bug_unless(link_parse(&arena, context, l.url, &inner) || l.url.len == 2048); /* what we write, we read */
    }
    text_find_tricks(&arena, whole, &tricks);
    bug_unless(utf8_is_valid(tricks.sample) && tricks.sample.len <= 64);
    bug_unless(utf8_is_valid(text_normalize(&arena, whole, 1000)));
    bug_unless(utf8_is_valid(text_skeleton(&arena, whole)));
    free(text);
    arena_free(&arena);
    return 0;
}
