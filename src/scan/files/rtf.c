/* rtf.c: what an RTF file carries and fetches: objects, templates, fields. Control words are read as Word reads them, whatever is put between; see reading.h. */
#include "scan/files/reading.h"

#include <string.h>

enum { FIELD_MAX = 1024, OLE1_FIXED = 8 };

struct rtf {
    struct reading *r;
    struct thing *t;
    size_t depth;
    size_t data_depth;   /* of the group that is an object's data; 0: none */
    size_t text_depth;   /* of the group whose text is collected: field instruction or template */
    bool is_template;
    struct buf data;
    char text[FIELD_MAX];
    size_t text_len;
    int half;            /* the first of two hexadecimal digits, or -1 */
    uint32_t objects;
};

/* Class name, topic and item, each with its length (MS-OLEDS §2.2.5), then the native data's length. */
static struct str embedded(struct str object)
{
    size_t at = OLE1_FIXED;

    for (int i = 0; i < 3; i++) {
        uint32_t len = le32(object, at);
        if (at + 4 > object.len || len > object.len - at - 4)
            return object;
        at += 4U + len;
    }
    return at + 4 < object.len ? str_sub(object, at + 4, le32(object, at)) : object;
}

static void end_object(struct rtf *x)
{
    struct str object = buf_str(&x->data);
    ptrdiff_t ole = find_from(object, 0, STR("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"));
    struct str content = ole >= 0 ? str_from_index(object, (size_t)ole) : embedded(object);

    x->data_depth = 0;
    if (object.len == 0)
        return;
    unpack_pay(x->r, object.len);
    struct file_entry *entry = entry_add(x->r, x->t, STR("object"), content.len);
    x->objects++;
    if (entry)
        entry_content(x->r, x->t, entry, content, false);
    buf_clear(&x->data);
}

static void end_text(struct rtf *x)
{
    struct str text = str_n(x->text, x->text_len);

    x->text_depth = 0;
    if (x->is_template) {
        if (find_from(text, 0, STR("://")) < 0 && find_from(text, 0, STR("\\\\")) < 0)
            return;
        x->t->facts |= FACT_EXTERNAL_TEMPLATE;
        detail_add(x->r, "template %.*s", STR_ARG(printable(x->r->arena, str_trim(text), 120)));
        url_add(x->r, text, "rtf");
        return;
    }
    if (find_case(text, STR("ddeauto")) >= 0 || find_case(text, STR("dde ")) >= 0) {
        x->t->facts |= FACT_DDE;
        detail_add(x->r, "DDE field");
    }
    ptrdiff_t link = find_case(text, STR("hyperlink")), http = find_case(text, STR("http"));
    if (find_case(text, STR("includepicture")) >= 0 || find_case(text, STR("includetext")) >= 0)
        x->t->facts |= http >= 0 ? FACT_EXTERNAL_TEMPLATE : 0U;
    if (http >= 0 && (link >= 0 || (x->t->facts & FACT_EXTERNAL_TEMPLATE))) {
        struct str url = str_from_index(text, (size_t)http);
        size_t n = 0;
        while (n < url.len && url.at[n] != '"' && url.at[n] != ' ')
            n++;
        url_add(x->r, str_sub(url, 0, n), "rtf");
    }
}

static void control_word(struct rtf *x, struct str word)
{
    if (str_is(word, "objdata")) {
        x->t->facts |= FACT_OLE_OBJECT;
        x->data_depth = x->depth;
        x->half = -1;
        buf_clear(&x->data);
    } else if (str_is(word, "object") || str_is(word, "objocx") || str_is(word, "objemb") || str_is(word, "objlink") || str_is(word, "objupdate")) {
        x->t->facts |= FACT_OLE_OBJECT;
        if (str_is(word, "objupdate"))
            detail_add(x->r, "object updated on opening");
    } else if (str_is(word, "template") || str_is(word, "fldinst")) {
        x->is_template = str_is(word, "template");
        x->text_depth = x->depth;
        x->text_len = 0;
    }
}

static int hex_digit(int c)
{
    c = ascii_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void plain(struct rtf *x, char c)
{
    if (x->text_depth && x->text_len < sizeof x->text && c != '\r' && c != '\n')
        x->text[x->text_len++] = c;
    int digit = x->data_depth ? hex_digit((unsigned char)c) : -1;
    if (digit < 0)
        return;
    if (x->half < 0) {
        x->half = digit;
        return;
    }
    if (x->data.len >= unpack_room(x->r) || !buf_add_char(&x->data, (char)(x->half << 4 | digit)))
        x->t->facts |= FACT_BOMB;
    x->half = -1;
}

static void end_group(struct rtf *x)
{
    if (x->data_depth && x->depth <= x->data_depth)
        end_object(x);
    if (x->text_depth && x->depth <= x->text_depth)
        end_text(x);
    if (x->depth)
        x->depth--;
}

/* Behind a backslash. Returns where to go on. */
static size_t control(struct rtf *x, struct str b, size_t at)
{
    if (at >= b.len)
        return at;
    if (b.at[at] == '\'' && at + 2 < b.len) { /* one octet in hexadecimal; inside data Word passes over it */
        int high = hex_digit((unsigned char)b.at[at + 1]), low = hex_digit((unsigned char)b.at[at + 2]);
        if (high >= 0 && low >= 0 && !x->data_depth)
            plain(x, (char)(high << 4 | low));
        return at + 3;
    }
    if (!ascii_is_alpha((unsigned char)b.at[at])) {
        if (x->text_depth && b.at[at] == '\\')
            plain(x, '\\');
        return at + 1;
    }
    size_t begin = at;
    while (at < b.len && ascii_is_alpha((unsigned char)b.at[at]))
        at++;
    struct str word = str_sub(b, begin, at - begin);
    size_t digits = at + (at < b.len && b.at[at] == '-');
    uint64_t number = 0;
    while (digits < b.len && ascii_is_digit((unsigned char)b.at[digits])) {
        number = number < UINT32_MAX ? number * 10 + (uint64_t)(b.at[digits] - '0') : number;
        at = ++digits;
    }
    if (at < b.len && b.at[at] == ' ')
        at++;
    if (str_is(word, "bin")) {
        struct str binary = str_sub(b, at, number < b.len ? (size_t)number : b.len);
        if (x->data_depth && binary.len <= unpack_room(x->r))
            buf_add_str(&x->data, binary);
        return at + binary.len;
    }
    control_word(x, word);
    return at;
}

void rtf_look(struct reading *r, struct thing *t)
{
    struct rtf x = {.r = r, .t = t, .data = unpack_buf(), .half = -1};
    struct str b = t->bytes;

    for (size_t at = 0; at < b.len;) {
        char c = b.at[at++];
        if (c == '{')
            x.depth++;
        else if (c == '}')
            end_group(&x);
        else if (c == '\\')
            at = control(&x, b, at);
        else
            plain(&x, c);
    }
    if (x.data_depth)
        end_object(&x);
    if (x.text_depth)
        end_text(&x);
    buf_free(&x.data);
}
