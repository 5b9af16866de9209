/* lists.c: the index of allow and block lists; see lists.h. Entries are found by their pattern: an address has few that could name it. */
#include "policy/lists.h"

#include "base/hash.h"
#include "base/list.h"
#include "policy/finding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ENTRIES = 2000000, MOST_LABELS = 130 };

struct entry {
    struct hash_node node;
    struct entry *next;          /* of all, for freeing */
    unsigned level, skips;
    int64_t tenant;
    bool authenticated_only, envelope, author;
    struct network network;
    struct str pattern, domain, local_part, where; /* in text */
    char text[];
};

/* What entries about authors of one owner come down to: asked at every RCPT, so it is not added up there. */
struct own_authors {
    struct hash_node node;
    struct own_authors *next;
    const struct entry *of;      /* one of them: whose they are */
    uint64_t sum;
};

struct lists {
    struct hash_table table[LIST_KINDS];
    uint64_t prefixes[LIST_KINDS][2][3]; /* lengths of the networks that there are: of IPv4, of IPv6 */
    struct entry *all;
    size_t count;
    struct hash_table owners;    /* of entries about authors that are not for everybody */
    struct own_authors *own_authors;
};

static const char *const kinds[LIST_KINDS] = {"sender-allow", "sender-block", "recipient-allow", "recipient-block", "ip-allow", "ip-block"};

const char *list_kind_name(enum list_kind kind)
{
    return kinds[kind];
}

int list_kind_find(struct str name)
{
    for (int i = 0; i < LIST_KINDS; i++)
        if (str_is(name, kinds[i]))
            return i;
    return -1;
}

static bool is_of_networks(enum list_kind kind)
{
    return kind == LIST_IP_ALLOW || kind == LIST_IP_BLOCK;
}

bool list_skips_parse(struct str text, unsigned *out)
{
    static const struct { const char *name; unsigned skip; } skips[] = {
        {"connections", SKIP_CONNECTIONS}, {"greylisting", SKIP_GREYLISTING}, {"greeting", SKIP_GREETING}, {"dns", SKIP_DNS},
        {"ptr", SKIP_PTR}, {"dnsbl", SKIP_DNSBL}, {"rate", SKIP_RATE}, {"content", SKIP_CONTENT}};

    *out = 0;
    while (text.len) {
        struct str one = str_cut(&text, ',');
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

bool list_pattern_normal(enum list_kind kind, struct str pattern, char *to)
{
    struct network n;
    char ip[IP_TEXT_MAX];

    if (!is_of_networks(kind)) {
        if (!pattern_parse(pattern, to, LIST_PATTERN_MAX + 1))
            return false;
        if (str_starts(str_from(to), STR("*@"))) /* the same as the domain alone */
            memmove(to, to + 2, strlen(to + 2) + 1);
        return true;
    }
    if (!network_parse(pattern, &n))
        return false;
    snprintf(to, LIST_PATTERN_MAX + 1, "%s/%u", ip_format(&n.base, ip), n.prefix);
    return true;
}

static uint64_t network_key(const struct ip *ip, unsigned prefix)
{
    unsigned char key[2 + sizeof ip->bytes] = {ip->family, (unsigned char)prefix};
    size_t whole = prefix / 8;

    memcpy(key + 2, ip->bytes, whole);
    if (prefix % 8)
        key[2 + whole] = (unsigned char)(ip->bytes[whole] & 0xff << (8 - prefix % 8));
    return hash_bytes(key, sizeof key);
}

static struct str put_text(char **at, struct str text)
{
    char *to = *at;

    if (text.len)
        memcpy(to, text.at, text.len);
    *at += text.len;
    return str_n(to, text.len);
}

/* A domain's and a mailbox's names in any case. */
static uint64_t key_of_owner(const struct entry *e)
{
    const uint64_t parts[] = {e->level, (uint64_t)e->tenant, hash_str_case(e->domain), hash_str_case(e->local_part)};

    return hash_bytes(parts, sizeof parts);
}

static bool is_same_owner(const struct entry *a, const struct entry *b)
{
    return a->level == b->level && a->tenant == b->tenant && str_eq_case(a->domain, b->domain) && str_eq_case(a->local_part, b->local_part);
}

static bool count_author(struct lists *l, const struct entry *e)
{
    uint64_t key = key_of_owner(e);
    struct own_authors *own = NULL;

    for (struct hash_node *n = hash_first(&l->owners, key); n && !own; n = hash_next(n))
        if (is_same_owner(container_of(n, struct own_authors, node)->of, e))
            own = container_of(n, struct own_authors, node);
    if (!own) {
        own = calloc(1, sizeof *own);
        if (!own || !hash_insert(&l->owners, &own->node, key)) {
            free(own);
            return false;
        }
        own->of = e;
        own->next = l->own_authors;
        l->own_authors = own;
    }
    own->sum += hash_str(e->pattern) | 1;
    return true;
}

bool lists_add(struct lists *l, enum list_kind kind, const struct list_entry *from)
{
    char normal[LIST_PATTERN_MAX + 1];

    if (l->count >= MOST_ENTRIES || !list_pattern_normal(kind, from->pattern, normal))
        return false;
    const struct list_owner *o = &from->owner;
    struct str pattern = str_from(normal);
    struct entry *e = calloc(1, sizeof *e + pattern.len + o->domain.len + o->local_part.len + from->where.len);
    if (!e)
        return false;
    char *at = e->text;
    *e = (struct entry){.level = o->level, .tenant = o->tenant, .skips = from->skips, .authenticated_only = from->authenticated_only,
                        .envelope = from->envelope, .author = from->author};
    e->pattern = put_text(&at, pattern);
    e->domain = put_text(&at, o->domain);
    e->local_part = put_text(&at, o->local_part);
    e->where = put_text(&at, from->where);
    uint64_t key = hash_str(e->pattern);
    if (is_of_networks(kind)) {
        if (!network_parse(pattern, &e->network)) {
            free(e);
            return false;
        }
        key = network_key(&e->network.base, e->network.prefix);
        l->prefixes[kind][e->network.base.family == 6][e->network.prefix / 64] |= 1ULL << e->network.prefix % 64;
    }
    if (!hash_insert(&l->table[kind], &e->node, key)) {
        free(e);
        return false;
    }
    e->next = l->all;
    l->all = e;
    l->count++;
    bool is_own_author = (kind == LIST_SENDER_ALLOW || kind == LIST_SENDER_BLOCK) && e->author && e->level != LEVEL_S;
    return !is_own_author || count_author(l, e);
}

void lists_free(struct lists **l)
{
    if (!*l)
        return;
    for (struct entry *e = (*l)->all, *next; e; e = next) {
        next = e->next;
        free(e);
    }
    for (struct own_authors *own = (*l)->own_authors, *next; own; own = next) {
        next = own->next;
        free(own);
    }
    for (size_t i = 0; i < LIST_KINDS; i++)
        hash_table_free(&(*l)->table[i]);
    hash_table_free(&(*l)->owners);
    free(*l);
    *l = NULL;
}

static bool is_of_tenant(int64_t id, const struct tenant *t)
{
    for (; t; t = t->parent)
        if (t->id == id)
            return true;
    return false;
}

static bool is_for(const struct entry *e, const struct list_scope *scope)
{
    switch ((enum setting_level)e->level) {
    case LEVEL_T: return is_of_tenant(e->tenant, scope->tenant);
    case LEVEL_D: return str_eq_case(e->domain, scope->domain);
    case LEVEL_M: return str_eq_case(e->domain, scope->domain) && str_eq_case(e->local_part, scope->local_part);
    default: return true;
    }
}

struct wanted {
    const struct list_scope *scope;
    bool author, authenticated;
};

static const struct entry *find_exactly(const struct hash_table *t, struct str pattern, const struct wanted *w)
{
    for (struct hash_node *n = hash_first(t, hash_str(pattern)); n; n = hash_next(n)) {
        const struct entry *e = container_of(n, struct entry, node);
        if ((w->author ? e->author : e->envelope) && (w->authenticated || !e->authenticated_only) && is_for(e, w->scope) && str_eq(e->pattern, pattern))
            return e;
    }
    return NULL;
}

/* user@domain, domain, *.domain for each that it lies below. ADDRESS is in normal form and has room for LIST_PATTERN_MAX. */
static const struct entry *find_address(const struct hash_table *t, char *address, const struct wanted *w)
{
    struct str text = str_from(address);
    ptrdiff_t at = str_find_last(text, '@');
    const struct entry *e = find_exactly(t, text, w);

    if (e || at < 0)
        return e;
    struct str domain = str_from_index(text, (size_t)at + 1);
    if (!domain.len)
        return NULL;
    e = find_exactly(t, domain, w);
    for (int labels = 0; !e && labels < MOST_LABELS; labels++) {
        ptrdiff_t dot = str_find(domain, '.');
        if (dot < 1)
            return NULL;
        domain = str_from_index(domain, (size_t)dot + 1);
        char *star = address + (domain.at - address) - 2; /* what stands there has been looked for */
        star[0] = '*';
        e = find_exactly(t, str_n(star, domain.len + 2), w);
    }
    return e;
}

static bool find(const struct lists *l, enum list_kind kind, struct str text, size_t domain_at, const struct wanted *w, char *evidence)
{
    char address[LIST_PATTERN_MAX + 1];

    if (!l->table[kind].count || !text.len || !normal_form(text, domain_at, address, sizeof address))
        return false;
    const struct entry *e = find_address(&l->table[kind], address, w);
    if (e && evidence)
        snprintf(evidence, EVIDENCE_MAX, "%.*s in " STR_FMT, (int)(e->pattern.len < EVIDENCE_MAX / 2 ? e->pattern.len : EVIDENCE_MAX / 2), e->pattern.at, STR_ARG(e->where));
    return e != NULL;
}

static bool find_envelope(const struct lists *l, enum list_kind kind, const struct address *a, const struct list_scope *scope, bool authenticated, char *evidence)
{
    struct wanted w = {.scope = scope, .authenticated = authenticated};
    struct str text = address_text(a);

    return find(l, kind, text, text.len - address_domain(a).len, &w, evidence);
}

static bool find_author(const struct lists *l, enum list_kind kind, struct str author, const struct list_scope *scope, bool authenticated, char *evidence)
{
    struct wanted w = {.scope = scope, .author = true, .authenticated = authenticated};
    ptrdiff_t at = str_find_last(author, '@');

    return at >= 0 && find(l, kind, author, (size_t)at + 1, &w, evidence);
}

bool lists_author_allowed(const struct lists *l, struct str author, const struct list_scope *scope, bool authenticated, char *evidence)
{
    return find_author(l, LIST_SENDER_ALLOW, author, scope, authenticated, evidence);
}

bool lists_author_blocked(const struct lists *l, struct str author, const struct list_scope *scope, char *evidence)
{
    return find_author(l, LIST_SENDER_BLOCK, author, scope, true, evidence);
}

static uint64_t authors_of(const struct lists *l, unsigned level, int64_t tenant, struct str domain, struct str local_part)
{
    const struct entry owner = {.level = level, .tenant = tenant, .domain = domain, .local_part = local_part};

    for (struct hash_node *n = hash_first(&l->owners, key_of_owner(&owner)); n; n = hash_next(n)) {
        const struct own_authors *own = container_of(n, struct own_authors, node);
        if (is_same_owner(own->of, &owner))
            return own->sum;
    }
    return 0;
}

uint64_t lists_own_authors(const struct lists *l, const struct list_scope *scope)
{
    uint64_t sum = 0;

    if (!l->owners.count)
        return 0;
    for (const struct tenant *t = scope->tenant; t; t = t->parent)
        sum += authors_of(l, LEVEL_T, t->id, STR(""), STR(""));
    return sum + authors_of(l, LEVEL_D, 0, scope->domain, STR("")) + authors_of(l, LEVEL_M, 0, scope->domain, scope->local_part);
}

bool lists_sender_allowed(const struct lists *l, const struct address *sender, const struct list_scope *scope, bool authenticated, char *evidence)
{
    return find_envelope(l, LIST_SENDER_ALLOW, sender, scope, authenticated, evidence);
}

bool lists_sender_blocked(const struct lists *l, const struct address *sender, const struct list_scope *scope, char *evidence)
{
    return find_envelope(l, LIST_SENDER_BLOCK, sender, scope, true, evidence);
}

bool lists_recipient_allowed(const struct lists *l, const struct address *recipient, const struct list_scope *scope, char *evidence)
{
    return find_envelope(l, LIST_RECIPIENT_ALLOW, recipient, scope, true, evidence);
}

bool lists_recipient_blocked(const struct lists *l, const struct address *recipient, const struct list_scope *scope, char *evidence)
{
    return find_envelope(l, LIST_RECIPIENT_BLOCK, recipient, scope, true, evidence);
}

/* Each entry that holds IP, from the longest prefix to the shortest, from AFTER on. */
static const struct entry *next_network(const struct lists *l, enum list_kind kind, const struct ip *ip, const struct list_scope *scope, int *prefix,
                                        struct hash_node **at)
{
    for (; *prefix >= 0; (*prefix)--, *at = NULL) {
        if (!(l->prefixes[kind][ip->family == 6][*prefix / 64] >> *prefix % 64 & 1))
            continue;
        *at = *at ? hash_next(*at) : hash_first(&l->table[kind], network_key(ip, (unsigned)*prefix));
        for (; *at; *at = hash_next(*at)) {
            const struct entry *e = container_of(*at, struct entry, node);
            if (e->network.prefix == *prefix && network_has(&e->network, ip) && is_for(e, scope))
                return e;
        }
    }
    return NULL;
}

bool lists_ip_blocked(const struct lists *l, const struct ip *ip, const struct list_scope *scope, char *evidence)
{
    struct hash_node *at = NULL;
    int prefix = ip->family == 6 ? 128 : 32;
    const struct entry *e = next_network(l, LIST_IP_BLOCK, ip, scope, &prefix, &at);
    char text[IP_TEXT_MAX];

    if (e && evidence)
        snprintf(evidence, EVIDENCE_MAX, "%s in " STR_FMT, ip_format(ip, text), STR_ARG(e->where));
    return e != NULL;
}

unsigned lists_ip_skips(const struct lists *l, const struct ip *ip, const struct list_scope *scope)
{
    struct hash_node *at = NULL;
    int prefix = ip->family == 6 ? 128 : 32;
    unsigned skips = 0;

    for (const struct entry *e = next_network(l, LIST_IP_ALLOW, ip, scope, &prefix, &at); e; e = next_network(l, LIST_IP_ALLOW, ip, scope, &prefix, &at))
        skips |= e->skips;
    return skips;
}

struct lists *lists_new(void)
{
    return calloc(1, sizeof(struct lists));
}
