/* sasl.c: see sasl.h. */
#include "auth/sasl.h"

#include "auth/password.h"
#include "base/base64.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[SASL_MECHANISMS] = {
    [SASL_PLAIN] = "PLAIN", [SASL_LOGIN] = "LOGIN", [SASL_SCRAM] = "SCRAM-SHA-256", [SASL_SCRAM_PLUS] = "SCRAM-SHA-256-PLUS"};

struct sasl {
    enum sasl_mechanism mechanism;
    enum { WANTS_FIRST, WANTS_PASSWORD, WANTS_LAST, WANTS_NOTHING } wants;
    bool keys_are_real;
    char login[SCRAM_LOGIN_MAX + 1], authzid[SCRAM_LOGIN_MAX + 1];
    struct buf password; /* owned */
    struct scram scram;
    struct scram_binding bindings[BINDINGS_MAX];
};

const char *sasl_mechanism_name(enum sasl_mechanism m)
{
    return names[m];
}

bool sasl_mechanism_find(struct str name, enum sasl_mechanism *out)
{
    for (enum sasl_mechanism m = 0; m < SASL_MECHANISMS; m++)
        if (str_is_case(name, names[m])) {
            *out = m;
            return true;
        }
    return false;
}

struct sasl *sasl_new(enum sasl_mechanism m, bool plus_was_offered, const struct scram_binding *bindings, size_t count)
{
    struct sasl *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->mechanism = m;
    s->password = buf_make(PASSWORD_MAX + 1);
    for (size_t i = 0; i < count && i < BINDINGS_MAX; i++)
        s->bindings[i] = bindings[i];
    scram_init(&s->scram, m == SASL_SCRAM_PLUS, plus_was_offered, s->bindings, count < BINDINGS_MAX ? count : BINDINGS_MAX);
    return s;
}

static void wipe(struct buf *b)
{
    if (b->at)
        OPENSSL_cleanse(b->at, b->cap);
    buf_free(b);
}

void sasl_free(struct sasl **s)
{
    if (!*s)
        return;
    wipe(&(*s)->password);
    scram_clear(&(*s)->scram);
    OPENSSL_cleanse(*s, sizeof **s);
    free(*s);
    *s = NULL;
}

static bool take_name(struct str name, char to[SCRAM_LOGIN_MAX + 1])
{
    return utf8_is_valid(name) && str_copy(to, SCRAM_LOGIN_MAX + 1, name);
}

/* [authzid] NUL authcid NUL passwd (RFC 4616 §2) */
static enum sasl_next read_plain(struct sasl *s, struct str message)
{
    struct str authzid = str_cut(&message, '\0'), login = message.at ? str_cut(&message, '\0') : str_n(NULL, 0);

    if (!message.at || !login.len || !message.len || memchr(message.at, '\0', message.len) || !take_name(authzid, s->authzid) || !take_name(login, s->login))
        return SASL_MALFORMED;
    return buf_add_str(&s->password, message) ? SASL_PASSWORD : SASL_MALFORMED;
}

static enum sasl_next read_login(struct sasl *s, struct str message, struct buf *challenge)
{
    if (s->wants == WANTS_PASSWORD)
        return message.len && !memchr(message.at, '\0', message.len) && buf_add_str(&s->password, message) ? SASL_PASSWORD : SASL_MALFORMED;
    if (!message.len || !take_name(message, s->login))
        return SASL_MALFORMED;
    s->wants = WANTS_PASSWORD;
    buf_add_text(challenge, "Password:");
    return SASL_CHALLENGE;
}

static enum sasl_next of_scram(enum scram_result result, enum sasl_next fine)
{
    return result == SCRAM_OK ? fine : result == SCRAM_MALFORMED ? SASL_MALFORMED : SASL_WRONG;
}

static enum sasl_next read_scram(struct sasl *s, struct str message, struct buf *challenge)
{
    switch (s->wants) {
    case WANTS_FIRST: {
        enum sasl_next next = of_scram(scram_first(&s->scram, message), SASL_KEYS);
        str_copy(s->login, sizeof s->login, str_from(s->scram.login));
        str_copy(s->authzid, sizeof s->authzid, str_from(s->scram.authzid));
        return next;
    }
    case WANTS_LAST: {
        enum sasl_next next = of_scram(scram_last(&s->scram, message, challenge), SASL_CHALLENGE);
        s->wants = WANTS_NOTHING;
        return next == SASL_CHALLENGE && !s->keys_are_real ? SASL_WRONG : next;
    }
    case WANTS_NOTHING: /* our proof goes out as a challenge, and its answer is empty (RFC 4954 §4) */
        return message.len ? SASL_MALFORMED : SASL_RIGHT;
    case WANTS_PASSWORD:
        break;
    }
    return SASL_MALFORMED;
}

static enum sasl_next take(struct sasl *s, struct str message, struct buf *challenge)
{
    switch (s->mechanism) {
    case SASL_PLAIN:
        return read_plain(s, message);
    case SASL_LOGIN:
        return read_login(s, message, challenge);
    case SASL_SCRAM:
    case SASL_SCRAM_PLUS:
    case SASL_MECHANISMS:
        break;
    }
    return read_scram(s, message, challenge);
}

static enum sasl_next decode(struct sasl *s, struct str text, struct buf *challenge)
{
    struct buf message = buf_make(SASL_LINE_MAX);
    enum sasl_next next = base64_decode(text, &message) ? take(s, buf_str(&message), challenge) : SASL_MALFORMED;

    wipe(&message);
    return next;
}

enum sasl_next sasl_begin(struct sasl *s, struct str initial, struct buf *challenge)
{
    if (!initial.at) {
        if (s->mechanism == SASL_LOGIN)
            buf_add_text(challenge, "Username:");
        return SASL_CHALLENGE;
    }
    return str_is(initial, "=") ? take(s, str_n("", 0), challenge) : decode(s, initial, challenge);
}

enum sasl_next sasl_step(struct sasl *s, struct str line, struct buf *challenge)
{
    return str_is(line, "*") ? SASL_CANCELLED : decode(s, line, challenge);
}

enum sasl_next sasl_give_keys(struct sasl *s, const struct scram_keys *keys, bool is_real, struct buf *challenge)
{
    s->keys_are_real = is_real;
    s->wants = WANTS_LAST;
    return scram_challenge(&s->scram, keys, challenge) ? SASL_CHALLENGE : SASL_MALFORMED;
}

enum sasl_mechanism sasl_mechanism_of(const struct sasl *s)
{
    return s->mechanism;
}

const char *sasl_login(const struct sasl *s)
{
    return s->login;
}

struct str sasl_password(const struct sasl *s)
{
    return buf_str(&s->password);
}

const char *sasl_authzid(const struct sasl *s)
{
    return s->authzid;
}
