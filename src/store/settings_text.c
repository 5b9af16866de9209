/* settings_text.c: see settings_text.h. Strings and comments are told apart as libconfuse does it. */
#include "store/settings_text.h"

#include <stdio.h>
#include <string.h>

static const char mark[] = "#@line ";

/* The end of the string that begins with the quote at AT: behind its closing quote, or at the end of the text. */
static char *string_end(char *at)
{
    char quote = *at++;

    while (*at && *at != quote)
        at += *at == '\\' && at[1] ? 2 : 1;
    return *at ? at + 1 : at;
}

/* The sign # begins a comment anywhere, a slash only where a word could begin: "https://x" is one. */
static char *comment_end(char *at, bool starts_word)
{
    if (*at == '#' || (starts_word && *at == '/' && at[1] == '/'))
        return at + strcspn(at, "\n");
    if (!starts_word || *at != '/' || at[1] != '*')
        return NULL;
    char *end = strstr(at + 2, "*/");
    return end ? end + 2 : at + strlen(at);
}

static bool is_endless_comment(const char *at)
{
    return at[0] == '/' && at[1] == '*' && !strstr(at + 2, "*/");
}

static size_t lines_between(const char *from, const char *to)
{
    size_t lines = 0;

    while (from < to)
        lines += *from++ == '\n';
    return lines;
}

size_t settings_text_blank_comments(char *text)
{
    size_t depth = 0, line = 1, opened = 0;
    bool starts_word = true;

    for (char *at = text, *end; *at; at = end) {
        bool quoted = *at == '"' || *at == '\'';
        end = quoted ? string_end(at) : comment_end(at, starts_word);
        if (!quoted && starts_word && is_endless_comment(at))
            return line;
        for (char *c = at; !quoted && end && c < end; c++)
            if (*c != '\n')
                *c = ' ';
        if (*at == '{' && depth++ == 0)
            opened = line;
        if (*at == '}' && depth > 0)
            depth--;
        if (!end)
            end = at + 1;
        starts_word = strchr(" \t\r\n\"'=,(){}+", end[-1]) != NULL;
        line += lines_between(at, end);
    }
    return depth ? opened : 0;
}

void settings_text_mark(struct buf *text, const char *file, size_t line)
{
    buf_addf(text, "%s%s%zu %s\n", text->len && text->at[text->len - 1] != '\n' ? "\n" : "", mark, line, file);
}

void settings_text_origin(const char *text, size_t line, const char *name, char *to, size_t size)
{
    struct str rest = str_from(text), file = str_from(name);
    uint64_t number = 0;

    for (size_t i = 0; i < line && rest.at; i++) {
        struct str one = str_cut(&rest, '\n');
        if (!str_starts(one, str_from(mark))) {
            number++;
            continue;
        }
        struct str where = str_from_index(one, sizeof mark - 1), digits = str_cut(&where, ' ');
        if (str_to_u64(digits, UINT32_MAX, &number) && number > 0)
            number--;
        file = where;
    }
    snprintf(to, size, STR_FMT ":%llu", STR_ARG(file), (unsigned long long)number);
}
