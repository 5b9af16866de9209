/*
 * command.c: see command.h. Used by the gate for what clients send; the parameters' rows say all there is to say about each.
 * It decides nothing about policy and knows no reply texts.
 */
#include "smtp/command.h"

#include <string.h>

static const struct {
    const char *word;
    enum verb verb;
} verbs[] = {
    {"HELO", VERB_HELO}, {"EHLO", VERB_EHLO}, {"LHLO", VERB_LHLO}, {"MAIL", VERB_MAIL}, {"RCPT", VERB_RCPT}, {"DATA", VERB_DATA},
    {"BDAT", VERB_BDAT}, {"RSET", VERB_RSET}, {"NOOP", VERB_NOOP}, {"QUIT", VERB_QUIT}, {"VRFY", VERB_VRFY}, {"EXPN", VERB_EXPN},
    {"HELP", VERB_HELP}, {"ETRN", VERB_ETRN}, {"TURN", VERB_TURN}, {"STARTTLS", VERB_STARTTLS}, {"AUTH", VERB_AUTH},
    {"XCLIENT", VERB_XCLIENT}, {"GET", VERB_HTTP}, {"POST", VERB_HTTP}, {"PUT", VERB_HTTP}, {"HEAD", VERB_HTTP},
    {"OPTIONS", VERB_HTTP}, {"CONNECT", VERB_HTTP}, {"DELETE", VERB_HTTP}, {"PATCH", VERB_HTTP}, {"TRACE", VERB_HTTP},
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks(struct str *s)
{
    while (s->len && is_blank(s->at[0]))
        *s = str_from_index(*s, 1);
}

enum verb command_parse(struct str line, struct str *args)
{
    *args = (struct str){NULL, 0};
    if (line.len == 0 || is_blank(line.at[0]))
        return VERB_UNKNOWN;
    struct str rest = line, word = str_word(&rest);
    *args = str_trim(rest);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (str_is_case(word, verbs[i].word))
            return verbs[i].verb;
    return VERB_UNKNOWN;
}

/* What the parameters of both commands are read into. */
struct reading {
    struct mail_args *mail;
    struct rcpt_args *rcpt;
    bool utf8; /* SMTPUTF8 is in force: values may hold UTF-8 (RFC 6531 §3.3) */
};

static bool read_size(struct str value, struct reading *r)
{
    uint64_t size;

    if (value.len == 0 || value.len > 20) /* RFC 1870 §3: 1*20DIGIT */
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (!ascii_is_digit((unsigned char)value.at[i]))
            return false;
    /* twenty digits may be more than 64 bits hold: surely too large, and said so by its own reply */
    r->mail->size = str_to_u64(value, UINT64_MAX, &size) ? size : UINT64_MAX;
    return true;
}

static bool read_body(struct str value, struct reading *r)
{
    if (str_is_case(value, "7BIT"))
        r->mail->body = BODY_7BIT;
    else if (str_is_case(value, "8BITMIME"))
        r->mail->body = BODY_8BITMIME;
    else if (str_is_case(value, "BINARYMIME"))
        r->mail->body = BODY_BINARYMIME;
    else
        return false;
    return true;
}

static bool read_smtputf8(struct str value, struct reading *r)
{
    (void)value;
    r->mail->smtputf8 = true;
    return true;
}

static bool read_requiretls(struct str value, struct reading *r)
{
    (void)value;
    r->mail->requiretls = true;
    return true;
}

static bool read_ret(struct str value, struct reading *r)
{
    if (str_is_case(value, "FULL"))
        r->mail->ret = DSN_RET_FULL;
    else if (str_is_case(value, "HDRS"))
        r->mail->ret = DSN_RET_HDRS;
    else
        return false;
    return true;
}

/* Decoded xtext ends up in header fields of reports: printable ASCII only (RFC 3461 §4.2, §4.4). */
static bool is_printable_xtext(struct str text)
{
    char plain[ORCPT_MAX];
    size_t len;

    if (!xtext_decode(text, plain, sizeof plain, &len))
        return false;
    for (size_t i = 0; i < len; i++)
        if (plain[i] != '\t' && ((unsigned char)plain[i] < 32 || (unsigned char)plain[i] > 126))
            return false;
    return true;
}

static bool read_envid(struct str value, struct reading *r)
{
    return value.len > 0 && is_printable_xtext(value) && str_copy(r->mail->envid, sizeof r->mail->envid, value);
}

/*
 * RFC 4954 §5: a mailbox in xtext, or "<>". It is checked and then forgotten: a server that does not trust the client treats it
 * as "<>", and we trust none.
 */
static bool read_auth(struct str value, struct reading *r)
{
    char plain[PATH_MAX_OCTETS];
    size_t len;
    struct address ignored;

    if (str_is(value, "<>"))
        return true;
    return xtext_decode(value, plain, sizeof plain, &len) && address_parse(str_n(plain, len), r->utf8, &ignored, NULL) == ADDRESS_OK;
}

static bool read_notify(struct str value, struct reading *r)
{
    unsigned notify = 0;

    if (str_is_case(value, "NEVER")) {
        r->rcpt->notify = DSN_NOTIFY_NEVER;
        return true;
    }
    while (value.at) {
        struct str word = str_cut(&value, ',');
        if (str_is_case(word, "SUCCESS"))
            notify |= DSN_NOTIFY_SUCCESS;
        else if (str_is_case(word, "FAILURE"))
            notify |= DSN_NOTIFY_FAILURE;
        else if (str_is_case(word, "DELAY"))
            notify |= DSN_NOTIFY_DELAY;
        else
            return false;
    }
    r->rcpt->notify = notify;
    return notify != 0;
}

/* RFC 6533 §3: utf-8-addr-unitext, which may hold UTF-8 as it is. */
static bool is_unitext(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c < 33 || c == 127 || c == '=' || c == '+')
            return false;
    }
    return utf8_is_valid(text);
}

static bool read_orcpt(struct str value, struct reading *r)
{
    struct str address = value, type = str_cut(&address, ';');

    if (type.len == 0 || address.len == 0)
        return false;
    for (size_t i = 0; i < type.len; i++)
        if (!ascii_is_alnum((unsigned char)type.at[i]) && type.at[i] != '-')
            return false;
    bool fine = is_printable_xtext(address) || (r->utf8 && str_is_case(type, "utf-8") && is_unitext(address));
    return fine && str_copy(r->rcpt->orcpt, sizeof r->rcpt->orcpt, value);
}

struct parameter {
    const char *keyword;
    size_t offered; /* offset of its claim in struct offered */
    bool has_value;
    bool (*read)(struct str value, struct reading *r);
};
#define OFFERED(field) offsetof(struct offered, field)

static const struct parameter mail_parameters[] = {
    {"SIZE", OFFERED(size), true, read_size},
    {"BODY", OFFERED(body), true, read_body},
    {"SMTPUTF8", OFFERED(smtputf8), false, read_smtputf8},
    {"REQUIRETLS", OFFERED(requiretls), false, read_requiretls},
    {"RET", OFFERED(dsn), true, read_ret},
    {"ENVID", OFFERED(dsn), true, read_envid},
    {"AUTH", OFFERED(auth), true, read_auth},
};
static const struct parameter rcpt_parameters[] = {
    {"NOTIFY", OFFERED(dsn), true, read_notify},
    {"ORCPT", OFFERED(dsn), true, read_orcpt},
};

static bool is_offered(const struct offered *offered, const struct parameter *p)
{
    return *(const bool *)((const char *)offered + p->offered);
}

static enum args_result refuse(const char **why, const char *text, enum args_result result)
{
    if (why)
        *why = text;
    return result;
}

/* Reads "KEYWORD[=value]" words, each at most once (RFC 5321 §4.1.1.11). */
static enum args_result read_parameters(struct str rest, const struct parameter *rows, size_t count, const struct offered *offered,
                                        struct reading *r, const char **why)
{
    unsigned seen = 0;

    for (struct str word = str_word(&rest); word.len; word = str_word(&rest)) {
        struct str value = word, keyword = str_cut(&value, '=');
        size_t i = 0;

        while (i < count && !str_is_case(keyword, rows[i].keyword))
            i++;
        if (i == count || !is_offered(offered, &rows[i]))
            return refuse(why, "unknown parameter", ARGS_PARAMETER);
        if (seen & 1u << i)
            return refuse(why, "parameter given twice", ARGS_SYNTAX);
        seen |= 1u << i;
        if ((value.at != NULL) != rows[i].has_value || !rows[i].read(value, r))
            return refuse(why, "malformed parameter", ARGS_SYNTAX); /* RFC 3461 §5.1: 501 */
    }
    return ARGS_OK;
}

/*
 * "FROM:" or "TO:" and the path. Blanks behind the colon are against RFC 5321 §3.3, but many an appliance sends them; nothing else
 * is forgiven. Whether UTF-8 is allowed shows only in the parameters behind it.
 */
static enum args_result read_path(struct str *rest, struct str keyword, bool allow_null, bool allow_postmaster, struct address *out,
                                  const char **why)
{
    if (!str_starts_case(*rest, keyword))
        return refuse(why, "", ARGS_SYNTAX);
    *rest = str_from_index(*rest, keyword.len);
    skip_blanks(rest);
    if (rest->len == 0 || rest->at[0] != '<')
        return refuse(why, "no address in angle brackets", ARGS_SYNTAX);
    if (path_parse(rest, allow_null, allow_postmaster, true, out, why) != ADDRESS_OK)
        return ARGS_ADDRESS;
    if (rest->len && !is_blank(rest->at[0]))
        return refuse(why, "something behind the address", ARGS_SYNTAX);
    return ARGS_OK;
}

enum args_result mail_args_parse(struct str args, const struct offered *offered, struct mail_args *out, const char **why)
{
    struct reading r = {.mail = out, .utf8 = true};

    memset(out, 0, sizeof *out);
    if (why)
        *why = "";
    enum args_result result = read_path(&args, STR("FROM:"), true, false, &out->sender, why);
    if (result != ARGS_OK)
        return result;
    result = read_parameters(args, mail_parameters, sizeof mail_parameters / sizeof *mail_parameters, offered, &r, why);
    if (result != ARGS_OK)
        return result;
    if (out->body == BODY_BINARYMIME && !offered->binarymime)
        return refuse(why, "BINARYMIME is not offered", ARGS_PARAMETER);
    if (out->sender.is_utf8 && !out->smtputf8)
        return refuse(why, "needs SMTPUTF8", ARGS_NEEDS_SMTPUTF8);
    return ARGS_OK;
}

enum args_result rcpt_args_parse(struct str args, const struct offered *offered, bool smtputf8, struct rcpt_args *out, const char **why)
{
    struct reading r = {.rcpt = out, .utf8 = smtputf8};

    memset(out, 0, sizeof *out);
    if (why)
        *why = "";
    enum args_result result = read_path(&args, STR("TO:"), false, true, &out->recipient, why);
    if (result != ARGS_OK)
        return result;
    if (out->recipient.is_utf8 && !smtputf8)
        return refuse(why, "needs SMTPUTF8", ARGS_NEEDS_SMTPUTF8);
    return read_parameters(args, rcpt_parameters, sizeof rcpt_parameters / sizeof *rcpt_parameters, offered, &r, why);
}

bool bdat_args_parse(struct str args, uint64_t *size, bool *last)
{
    struct str number = str_word(&args), marker = str_word(&args);

    *last = marker.len > 0;
    return str_to_u64(number, INT64_MAX, size) && (marker.len == 0 || str_is_case(marker, "LAST")) && str_word(&args).len == 0;
}
