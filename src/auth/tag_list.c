/* tag_list.c: see tag_list.h. */
#include "auth/tag_list.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str tag_trim(struct str s)
{
    while (s.len && is_space(s.at[0]))
        s = str_from_index(s, 1);
    while (s.len && is_space(s.at[s.len - 1]))
        s.len--;
    return s;
}

/* ALPHA *(ALPHA / DIGIT / "_") */
static bool name_is_valid(struct str s)
{
    if (s.len == 0 || !ascii_is_alpha((unsigned char)s.at[0]))
        return false;
    for (size_t i = 1; i < s.len; i++)
        if (!ascii_is_alnum((unsigned char)s.at[i]) && s.at[i] != '_')
            return false;
    return true;
}

/* VALCHAR: printable but ';', and white space between. */
static bool value_is_valid(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_space(s.at[i]) && ((unsigned char)s.at[i] < 0x21 || (unsigned char)s.at[i] > 0x7E))
            return false;
    return true;
}

bool tag_list_parse(struct str text, struct tag_list *out)
{
    struct str rest = text;

    out->count = 0;
    while (rest.len) {
        struct str value = str_cut(&rest, ';');
        if (!tag_trim(value).len && !rest.len && out->count)
            return true; /* behind the last ';' */
        struct str name = tag_trim(str_cut(&value, '='));
        if (!value.at || !name_is_valid(name) || !value_is_valid(value) || out->count == TAGS_MAX)
            return false;
        for (size_t i = 0; i < out->count; i++)
            if (str_eq(out->at[i].name, name))
                return false;
        out->at[out->count].name = name;
        out->at[out->count++].value = tag_trim(value);
    }
    return out->count > 0;
}

struct str tag_find(const struct tag_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (str_is(list->at[i].name, name))
            return list->at[i].value.at ? list->at[i].value : STR("");
    return str_n(NULL, 0);
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool tag_base64(struct str value, unsigned char *to, size_t size, size_t *len)
{
    unsigned bits = 0, held = 0, padding = 0;

    *len = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (is_space(value.at[i]))
            continue;
        if (value.at[i] == '=') {
            padding++;
            continue;
        }
        int six = sextet(value.at[i]);
        if (six < 0 || padding)
            return false;
        bits = (bits << 6 | (unsigned)six) & 0xFFFFFF;
        held += 6;
        if (held >= 8) {
            held -= 8;
            if (*len == size)
                return false;
            to[(*len)++] = (unsigned char)(bits >> held);
        }
    }
    return padding <= 2 && held != 6;
}
