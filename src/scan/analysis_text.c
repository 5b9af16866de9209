/* analysis_text.c: the text of a part, in UTF-8, and the files that stand in the middle of it. */
#include "scan/analysis_parts.h"

#include <string.h>

enum { TEXT_BYTES = 4 * 1024 * 1024 /* that are looked at in one part */, DETAIL_BYTES = RECORD_LONG_TEXT_MAX };

static void note_charset(struct analysis *a, struct place at, const struct charset_result *c)
{
    static const struct {
        unsigned flag;
        bool is_ambiguous;
        const char *name, *text;
    } rows[] = {{CHARSET_UNKNOWN, false, "charset-unknown", "is in a charset that is not known"},
                {CHARSET_LIES, false, "charset-lies", "is not in the charset that it says"},
                {CHARSET_MISSING_8BIT, false, "charset-missing", "has octets above 127 and names no charset"},
                {CHARSET_ILL_FORMED, false, "charset-ill-formed", "holds octets that its charset does not have"},
                {CHARSET_UTF7, false, "charset-utf7", "is in UTF-7, which can hide markup"},
                {CHARSET_NUL, true, "text-nul", "holds a NUL"},
                {CHARSET_BOM, false, "charset-bom", "has a byte order mark of another charset"},
                {CHARSET_CEILING, false, "text-ceiling", "is longer than is looked at"}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (c->defects & rows[i].flag)
            note_defect(a, at, rows[i].is_ambiguous, rows[i].name, "the text %s", rows[i].text);
}

static void note_text(struct analysis *a, struct place at, struct str text)
{
    struct record r = {.kind = RECORD_TEXT, .text = {.path = at.path, .kind = STR("plain"), .text = str_sub(text, 0, DETAIL_BYTES)}};

    if (a->limits->wants_detail && text.len)
        note(a, &r);
}

/* As before MIME. Every reader that knows them shows them as attachments. */
static void read_embedded(struct analysis *a, struct place at, struct str content)
{
    struct embedded_file f;
    uint32_t most = a->limits->parts;

    while (most-- && decode_next_embedded(a->arena, &content, a->decoded_left, &f)) {
        a->decoded_left -= f.content.bytes.len < a->decoded_left ? f.content.bytes.len : a->decoded_left;
        if (f.content.defects & DECODE_CEILING)
            note_defect(a, at, true, "decoded-ceiling", "a file inside the text decodes to more than may be read");
        note_defect(a, at, false, "file-in-text", "a file inside the text (%s): " STR_FMT, transfer_encoding_name(f.encoding),
                    STR_ARG(str_sub(f.name, 0, 100)));
        analyze_file(a, at, NULL, f.name, f.content.bytes);
    }
}

void analyze_text(struct analysis *a, struct place at, struct str declared, struct str content, char used[32])
{
    struct charset_result c;

    charset_decode(a->tools->charsets, a->arena, declared, content, TEXT_BYTES, &c);
    str_copy(used, 32, str_from(c.used));
    note_charset(a, at, &c);
    note_text(a, at, c.text);
    read_embedded(a, at, content);
}
