/* mime_field.c: the names of MIME's fields, and the value of Content-Transfer-Encoding as readers take it. */
#include "mail/line.h"
#include "mail/mime_parts.h"

static const struct {
    const char *name;
    enum mime_field_id id;
} fields[] = {
    {"Content-Type", FIELD_TYPE}, {"Content-Transfer-Encoding", FIELD_ENCODING}, {"Content-Disposition", FIELD_DISPOSITION},
    {"MIME-Version", FIELD_VERSION}, {"Content-ID", FIELD_ID}, {"Content-Location", FIELD_LOCATION},
    {"Content-Description", FIELD_DESCRIPTION},
};

enum mime_field_id mime_field_id(struct str name)
{
    if (name.len < 10 || (ascii_lower((unsigned char)name.at[0]) != 'c' && ascii_lower((unsigned char)name.at[0]) != 'm'))
        return FIELD_NONE;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (str_is_case(name, fields[i].name))
            return fields[i].id;
    return FIELD_NONE;
}

bool mime_is_field_line(struct str line)
{
    ptrdiff_t colon = str_find(str_sub(line, 0, 40), ':');

    if (colon < 0)
        return false;
    enum mime_field_id id = mime_field_id(str_trim(str_sub(line, 0, (size_t)colon)));
    return id == FIELD_TYPE || id == FIELD_ENCODING || id == FIELD_DISPOSITION;
}

bool mime_has_field_line(struct str text)
{
    while (text.len)
        if (mime_is_field_line(line_take(&text)))
            return true;
    return false;
}

/* VALUE without comments; what follows an open one is kept. */
static struct str without_comments(struct str value, char *to, size_t size, bool *had_comment)
{
    size_t len = 0, depth = 0;

    for (size_t i = 0; i < value.len && len < size; i++) {
        if (value.at[i] == '(') {
            depth++;
            *had_comment = true;
        } else if (value.at[i] == ')' && depth) {
            depth--;
        } else if (!depth) {
            to[len++] = value.at[i];
        }
    }
    return str_trim(str_n(to, len));
}

enum transfer_encoding mime_encoding_read(struct str value, bool *is_odd, bool *has_comment)
{
    char text[128];

    *is_odd = *has_comment = false;
    struct str plain = without_comments(value, text, sizeof text, has_comment);
    enum transfer_encoding e = transfer_encoding_parse(plain);
    if (e != ENCODING_UNKNOWN || plain.len == 0)
        return plain.len ? e : ENCODING_7BIT;
    *is_odd = true;
    /* "base64; x=y", "base64 y", "\"base64\"": most take the first word */
    size_t from = 0, to;
    while (from < plain.len && plain.at[from] == '"')
        from++;
    for (to = from; to < plain.len && (ascii_is_alnum((unsigned char)plain.at[to]) || plain.at[to] == '-'); to++)
        ;
    return transfer_encoding_parse(str_sub(plain, from, to - from));
}

/* Letters and digits only, lower case. */
static struct str letters_of(struct str value, char *to, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < value.len && len < size; i++)
        if (ascii_is_alnum((unsigned char)value.at[i]))
            to[len++] = (char)ascii_lower((unsigned char)value.at[i]);
    return str_n(to, len);
}

enum transfer_encoding mime_encoding_guess(struct str value)
{
    static const struct {
        const char *part;
        enum transfer_encoding encoding;
    } guesses[] = {{"base64", ENCODING_BASE64}, {"b64", ENCODING_BASE64}, {"quoted", ENCODING_QUOTED_PRINTABLE},
                   {"printable", ENCODING_QUOTED_PRINTABLE}, {"qp", ENCODING_QUOTED_PRINTABLE}, {"uu", ENCODING_UUENCODE},
                   {"yenc", ENCODING_YENC}};
    char text[256];
    struct str letters = letters_of(value, text, sizeof text);

    for (size_t i = 0; i < sizeof guesses / sizeof *guesses; i++)
        if (str_find_str(letters, str_from(guesses[i].part)) >= 0)
            return guesses[i].encoding;
    return ENCODING_UNKNOWN;
}
