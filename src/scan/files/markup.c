/*
 * markup.c: HTML, SVG and XML as attachments: script, and files that are written into them in base 64, as data: addresses, as what a script
 * builds a download of, or as parts of an office document in one XML file. What a reader sees of HTML is mail/html.h's. See reading.h.
 */
#include "scan/files/reading.h"

enum { RUN_MIN = 128, LINE_MIN = 60, FILES_MAX = 500, ACTIVE_MIME_DATA = 50 };

static bool has_any(struct str text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (find_case(text, str_from(words[i])) >= 0)
            return true;
    return false;
}
#define HAS_ANY(text, words) has_any(text, words, sizeof(words) / sizeof *(words))

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (ascii_is_digit((unsigned char)c))
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* The run of digits that begins at FROM; lines may break in it where they are long. Returns its end. */
static size_t run_end(struct str text, size_t from)
{
    size_t line = from;

    for (;;) {
        size_t at = line;
        while (at < text.len && base64_digit(text.at[at]) >= 0)
            at++;
        size_t next = at + (at < text.len && text.at[at] == '\r');
        if (at - line < LINE_MIN || next >= text.len || text.at[next] != '\n' || next + 1 >= text.len || base64_digit(text.at[next + 1]) < 0)
            return at;
        line = next + 1;
    }
}

static void decode(struct str run, struct buf *out)
{
    uint32_t bits = 0;
    unsigned count = 0;

    buf_clear(out);
    for (size_t i = 0; i < run.len; i++) {
        int digit = base64_digit(run.at[i]);
        if (digit < 0)
            continue;
        bits = bits << 6 | (uint32_t)digit;
        if (++count % 4 == 0) {
            buf_add_char(out, (char)(bits >> 16));
            buf_add_char(out, (char)(bits >> 8));
            buf_add_char(out, (char)bits);
        }
    }
    if (count % 4 == 3)
        buf_add_char(out, (char)(bits >> 10));
    if (count % 4 >= 2)
        buf_add_char(out, (char)(count % 4 == 3 ? bits >> 2 : bits >> 4));
}

/* Long runs of letters are text or keys more often than files. */
static bool is_worth_an_entry(enum file_type type)
{
    return type != FILE_UNKNOWN && type != FILE_EMPTY && type != FILE_TEXT && type != FILE_FONT;
}

static bool add(struct reading *r, struct thing *t, struct str content)
{
    enum file_type type = file_type_by_magic(content);

    if (!is_worth_an_entry(type))
        return false;
    struct file_entry *entry = entry_add(r, t, STR("data"), content.len);
    if (entry) {
        unpack_pay(r, content.len);
        entry_content(r, t, entry, content, false);
    }
    return !file_type_is_image(type);
}

/* Office's own wrapping of a compound file: a zlib stream behind 50 octets. */
static bool add_active_mime(struct reading *r, struct thing *t, struct str content)
{
    struct buf inside = unpack_buf();

    unpack_fact(t, inflate_zlib(r, str_from_index(content, ACTIVE_MIME_DATA), &inside));
    bool added = add(r, t, buf_str(&inside));
    buf_free(&inside);
    return added;
}

/* True when a file other than a picture was found. */
static bool find_files(struct reading *r, struct thing *t, struct str text)
{
    struct buf content = unpack_buf();
    bool found = false;
    int files = 0;

    for (size_t at = 0; at < text.len;) {
        size_t end = base64_digit(text.at[at]) >= 0 ? run_end(text, at) : at + 1;
        struct str run = str_sub(text, at, end - at);
        at = end;
        if (run.len < RUN_MIN)
            continue;
        if (files == FILES_MAX || run.len > unpack_room(r)) {
            t->facts |= files == FILES_MAX ? FACT_TOO_MANY : FACT_BOMB;
            break;
        }
        decode(run, &content);
        uint32_t before = r->out->entry_count;
        found |= has_at(buf_str(&content), 0, STR("ActiveMime")) ? add_active_mime(r, t, buf_str(&content)) : add(r, t, buf_str(&content));
        files += r->out->entry_count != before;
    }
    buf_free(&content);
    return found;
}

void markup_look(struct reading *r, struct thing *t)
{
    static const char *const scripts[] = {"<script", "javascript:", "vbscript:", "onload=", "onerror=", "onclick=", "onmouseover=", "onbegin=", "onfocus="};
    static const char *const builders[] = {"createobjecturl", "mssaveoropenblob", "mssaveblob", "new blob", "new file(", "showsavefilepicker"};
    static const char *const macros[] = {"macrospresent=\"yes\"", "vbaproject.bin", "editdata.mso", "application/vnd.ms-office.vbaproject"};
    struct str text = searchable(r, t->bytes);

    if (t->type != FILE_XML && HAS_ANY(text, scripts))
        t->facts |= FACT_SCRIPT;
    if (t->type == FILE_XML && find_case(text, STR("<?mso-application")) >= 0 && HAS_ANY(text, macros)) {
        t->facts |= FACT_MACRO;
        detail_add(r, "macros in an office file of XML");
    }
    bool has_file = find_files(r, t, text);
    if ((t->facts & FACT_SCRIPT) && (has_file || HAS_ANY(text, builders))) {
        t->facts |= FACT_HTML_SMUGGLING;
        detail_add(r, "%s with a script that builds a file", file_type_name(t->type));
    }
}

/* A shortcut of Windows to an address: [InternetShortcut], URL=… */
void shortcut_look(struct reading *r, struct thing *t)
{
    struct str rest = searchable(r, t->bytes);

    while (rest.len) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        if (!str_starts_case(line, STR("URL=")))
            continue;
        struct str url = str_trim(str_from_index(line, 4));
        url_add(r, url, "shortcut");
        detail_add(r, "leads to %.*s", STR_ARG(printable(r->arena, url, 120)));
    }
}
