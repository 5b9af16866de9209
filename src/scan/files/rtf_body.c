/* rtf_body.c: RTF as Exchange packs it (MS-OXRTFCP), and the text or HTML in it (MS-OXRTFEX); see ole.h. */
#include "scan/files/ole.h"

#include <string.h>

enum { DICTIONARY = 4096, HEADER = 16, PACKED = 0x75465A4C /* LZFu */, PLAIN = 0x414C454D /* MELA */, DEPTH_MAX = 256 };

static const char first_words[] =
    "{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New Roman"
    "Courier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

bool rtf_decompress(struct str packed, struct buf *out)
{
    char dictionary[DICTIONARY];
    size_t write = sizeof first_words - 1, at = HEADER, room = out->ceiling;

    buf_clear(out);
    if (le32(packed, 8) == PLAIN)
        return buf_add_str(out, str_from_index(packed, HEADER));
    if (le32(packed, 8) != PACKED)
        return false;
    memset(dictionary, 0, sizeof dictionary);
    memcpy(dictionary, first_words, write);
    while (at < packed.len) {
        unsigned flags = (unsigned char)packed.at[at++];
        for (int i = 0; i < 8 && at < packed.len; i++, flags >>= 1) {
            size_t offset = write, len = 1;
            if (flags & 1) {
                if (packed.len - at < 2)
                    return false;
                unsigned token = (unsigned)(unsigned char)packed.at[at] << 8 | (unsigned char)packed.at[at + 1];
                at += 2;
                offset = token >> 4;
                len = (token & 0x0F) + 2;
                if (offset == write)
                    return true; /* the end */
            } else {
                dictionary[write] = packed.at[at++];
            }
            for (size_t n = 0; n < len; n++) {
                char c = dictionary[(offset + n) % DICTIONARY];
                dictionary[write] = c;
                write = (write + 1) % DICTIONARY;
                if (out->len >= room || !buf_add_char(out, c))
                    return false;
            }
        }
    }
    return false; /* no end mark */
}

struct group { bool is_hidden, is_tag; };
struct text {
    struct buf *out;
    struct group groups[DEPTH_MAX];
    size_t depth;          /* may be more than DEPTH_MAX: those share the last */
    bool is_html, html_off, starred;
    size_t skip;           /* characters that stand for the \u before them */
    unsigned unicode_skip; /* \uc */
};

static struct group *top(struct text *x)
{
    return &x->groups[x->depth < DEPTH_MAX ? x->depth : DEPTH_MAX - 1];
}

static void put(struct text *x, uint32_t c)
{
    if (x->skip) {
        x->skip--;
        return;
    }
    if (top(x)->is_hidden || (x->html_off && !top(x)->is_tag))
        return;
    if (c < 0x80) {
        buf_add_char(x->out, (char)c);
    } else if (c < 0x800) {
        buf_addf(x->out, "%c%c", (int)(0xC0 | c >> 6), (int)(0x80 | (c & 0x3F)));
    } else {
        c = c >= 0xD800 && c < 0xE000 ? 0xFFFD : c;
        buf_addf(x->out, "%c%c%c", (int)(0xE0 | c >> 12), (int)(0x80 | (c >> 6 & 0x3F)), (int)(0x80 | (c & 0x3F)));
    }
}

/* Groups that hold no text of the document. */
static bool is_table(struct str word)
{
    static const char *const tables[] = {"fonttbl", "colortbl", "stylesheet", "info", "pict", "objdata", "header", "footer", "generator", "listtable", "themedata"};

    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (str_is(word, tables[i]))
            return true;
    return false;
}

static void word_seen(struct text *x, struct str word, bool has_number, int64_t number)
{
    bool starred = x->starred;

    x->starred = false;
    if (str_is(word, "fromhtml")) {
        x->is_html = true;
    } else if (str_is(word, "htmltag")) {
        top(x)->is_tag = true;
        top(x)->is_hidden = false;
    } else if (str_is(word, "htmlrtf")) {
        x->html_off = !has_number || number != 0;
    } else if (is_table(word) || starred) {
        top(x)->is_hidden = true;
    } else if (str_is(word, "uc")) {
        x->unicode_skip = number >= 0 && number < 16 ? (unsigned)number : 1;
    } else if (str_is(word, "u") && has_number) {
        put(x, (uint32_t)number & 0xFFFF);
        x->skip = x->unicode_skip;
    } else if (str_is(word, "par") || str_is(word, "line")) {
        put(x, '\n');
    } else if (str_is(word, "tab")) {
        put(x, '\t');
    }
}

static int hex_digit(int c)
{
    c = ascii_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t control(struct text *x, struct str b, size_t at)
{
    if (at >= b.len)
        return at;
    if (b.at[at] == '\'' && at + 2 < b.len) {
        int high = hex_digit((unsigned char)b.at[at + 1]), low = hex_digit((unsigned char)b.at[at + 2]);
        if (high >= 0 && low >= 0)
            put(x, (uint32_t)(high << 4 | low));
        return at + 3;
    }
    if (!ascii_is_alpha((unsigned char)b.at[at])) {
        if (b.at[at] == '*')
            x->starred = true;
        else if (b.at[at] == '\\' || b.at[at] == '{' || b.at[at] == '}')
            put(x, (unsigned char)b.at[at]);
        else if (b.at[at] == '~')
            put(x, ' ');
        return at + 1;
    }
    size_t begin = at;
    while (at < b.len && ascii_is_alpha((unsigned char)b.at[at]))
        at++;
    struct str word = str_sub(b, begin, at - begin);
    bool minus = at + 1 < b.len && b.at[at] == '-' && ascii_is_digit((unsigned char)b.at[at + 1]), has_number = false;
    int64_t number = 0;
    for (at += minus; at < b.len && ascii_is_digit((unsigned char)b.at[at]); at++, has_number = true)
        number = number < INT32_MAX ? number * 10 + (b.at[at] - '0') : number;
    if (at < b.len && b.at[at] == ' ')
        at++;
    if (str_is(word, "bin"))
        return number > 0 && (uint64_t)number < b.len - at ? at + (size_t)number : at;
    word_seen(x, word, has_number, minus ? -number : number);
    return at;
}

void rtf_text(struct str rtf, struct buf *out, bool *is_html)
{
    struct text x = {.out = out, .unicode_skip = 1};

    for (size_t at = 0; at < rtf.len && !out->failed;) {
        char c = rtf.at[at++];
        if (c == '{') {
            struct group outer = *top(&x);
            x.depth++;
            *top(&x) = (struct group){.is_hidden = outer.is_hidden};
        } else if (c == '}') {
            x.depth -= x.depth > 0;
            x.starred = false;
        } else if (c == '\\') {
            at = control(&x, rtf, at);
        } else if (c != '\r' && c != '\n') {
            put(&x, (unsigned char)c);
        }
    }
    if (is_html)
        *is_html = x.is_html;
}

void rtf_body(struct reading *r, struct thing *t, struct str packed)
{
    size_t room = unpack_room(r);
    struct buf rtf = buf_make(room + 1), text = buf_make(room * 2 + 16);
    bool is_html = false;

    if (!rtf_decompress(packed, &rtf))
        t->facts |= rtf.len >= room ? FACT_BOMB : FACT_DAMAGED;
    rtf_text(buf_str(&rtf), &text, &is_html);
    unpack_pay(r, rtf.len);
    struct file_entry *entry = entry_add(r, t, is_html ? STR("body.html") : STR("body.txt"), text.len);
    if (entry)
        entry_content(r, t, entry, buf_str(&text), false);
    struct thing source = *t;
    source.bytes = buf_str(&rtf);
    source.facts = 0;
    rtf_look(r, &source);
    t->facts |= source.facts;
    buf_free(&rtf);
    buf_free(&text);
}
