/* fuzz_mime.c: the first two octets choose limits. Every part lies where it says, the tree is a tree, and limits are kept. */
#include "mail/charset.h"
#include "mail/mime.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(const struct mime_message *m, const struct mime_part *p, const struct mime_limits *limits)
{
    if ((p->parent && p->depth != p->parent->depth + 1) || p->depth > limits->depth + 1)
        abort();
    if (!p->type.type.len || strnlen(p->path, sizeof p->path) == sizeof p->path)
        abort();
    if (p != m->root && !p->parent)
        abort();
    if (!utf8_is_valid(p->name) || !utf8_is_valid(p->other_name))
        abort();
}

static void check_findings(const struct mime_message *m, const struct mime_limits *limits, uint32_t parts)
{
    if (m->finding_count > limits->findings)
        abort();
    for (uint32_t i = 0; i < m->finding_count; i++)
        if (m->findings[i].part >= parts || m->findings[i].defect >= MIME_DEFECT_COUNT || m->findings[i].defect == MIME_NO_DEFECT)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct charset_context *charsets;
    uint32_t number = 0;

    if (size < 2)
        return 0;
    if (!charsets)
        charsets = charset_context_new();
    struct mime_limits limits = {.parts = data[0] < 200 ? 100 : data[0] - 199u, .depth = (uint16_t)(data[1] % 40), .header_bytes = 65536,
                                 .header_fields = 200, .decoded_bytes = 1 << 20, .findings = 200};
    struct arena arena = arena_make(data[1] < 240 ? 256 << 20 : (size_t)(data[1] - 239) * 4096);
    struct str message = str_n((const char *)data + 2, size - 2);
    struct mime_message *m = mime_read(&arena, charsets, message, &limits);
    for (const struct mime_part *p = m ? m->root : NULL; p; p = mime_next(p)) {
        struct decoded d;
        if (p->number != number++)
            abort();
        check_part(m, p, &limits);
        if (p->is_leaf)
            mime_part_decode(&arena, p, 4096, &d);
    }
    if (m && number > limits.parts)
        abort();
    if (m)
        check_findings(m, &limits, number);
    arena_free(&arena);
    return 0;
}
