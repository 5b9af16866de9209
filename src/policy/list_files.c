/* list_files.c: lists from the files of lists_directory; see lists.h. */
#include "policy/lists.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool take_option(enum list_kind kind, struct list_entry *e, char domain[256], struct str word)
{
    struct str value = word, key = str_cut(&value, '=');
    bool is_networks = kind == LIST_IP_ALLOW || kind == LIST_IP_BLOCK;

    if (str_is(key, "domain")) {
        if (!domain_to_ascii(value, domain, 256))
            return false;
        e->owner = (struct list_owner){.level = LEVEL_D, .domain = str_from(domain)};
        return true;
    }
    if (is_networks)
        return str_is(key, "skip") && list_skips_parse(value, &e->skips);
    if (str_is(word, "unauthenticated")) {
        e->authenticated_only = false;
        return true;
    }
    if (!str_is(key, "match"))
        return false;
    e->envelope = !str_is(value, "from");
    e->author = !str_is(value, "envelope");
    return str_is(value, "envelope") || str_is(value, "from") || str_is(value, "both");
}

static bool take_line(struct lists *l, enum list_kind kind, struct str line, size_t number)
{
    char domain[256], where[64];
    int len = snprintf(where, sizeof where, "%s, line %zu", list_kind_name(kind), number);
    struct list_entry e = {.owner = {.level = LEVEL_S}, .pattern = str_word(&line), .authenticated_only = true, .envelope = true, .where = str_n(where, (size_t)len)};

    for (struct str word = str_word(&line); word.len; word = str_word(&line))
        if (!take_option(kind, &e, domain, word))
            return false;
    return lists_add(l, kind, &e);
}

static bool read_list(struct lists *l, const char *directory, enum list_kind kind, struct buf *error)
{
    char path[4096], *text = NULL;
    size_t room = 0, number = 0;
    ssize_t n;
    bool ok = true;

    snprintf(path, sizeof path, "%s/%s", directory, list_kind_name(kind));
    FILE *f = fopen(path, "re");
    if (!f) {
        if (errno == ENOENT)
            return true;
        buf_addf(error, "%s: %s", path, strerror(errno));
        return false;
    }
    while (ok && (n = getline(&text, &room, f)) > 0) {
        struct str rest = str_n(text, (size_t)n), line = str_trim(str_cut(&rest, '#'));
        number++;
        if (!line.len)
            continue;
        ok = take_line(l, kind, line, number);
        if (!ok)
            buf_addf(error, "%s:%zu: \"" STR_FMT "\" is no entry: %s", path, number, STR_ARG(str_sub(line, 0, 100)),
                     kind < LIST_IP_ALLOW ? "PATTERN [domain=D] [match=envelope|from|both] [unauthenticated]" : "NETWORK [domain=D] [skip=A,B]");
    }
    free(text);
    fclose(f);
    return ok;
}

struct lists *lists_load(const char *directory, struct buf *error)
{
    struct lists *l = lists_new();

    if (!l)
        buf_add_text(error, "out of memory");
    for (int i = 0; l && *directory && i < LIST_KINDS; i++)
        if (!read_list(l, directory, (enum list_kind)i, error))
            lists_free(&l);
    return l;
}
