/*
 * file_fuzz.h: what the fuzzers of attached files share. An input is read as a file; the report must be sound and no ceiling passed. The last
 * octet of the input chooses how tight the budget is.
 */
#ifndef TESTS_FUZZ_FILE_FUZZ_H
#define TESTS_FUZZ_FILE_FUZZ_H

#include "scan/files/file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_entries(const struct file_report *r, const struct file_budget *budget)
{
    uint32_t count = 0;

    for (const struct file_entry *e = r->entries; e; e = e->next, count++) {
        must(e->path.len <= FILE_PATH_MAX + 1 && utf8_is_valid(e->path) && utf8_is_valid(e->name));
        must(e->level >= 1 && e->level <= budget->levels + 1 + 40 && e->facts < 1U << FILE_FACT_COUNT && (unsigned)e->type < FILE_TYPE_COUNT);
        must(e->content.len == 0 || e->content.at);
        for (size_t i = 0; i < e->content.len; i += 512) /* it is there */
            must(*(const volatile char *)(e->content.at + i) == e->content.at[i]);
    }
    must(count == r->entry_count);
}

static void check_urls(const struct file_report *r)
{
    uint32_t count = 0;

    for (const struct file_url *u = r->urls; u; u = u->next, count++)
        must(u->url.len && u->url.len <= FILE_URL_MAX && utf8_is_valid(u->url) && u->from);
    must(count == r->url_count);
}

static int fuzz_file(const uint8_t *data, size_t size, struct str magic)
{
    static struct file_context *context;
    struct file_report report;

    if (!context)
        context = file_context_new();
    must(context != NULL);
    unsigned tight = size ? data[size - 1] % 8 : 0;
    struct file_budget budget = {.unpacked_bytes = tight == 1 ? 1000 : 4 << 20, .entries = tight == 2 ? 3 : 200, .ratio = tight == 3 ? 1 : 200,
                                 .levels = tight == 4 ? 1 : 3, .images = 2, .pixels = 1 << 16, .urls = tight == 5 ? 2 : 50};
    const struct file_budget before = budget;
    struct arena arena = arena_make(tight == 6 ? 20000 : 32 << 20);
    char *copy = malloc(size + magic.len ? size + magic.len : 1); /* of its exact length, so that a look behind its end is seen */
    must(copy != NULL);
    memcpy(copy, magic.at, magic.len);
    memcpy(copy + magic.len, data, size);
    file_read(context, &arena, str_n(copy, size + magic.len), STR("x"), &budget, &report);
    must(budget.unpacked_bytes <= before.unpacked_bytes && budget.entries <= before.entries && report.facts < 1U << FILE_FACT_COUNT);
    must(report.entry_count <= before.entries && report.url_count <= before.urls && report.detail.len <= FILE_DETAIL_MAX);
    must(utf8_is_valid(report.detail));
    check_entries(&report, &before);
    check_urls(&report);
    arena_free(&arena);
    free(copy);
    return 0;
}

#endif
