/* analysis_tree.c: the parts of the message, one after the other: each leaf is decoded, and given to whoever understands its content. */
#include "scan/analysis_parts.h"

#include <openssl/sha.h>
#include <string.h>

static struct place place_of(const struct mime_part *part)
{
    return (struct place){.path = str_from(part->path), .line = part->line};
}

/* What decoding met. Of several readings that of the widest-used readers was decoded; where another one sees other content it is ambiguous. */
static void note_decoding(struct analysis *a, const struct mime_part *part, const struct decoded *d)
{
    static const struct {
        unsigned flag;
        bool is_ambiguous;
        const char *name, *text;
    } rows[] = {
        {DECODE_AFTER_PADDING, true, "encoded-after-padding", "goes on behind its end"},
        {DECODE_JUNK, true, "encoded-junk", "holds characters outside its alphabet"},
        {DECODE_TRUNCATED, false, "encoded-truncated", "breaks off"},
        {DECODE_BAD_ESCAPE, false, "encoded-bad-escape", "holds a = that stands for nothing"},
        {DECODE_LINE_TOO_LONG, false, "encoded-line-too-long", "has lines that are too long"},
        {DECODE_BAD_LENGTH, false, "encoded-bad-length", "has lines of another length than they say"},
        {DECODE_NO_END, false, "encoded-no-end", "has no end line"},
        {DECODE_RAW_8BIT, false, "encoded-raw-8bit", "holds raw octets above 127"},
        {DECODE_LOOSE_BITS, false, "encoded-loose-bits", "ends in bits that stand for nothing"},
        {DECODE_CEILING, true, "decoded-ceiling", "decodes to more than may be read"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (d->defects & rows[i].flag)
            note_defect(a, place_of(part), rows[i].is_ambiguous, rows[i].name, "the %s content %s", transfer_encoding_name(part->encoding),
                        rows[i].text);
}

static const char *type_text(struct analysis *a, const struct mime_part *part)
{
    if (!part->type.type.len)
        return "text/plain";
    char *text = arena_printf(a->arena, STR_FMT "/" STR_FMT, STR_ARG(part->type.type), STR_ARG(part->type.subtype));
    return text ? text : "";
}

static void note_part(struct analysis *a, const struct mime_part *part, const char *charset, const struct decoded *d)
{
    struct record r = {.kind = RECORD_PART,
                       .part = {.number = part->number, .line = part->line, .is_leaf = d != NULL, .is_attachment = part->is_attachment,
                                .is_second_reading = part->by_second_reading, .size = d ? d->bytes.len : 0, .path = str_from(part->path),
                                .type = str_from(type_text(a, part)), .charset = str_from(charset),
                                .encoding = str_from(transfer_encoding_name(part->encoding)), .disposition = part->disposition.kind,
                                .name = part->name, .other_name = part->other_name, .content_id = part->content_id}};

    if (d)
        SHA256((const unsigned char *)(d->bytes.len ? d->bytes.at : ""), d->bytes.len, r.part.sha256);
    note(a, &r);
}

static bool looks_like_html(enum file_type type)
{
    return type == FILE_HTML || type == FILE_SVG;
}

/*
 * A body that readers show as the text that it is: its first line may be "#!/bin/sh", or speak of MZ or of %PDF-, and it is no file for that. What has a
 * name, is declared to be an attachment, or holds octets that no text has, is one.
 */
static bool is_shown_as_text(const struct mime_part *part, struct str content, enum file_type looks)
{
    bool is_body = !part->type.type.len || content_type_is(&part->type, "text", "plain") || content_type_is(&part->type, "text", "html");

    return is_body && !part->is_attachment && !part->name.len && !part->other_name.len &&
           (looks == FILE_SCRIPT || !file_type_is_text(looks)) && file_is_text(content);
}

/* What is declared as text is read as text by every reader; HTML is told by its declaration or, as some readers do, by its looks. */
static void read_content(struct analysis *a, const struct mime_part *part, struct str content, char charset[32])
{
    const struct parameter *declared = parameter_find(part->type.parameters, "charset");
    struct str label = declared ? declared->value : str_n(NULL, 0);
    enum file_type looks = file_type_by_magic(content);
    bool is_text = !part->type.type.len || str_is(part->type.type, "text");

    bool is_html = content_type_is(&part->type, "text", "html") || content_type_is(&part->type, "application", "xhtml+xml");
    if (is_text && !is_html)
        analyze_plain(a, place_of(part), label, content, charset);
    if (is_html || looks_like_html(looks))
        analyze_html(a, place_of(part), label, content, charset);
    bool is_file = part->is_attachment || part->name.len || part->other_name.len || !is_text ||
                   (looks != FILE_TEXT && looks != FILE_EMPTY && looks != FILE_UNKNOWN && looks != FILE_HTML && looks != FILE_XML);
    if (is_file && !is_shown_as_text(part, content, looks))
        analyze_file(a, place_of(part), part, part->name, content);
}

static void read_leaf(struct analysis *a, const struct mime_part *part)
{
    struct decoded d;
    char charset[32] = "";

    mime_part_decode(a->arena, part, a->decoded_left, &d);
    a->decoded_left -= d.bytes.len < a->decoded_left ? d.bytes.len : a->decoded_left;
    note_decoding(a, part, &d);
    read_content(a, part, d.bytes, charset);
    note_part(a, part, charset, &d);
    if (d.stop < d.bytes.len) { /* a reader that stops at the padding sees this */
        struct decoded first = {.bytes = str_sub(d.bytes, 0, d.stop)};
        struct mime_part other = *part;
        other.by_second_reading = true;
        read_content(a, &other, first.bytes, charset);
        note_part(a, &other, charset, &first);
    }
}

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
        if (part->first_child) {
            note_part(a, part, "", NULL);
            if (part->name.len || part->other_name.len)
                analyze_file_name(a, place_of(part), part);
        } else {
            read_leaf(a, part);
        }
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
