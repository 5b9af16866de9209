/* ooxml.c: see ooxml.h. The parts of a document are no entries of their own; what does not belong into one is. */
#include "scan/files/ooxml.h"

#include "scan/files/zip_item.h"

#include <string.h>

enum { INSTRUCTION_MAX = 2048, TAG_MAX = 8192, SNIFF = 512, TARGETS_MAX = 20000 };

struct document { struct reading *r; struct thing *t; };

/* The value of attribute NAME (with its "=") inside TAG; entities stay. */
static struct str attribute(struct str tag, struct str name)
{
    ptrdiff_t at = find_case(tag, name);

    if (at < 0)
        return str_n(NULL, 0);
    struct str rest = str_from_index(tag, (size_t)at + name.len);
    if (rest.len == 0 || (rest.at[0] != '"' && rest.at[0] != '\''))
        return str_n(NULL, 0);
    char quote = rest.at[0];
    rest = str_from_index(rest, 1);
    ptrdiff_t end = str_find(rest, quote);
    return end < 0 ? str_n(NULL, 0) : str_sub(rest, 0, (size_t)end);
}

/* One character reference at the beginning of S: its octets in TO, how many of S it took; 0 when it is none that matters here. */
static size_t entity(struct str s, char *to)
{
    static const struct { const char *name; char is; } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    uint32_t code = 0;
    size_t i = 2;

    for (size_t n = 0; n < sizeof named / sizeof *named; n++)
        if (str_starts(s, str_from(named[n].name))) {
            *to = named[n].is;
            return strlen(named[n].name);
        }
    if (!str_starts(s, STR("&#")))
        return 0;
    bool hex = s.len > 2 && (s.at[2] == 'x' || s.at[2] == 'X');
    for (i += hex; i < s.len && i < 12 && s.at[i] != ';'; i++) {
        int c = ascii_lower((unsigned char)s.at[i]), digit = c >= '0' && c <= '9' ? c - '0' : hex && c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
        if (digit == 99)
            return 0;
        code = code * (hex ? 16 : 10) + (uint32_t)digit;
    }
    if (i >= s.len || s.at[i] != ';' || code == 0 || code > 0x7E)
        return 0;
    *to = (char)code;
    return i + 1;
}

static struct str decode_entities(struct str s, char *to, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len && n < size; n++) {
        size_t taken = s.at[i] == '&' ? entity(str_from_index(s, i), to + n) : 0;
        if (!taken)
            to[n] = s.at[i];
        i += taken ? taken : 1;
    }
    return str_n(to, n);
}

/* Is it loaded without being asked for, or only when it is clicked on? */
static bool is_loaded(struct str type)
{
    static const char *const loaded[] = {"/attachedtemplate", "/oleobject", "/frame", "/subdocument", "/externallinkpath", "/package", "/control", "/externallink"};

    for (size_t i = 0; i < sizeof loaded / sizeof *loaded; i++)
        if (str_ends_case(type, str_from(loaded[i])))
            return true;
    return false;
}

static void relationship(struct document *d, struct str tag)
{
    struct str type = attribute(tag, STR("type="));
    char text[FILE_URL_MAX];

    if (!str_is_case(attribute(tag, STR("targetmode=")), "external"))
        return;
    ptrdiff_t at = find_case(tag, STR(" target="));
    struct str target = at < 0 ? str_n(NULL, 0) : attribute(str_from_index(tag, (size_t)at), STR("target="));
    struct str url = decode_entities(target, text, sizeof text);
    if (is_loaded(type)) {
        d->t->facts |= FACT_EXTERNAL_TEMPLATE;
        detail_add(d->r, "loads %.*s", STR_ARG(printable(d->r->arena, url, 120)));
    }
    url_add(d->r, url, "office");
}

static void read_relationships(struct document *d, struct str xml)
{
    size_t from = 0;

    for (int i = 0; i < TARGETS_MAX; i++) {
        ptrdiff_t at = find_from(xml, from, STR("Relationship "));
        if (at < 0)
            at = find_from(xml, from, STR("Relationship\n"));
        if (at < 0)
            return;
        struct str rest = str_sub(xml, (size_t)at, TAG_MAX);
        ptrdiff_t end = str_find(rest, '>');
        relationship(d, end < 0 ? rest : str_sub(rest, 0, (size_t)end));
        from = (size_t)at + 12;
    }
    d->t->facts |= FACT_TOO_MANY;
}

/* DDE and DDEAUTO as fields, whose instruction may be cut into many runs (ECMA-376 part 1, 17.16.5). */
static void read_instructions(struct document *d, struct str xml)
{
    char text[INSTRUCTION_MAX];
    size_t n = 0, from = 0;

    for (;;) {
        ptrdiff_t at = find_from(xml, from, STR("instr"));
        if (at < 0)
            break;
        struct str rest = str_sub(xml, (size_t)at, TAG_MAX);
        from = (size_t)at + 5;
        char close = str_starts(rest, STR("instrText")) ? '<' : '"';
        ptrdiff_t begin = str_find(rest, close == '<' ? '>' : '"');
        if (begin < 0)
            continue;
        rest = str_from_index(rest, (size_t)begin + 1);
        ptrdiff_t end = str_find(rest, close);
        struct str words = end < 0 ? rest : str_sub(rest, 0, (size_t)end);
        from = (size_t)(words.at - xml.at) + words.len;
        if (n + words.len > sizeof text) { /* keep the end: a word may go on */
            size_t keep = n > 16 ? 16 : n;
            memmove(text, text + n - keep, keep);
            n = keep;
        }
        struct str decoded = decode_entities(words, text + n, sizeof text - n);
        n += decoded.len;
        if (find_case(str_n(text, n), STR("ddeauto")) >= 0 || find_case(str_n(text, n), STR("dde ")) >= 0) {
            d->t->facts |= FACT_DDE;
            detail_add(d->r, "DDE field");
            return;
        }
    }
}

static void read_links(struct document *d, struct str xml)
{
    char text[FILE_URL_MAX];
    size_t from = 0;

    for (int i = 0; i < TARGETS_MAX; i++) {
        ptrdiff_t at = find_from(xml, from, STR("xlink:href="));
        if (at < 0)
            return;
        struct str target = attribute(str_sub(xml, (size_t)at, TAG_MAX), STR("href="));
        if (find_from(target, 0, STR("://")) > 0)
            url_add(d->r, decode_entities(target, text, sizeof text), "office");
        from = (size_t)at + 11;
    }
}

static void add_fact(struct document *d, unsigned facts, const char *words, struct str name)
{
    d->t->facts |= facts;
    detail_add(d->r, "%s in %.*s", words, STR_ARG(printable(d->r->arena, name, 80)));
}

/* A part whose text is looked at. */
static void read_part(struct document *d, struct str name, struct str xml)
{
    xml = searchable(d->r, xml);
    if (str_ends_case(name, STR(".rels")))
        read_relationships(d, xml);
    if (str_is_case(name, "[Content_Types].xml")) {
        if (find_case(xml, STR("macroenabled")) >= 0 || find_case(xml, STR("vnd.ms-office.vbaproject")) >= 0)
            add_fact(d, FACT_MACRO, "macro type", name);
        if (find_case(xml, STR("macrosheet+xml")) >= 0)
            add_fact(d, FACT_MACRO | FACT_XLM_MACRO, "Excel 4 macro sheet", name);
    }
    if (find_from(xml, 0, STR("ddeLink")) >= 0)
        add_fact(d, FACT_DDE, "DDE link", name);
    if (str_is_case(name, "xl/workbook.xml") && find_case(xml, STR("_xlnm.auto_open")) >= 0)
        add_fact(d, FACT_AUTO_MACRO, "Auto_Open", name);
    read_instructions(d, xml);
    if (d->t->type != FILE_ODF)
        return;
    read_links(d, xml);
    if (find_from(xml, 0, STR("script:event-listener")) >= 0)
        add_fact(d, FACT_AUTO_MACRO | FACT_MACRO, "event", name);
    if (str_is_case(name, "META-INF/manifest.xml") && find_from(xml, 0, STR("encryption-data")) >= 0)
        add_fact(d, FACT_ENCRYPTED, "encryption", name);
}

static bool has_part(struct str name, const char *what)
{
    return find_case(name, str_from(what)) >= 0;
}

static void facts_of_name(struct document *d, struct str name)
{
    if (str_ends_case(name, STR("vbaproject.bin")))
        add_fact(d, FACT_MACRO, "VBA", name);
    if (has_part(name, "/macrosheets/"))
        add_fact(d, FACT_MACRO | FACT_XLM_MACRO, "Excel 4 macro sheet", name);
    if (has_part(name, "/embeddings/") || has_part(name, "/activex/"))
        d->t->facts |= FACT_OLE_OBJECT;
    if (d->t->type == FILE_ODF && (str_starts_case(name, STR("Basic/")) || str_starts_case(name, STR("Scripts/"))) && !str_ends_case(name, STR("/")))
        add_fact(d, FACT_MACRO, "macro", name);
}

/* Whether what it begins with is what its name says, so that it needs no entry: text of the document, pictures, fonts. */
static bool belongs(const struct zip_item *item, struct str content)
{
    enum file_type type = file_type_by_magic(content);

    if (item->conflicts || item->is_local_only || item->is_cut)
        return false;
    if (str_ends_case(item->name, STR(".xml")) || str_ends_case(item->name, STR(".rels")) || str_ends_case(item->name, STR(".vml")))
        return type == FILE_XML || type == FILE_TEXT || type == FILE_SVG || type == FILE_EMPTY || (type == FILE_HTML && str_ends_case(item->name, STR(".vml")));
    if (str_is(item->name, "mimetype"))
        return type == FILE_TEXT;
    return (type == FILE_JPEG || type == FILE_PNG || type == FILE_GIF || type == FILE_FONT) && file_name_fits(item->name, type) && !zip_is_at_end(content);
}

/* One that needs no entry may hold a code all the same. */
static void look_at_picture(struct document *d, const struct zip_item *item, struct str content)
{
    struct thing picture = {.bytes = content, .name = item->name, .type = file_type_by_magic(content), .level = (uint8_t)(d->t->level + 1)};

    if (picture.type == FILE_PNG || picture.type == FILE_JPEG || picture.type == FILE_GIF)
        image_look(d->r, &picture);
    d->t->facts |= picture.facts;
}

static bool is_markup_name(struct str name)
{
    return str_ends_case(name, STR(".xml")) || str_ends_case(name, STR(".rels")) || str_ends_case(name, STR(".vml"));
}

void ooxml_look(struct reading *r, struct thing *t, const struct zip *z)
{
    struct document d = {r, t};
    struct buf scratch = unpack_buf();

    for (uint32_t i = 0; i < z->count; i++) {
        const struct zip_item *item = &z->items[i];
        struct str content = item->data;
        if (item->is_folder)
            continue;
        facts_of_name(&d, item->name);
        bool is_plain = !item->is_encrypted && (item->method == 0 || item->method == 8);
        if (!is_plain) {
            zip_item_read(r, t, item);
            continue;
        }
        if (!is_markup_name(item->name) && !(item->method == 0 && belongs(item, content))) {
            zip_item_read(r, t, item);
            continue;
        }
        enum unpack_end end = zip_unpack(r, item, &scratch, &content);
        unpack_fact(t, end);
        if (is_markup_name(item->name))
            read_part(&d, item->name, content);
        else
            look_at_picture(&d, item, content);
        if (!belongs(item, content) && end == UNPACK_DONE)
            zip_item_read(r, t, item);
    }
    buf_free(&scratch);
}
