/* dns_zone.c: a zone file in place of the DNS: for the demo, the tests and simulation. Read once; then only looked at. */
#include "net/dns_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 16384, MOST_RECORDS = 1000000, MOST_ALIASES = 8, DEFAULT_TTL = 300, TYPE_TIMEOUT = 65280 };

struct zone_record {
    struct hash_node node; /* by name */
    char *name;            /* owned */
    int type;              /* enum dns_type, or TYPE_TIMEOUT */
    uint32_t ttl;
    uint16_t preference;
    bool is_authentic;
    struct ip ip;
    char *data;            /* owned; NULL: none */
    size_t len;
};

struct zone {
    struct hash_table table;
    size_t count;
};

static void free_record(struct hash_node *node, void *arg)
{
    struct zone_record *r = container_of(node, struct zone_record, node);

    (void)arg;
    free(r->name);
    free(r->data);
    free(r);
}

static void zone_free(void *self)
{
    struct zone *z = self;

    hash_each(&z->table, free_record, NULL);
    hash_table_free(&z->table);
    free(z);
}

static const struct zone_record *first(const struct zone *z, const char *name, int type)
{
    for (struct hash_node *n = hash_first(&z->table, hash_str(str_from(name))); n; n = hash_next(n)) {
        const struct zone_record *r = container_of(n, struct zone_record, node);
        if (strcmp(r->name, name) == 0 && (type == 0 || r->type == type))
            return r;
    }
    return NULL;
}

static void add_all(const struct zone *z, const char *name, struct dns_entry *e, uint32_t *ttl)
{
    for (struct hash_node *n = hash_first(&z->table, hash_str(str_from(name))); n; n = hash_next(n)) {
        const struct zone_record *r = container_of(n, struct zone_record, node);
        if (strcmp(r->name, name) != 0 || r->type != (int)e->type)
            continue;
        e->answer.authentic = e->answer.authentic && r->is_authentic;
        struct dns_record *to = dns_entry_add(e);
        if (!to)
            return;
        *to = (struct dns_record){.ttl = r->ttl, .preference = r->preference, .ip = r->ip};
        to->data = r->data ? arena_str(&e->arena, str_n(r->data, r->len)) : str_n(NULL, 0);
        if (r->ttl < *ttl)
            *ttl = r->ttl;
    }
}

static void zone_ask(void *self, struct dns_entry *e)
{
    const struct zone *z = self;
    const char *name = e->name;
    uint32_t ttl = DNS_TTL_MOST;

    e->answer.authentic = true;
    for (int i = 0; i <= MOST_ALIASES; i++) {
        e->timed_out = !first(z, name, (int)e->type) && first(z, name, TYPE_TIMEOUT);
        if (e->timed_out)
            break; /* DNS_FAILED, as the entry was made */
        const struct zone_record *alias = e->type == DNS_CNAME ? NULL : first(z, name, DNS_CNAME);
        if (alias && alias->data) {
            name = alias->data;
            e->answer.authentic = e->answer.authentic && alias->is_authentic;
            continue;
        }
        add_all(z, name, e, &ttl);
        if (e->answer.count && strcmp(name, e->name) != 0)
            e->answer.canonical = arena_str(&e->arena, str_from(name));
        if (!e->answer.count) /* what is not there is proven by what is there, if anything is */
            e->answer.authentic = e->answer.authentic && first(z, name, 0) && first(z, name, 0)->is_authentic;
        e->answer.status = e->answer.count ? DNS_OK : first(z, name, 0) ? DNS_NO_DATA : DNS_NO_NAME;
        break;
    }
    dns_entry_answer(e, ttl);
}

static bool type_of(struct str word, int *type)
{
    enum dns_type known;
    bool times_out = str_is_case(word, "TIMEOUT");

    if (!times_out && !dns_type_parse(str_is_case(word, "SPF") ? STR("TXT") : word, &known))
        return false;
    *type = times_out ? TYPE_TIMEOUT : (int)known;
    return true;
}

/* RFC 1035 §5.1: \DDD is an octet, \X the character itself. *I stays on the last octet that was used. */
static char take_octet(struct str s, size_t *i)
{
    uint64_t octet;

    if (s.at[*i] != '\\' || *i + 1 >= s.len)
        return s.at[*i];
    if (str_sub(s, *i + 1, 3).len == 3 && str_to_u64(str_sub(s, *i + 1, 3), 255, &octet)) {
        *i += 3;
        return (char)octet;
    }
    return s.at[++*i];
}

/* A name as we keep it: lower case, without its final dot, ORIGIN behind it where it is relative. */
static char *full_name(struct str word, const char *origin)
{
    char text[2 * DNS_NAME_MAX + 2];
    bool absolute = word.len && word.at[word.len - 1] == '.';

    if (str_is(word, "@"))
        word = str_from(origin);
    else if (absolute)
        word.len--;
    int n = absolute || !*origin || str_eq(word, str_from(origin)) ? snprintf(text, sizeof text, STR_FMT, STR_ARG(word))
                                                                     : snprintf(text, sizeof text, STR_FMT ".%s", STR_ARG(word), origin);
    if (n < 0 || (size_t)n >= sizeof text)
        return NULL;
    size_t len = 0;
    for (size_t i = 0; i < (size_t)n; i++)
        text[len++] = take_octet(str_n(text, (size_t)n), &i);
    text[len] = '\0';
    if (len > DNS_NAME_MAX)
        return NULL;
    str_lower(text, len);
    return strdup(text);
}

/* TXT: quoted strings with backslash escapes, or bare words; joined without anything between (RFC 7208 §3.3). */
static bool take_text(struct str rest, struct zone_record *r)
{
    struct buf text = buf_make(65535);

    rest = str_trim(rest);
    for (size_t i = 0; i < rest.len;) {
        bool quoted = rest.at[i] == '"';
        for (i += quoted; i < rest.len && (quoted ? rest.at[i] != '"' : rest.at[i] != ' ' && rest.at[i] != '\t'); i++) {
            buf_add_char(&text, take_octet(rest, &i));
        }
        if (quoted && i == rest.len)
            text.failed = true; /* the quote never ends */
        i += quoted;
        while (i < rest.len && (rest.at[i] == ' ' || rest.at[i] == '\t'))
            i++;
    }
    bool ok = !text.failed && buf_text(&text);
    if (ok) {
        r->len = text.len;
        r->data = str_dup(buf_str(&text));
    }
    buf_free(&text);
    return ok && r->data;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 6698 §2.2: three numbers, then hexadecimal digits, with blanks anywhere between them. */
static bool take_tlsa(struct str rest, struct zone_record *r)
{
    struct buf data = buf_make(65535);
    uint64_t number;
    int high = -1;

    for (int i = 0; i < 3; i++) {
        if (!str_to_u64(str_word(&rest), 255, &number))
            data.failed = true;
        else
            buf_add_char(&data, (char)number);
    }
    for (struct str word = str_word(&rest); word.len && !data.failed; word = str_word(&rest)) {
        for (size_t i = 0; i < word.len; i++) {
            int digit = hex_digit(word.at[i]);
            data.failed = data.failed || digit < 0;
            if (high >= 0)
                buf_add_char(&data, (char)(high << 4 | digit));
            high = high >= 0 ? -1 : digit;
        }
    }
    bool ok = !data.failed && high < 0 && data.len > 3;
    if (ok) {
        r->len = data.len;
        r->data = str_dup(buf_str(&data));
    }
    buf_free(&data);
    return ok && r->data;
}

static bool take_data(struct str rest, const char *origin, struct zone_record *r)
{
    uint64_t preference;
    struct str word;

    switch (r->type) {
    case TYPE_TIMEOUT:
        return true;
    case DNS_A:
    case DNS_AAAA:
        return ip_parse(str_trim(rest), &r->ip) && r->ip.family == (r->type == DNS_A ? 4 : 6);
    case DNS_TXT:
        return take_text(rest, r);
    case DNS_TLSA:
        return take_tlsa(rest, r);
    case DNS_MX:
        word = str_word(&rest);
        if (!str_to_u64(word, 65535, &preference))
            return false;
        r->preference = (uint16_t)preference;
        break;
    default:
        break;
    }
    word = str_word(&rest);
    r->data = str_is(word, ".") ? strdup("") : word.len ? full_name(word, origin) : NULL;
    r->len = r->data ? strlen(r->data) : 0;
    return r->data != NULL;
}

struct reading {
    struct zone *zone;
    char origin[DNS_NAME_MAX + 1];
    uint32_t ttl;
    bool is_authentic;
};

static bool directive(struct str word, struct str rest, struct reading *in)
{
    uint64_t ttl;
    struct str value = str_word(&rest);

    if (str_is_case(word, "$TTL")) {
        bool ok = str_to_u64(value, UINT32_MAX, &ttl);
        in->ttl = ok ? (uint32_t)ttl : in->ttl;
        return ok;
    }
    if (str_is_case(word, "$AUTHENTIC")) {
        in->is_authentic = str_is_case(value, "yes");
        return in->is_authentic || str_is_case(value, "no");
    }
    if (!str_is_case(word, "$ORIGIN"))
        return false;
    if (value.len && value.at[value.len - 1] == '.')
        value.len--;
    bool ok = str_copy(in->origin, sizeof in->origin, value);
    str_lower(in->origin, strlen(in->origin));
    return ok;
}

static bool take_line(struct str line, struct reading *in)
{
    struct str rest = line, name = str_word(&rest), word = str_word(&rest);
    uint64_t ttl = in->ttl;
    int type;

    if (!name.len || name.at[0] == ';')
        return true;
    if (name.at[0] == '$')
        return directive(name, str_n(word.at, word.len + rest.len), in);
    if (str_to_u64(word, UINT32_MAX, &ttl))
        word = str_word(&rest);
    if (str_is_case(word, "IN"))
        word = str_word(&rest);
    if (!type_of(word, &type) || in->zone->count == MOST_RECORDS)
        return false;
    struct zone_record *r = calloc(1, sizeof *r);
    if (!r)
        return false;
    r->type = type;
    r->ttl = (uint32_t)ttl;
    r->is_authentic = in->is_authentic;
    r->name = full_name(name, in->origin);
    if (!r->name || !take_data(rest, in->origin, r) || !hash_insert(&in->zone->table, &r->node, hash_str(str_from(r->name)))) {
        free_record(&r->node, NULL);
        return false;
    }
    in->zone->count++;
    return true;
}

/* A ';' outside quotes begins a comment. */
static struct str without_comment(struct str line)
{
    bool quoted = false;

    for (size_t i = 0; i < line.len; i++) {
        if (line.at[i] == '\\')
            i++;
        else if (line.at[i] == '"')
            quoted = !quoted;
        else if (line.at[i] == ';' && !quoted)
            return str_n(line.at, i);
    }
    return line;
}

static bool read_all(FILE *f, const char *path, struct zone *z, struct buf *error)
{
    char *text = malloc(LINE_MAX_BYTES);
    struct reading in = {.zone = z, .ttl = DEFAULT_TTL};
    size_t number = 0;
    bool ok = text != NULL;

    while (ok && fgets(text, LINE_MAX_BYTES, f)) {
        number++;
        struct str line = str_trim(without_comment(str_trim(str_from(text))));
        ok = take_line(line, &in);
        if (!ok)
            buf_addf(error, "%s:%zu: not a record: \"" STR_FMT "\" (name [ttl] [IN] TYPE data)", path, number, STR_ARG(str_sub(line, 0, 100)));
    }
    free(text);
    return ok;
}

struct dns *dns_new_zone_file(const char *path, struct buf *error)
{
    static const struct dns_source source = {.ask = zone_ask, .free = zone_free};
    FILE *f = fopen(path, "re");
    struct zone *z = f ? calloc(1, sizeof *z) : NULL;

    if (!z) {
        buf_addf(error, "%s: %s", path, strerror(errno));
        if (f)
            fclose(f);
        return NULL;
    }
    bool ok = read_all(f, path, z, error);
    fclose(f);
    if (!ok) {
        zone_free(z);
        return NULL;
    }
    return dns_new(&source, z, 1000, error);
}
