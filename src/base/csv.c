/* csv.c: see csv.h. */
#include "base/csv.h"

#include <string.h>

static int take_quoted(struct str *rest, size_t *line, char *to, size_t *len)
{
    size_t i = 1;

    for (; i < rest->len; i++) {
        char c = rest->at[i];
        if (c == '"' && (i + 1 >= rest->len || rest->at[i + 1] != '"'))
            break;
        i += c == '"';
        *line += c == '\n';
        if (*len == CSV_FIELD_MAX)
            return -1;
        to[(*len)++] = c;
    }
    if (i >= rest->len)
        return -1;
    *rest = str_from_index(*rest, i + 1);
    return 1;
}

/* What stands up to the next comma or line end. */
static int take_field(struct str *rest, size_t *line, char *to)
{
    size_t len = 0;

    if (rest->len && rest->at[0] == '"') {
        if (take_quoted(rest, line, to, &len) < 0)
            return -1;
    } else {
        while (len < rest->len && rest->at[len] != ',' && rest->at[len] != '\n') {
            if (len == CSV_FIELD_MAX || rest->at[len] == '"')
                return -1;
            to[len] = rest->at[len];
            len++;
        }
        *rest = str_from_index(*rest, len);
        while (len && (to[len - 1] == '\r' || to[len - 1] == ' '))
            len--;
    }
    to[len] = '\0';
    if (rest->len && rest->at[0] == '\r')
        *rest = str_from_index(*rest, 1);
    return memchr(to, '\0', len) ? -1 : 1;
}

int csv_next(struct str *rest, size_t *line, struct csv_row *row)
{
    while (rest->len && (rest->at[0] == '\n' || rest->at[0] == '\r')) {
        *line += rest->at[0] == '\n';
        *rest = str_from_index(*rest, 1);
    }
    row->count = 0;
    row->line = *line;
    if (!rest->len)
        return 0;
    for (;;) {
        if (row->count == CSV_FIELDS || take_field(rest, line, row->field[row->count++]) < 0)
            return -1;
        char c = rest->len ? rest->at[0] : '\n';
        *rest = str_from_index(*rest, 1);
        *line += c == '\n';
        if (c == '\n')
            return 1;
        if (c != ',')
            return -1;
    }
}

void csv_field(struct buf *out, struct str text, bool last)
{
    bool quoted = text.len && (memchr(text.at, ',', text.len) || memchr(text.at, '"', text.len) || memchr(text.at, '\n', text.len) ||
                               memchr(text.at, '\r', text.len) || text.at[0] == ' ' || text.at[text.len - 1] == ' ');

    if (quoted)
        buf_add_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '"')
            buf_add_char(out, '"');
        buf_add_char(out, text.at[i]);
    }
    if (quoted)
        buf_add_char(out, '"');
    buf_add_text(out, last ? "\r\n" : ",");
}
