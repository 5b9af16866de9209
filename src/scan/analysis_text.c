/* analysis_text.c: text and HTML as a person sees them, the tricks in them, and where their links lead. */
#include "scan/analysis_parts.h"

#include "mail/text.h"

#include <string.h>

enum { TEXT_BYTES = 4 * 1024 * 1024 /* that are looked at in one part */, DETAIL_BYTES = RECORD_LONG_TEXT_MAX, FILE_TEXT_BYTES = 64 * 1024, HTML_DEPTH = 256 };

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
            note_defect(a, at, rows[i].is_ambiguous && !a->is_garbled, rows[i].name, "the text %s", rows[i].text);
}

static void note_tricks(struct analysis *a, struct place at, struct str text)
{
    static const struct {
        unsigned flag;
        const char *name, *text;
    } rows[] = {{TEXT_ZERO_WIDTH, "text-zero-width", "invisible characters inside words"},
                {TEXT_BIDI_OVERRIDE, "text-bidi-override", "characters that turn the direction of writing"},
                {TEXT_TAGS, "text-tags", "tag characters that nobody sees"},
                {TEXT_MIXED_SCRIPT, "text-mixed-script", "letters of several scripts in one word"},
                {TEXT_SOFT_HYPHEN, "text-soft-hyphen", "soft hyphens inside words"},
                {TEXT_MATH_LETTERS, "text-styled-letters", "styled letters in place of plain ones"},
                {TEXT_PRIVATE_USE, "text-private-use", "characters without a meaning of their own"},
                {TEXT_COMBINING_PILE, "text-combining-pile", "piles of combining marks"}};
    struct text_tricks t;

    text_find_tricks(a->arena, text, &t);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (t.seen & rows[i].flag)
            note_defect(a, at, false, rows[i].name, "%s, in: " STR_FMT, rows[i].text, STR_ARG(str_sub(t.sample, 0, 60)));
}

static void note_text(struct analysis *a, struct place at, const char *kind, struct str text)
{
    struct record r = {.kind = RECORD_TEXT, .text = {.path = at.path, .kind = str_from(kind), .text = str_sub(text, 0, DETAIL_BYTES)}};

    if (a->limits->wants_detail && text.len)
        note(a, &r);
}

/* False when no more links are kept. */
static bool take_link(struct analysis *a)
{
    if (a->links_left == 0) {
        a->links_cut = true;
        return false;
    }
    a->links_left--;
    return true;
}

static void note_link(struct analysis *a, struct place at, const char *source, enum html_link_kind kind, const struct link *l, struct str shown,
                      bool hidden, unsigned tricks)
{
    struct record r = {.kind = RECORD_LINK,
                       .link = {.kind = (uint8_t)kind, .is_hidden = hidden, .tricks = l->tricks | tricks, .path = at.path,
                                .source = str_from(source), .url = l->url, .host = l->host, .domain = l->domain, .skeleton = l->skeleton,
                                .shown = str_sub(shown, 0, 256)}};
    note(a, &r);
}

/* Links inside a link: redirectors and trackers carry their target in the query. */
static void note_nested(struct analysis *a, struct place at, const char *source, const struct link *outer, int deep)
{
    struct link inner;
    size_t cursor = 0;

    while (deep < LINKS_DEEP && link_next_nested(a->arena, a->tools->links, outer, &cursor, &inner)) {
        if (!take_link(a))
            return;
        note_link(a, at, source, LINK_OTHER, &inner, str_n(NULL, 0), false, LINK_NESTED);
        note_nested(a, at, source, &inner, deep + 1);
    }
}

void analyze_link(struct analysis *a, struct place at, const char *source, enum html_link_kind kind, struct str target, struct str shown, bool hidden)
{
    struct link l;

    if (!link_parse(a->arena, a->tools->links, target, &l) || !take_link(a))
        return;
    bool differs = kind == LINK_ANCHOR && shown.len && link_shown_differs(a->arena, a->tools->links, &l, shown);
    note_link(a, at, source, kind, &l, shown, hidden, differs ? LINK_SHOWN_DIFFERS : 0);
    note_nested(a, at, source, &l, 0);
}

void analyze_links(struct analysis *a, struct place at, const char *source, struct str text)
{
    struct link l;

    while (link_next_in_text(a->arena, a->tools->links, &text, &l)) {
        if (!take_link(a))
            return;
        note_link(a, at, source, LINK_OTHER, &l, str_n(NULL, 0), false, 0);
        note_nested(a, at, source, &l, 0);
    }
}

/* Files in the middle of a text, as before MIME. Every reader that knows them shows them as attachments. */
void analyze_embedded(struct analysis *a, struct place at, struct str content)
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

void analyze_plain(struct analysis *a, struct place at, struct str declared, struct str content, char used[32])
{
    struct charset_result c;

    charset_decode(a->tools->charsets, a->arena, declared, content, TEXT_BYTES, &c);
    str_copy(used, 32, str_from(c.used));
    note_charset(a, at, &c);
    note_tricks(a, at, c.text);
    note_text(a, at, "plain", c.text);
    if (collector(a))
        features_text(collector(a), c.text);
    analyze_links(a, at, "text", c.text);
    analyze_embedded(a, at, content);
}

static void note_features(struct analysis *a, struct place at, const struct html_result *h)
{
    static const struct {
        unsigned flag;
        const char *name, *text;
    } rows[] = {{HTML_SCRIPT, "html-script", "a script"},
                {HTML_EVENT_HANDLER, "html-event-handler", "an event handler"},
                {HTML_FORM, "html-form", "a form"},
                {HTML_PASSWORD_FIELD, "html-password", "a field for a password"},
                {HTML_IFRAME, "html-frame", "a frame"},
                {HTML_OBJECT, "html-object", "an embedded object"},
                {HTML_META_REFRESH, "html-refresh", "a page that moves on by itself"},
                {HTML_BASE, "html-base", "a base address"},
                {HTML_DATA_URL, "html-data-url", "content inside of an address"},
                {HTML_TINY_IMAGE, "html-tiny-image", "an image too small to see"},
                {HTML_OBFUSCATED, "html-obfuscated", "text written so that programs do not find it"},
                {HTML_UNTERMINATED, "html-unterminated", "a tag or comment without its end"},
                {HTML_JAVASCRIPT_URL, "html-javascript-url", "a link that is a script"},
                {HTML_CEILING, "html-ceiling", "more than may be read"}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (h->features & rows[i].flag)
            note_defect(a, at, false, rows[i].name, "the HTML holds %s", rows[i].text);
    if (h->hidden.len)
        note_defect(a, at, false, "html-hidden-text", "%zu octets of text that nobody sees: " STR_FMT, h->hidden.len,
                    STR_ARG(str_sub(str_trim(h->hidden), 0, 60)));
}

/* What readers make clickable by themselves is looked for between the links: their own text leads where they lead. */
static void note_links(struct analysis *a, struct place at, const struct html_result *h)
{
    size_t from = 0;

    for (const struct html_link *l = h->links; l; l = l->next) {
        analyze_link(a, at, "html", l->kind, l->target, l->shown, l->hidden);
        if (l->seen_to <= l->seen_from || l->seen_from < from)
            continue;
        analyze_links(a, at, "html-text", str_sub(h->visible, from, l->seen_from - from));
        from = l->seen_to;
    }
    analyze_links(a, at, "html-text", str_from_index(h->visible, from));
}

bool analyze_html(struct analysis *a, struct place at, struct str declared, struct str content, char used[32])
{
    const struct html_limits limits = {.visible_bytes = TEXT_BYTES, .hidden_bytes = TEXT_BYTES / 4, .links = a->links_left, .depth = HTML_DEPTH};
    struct charset_result c;
    struct html_result h;
    struct features *f = collector(a);

    charset_decode(a->tools->charsets, a->arena, declared.len ? declared : html_meta_charset(content), content, TEXT_BYTES, &c);
    str_copy(used, 32, str_from(c.used));
    note_charset(a, at, &c);
    html_read(a->arena, c.text, &limits, f ? features_html : NULL, f, &h);
    if (f) {
        features_text(f, h.title);
        features_text(f, h.visible);
    }
    note_features(a, at, &h);
    note_tricks(a, at, h.visible);
    note_text(a, at, "title", h.title);
    note_text(a, at, "visible", h.visible);
    note_text(a, at, "hidden", h.hidden);
    a->links_cut = a->links_cut || h.links_dropped;
    note_links(a, at, &h);
    analyze_embedded(a, at, content);
    return h.features & HTML_DATA_URL;
}

void analyze_file_text(struct analysis *a, struct place at, struct str content)
{
    struct charset_result c;

    charset_decode(a->tools->charsets, a->arena, str_n(NULL, 0), content, FILE_TEXT_BYTES, &c);
    analyze_links(a, at, "file", c.text);
}
