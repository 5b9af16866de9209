/* analysis_tree.c: the parts of the message, one after the other; those of messages in files as well. */
#include "scan/analysis_parts.h"

static void note_structure(struct analysis *a, const struct mime_message *m)
{
    for (uint32_t i = 0; i < m->finding_count; i++) {
        const struct mime_finding *f = &m->findings[i];
        const struct mime_defect_row *row = mime_defect_row(f->defect);
        const struct mime_part *part = m->root;
        while (part && part->number != f->part)
            part = mime_next(part);
        struct place at = {.path = part ? str_from(part->path) : str_n(NULL, 0), .line = f->line};
        note_defect(a, at, row->ambiguous, row->name, "%s%s" STR_FMT, row->sentence, f->detail.len ? ": " : "",
                    STR_ARG(str_sub(f->detail, 0, 120)));
    }
    if (m->findings_dropped)
        note_defect(a, (struct place){.line = 0}, true, "too-many-defects", "%u more defects of structure", m->findings_dropped);
}

static struct mime_message *read_structure(struct analysis *a, struct str message)
{
    enum { MOST_FINDINGS = 200, HEADER_BYTES = 1024 * 1024, HEADER_FIELDS = 10000 };
    const struct mime_limits limits = {.parts = a->limits->parts, .depth = (uint16_t)a->limits->depth, .header_bytes = HEADER_BYTES,
                                       .header_fields = HEADER_FIELDS, .decoded_bytes = a->decoded_left, .findings = MOST_FINDINGS};

    return mime_read(a->arena, a->tools->charsets, message, &limits);
}

static void read_parts(struct analysis *a, const struct mime_message *m)
{
    for (const struct mime_part *part = m->root; part; part = mime_next(part)) {
        if (part->is_leaf || !part->first_child) { /* below a message that is all one leaf hang other readings of it */
            analyze_leaf(a, part);
            continue;
        }
        note_part(a, part, "", NULL);
        if (part->name.len || part->other_name.len)
            analyze_file_name(a, place_of(part), part);
    }
}

void analyze_tree(struct analysis *a, struct str message)
{
    struct mime_message *m = read_structure(a, message);

    if (!m) /* the arena has failed, which is said at the end */
        return;
    a->report->part_count = m->part_count;
    analyze_header(a, m->root);
    note_structure(a, m);
    read_parts(a, m);
}

/* A message found in a file: its parts count like the others, its own header says nothing about this message. */
void analyze_mail_in_file(struct analysis *a, struct place at, struct str message)
{
    if (a->mail_depth >= MOST_MAIL_IN_FILES) {
        note_defect(a, at, true, "mail-too-deep", "messages inside files inside messages, too deep to read");
        return;
    }
    a->mail_depth++;
    struct mime_message *m = read_structure(a, message);
    if (m) {
        a->report->part_count += m->part_count;
        note_structure(a, m);
        read_parts(a, m);
    }
    a->mail_depth--;
}
