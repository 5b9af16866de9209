/* analysis_leaf.c: one part's content: decoded, and given to whoever understands it, in each of the ways in which readers decode it. */
#include "scan/analysis_parts.h"

#include <openssl/sha.h>
#include <string.h>

struct place place_of(const struct mime_part *part)
{
    return (struct place){.path = str_from(part->path), .line = part->line};
}

/* What decoding met. DIFFERS: a reader that stops where the content is odd sees something else than those that go on. */
static void note_decoding(struct analysis *a, const struct mime_part *part, const struct decoded *d, bool differs)
{
    const struct {
        unsigned flag;
        bool is_ambiguous;
        const char *name, *text;
    } rows[] = {
        {DECODE_AFTER_PADDING, differs, "encoded-after-padding", "goes on behind its end"},
        {DECODE_JUNK, differs, "encoded-junk", "holds characters outside its alphabet"},
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

void note_part(struct analysis *a, const struct mime_part *part, const char *charset, const struct decoded *d)
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

static bool is_text_part(const struct mime_part *part)
{
    return !part->type.type.len || str_is(part->type.type, "text");
}

/* Saved as a file whatever it holds. */
static bool is_file_part(const struct mime_part *part)
{
    return part->is_attachment || part->name.len || part->other_name.len || !is_text_part(part) || analyze_extension_by_type(part).len;
}

/* What is declared as text is read as text by every reader; HTML is told by its declaration or, as some readers do, by its looks. */
static void read_content(struct analysis *a, const struct mime_part *part, struct str content, char charset[32])
{
    const struct parameter *declared = parameter_find(part->type.parameters, "charset");
    struct str label = declared ? declared->value : str_n(NULL, 0);
    enum file_type looks = file_type_by_magic(content);

    bool is_html = content_type_is(&part->type, "text", "html") || content_type_is(&part->type, "application", "xhtml+xml");
    if (is_text_part(part) && !is_html)
        analyze_plain(a, place_of(part), label, content, charset);
    bool has_data = (is_html || looks_like_html(looks)) && analyze_html(a, place_of(part), label, content, charset);
    bool is_file = is_file_part(part) || (looks != FILE_TEXT && looks != FILE_EMPTY && looks != FILE_UNKNOWN && looks != FILE_HTML && looks != FILE_XML);
    if (is_file && !is_shown_as_text(part, content, looks))
        analyze_file(a, place_of(part), part, part->name, content);
    if (is_file && !is_text_part(part) && looks == FILE_TEXT)
        analyze_embedded(a, place_of(part), content);
    if (!is_file && has_data)
        analyze_files_in_html(a, place_of(part), part, content);
}

/* The type of the file that CONTENT is; FILE_UNKNOWN where it is text, or nothing that is known. */
static enum file_type file_shown(const struct mime_part *part, struct str content)
{
    enum file_type looks = file_type_by_magic(content);

    if (looks == FILE_EMPTY || (file_type_is_text(looks) && looks != FILE_RTF && looks != FILE_SVG && looks != FILE_SHORTCUT))
        return FILE_UNKNOWN;
    return is_shown_as_text(part, content, looks) ? FILE_UNKNOWN : looks;
}

/* What readers other than those that go on everywhere make of base64 with something else in it. */
struct other_ways {
    struct str before;  /* they stop at the padding */
    struct str behind;  /* they begin anew behind it */
    struct str lines;   /* they take whole lines of base64 alone */
    struct str restart; /* they begin anew behind what does not belong there */
};

static struct str decode_again(struct analysis *a, struct str encoded)
{
    struct decoded d;

    decode_transfer(a->arena, ENCODING_BASE64, encoded, a->decoded_left, &d);
    a->decoded_left -= d.bytes.len < a->decoded_left ? d.bytes.len : a->decoded_left;
    return d.bytes;
}

static bool is_base64_line(struct str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (!ascii_is_alnum((unsigned char)line.at[i]) && line.at[i] != '+' && line.at[i] != '/' && line.at[i] != '=')
            return false;
    return true;
}

static struct str base64_lines(struct analysis *a, struct str body)
{
    char *to = arena_bytes(a->arena, body.len);
    size_t len = 0;

    while (to && body.len) {
        struct str line = str_trim(str_cut(&body, '\n'));
        if (line.len && is_base64_line(line)) {
            memcpy(to + len, line.at, line.len);
            len += line.len;
        }
    }
    return str_n(to, len);
}

static struct other_ways other_ways(struct analysis *a, const struct mime_part *part, const struct decoded *d)
{
    struct other_ways o = {.before = str_sub(d->bytes, 0, d->stop), .behind = str_from_index(d->bytes, d->stop)};

    if (d->defects & DECODE_JUNK) {
        o.lines = decode_again(a, base64_lines(a, part->body));
        o.restart = decode_again(a, str_from_index(part->body, d->junk_at));
    }
    return o;
}

/*
 * The footer of a mailing list behind a text or a signature, and texts that were encoded one by one and put together, do no harm to anybody: all of it
 * is read. A file that one of the readings shows and another does not, or two files made of one, are another matter.
 */
static bool ways_differ(const struct mime_part *part, const struct decoded *d, const struct other_ways *o)
{
    const struct str begin[] = {o->before, o->lines}, rest[] = {o->behind, o->restart};
    enum file_type whole = file_shown(part, d->bytes);

    if (is_file_part(part) && !(d->defects & DECODE_JUNK))
        return true;
    for (size_t i = 0; i < 2; i++)
        if ((begin[i].len && file_shown(part, begin[i]) != whole) || file_shown(part, rest[i]) != FILE_UNKNOWN)
            return true;
    return false;
}

static void read_as(struct analysis *a, const struct mime_part *part, struct str content)
{
    struct decoded other = {.bytes = content};
    struct mime_part second = *part;
    char charset[32] = "";

    second.by_second_reading = true;
    read_content(a, &second, content, charset);
    note_part(a, &second, charset, &other);
}

/* Text behind base64, which is not encoded: some readers show it as it stands. */
static void read_raw_rest(struct analysis *a, const struct mime_part *part, size_t from)
{
    char charset[32];

    while (from && part->body.at[from - 1] != '\n')
        from--;
    if (is_text_part(part))
        analyze_plain(a, place_of(part), str_n(NULL, 0), str_from_index(part->body, from), charset);
}

static void read_other_ways(struct analysis *a, const struct mime_part *part, const struct decoded *d, const struct other_ways *o)
{
    if (o->behind.len)
        read_as(a, part, o->before);
    if (o->lines.len && !str_eq(o->lines, d->bytes) && !str_eq(o->lines, o->before))
        read_as(a, part, o->lines);
    if (file_shown(part, o->restart) != FILE_UNKNOWN)
        read_as(a, part, o->restart);
    if (d->defects & DECODE_JUNK)
        read_raw_rest(a, part, d->junk_at);
}

/* Both readings were examined; what one of them hides from most readers is refused even so. */
static void compare_with_first(struct analysis *a, const struct mime_part *part, struct str content)
{
    enum file_type shown = file_shown(part, content);
    struct decoded first;

    if (shown == FILE_UNKNOWN || !part->first_reading || !part->first_reading->is_leaf)
        return;
    mime_part_decode(a->arena, part->first_reading, a->decoded_left, &first);
    a->decoded_left -= first.bytes.len < a->decoded_left ? first.bytes.len : a->decoded_left;
    if (file_shown(part->first_reading, first.bytes) != shown)
        note_defect(a, place_of(part), true, "file-by-second-reading", "read in another way the part is a file (%s)", file_type_name(shown));
}

void analyze_leaf(struct analysis *a, const struct mime_part *part)
{
    struct decoded d;
    struct other_ways others = {0};
    char charset[32] = "";

    mime_part_decode(a->arena, part, a->decoded_left, &d);
    a->decoded_left -= d.bytes.len < a->decoded_left ? d.bytes.len : a->decoded_left;
    bool is_odd = d.defects & (DECODE_AFTER_PADDING | DECODE_JUNK), differs = false;
    if (is_odd) {
        others = other_ways(a, part, &d);
        differs = ways_differ(part, &d, &others);
    }
    note_decoding(a, part, &d, differs);
    a->is_garbled = (is_odd && !differs) || part->by_second_reading;
    read_content(a, part, d.bytes, charset);
    note_part(a, part, charset, &d);
    if (is_odd)
        read_other_ways(a, part, &d, &others);
    a->is_garbled = false;
    if (part->by_second_reading)
        compare_with_first(a, part, d.bytes);
}
