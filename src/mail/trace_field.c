/* trace_field.c: see trace_field.h. A Received field is words; from, by, via, with, id and for say what the next one is, comments behind from and by say more. */
#include "mail/trace_field.h"

#include "mail/date.h"
#include "mail/structured.h"

#include <string.h>

enum clause { CLAUSE_NONE, CLAUSE_FROM, CLAUSE_BY, CLAUSE_VIA, CLAUSE_WITH, CLAUSE_ID, CLAUSE_FOR };

static enum clause clause_of(struct str word)
{
    static const char *const names[] = {"", "from", "by", "via", "with", "id", "for"};

    for (int i = CLAUSE_FROM; i <= CLAUSE_FOR; i++)
        if (str_is_case(word, names[i]))
            return (enum clause)i;
    return CLAUSE_NONE;
}

/* Up to a blank or a comment. */
static struct str take_word(struct structured *s)
{
    size_t len = 0;

    while (len < s->rest.len && !structured_is_blank((unsigned char)s->rest.at[len]) && (s->rest.at[len] != '(' || s->parentheses_are_text || len == 0))
        len++;
    struct str word = str_sub(s->rest, 0, len);
    structured_advance(s, len);
    return word;
}

static struct str without(struct str s, char open, char close)
{
    if (s.len >= 2 && s.at[0] == open && s.at[s.len - 1] == close)
        return str_sub(s, 1, s.len - 2);
    return s;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]", "192.0.2.1", with ":port" or "port" behind the brackets. */
static bool take_ip(struct str word, struct ip *out)
{
    if (word.len && word.at[0] == '[') {
        ptrdiff_t end = str_find(word, ']');
        word = str_sub(word, 1, end < 0 ? word.len : (size_t)end - 1);
    }
    if (str_starts_case(word, STR("IPv6:")))
        word = str_from_index(word, 5);
    while (word.len && strchr(",;)", word.at[word.len - 1]))
        word.len--;
    return ip_parse(word, out);
}

static bool looks_like_host(struct str word)
{
    if (!word.len || str_find(word, '=') >= 0 || str_find(word, '.') < 0)
        return false;
    for (size_t i = 0; i < word.len; i++)
        if (!ascii_is_alnum((unsigned char)word.at[i]) && !strchr("-._", word.at[i]))
            return false;
    return true;
}

/* What the client says of itself ("from [192.168.1.24] (name [192.0.2.7])") counts less than what the server saw. */
static void note_ip(struct received *r, struct str word)
{
    struct ip ip, said;
    bool only_said = r->has_from_ip && take_ip(r->helo, &said) && ip_eq(&said, &r->from_ip);

    if ((!r->has_from_ip || only_said) && take_ip(word, &ip)) {
        r->from_ip = ip;
        r->has_from_ip = true;
    }
}

/* "mail.example [192.0.2.1]", "HELO name", "helo=name", "EHLO name", "[192.0.2.1] helo=name", "TLSv1.3 …", "Postfix". */
static void read_from_comment(struct received *r, struct str inside)
{
    bool next_is_helo = false;

    while (inside.len) {
        while (inside.len && structured_is_blank((unsigned char)inside.at[0]))
            inside = str_from_index(inside, 1);
        size_t len = 0;
        while (len < inside.len && !structured_is_blank((unsigned char)inside.at[len]))
            len++;
        struct str word = str_sub(inside, 0, len);
        inside = str_from_index(inside, len);
        ptrdiff_t bracket = str_find(word, '[');
        if (next_is_helo || str_starts_case(word, STR("helo=")) || str_starts_case(word, STR("ehlo="))) {
            if (!r->from_host.len && looks_like_host(r->helo)) /* "from name (HELO said)": what stands first is the DNS's name */
                r->from_host = r->helo;
            r->helo = next_is_helo ? word : str_from_index(word, 5);
            next_is_helo = false;
        } else if (str_is_case(word, "HELO") || str_is_case(word, "EHLO")) {
            next_is_helo = true;
        } else if (str_starts_case(word, STR("TLS")) || str_starts_case(word, STR("version=TLS"))) {
            if (!r->tls.len)
                r->tls = word;
        } else if (bracket >= 0) {
            if (bracket > 0 && looks_like_host(str_sub(word, 0, (size_t)bracket)) && !r->from_host.len)
                r->from_host = str_sub(word, 0, (size_t)bracket);
            note_ip(r, str_from_index(word, (size_t)bracket));
        } else if (looks_like_host(word) && !r->from_host.len && !r->has_from_ip) {
            struct ip ip;
            if (take_ip(word, &ip))
                note_ip(r, word);
            else
                r->from_host = word;
        } else {
            note_ip(r, word);
        }
    }
}

static void read_comment(struct received *r, enum clause last, struct str inside)
{
    if (last == CLAUSE_FROM)
        read_from_comment(r, inside);
    else if (str_find_str(inside, STR("TLS")) >= 0 && !r->tls.len)
        r->tls = str_trim(inside);
}

static void read_clause(struct received *r, enum clause clause, struct str word)
{
    switch (clause) {
    case CLAUSE_FROM:
        r->helo = word;
        note_ip(r, word);
        break;
    case CLAUSE_BY: r->by = word; break;
    case CLAUSE_VIA: r->via = word; break;
    case CLAUSE_WITH: r->with = word; break;
    case CLAUSE_ID: r->id = without(word, '<', '>'); break;
    case CLAUSE_FOR: r->for_address = without(word, '<', '>'); break;
    case CLAUSE_NONE: break;
    }
}

/* The date stands behind the last semicolon outside comments; where there is none, nothing is a date. */
static struct str split_date(struct str value, struct received *r)
{
    ptrdiff_t semicolon = str_find_last(value, ';');

    if (semicolon < 0)
        return value;
    r->has_date = date_parse(str_from_index(value, (size_t)semicolon + 1), &r->date_ms);
    return str_sub(value, 0, (size_t)semicolon);
}

bool received_parse(struct arena *arena, struct str value, struct received *out)
{
    enum clause last = CLAUSE_NONE, wanted = CLAUSE_NONE;
    struct str inside;

    memset(out, 0, sizeof *out);
    struct structured s = structured_open(split_date(value, out));
    while (structured_peek(&s) >= 0) {
        if (structured_is_blank(structured_peek(&s))) {
            structured_advance(&s, 1);
            continue;
        }
        if (structured_take_comment(&s, &inside)) {
            if (wanted == CLAUSE_FROM) { /* "from ([192.0.2.1]) by …": no name at all */
                last = wanted;
                wanted = CLAUSE_NONE;
            }
            read_comment(out, last, structured_unfold(arena, inside));
            continue;
        }
        struct str word = take_word(&s);
        while (word.len > 1 && (word.at[word.len - 1] == ';' || word.at[word.len - 1] == ','))
            word.len--;
        if (wanted != CLAUSE_NONE) {
            read_clause(out, wanted, word);
            last = wanted;
            wanted = CLAUSE_NONE;
        } else {
            wanted = clause_of(word);
            if (wanted == CLAUSE_NONE && last == CLAUSE_FROM && word.len && word.at[0] == '[')
                note_ip(out, word); /* "from name [192.0.2.1] by …" */
        }
    }
    return out->helo.len || out->by.len || out->has_from_ip || out->has_date || out->id.len;
}

bool message_id_next(struct arena *arena, struct str *rest, struct str *id)
{
    struct structured s = structured_open(*rest);

    for (;;) {
        structured_skip(&s);
        if (structured_peek(&s) < 0) {
            *rest = s.rest;
            return false;
        }
        struct str word;
        ptrdiff_t end = structured_peek(&s) == '<' ? str_find(s.rest, '>') : -1;
        if (end >= 0) {
            word = str_sub(s.rest, 1, (size_t)end - 1);
            structured_advance(&s, (size_t)end + 1);
        } else {
            word = take_word(&s); /* without brackets, as some write it */
            if (word.len && word.at[0] == '<')
                word = str_from_index(word, 1);
        }
        word = str_trim(structured_unfold(arena, word));
        if (!word.len)
            continue;
        *id = word;
        *rest = s.rest;
        return true;
    }
}

bool message_id_is_valid(struct str id)
{
    ptrdiff_t at = str_find_last(id, '@');
    bool quoted = id.len && id.at[0] == '"';

    if (at <= 0 || (size_t)at + 1 == id.len)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        unsigned char c = (unsigned char)id.at[i];
        if (c < 0x21 && !(quoted && c == ' '))
            return false;
        if (c == 0x7F || (!quoted && strchr("<>(),;", c)))
            return false;
    }
    return true;
}
