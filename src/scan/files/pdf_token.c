/* pdf_token.c: the words of a PDF (ISO 32000-2, 7.2 and 7.3); see pdf.h. */
#include "scan/files/pdf.h"

#include <string.h>

enum { OPEN_STRINGS_MAX = 8 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0;
}

static bool is_delimiter(char c)
{
    return c && strchr("()<>[]{}/%", c) != NULL;
}

static int hex_digit(char c)
{
    int lower = ascii_lower((unsigned char)c);
    return lower >= '0' && lower <= '9' ? lower - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static void skip_blank(struct pdf_tokens *x)
{
    while (x->at < x->bytes.len) {
        char c = x->bytes.at[x->at];
        if (c == '%') {
            while (x->at < x->bytes.len && x->bytes.at[x->at] != '\n' && x->bytes.at[x->at] != '\r')
                x->at++;
        } else if (!is_blank(c)) {
            return;
        } else {
            x->at++;
        }
    }
}

/*
 * Brackets inside of a string count, escaped ones do not. One that never ends is no string: what follows its bracket is looked at instead. That
 * is tried a few times only, since each of them is looked through to the end of the file.
 */
static bool literal_string(struct pdf_tokens *x, struct pdf_token *t)
{
    struct str b = x->bytes;
    size_t depth = 1;

    if (x->open_strings >= OPEN_STRINGS_MAX)
        return false;
    for (size_t i = x->at + 1; i < b.len; i++) {
        if (b.at[i] == '\\')
            i++;
        else if (b.at[i] == '(')
            depth++;
        else if (b.at[i] == ')' && --depth == 0) {
            t->text = str_sub(b, x->at + 1, i - x->at - 1);
            x->at = i + 1;
            return true;
        }
    }
    x->open_strings++;
    return false;
}

static void hex_string(struct pdf_tokens *x, struct pdf_token *t)
{
    size_t i = x->at + 1;

    while (i < x->bytes.len && (is_blank(x->bytes.at[i]) || hex_digit(x->bytes.at[i]) >= 0))
        i++;
    t->text = str_sub(x->bytes, x->at + 1, i - x->at - 1);
    x->at = i + (i < x->bytes.len && x->bytes.at[i] == '>');
}

static void word(struct pdf_tokens *x, struct pdf_token *t)
{
    size_t begin = x->at, digits = 0;

    while (x->at < x->bytes.len && !is_blank(x->bytes.at[x->at]) && !is_delimiter(x->bytes.at[x->at])) {
        char c = x->bytes.at[x->at++];
        digits += ascii_is_digit((unsigned char)c) || c == '.' || c == '-' || c == '+';
    }
    t->text = str_sub(x->bytes, begin, x->at - begin);
    if (t->kind == PDF_WORD && digits == t->text.len)
        t->kind = PDF_NUMBER;
}

static struct pdf_token mark(struct pdf_tokens *x, enum pdf_token_kind kind, size_t len)
{
    struct pdf_token t = {kind, str_n(NULL, 0), x->at};
    x->at += len;
    return t;
}

struct pdf_token pdf_token_next(struct pdf_tokens *x)
{
    struct pdf_token t;

again:
    skip_blank(x);
    t = (struct pdf_token){.kind = PDF_WORD, .at = x->at};
    if (x->at >= x->bytes.len)
        return mark(x, PDF_END, 0);
    switch (x->bytes.at[x->at]) {
    case '/':
        t.kind = PDF_NAME;
        x->at++;
        word(x, &t);
        return t;
    case '(':
        t.kind = PDF_STRING;
        if (literal_string(x, &t))
            return t;
        x->at++;
        goto again;
    case '<':
        if (has_at(x->bytes, x->at, STR("<<")))
            return mark(x, PDF_DICTIONARY, 2);
        t.kind = PDF_HEX_STRING;
        hex_string(x, &t);
        return t;
    case '>':
        if (has_at(x->bytes, x->at, STR(">>")))
            return mark(x, PDF_DICTIONARY_END, 2);
        x->at++;
        goto again;
    case '[':
        return mark(x, PDF_ARRAY, 1);
    case ']':
        return mark(x, PDF_ARRAY_END, 1);
    case ')': case '{': case '}':
        x->at++;
        goto again;
    default:
        word(x, &t);
        return t;
    }
}

struct str pdf_name(struct str written, char *to, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < written.len && n < size; i++) {
        int high = written.at[i] == '#' && i + 2 < written.len ? hex_digit(written.at[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(written.at[i + 2]) : -1;
        to[n++] = low >= 0 ? (char)(high << 4 | low) : written.at[i];
        i += low >= 0 ? 2 : 0;
    }
    return str_n(to, n);
}

/* Behind a backslash at I: the octet it stands for in TO, false when it stands for none. Returns how many of S it took by LEN. */
static bool escape(struct str s, size_t i, char *to, size_t *len)
{
    static const char letters[] = "nrtbf", values[] = "\n\r\t\b\f";
    const char c = s.at[i];
    const char *known = c ? strchr(letters, c) : NULL;
    unsigned octal = 0;

    *len = 1;
    if (c == '\r' || c == '\n') { /* the line goes on */
        *len = c == '\r' && i + 1 < s.len && s.at[i + 1] == '\n' ? 2 : 1;
        return false;
    }
    if (c < '0' || c > '7') {
        *to = known ? values[known - letters] : c;
        return true;
    }
    for (*len = 0; *len < 3 && i + *len < s.len && s.at[i + *len] >= '0' && s.at[i + *len] <= '7'; ++*len)
        octal = octal * 8 + (unsigned)(s.at[i + *len] - '0');
    *to = (char)octal;
    return true;
}

static size_t read_literal(struct str s, char *to)
{
    size_t n = 0, len;

    for (size_t i = 0; i < s.len;) {
        if (s.at[i] != '\\' || i + 1 == s.len) {
            to[n++] = s.at[i++];
            continue;
        }
        n += escape(s, i + 1, to + n, &len);
        i += 1 + len;
    }
    return n;
}

static size_t read_hex(struct str s, char *to)
{
    size_t n = 0;
    int half = -1;

    for (size_t i = 0; i < s.len; i++) {
        int digit = hex_digit(s.at[i]);
        if (digit < 0)
            continue;
        if (half >= 0)
            to[n++] = (char)(half << 4 | digit);
        half = half >= 0 ? -1 : digit;
    }
    if (half >= 0)
        to[n++] = (char)(half << 4); /* a missing digit is 0 (7.3.4.3) */
    return n;
}

struct str pdf_string(struct arena *arena, const struct pdf_token *string, size_t most)
{
    struct str written = str_sub(string->text, 0, most);
    char *to = arena_bytes(arena, written.len + 1);

    if (!to)
        return str_n(NULL, 0);
    struct str octets = str_n(to, string->kind == PDF_STRING ? read_literal(written, to) : read_hex(written, to));
    bool is_wide = has_at(octets, 0, STR("\xFE\xFF"));
    if (has_at(octets, 0, STR("\xEF\xBB\xBF")))
        return str_from_index(octets, 3);
    return is_wide ? utf16_text(arena, str_from_index(octets, 2), true) : octets;
}
