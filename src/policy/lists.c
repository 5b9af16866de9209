/* lists.c: the list files; see lists.h. Kept as arrays in file order: the first entry that matches is the evidence. */
#include "policy/lists.h"

#include "policy/finding.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATTERN_MAX = 320, MOST_ENTRIES = 200000 };

struct pattern {
    char text[PATTERN_MAX + 1]; /* lower case */
    char domain[256];           /* "": for all */
    bool authenticated_only;
    bool envelope, author;      /* match= */
    size_t line;
};

struct net_entry {
    struct network network;
    char domain[256];
    unsigned skips;
    size_t line;
};

struct pattern_list {
    const char *file;
    struct pattern *at;
    size_t count, room;
};

struct net_list {
    const char *file;
    struct net_entry *at;
    size_t count, room;
};

struct lists {
    struct pattern_list sender_allow, sender_block, recipient_allow, recipient_block;
    struct net_list ip_allow, ip_block;
};

static bool grow(void **at, size_t *room, size_t count, size_t size)
{
    if (count < *room)
        return true;
    size_t more = *room ? *room * 2 : 16;
    void *bigger = count < MOST_ENTRIES ? realloc(*at, more * size) : NULL;
    if (!bigger)
        return false;
    *at = bigger;
    *room = more;
    return true;
}

static bool take_option(struct pattern *p, struct str word)
{
    struct str value = word, key = str_cut(&value, '=');

    if (str_is(word, "unauthenticated")) {
        p->authenticated_only = false;
        return true;
    }
    if (str_is(key, "domain"))
        return domain_to_ascii(value, p->domain, sizeof p->domain);
    if (str_is(key, "match")) {
        p->envelope = !str_is(value, "from");
        p->author = !str_is(value, "envelope");
        return str_is(value, "envelope") || str_is(value, "from") || str_is(value, "both");
    }
    return false;
}

/* TEXT with its domain (behind FROM octets) as it stands in addresses: lower case, A-labels. */
static bool normal_form(struct str text, size_t from, char *to, size_t size)
{
    struct str domain = str_from_index(text, from);

    if (!str_copy(to, size, str_sub(text, 0, from)))
        return false;
    str_lower(to, from);
    if (domain.len && domain.at[0] == '[') {
        bool ok = str_copy(to + from, size - from, domain);
        str_lower(to + from, strlen(to + from));
        return ok;
    }
    return domain_to_ascii(domain, to + from, size - from);
}

/* A slip such as "*bad.test" would never match anybody, so it is said instead of kept. */
static bool pattern_parse(struct str text, char *to, size_t size)
{
    ptrdiff_t at = str_find_last(text, '@');
    struct ip literal;

    if (str_starts(text, STR("*@")) || str_starts(text, STR("*.")))
        return normal_form(text, 2, to, size);
    if (at < 0)
        return normal_form(text, 0, to, size);
    struct str domain = str_from_index(text, (size_t)at + 1);
    if (at == 0 || text.at[0] == '*' || (domain.len && domain.at[0] == '[' && !address_literal_parse(domain, &literal)))
        return false;
    return normal_form(text, (size_t)at + 1, to, size);
}

static bool take_pattern(struct pattern_list *list, struct str line, size_t number)
{
    struct str word = str_word(&line);

    if (!grow((void **)&list->at, &list->room, list->count, sizeof *list->at))
        return false;
    struct pattern *p = &list->at[list->count];
    *p = (struct pattern){.authenticated_only = true, .envelope = true, .line = number};
    if (!pattern_parse(word, p->text, sizeof p->text))
        return false;
    for (word = str_word(&line); word.len; word = str_word(&line))
        if (!take_option(p, word))
            return false;
    list->count++;
    return true;
}

static bool take_skips(struct str value, unsigned *out)
{
    static const struct { const char *name; unsigned skip; } skips[] = {
        {"connections", SKIP_CONNECTIONS}, {"greylisting", SKIP_GREYLISTING}, {"greeting", SKIP_GREETING}, {"dns", SKIP_DNS},
        {"ptr", SKIP_PTR}, {"dnsbl", SKIP_DNSBL}, {"rate", SKIP_RATE}, {"content", SKIP_CONTENT}};

    while (value.len) {
        struct str one = str_cut(&value, ',');
        unsigned hit = 0;
        for (size_t i = 0; i < sizeof skips / sizeof *skips; i++)
            if (str_is(one, skips[i].name))
                hit = skips[i].skip;
        if (!hit)
            return false;
        *out |= hit;
    }
    return *out != 0;
}

static bool take_network(struct net_list *list, struct str line, size_t number)
{
    struct str word = str_word(&line);

    if (!grow((void **)&list->at, &list->room, list->count, sizeof *list->at))
        return false;
    struct net_entry *n = &list->at[list->count];
    *n = (struct net_entry){.line = number};
    if (!network_parse(word, &n->network))
        return false;
    for (word = str_word(&line); word.len; word = str_word(&line)) {
        struct str value = word, key = str_cut(&value, '=');
        bool ok = str_is(key, "domain") ? domain_to_ascii(value, n->domain, sizeof n->domain) : str_is(key, "skip") && take_skips(value, &n->skips);
        if (!ok)
            return false;
    }
    list->count++;
    return true;
}

/* One of PATTERNS and NETS is where the lines go. */
static bool read_list(const char *directory, const char *file, struct pattern_list *patterns, struct net_list *nets, struct buf *error)
{
    char path[4096], *text = NULL;
    size_t room = 0, number = 0;
    ssize_t n;
    bool ok = true;

    snprintf(path, sizeof path, "%s/%s", directory, file);
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
        ok = patterns ? take_pattern(patterns, line, number) : take_network(nets, line, number);
        if (!ok)
            buf_addf(error, "%s:%zu: \"" STR_FMT "\" is no entry: %s", path, number, STR_ARG(str_sub(line, 0, 100)),
                     patterns ? "PATTERN [domain=D] [match=envelope|from|both] [unauthenticated]" : "NETWORK [domain=D] [skip=A,B]");
    }
    free(text);
    fclose(f);
    return ok;
}

struct lists *lists_load(const char *directory, struct buf *error)
{
    struct lists *l = calloc(1, sizeof *l);

    if (!l) {
        buf_add_text(error, "out of memory");
        return NULL;
    }
    struct { const char *file; struct pattern_list *patterns; struct net_list *nets; } const all[] = {
        {"sender-allow", &l->sender_allow, NULL}, {"sender-block", &l->sender_block, NULL}, {"recipient-allow", &l->recipient_allow, NULL},
        {"recipient-block", &l->recipient_block, NULL}, {"ip-allow", NULL, &l->ip_allow}, {"ip-block", NULL, &l->ip_block}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].patterns)
            all[i].patterns->file = all[i].file;
        else
            all[i].nets->file = all[i].file;
        if (*directory && !read_list(directory, all[i].file, all[i].patterns, all[i].nets, error)) {
            lists_free(&l);
            return NULL;
        }
    }
    return l;
}

void lists_free(struct lists **l)
{
    if (!*l)
        return;
    free((*l)->sender_allow.at);
    free((*l)->sender_block.at);
    free((*l)->recipient_allow.at);
    free((*l)->recipient_block.at);
    free((*l)->ip_allow.at);
    free((*l)->ip_block.at);
    free(*l);
    *l = NULL;
}

/* user@domain, *@domain, domain, *.domain (any depth below it). */
static bool pattern_matches(const char *pattern, struct str address, struct str domain)
{
    struct str p = str_from(pattern);

    if (str_starts(p, STR("*@")))
        return str_eq_case(str_from_index(p, 2), domain);
    if (str_starts(p, STR("*.")))
        return domain.len > p.len - 1 && str_ends_case(domain, str_from_index(p, 1));
    if (str_find(p, '@') >= 0)
        return str_eq_case(p, address);
    return domain.len && str_eq_case(p, domain);
}

static bool is_for(const char *entry_domain, struct str domain)
{
    return !*entry_domain || str_eq_case(str_from(entry_domain), domain);
}

static void note(char *evidence, const char *what, const char *file, size_t line)
{
    if (evidence)
        snprintf(evidence, EVIDENCE_MAX, "%.*s in %s, line %zu", EVIDENCE_MAX / 2, what, file, line);
}

static bool find_pattern(const struct pattern_list *list, const struct address *a, struct str domain, bool authenticated, char *evidence)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct pattern *p = &list->at[i];
        if (!p->envelope || (p->authenticated_only && !authenticated) || !is_for(p->domain, domain) ||
            !pattern_matches(p->text, address_text(a), address_domain(a)))
            continue;
        note(evidence, p->text, list->file, p->line);
        return true;
    }
    return false;
}

static bool find_author(const struct pattern_list *list, struct str author, struct str domain, bool authenticated, char *evidence)
{
    char address[PATTERN_MAX + 1];
    ptrdiff_t at = str_find_last(author, '@');

    if (at < 0 || !normal_form(author, (size_t)at + 1, address, sizeof address))
        return false;
    struct str text = str_from(address), of = str_from_index(text, (size_t)at + 1);
    for (size_t i = 0; i < list->count; i++) {
        const struct pattern *p = &list->at[i];
        if (!p->author || (p->authenticated_only && !authenticated) || !is_for(p->domain, domain) || !pattern_matches(p->text, text, of))
            continue;
        note(evidence, p->text, list->file, p->line);
        return true;
    }
    return false;
}

bool lists_author_allowed(const struct lists *l, struct str author, struct str domain, bool authenticated, char *evidence)
{
    return find_author(&l->sender_allow, author, domain, authenticated, evidence);
}

bool lists_author_blocked(const struct lists *l, struct str author, struct str domain, char *evidence)
{
    return find_author(&l->sender_block, author, domain, true, evidence);
}

static bool has_own_author(const struct pattern_list *list, struct str domain)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].author && *list->at[i].domain && is_for(list->at[i].domain, domain))
            return true;
    return false;
}

bool lists_has_own_authors(const struct lists *l, struct str domain)
{
    return has_own_author(&l->sender_allow, domain) || has_own_author(&l->sender_block, domain);
}

bool lists_sender_allowed(const struct lists *l, const struct address *sender, struct str domain, bool authenticated, char *evidence)
{
    return find_pattern(&l->sender_allow, sender, domain, authenticated, evidence);
}

bool lists_sender_blocked(const struct lists *l, const struct address *sender, struct str domain, char *evidence)
{
    return find_pattern(&l->sender_block, sender, domain, true, evidence);
}

bool lists_recipient_allowed(const struct lists *l, const struct address *recipient, char *evidence)
{
    return find_pattern(&l->recipient_allow, recipient, address_domain(recipient), true, evidence);
}

bool lists_recipient_blocked(const struct lists *l, const struct address *recipient, char *evidence)
{
    return find_pattern(&l->recipient_block, recipient, address_domain(recipient), true, evidence);
}

bool lists_ip_blocked(const struct lists *l, const struct ip *ip, struct str domain, char *evidence)
{
    for (size_t i = 0; i < l->ip_block.count; i++) {
        const struct net_entry *n = &l->ip_block.at[i];
        if (!is_for(n->domain, domain) || !network_has(&n->network, ip))
            continue;
        char text[IP_TEXT_MAX];
        note(evidence, ip_format(ip, text), l->ip_block.file, n->line);
        return true;
    }
    return false;
}

unsigned lists_ip_skips(const struct lists *l, const struct ip *ip, struct str domain)
{
    unsigned skips = 0;

    for (size_t i = 0; i < l->ip_allow.count; i++)
        if (is_for(l->ip_allow.at[i].domain, domain) && network_has(&l->ip_allow.at[i].network, ip))
            skips |= l->ip_allow.at[i].skips;
    return skips;
}
