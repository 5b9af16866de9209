/* elsewhere.c: the dialogues; see elsewhere.h. */
#include "auth/elsewhere.h"

#include "base/base64.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REPLY_LINES_MAX = 200, LINE_OCTETS_MAX = 4096, LDAP_BIND_RESPONSE = 0x61, LDAP_EXTENDED_RESPONSE = 0x78 };

struct dialogue {
    const struct elsewhere_question *q;
    struct stream stream;
    char *why;
    size_t size;
};

static const struct {
    const char *scheme;
    enum elsewhere_kind kind;
    bool tls_first;
    uint16_t port;
} schemes[] = {{"ldap", ELSEWHERE_LDAP, false, 389}, {"ldaps", ELSEWHERE_LDAP, true, 636}, {"smtp", ELSEWHERE_SMTP, false, 587},
               {"smtps", ELSEWHERE_SMTP, true, 465}, {"imap", ELSEWHERE_IMAP, false, 143}, {"imaps", ELSEWHERE_IMAP, true, 993}};

static bool is_host(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_alnum((unsigned char)s.at[i]) && s.at[i] != '-' && s.at[i] != '.' && s.at[i] != ':')
            return false;
    return s.len > 0;
}

bool elsewhere_parse(struct str url, struct elsewhere_source *out)
{
    ptrdiff_t mark = str_find_str(url, STR("://"));
    struct str scheme = str_sub(url, 0, mark > 0 ? (size_t)mark : 0), rest = str_from_index(url, mark > 0 ? (size_t)mark + 3 : url.len), host = rest, port = STR("");
    uint64_t number = 0;

    if (rest.len && rest.at[0] == '[') { /* an IPv6 literal */
        ptrdiff_t end = str_find(rest, ']');
        host = str_sub(rest, 1, end > 0 ? (size_t)end - 1 : 0);
        port = str_from_index(rest, end > 0 ? (size_t)end + 1 : 0);
    } else if (str_find(rest, ':') >= 0) {
        host = str_sub(rest, 0, (size_t)str_find(rest, ':'));
        port = str_from_index(rest, host.len);
    }
    if (port.len && (port.at[0] != ':' || !str_to_u64(str_from_index(port, 1), 65535, &number) || !number))
        return false;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (!str_is_case(scheme, schemes[i].scheme))
            continue;
        out->kind = schemes[i].kind;
        out->tls_first = schemes[i].tls_first;
        out->port = port.len ? (uint16_t)number : schemes[i].port;
        return is_host(host) && str_copy(out->host, sizeof out->host, host);
    }
    return false;
}

/* RFC 4514 §2.4: these are escaped wherever they stand; a blank and # at the beginning, a blank at the end. */
static void add_escaped(struct buf *out, struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.at[i];
        bool at_edge = (i == 0 && (c == ' ' || c == '#')) || (i + 1 == value.len && c == ' ');
        if (at_edge || c < ' ' || strchr("\"+,;<>\\=", c))
            buf_addf(out, "\\%02x", c);
        else
            buf_add_char(out, (char)c);
    }
}

bool elsewhere_dn(struct str template, struct str login, struct buf *out)
{
    ptrdiff_t at = str_find_last(login, '@');
    struct str local = str_sub(login, 0, at >= 0 ? (size_t)at : login.len), domain = str_from_index(login, at >= 0 ? (size_t)at + 1 : login.len);

    for (size_t i = 0; i < template.len; i++) {
        char next = template.at[i] == '%' && i + 1 < template.len ? template.at[i + 1] : '\0';
        if (next == 'a') {
            ptrdiff_t plain = template.len == 2; /* "%a" alone is no DN but a user principal name, as directories of Microsoft take it */
            if (plain)
                buf_add_str(out, login);
            else
                add_escaped(out, login);
        } else if (next == 'u' || next == 'd') {
            add_escaped(out, next == 'u' ? local : domain);
        } else {
            buf_add_char(out, template.at[i]);
            continue;
        }
        i++;
    }
    return out->len > 0 && !out->failed;
}

static enum elsewhere_answer unknown(struct dialogue *d, const char *what)
{
    snprintf(d->why, d->size, "%s: %s", d->q->source->host, what);
    return ELSEWHERE_UNKNOWN;
}

static bool say(struct dialogue *d, struct str octets)
{
    return stream_queue(&d->stream, octets) && stream_flush_wait(&d->stream, d->q->deadline_ms) == STREAM_OK;
}

/* The next line without its ending, valid until the next one is read; false at the end, past the deadline or where it is too long. */
static bool read_line(struct dialogue *d, char line[LINE_OCTETS_MAX])
{
    for (;;) {
        struct str input = stream_input(&d->stream);
        ptrdiff_t end = str_find(input, '\n');
        if (end >= LINE_OCTETS_MAX || (end < 0 && input.len >= LINE_OCTETS_MAX))
            return false;
        if (end >= 0) {
            str_copy(line, LINE_OCTETS_MAX, str_trim(str_sub(input, 0, (size_t)end)));
            stream_consume(&d->stream, (size_t)end + 1);
            return true;
        }
        if (stream_fill_wait(&d->stream, d->q->deadline_ms) != STREAM_OK)
            return false;
    }
}

/* Octets that may be missing: one more piece. */
static bool read_more(struct dialogue *d)
{
    return stream_input(&d->stream).len < LINE_OCTETS_MAX && stream_fill_wait(&d->stream, d->q->deadline_ms) == STREAM_OK;
}

static bool start_tls(struct dialogue *d)
{
    const struct tls_demand demand = {.name = d->q->source->host, .check = d->q->verify ? TLS_CHECK_ROOTS : TLS_CHECK_NOTHING,
                                      .names = {d->q->source->host}, .name_count = 1};
    SSL *ssl = stream_has_input(&d->stream) ? NULL : tls_client_session(d->q->tls, d->stream.fd, &demand);
    char what[150];

    if (!ssl)
        return false;
    stream_start_tls(&d->stream, ssl);
    if (stream_handshake_wait(&d->stream, d->q->deadline_ms) == STREAM_OK)
        return true;
    tls_client_trouble(ssl, what, sizeof what);
    snprintf(d->why, d->size, "%s: TLS: %s", d->q->source->host, what);
    return false;
}

static bool may_speak_openly(const struct dialogue *d)
{
    return ip_is_loopback(&d->q->at.ip);
}

/* authzid NUL login NUL password, in base64, between BEFORE and a line ending. */
static bool say_plain(struct dialogue *d, const char *before)
{
    struct buf words = buf_make(2048), line = buf_make(4096);

    buf_add_char(&words, '\0');
    buf_add_str(&words, d->q->login);
    buf_add_char(&words, '\0');
    buf_add_str(&words, d->q->password);
    buf_add_text(&line, before);
    base64_encode(buf_str(&words), &line);
    buf_add_text(&line, "\r\n");
    bool said = !words.failed && !line.failed && say(d, buf_str(&line));
    explicit_bzero(words.at, words.cap);
    explicit_bzero(line.at, line.cap);
    buf_free(&words);
    buf_free(&line);
    return said;
}

/* A whole reply; its code, 0 where there is none. HAS_TLS: one of its lines offers STARTTLS. */
static int smtp_reply_code(struct dialogue *d, bool *has_tls)
{
    char line[LINE_OCTETS_MAX];

    for (int i = 0; i < REPLY_LINES_MAX && read_line(d, line); i++) {
        uint64_t code;
        if (strlen(line) < 3 || !str_to_u64(str_n(line, 3), 599, &code) || (line[3] && line[3] != ' ' && line[3] != '-'))
            return 0;
        if (has_tls && strlen(line) > 4)
            *has_tls = *has_tls || str_is_case(str_from(line + 4), "STARTTLS");
        if (line[3] != '-')
            return (int)code;
    }
    return 0;
}

static int smtp_ask(struct dialogue *d, const char *verb, const char *argument, bool *has_tls)
{
    struct buf line = buf_make(600);

    buf_addf(&line, "%s%s%s\r\n", verb, *argument ? " " : "", argument);
    int code = say(d, buf_str(&line)) ? smtp_reply_code(d, has_tls) : 0;
    buf_free(&line);
    return code;
}

static enum elsewhere_answer ask_smtp(struct dialogue *d)
{
    bool has_tls = false;

    if (smtp_reply_code(d, NULL) != 220 || smtp_ask(d, "EHLO", d->q->own_name, &has_tls) != 250)
        return unknown(d, "no SMTP greeting");
    if (!d->stream.ssl && has_tls) {
        if (smtp_ask(d, "STARTTLS", "", NULL) != 220)
            return unknown(d, "STARTTLS was refused");
        if (!start_tls(d))
            return *d->why ? ELSEWHERE_UNKNOWN : unknown(d, "TLS failed");
        if (smtp_ask(d, "EHLO", d->q->own_name, NULL) != 250)
            return unknown(d, "no greeting behind STARTTLS");
    }
    if (!d->stream.ssl && !may_speak_openly(d))
        return unknown(d, "it offers no TLS");
    int code = say_plain(d, "AUTH PLAIN ") ? smtp_reply_code(d, NULL) : 0;
    if (code == 235)
        return ELSEWHERE_RIGHT;
    if (code == 535 || code == 534 || code == 550 || code == 554)
        return ELSEWHERE_WRONG;
    return unknown(d, "no clear answer to AUTH PLAIN");
}

/* Lines until the one that answers TAG, or asks for more. "OK", "NO", "BAD", "+"; "" where there is none. */
static const char *imap_status(struct dialogue *d, const char *tag, char line[LINE_OCTETS_MAX])
{
    static const char *const known[] = {"OK", "NO", "BAD"};

    for (int i = 0; i < REPLY_LINES_MAX && read_line(d, line); i++) {
        struct str rest = str_from(line), word = str_word(&rest);
        if (str_is(word, "+"))
            return "+";
        if (!str_is(word, tag))
            continue;
        word = str_word(&rest);
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            if (str_is_case(word, known[k]))
                return known[k];
        return "";
    }
    return "";
}

static enum elsewhere_answer ask_imap(struct dialogue *d)
{
    char line[LINE_OCTETS_MAX];

    if (!read_line(d, line) || !str_starts_case(str_from(line), STR("* OK")))
        return unknown(d, "no IMAP greeting");
    if (!d->stream.ssl && !may_speak_openly(d)) {
        if (!say(d, STR("a STARTTLS\r\n")) || strcmp(imap_status(d, "a", line), "OK") != 0)
            return unknown(d, "it offers no TLS");
        if (!start_tls(d))
            return *d->why ? ELSEWHERE_UNKNOWN : unknown(d, "TLS failed");
    }
    if (!say(d, STR("b AUTHENTICATE PLAIN\r\n")) || strcmp(imap_status(d, "b", line), "+") != 0 || !say_plain(d, ""))
        return unknown(d, "it takes no AUTHENTICATE PLAIN");
    const char *status = imap_status(d, "b", line);
    if (strcmp(status, "OK") == 0)
        return ELSEWHERE_RIGHT;
    bool is_trouble = str_find_str(str_from(line), STR("[UNAVAILABLE]")) >= 0 || str_find_str(str_from(line), STR("[INUSE]")) >= 0; /* RFC 5530 §3 */
    return strcmp(status, "NO") == 0 && !is_trouble ? ELSEWHERE_WRONG : unknown(d, "no clear answer to AUTHENTICATE");
}

static int ldap_exchange(struct dialogue *d, struct str request, unsigned type)
{
    size_t used = 0;
    int code = say(d, request) ? -2 : -1;

    while (code == -2 && (code = elsewhere_ldap_result(stream_input(&d->stream), type, &used)) == -2)
        if (!read_more(d))
            return -1;
    if (code >= 0)
        stream_consume(&d->stream, used);
    return code;
}

static enum elsewhere_answer ask_ldap(struct dialogue *d)
{
    enum { SUCCESS = 0, NO_SUCH_OBJECT = 32, INVALID_DN = 34, INAPPROPRIATE = 48, INVALID_CREDENTIALS = 49, UNWILLING = 53 };
    struct buf request = buf_make(8 * 1024);
    int code = SUCCESS;

    if (!d->stream.ssl && !may_speak_openly(d)) {
        elsewhere_ldap_starttls(&request);
        if (ldap_exchange(d, buf_str(&request), LDAP_EXTENDED_RESPONSE) != SUCCESS || !start_tls(d)) {
            buf_free(&request);
            return *d->why ? ELSEWHERE_UNKNOWN : unknown(d, "it offers no TLS");
        }
        buf_clear(&request);
    }
    code = elsewhere_ldap_bind(d->q->login, d->q->password, &request) ? ldap_exchange(d, buf_str(&request), LDAP_BIND_RESPONSE) : -1;
    if (request.at)
        explicit_bzero(request.at, request.cap);
    buf_free(&request);
    switch (code) {
    case SUCCESS: return ELSEWHERE_RIGHT;
    case NO_SUCH_OBJECT:
    case INVALID_DN:
    case INAPPROPRIATE:
    case INVALID_CREDENTIALS:
    case UNWILLING: return ELSEWHERE_WRONG;
    default: return unknown(d, "no clear answer to the bind");
    }
}

enum elsewhere_answer elsewhere_ask(const struct elsewhere_question *q, char *why, size_t size)
{
    struct dialogue d = {.q = q, .why = why, .size = size};
    int fd = stream_connect(&q->at, NULL, q->deadline_ms);
    enum elsewhere_answer answer;

    *why = '\0';
    if (fd < 0)
        return unknown(&d, "it does not answer");
    stream_init(&d.stream, fd);
    if (q->source->tls_first && !start_tls(&d))
        answer = *why ? ELSEWHERE_UNKNOWN : unknown(&d, "TLS failed");
    else
        answer = q->source->kind == ELSEWHERE_LDAP ? ask_ldap(&d) : q->source->kind == ELSEWHERE_SMTP ? ask_smtp(&d) : ask_imap(&d);
    stream_close(&d.stream);
    return answer;
}
