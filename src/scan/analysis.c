/* analysis.c: see analysis.h; the steps, and the notes that all of them take. */
#include "scan/analysis_parts.h"
#include "scan/record_signature.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMPORTANT_MAX = 1024 * 1024, MINOR_MAX = REPORT_TAIL_MAX - IMPORTANT_MAX };
static const size_t own_memory = (size_t)48 * 1024 * 1024; /* besides what is decoded and unpacked */

struct analyzer *analyzer_new(void)
{
    struct analyzer *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    a->charsets = charset_context_new();
    a->links = link_context_new(NULL);
    a->files = file_context_new();
    a->signatures = signature_context_new();
    a->found = calloc(SIGNATURES_MAX, sizeof *a->found);
    a->features = features_new();
    a->important = buf_make(REPORT_TAIL_MAX); /* the minor ones are put behind at the end */
    a->minor = buf_make(MINOR_MAX);
    if (!a->charsets || !a->links || !a->files || !a->signatures || !a->features || !a->found)
        analyzer_free(&a);
    return a;
}

void analyzer_free(struct analyzer **a)
{
    if (!*a)
        return;
    if ((*a)->charsets)
        charset_context_free(&(*a)->charsets);
    if ((*a)->links)
        link_context_free(&(*a)->links);
    if ((*a)->files)
        file_context_free(&(*a)->files);
    signature_context_free(&(*a)->signatures);
    features_free(&(*a)->features);
    free((*a)->found);
    arena_free(&(*a)->arena);
    buf_free(&(*a)->important);
    buf_free(&(*a)->minor);
    free(*a);
    *a = NULL;
}

/* Many links must not crowd out the file behind them, nor many recipients the author: what decides has room of its own. */
void note(struct analysis *a, const struct record *r)
{
    bool is_important = r->kind == RECORD_DEFECT || r->kind == RECORD_PART || r->kind == RECORD_FILE || r->kind == RECORD_SIGNATURE ||
                        r->kind == RECORD_RESULTS || (r->kind == RECORD_MAILBOX && str_is(r->mailbox.field, "From"));
    struct buf *out = is_important ? &a->tools->important : &a->tools->minor;
    size_t before = out->len;

    collect_record(a, r);
    if (record_write(out, r) && (!is_important || out->len <= IMPORTANT_MAX)) {
        a->report->record_count++;
        return;
    }
    buf_truncate(out, before);
    a->report->records_dropped++;
    a->report->important_dropped = a->report->important_dropped || is_important;
}

void note_defect(struct analysis *a, struct place at, bool is_ambiguous, const char *name, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct record r = {.kind = RECORD_DEFECT,
                       .defect = {.is_ambiguous = is_ambiguous, .line = at.line, .name = str_from(name), .path = at.path, .text = str_from(text)}};
    note(a, &r);
}

/* Hashed here, where the message is; verified in the relay, where the DNS is. */
static void read_signatures(struct analysis *a, struct str message)
{
    size_t count = signatures_read(a->tools->signatures, message, a->tools->found, SIGNATURES_MAX);

    for (size_t i = 0; i < count; i++) {
        struct record r;
        record_of_signature(&a->tools->found[i], &r);
        note(a, &r);
    }
}

static void finish(struct analysis *a)
{
    struct analyzer *tools = a->tools;
    const struct place whole = {.line = 0};

    if (a->links_cut)
        note_defect(a, whole, false, "too-many-links", "more than %u links", a->limits->links);
    if (a->arena->failed)
        note_defect(a, whole, true, "memory-ceiling", "it takes more memory than may be spent on one message");
    if (tools->minor.len)
        buf_add_str(&tools->important, buf_str(&tools->minor));
    a->report->tail_len = (uint32_t)tools->important.len;
    a->report->tail = tools->important.len ? tools->important.at : NULL;
}

void analyze(struct analyzer *tools, struct str message, const struct scan_limits *limits, struct scan_report *out)
{
    tools->arena = arena_make(own_memory + (size_t)limits->decoded_bytes + (size_t)limits->unpacked_bytes);
    buf_clear(&tools->important);
    buf_clear(&tools->minor);
    features_clear(tools->features);
    scan_message(message, out);
    struct analysis a = {
        .tools = tools, .arena = &tools->arena, .message = message, .limits = limits, .report = out,
        .decoded_left = (size_t)limits->decoded_bytes, .links_left = limits->links,
        .files = {.unpacked_bytes = limits->unpacked_bytes, .entries = limits->archive_entries, .ratio = limits->archive_ratio,
                  .levels = (uint8_t)limits->archive_levels, .urls = limits->links, .images = limits->pictures,
                  .pixels = limits->pixels},
    };
    analyze_tree(&a, message);
    read_signatures(&a, message);
    note_collected(&a);
    finish(&a);
    arena_free(&tools->arena);
}
