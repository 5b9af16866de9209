/*
 * cmd_auth.c: AUTH (RFC 4954) on the submission ports: which mechanisms there are, the lines of an exchange, and whether it is right. A failure takes as
 * long for an account that does not exist as for one that does; who fails too often is denied (store/denials.h).
 */
#include "base/base64.h"
#include "gate/credentials.h"
#include "gate/outgoing.h"
#include "gate/session.h"

#include <openssl/crypto.h>
#include <string.h>

static bool is_listed(const struct session *s, enum sasl_mechanism m)
{
    const struct setting_list *list = setting_list(session_policy(s), SETTING_auth_mechanisms);

    for (size_t i = 0; i < list->count; i++)
        if (str_is_case(str_from(sasl_mechanism_name(m)), list->at[i]))
            return true;
    return false;
}

bool auth_offers(const struct session *s, enum sasl_mechanism m)
{
    if (s->service == SERVICE_MX || !is_listed(s, m))
        return false;
    if (!s->client.tls)
        return m != SASL_SCRAM_PLUS && setting_flag(session_policy(s), SETTING_auth_without_tls);
    return true;
}

bool auth_is_offered(const struct session *s)
{
    for (enum sasl_mechanism m = 0; m < SASL_MECHANISMS; m++)
        if (auth_offers(s, m))
            return true;
    return false;
}

static size_t bindings_of(const struct session *s, struct scram_binding to[BINDINGS_MAX])
{
    size_t count = 0;

    if (!s->stream.ssl)
        return 0;
    to[count] = (struct scram_binding){.name = "tls-exporter"};
    to[count].len = tls_binding_exporter(s->stream.ssl, to[count].data);
    count += to[count].len > 0;
    to[count] = (struct scram_binding){.name = "tls-unique"};
    to[count].len = tls_binding_unique(s->stream.ssl, to[count].data);
    count += to[count].len > 0;
    return count;
}

/* The end of an exchange that led nowhere. */
static enum session_next give_up(struct session *s, enum reason r)
{
    sasl_free(&s->sasl);
    s->state = SESSION_COMMAND;
    return answer(s, r);
}

static enum session_next deny(struct session *s, int64_t left_ms, const char *login, const char *mechanism)
{
    struct finding f = auth_denied_finding(left_ms);
    char reference[REFERENCE_LEN + 1];

    random_reference(reference);
    event_auth_refused(s, &f, reference, str_from(login), mechanism);
    sasl_free(&s->sasl);
    s->state = SESSION_COMMAND;
    return answer_finding(s, &f, reference);
}

static enum session_next fail(struct session *s)
{
    struct finding f = finding_make(REASON_AUTH_FAILED, "%s", "");
    char reference[REFERENCE_LEN + 1];

    random_reference(reference);
    event_auth_refused(s, &f, reference, str_from(sasl_login(s->sasl)), sasl_mechanism_name(sasl_mechanism_of(s->sasl)));
    credentials_failed(s, str_from(sasl_login(s->sasl)));
    return give_up(s, REASON_AUTH_FAILED);
}

static enum session_next succeed(struct session *s, struct account *take)
{
    enum sasl_mechanism m = sasl_mechanism_of(s->sasl);

    credentials_succeeded(s, str_from(sasl_login(s->sasl)));
    if (!outgoing_sign_in(s, take, m))
        return give_up(s, REASON_INTERNAL_ERROR);
    return give_up(s, REASON_AUTH_OK);
}

static enum session_next conclude(struct session *s, enum credentials_result result, struct account *take)
{
    switch (result) {
    case CREDENTIALS_RIGHT:
        return succeed(s, take);
    case CREDENTIALS_WRONG:
        return fail(s);
    case CREDENTIALS_UNKNOWN:
        break;
    }
    return give_up(s, REASON_AUTH_UNAVAILABLE);
}

static enum session_next challenge(struct session *s, const struct buf *words)
{
    struct buf text = buf_make(SASL_CHALLENGE_MAX * 2);
    enum session_next next;

    s->state = SESSION_AUTH;
    if (base64_encode(buf_str(words), &text))
        next = answer_long(s, REASON_AUTH_GO_ON, buf_str(&text));
    else
        next = give_up(s, REASON_AUTH_UNAVAILABLE);
    buf_free(&text);
    return next;
}

static enum session_next go_on(struct session *s, enum sasl_next next, struct buf *words);

/* Nobody acts in another's name. */
static bool acts_as_itself(const struct sasl *sasl)
{
    return !*sasl_authzid(sasl) || str_eq_case(str_from(sasl_authzid(sasl)), str_from(sasl_login(sasl)));
}

static enum session_next take_keys(struct session *s, struct buf *words)
{
    struct scram_keys keys;
    bool is_real;

    if (credentials_keys(s, str_from(sasl_login(s->sasl)), &keys, &is_real) == CREDENTIALS_UNKNOWN)
        return give_up(s, REASON_AUTH_UNAVAILABLE);
    enum sasl_next next = sasl_give_keys(s->sasl, &keys, is_real && acts_as_itself(s->sasl), words);
    OPENSSL_cleanse(&keys, sizeof keys);
    return go_on(s, next, words);
}

static enum session_next judge_password(struct session *s)
{
    struct account account = {0};

    if (!acts_as_itself(s->sasl)) {
        credentials_waste_time(s, sasl_password(s->sasl));
        return fail(s);
    }
    return conclude(s, credentials_check(s, str_from(sasl_login(s->sasl)), sasl_password(s->sasl), &account), &account);
}

static enum session_next proved(struct session *s)
{
    struct account account = {0};

    return conclude(s, credentials_account(s, str_from(sasl_login(s->sasl)), &account), &account);
}

static enum session_next go_on(struct session *s, enum sasl_next next, struct buf *words)
{
    int64_t left_ms = next == SASL_PASSWORD || next == SASL_KEYS ? credentials_denied_ms(s, str_from(sasl_login(s->sasl))) : 0;

    if (left_ms)
        return deny(s, left_ms, sasl_login(s->sasl), sasl_mechanism_name(sasl_mechanism_of(s->sasl)));
    switch (next) {
    case SASL_CHALLENGE: return challenge(s, words);
    case SASL_KEYS: return take_keys(s, words);
    case SASL_PASSWORD: return judge_password(s);
    case SASL_RIGHT: return proved(s);
    case SASL_WRONG: return fail(s);
    case SASL_CANCELLED: return give_up(s, REASON_AUTH_CANCELLED);
    case SASL_MALFORMED: break;
    }
    return give_up(s, REASON_AUTH_MALFORMED);
}

static enum session_next start(struct session *s, enum sasl_mechanism m, struct str initial)
{
    struct scram_binding bindings[BINDINGS_MAX];
    struct buf words = buf_make(SASL_CHALLENGE_MAX);
    size_t count = bindings_of(s, bindings);

    s->sasl = sasl_new(m, auth_offers(s, SASL_SCRAM_PLUS), bindings, count);
    if (!s->sasl)
        return answer(s, REASON_AUTH_UNAVAILABLE);
    enum session_next next = go_on(s, sasl_begin(s->sasl, initial, &words), &words);
    buf_free(&words);
    return next;
}

enum session_next cmd_auth(struct session *s, struct str args)
{
    struct str name = str_word(&args), initial = str_word(&args);
    enum sasl_mechanism m;

    if (s->service == SERVICE_MX || !setting_list(session_policy(s), SETTING_auth_mechanisms)->count)
        return answer(s, REASON_NOT_IMPLEMENTED);
    if (!s->greeted || !s->client.esmtp)
        return answer_detail(s, REASON_BAD_SEQUENCE, "EHLO comes first");
    if (s->tx)
        return answer_detail(s, REASON_BAD_SEQUENCE, "AUTH inside a transaction");
    if (s->outgoing && s->outgoing->by_auth)
        return answer_detail(s, REASON_BAD_SEQUENCE, "authenticated already");
    if (!s->client.tls && !setting_flag(session_policy(s), SETTING_auth_without_tls))
        return answer(s, REASON_AUTH_NEEDS_TLS);
    if (!name.len || str_word(&args).len)
        return answer_detail(s, REASON_BAD_ARGUMENTS, "AUTH mechanism [initial-response]");
    if (!sasl_mechanism_find(name, &m) || !auth_offers(s, m))
        return answer_detail(s, REASON_BAD_PARAMETER, "AUTH mechanism");
    int64_t left_ms = credentials_denied_ms(s, str_n(NULL, 0));
    if (left_ms)
        return deny(s, left_ms, "", sasl_mechanism_name(m));
    return start(s, m, initial.len ? initial : str_n(NULL, 0));
}

/* The client's next line; the secrets in it do not stay in the buffer. */
enum session_next auth_read(struct session *s)
{
    struct str input = stream_input(&s->stream);
    ptrdiff_t end = str_find(input, '\n');
    struct buf words = buf_make(SASL_CHALLENGE_MAX);
    char line[SASL_LINE_MAX];

    if (end < 0 || (size_t)end >= sizeof line) {
        if (input.len < sizeof line)
            return SESSION_WAIT;
        s->state = SESSION_SKIP_LINE;
        return SESSION_GO_ON;
    }
    if (end == 0 || input.at[end - 1] != '\r')
        return answer_close(s, REASON_BAD_LINE_ENDING, "a line of AUTH ended in a bare LF");
    size_t len = (size_t)end - 1;
    memcpy(line, input.at, len);
    stream_consume_secret(&s->stream, (size_t)end + 1);
    enum session_next next = go_on(s, sasl_step(s->sasl, str_n(line, len), &words), &words);
    OPENSSL_cleanse(line, sizeof line);
    buf_free(&words);
    return next;
}
