/*
 * reply.c: see reply.h. Used by client.c. Only whole lines are taken, so the parser needs no buffer of its own; what it keeps
 * is printable ASCII, because it goes into logs and into Diagnostic-Code of reports.
 */
#include "smtp/reply.h"

#include <string.h>

void reply_parser_init(struct reply_parser *p, struct smtp_reply *into)
{
    *p = (struct reply_parser){.reply = into};
    *into = (struct smtp_reply){.code = 0};
}

/* The code of a line, 0 when it has none: RFC 5321 §4.2, first digit 2 to 5. */
static int line_code(struct str line)
{
    if (line.len < 3 || line.at[0] < '2' || line.at[0] > '5')
        return 0;
    if (!ascii_is_digit((unsigned char)line.at[1]) || !ascii_is_digit((unsigned char)line.at[2]))
        return 0;
    if (line.len > 3 && line.at[3] != ' ' && line.at[3] != '-')
        return 0;
    return (line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 + (line.at[2] - '0');
}

/* One to three digits; their count, 0 when there are none or too many. */
static size_t digits(struct str s)
{
    size_t n = 0;

    while (n < s.len && ascii_is_digit((unsigned char)s.at[n]))
        n++;
    return n <= 3 ? n : 0;
}

/* "5.1.1 text" (RFC 2034 §4): taken only when its class is that of the code. */
static void note_enhanced(struct smtp_reply *reply, struct str text)
{
    size_t len = 0;

    for (int part = 0; part < 3; part++) {
        size_t n = digits(str_from_index(text, len));
        if (n == 0 || (part == 0 && n != 1))
            return;
        len += n;
        if (part < 2 && (len == text.len || text.at[len++] != '.'))
            return;
    }
    if ((len < text.len && text.at[len] != ' ' && text.at[len] != '\t') || text.at[0] - '0' != reply->code / 100)
        return;
    str_copy(reply->enhanced, sizeof reply->enhanced, str_sub(text, 0, len));
}

static void keep_text(struct reply_parser *p, struct str line)
{
    char *to = p->reply->text;
    size_t room = REPLY_TEXT_MAX - p->text_len;

    if (p->lines && room > 0) {
        to[p->text_len++] = '\n';
        room--;
    }
    for (size_t i = 0; i < line.len && i < room; i++) {
        char c = line.at[i];
        to[p->text_len++] = c == '\t' ? ' ' : c >= ' ' && c <= '~' ? c : '?';
    }
    to[p->text_len] = '\0';
}

static enum reply_result take_line(struct reply_parser *p, struct str line, void (*each)(void *arg, struct str text), void *arg)
{
    int code = line_code(line);

    if (code == 0 || (p->lines && code != p->reply->code) || p->lines == REPLY_LINES_MAX)
        return REPLY_MALFORMED;
    struct str text = str_from_index(line, 4);
    p->reply->code = code;
    if (p->lines == 0)
        note_enhanced(p->reply, text);
    keep_text(p, line);
    p->lines++;
    if (each)
        each(arg, text);
    return line.len > 3 && line.at[3] == '-' ? REPLY_MORE : REPLY_DONE;
}

enum reply_result reply_parse(struct reply_parser *p, struct str input, size_t *used, void (*each)(void *arg, struct str text), void *arg)
{
    enum reply_result result = REPLY_MORE;

    *used = 0;
    while (result == REPLY_MORE) {
        struct str rest = str_from_index(input, *used);
        ptrdiff_t lf = str_find(rest, '\n');
        size_t len = lf < 0 ? rest.len : (size_t)lf;

        if (len > REPLY_LINE_MAX)
            return REPLY_MALFORMED;
        if (lf < 0)
            return REPLY_MORE;
        *used += len + 1;
        if (len && rest.at[len - 1] == '\r')
            len--;
        result = take_line(p, str_sub(rest, 0, len), each, arg);
    }
    return result;
}

void reply_one_line(const struct smtp_reply *reply, char *to)
{
    str_copy(to, REPLY_TEXT_MAX + 1, str_from(reply->text));
    for (char *at = to; *at; at++)
        if (*at == '\n')
            *at = ' ';
}
