/* test_sasl.c: base64 by the letter, passwords (RFC 4013, argon2id), and AUTH exchanges: PLAIN, LOGIN, SCRAM-SHA-256 with and without channel binding. */
#include "auth/password.h"
#include "auth/sasl.h"
#include "base/base64.h"
#include "check.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

static void base64_is_read_by_the_letter(void **state)
{
    static const struct {
        const char *text, *octets; /* NULL: it is none */
    } rows[] = {
        {"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYg==", "foob"}, {"+/+/", "\xfb\xff\xbf"},
        {"Zg=", NULL},      /* padding is not complete */
        {"Zg", NULL},       {"Zh==", NULL}, /* bits behind the end */
        {"Zm9=", NULL},     {"Z===", NULL}, {"====", NULL}, {"Zg==Zg==", NULL}, {"Zm 9v", NULL}, {"Zm9\n", NULL}, {"Zm-_", NULL}, {"=Zg=", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf octets = buf_make(100), back = buf_make(100);
        assert_int_equal(base64_decode(str_from(rows[i].text), &octets), rows[i].octets != NULL);
        assert_true(str_is(buf_str(&octets), rows[i].octets ? rows[i].octets : ""));
        assert_true(!rows[i].octets || (base64_encode(buf_str(&octets), &back) && str_is(buf_str(&back), rows[i].text)));
        buf_free(&octets);
        buf_free(&back);
    }
}

static void passwords_are_prepared(void **state)
{
    static const struct {
        const char *raw, *prepared;
    } rows[] = {
        {"plain one", "plain one"},
        {"I\xc2\xadX", "IX"},                   /* RFC 4013 §3: soft hyphen goes */
        {"\xc2\xaa", "a"},                      /* NFKC */
        {"\xe2\x85\xa8", "IX"},
        {"a\xc2\xa0" "b", "a b"},               /* other blanks become a blank */
        {"\x07", NULL}, {"a\x7f", NULL},        /* control characters */
        {"\xd8\xa7\x31", NULL},                 /* both directions */
        {"\xff", NULL}, {"", NULL},
    };
    char to[PASSWORD_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = 0;
        bool fine = password_prepare(str_from(rows[i].raw), to, &len);
        assert_int_equal(fine, rows[i].prepared != NULL);
        assert_true(!fine || str_is(str_n(to, len), rows[i].prepared));
    }
    assert_non_null(password_refused(STR("seven77")));
    assert_non_null(password_refused(STR("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f"))); /* eight octets, four characters */
    assert_null(password_refused(STR("eight888")));
}

static void a_password_is_right_or_wrong_and_remembered_only_when_right(void **state)
{
    char hash[PASSWORD_HASH_MAX], other[PASSWORD_HASH_MAX];
    struct password_checker *c = password_checker_new(2, 60000);

    (void)state;
    assert_non_null(c);
    assert_true(password_hash(STR("correct horse"), hash));
    assert_true(password_hash(STR("correct horse"), other));
    assert_string_not_equal(hash, other);
    assert_true(str_starts(str_from(hash), STR("$argon2id$")));
    for (int i = 0; i < 3; i++) { /* the second time from memory */
        assert_int_equal(password_check(c, hash, STR("correct horse")), PASSWORD_RIGHT);
        assert_int_equal(password_check(c, hash, STR("correct hors")), PASSWORD_WRONG);
        assert_int_equal(password_check(c, NULL, STR("correct horse")), PASSWORD_WRONG);
        assert_int_equal(password_check(c, "", STR("correct horse")), PASSWORD_WRONG);
    }
    assert_true(password_is_remembered(c, str_from(hash), STR("correct horse")));
    assert_false(password_is_remembered(c, str_from(other), STR("correct horse")));
    assert_false(password_is_remembered(c, str_from(hash), STR("correct hors")));
    password_checker_free(&c);
}

struct crowd {
    struct password_checker *checker;
    const char *hash;
    atomic_uint right, wrong, busy;
};

static void *ask_often(void *arg)
{
    struct crowd *c = arg;

    for (int i = 0; i < 4; i++) {
        enum password_result r = password_check(c->checker, c->hash, i % 2 ? STR("correct horse") : STR("wrong horse"));
        atomic_fetch_add(r == PASSWORD_RIGHT ? &c->right : r == PASSWORD_WRONG ? &c->wrong : &c->busy, 1);
    }
    return NULL;
}

/* Two places and sixteen times as many that may wait: sixteen at once all get an answer. */
static void many_at_once_wait_for_each_other(void **state)
{
    char hash[PASSWORD_HASH_MAX];
    struct crowd c = {.checker = password_checker_new(2, 60000), .hash = hash};
    pthread_t thread[16];

    (void)state;
    assert_true(password_hash(STR("correct horse"), hash));
    for (int i = 0; i < 16; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, ask_often, &c), 0);
    for (int i = 0; i < 16; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(atomic_load(&c.right), 32);
    assert_int_equal(atomic_load(&c.wrong), 32);
    assert_int_equal(atomic_load(&c.busy), 0);
    password_checker_free(&c.checker);
}

static enum sasl_next give(struct sasl *s, bool first, const char *octets, size_t len, struct buf *challenge)
{
    struct buf text = buf_make(SASL_LINE_MAX);

    base64_encode(str_n(octets, len), &text);
    buf_clear(challenge);
    enum sasl_next next = first ? sasl_begin(s, buf_str(&text), challenge) : sasl_step(s, buf_str(&text), challenge);
    buf_free(&text);
    return next;
}

static void plain_has_three_parts(void **state)
{
    static const struct {
        const char *octets;
        size_t len;
        enum sasl_next next;
        const char *authzid, *login, *password;
    } rows[] = {
#define PLAIN(text, ...) {text, sizeof text - 1, __VA_ARGS__}
        PLAIN("\0ann@acme.test\0secret", SASL_PASSWORD, "", "ann@acme.test", "secret"),
        PLAIN("ann\0ann@acme.test\0secret", SASL_PASSWORD, "ann", "ann@acme.test", "secret"),
        PLAIN("\0ann@acme.test\0sec ret ", SASL_PASSWORD, "", "ann@acme.test", "sec ret "),
        PLAIN("ann\0secret", SASL_MALFORMED, "", "", ""),
        PLAIN("\0\0secret", SASL_MALFORMED, "", "", ""),
        PLAIN("\0ann\0", SASL_MALFORMED, "", "", ""),
        PLAIN("\0ann\0se\0cret", SASL_MALFORMED, "", "", ""),
        PLAIN("\0\xff\xfe\0secret", SASL_MALFORMED, "", "", ""),
        PLAIN("", SASL_MALFORMED, "", "", ""),
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf challenge = buf_make(SASL_CHALLENGE_MAX);
        struct sasl *s = sasl_new(SASL_PLAIN, false, NULL, 0);
        enum sasl_next next = give(s, rows[i].len > 0, rows[i].octets, rows[i].len, &challenge);
        assert_int_equal(next, rows[i].next);
        if (next == SASL_PASSWORD) {
            assert_string_equal(sasl_authzid(s), rows[i].authzid);
            assert_string_equal(sasl_login(s), rows[i].login);
            assert_true(str_is(sasl_password(s), rows[i].password));
        }
        sasl_free(&s);
        buf_free(&challenge);
    }
}

static void login_asks_for_both(void **state)
{
    struct buf challenge = buf_make(SASL_CHALLENGE_MAX);
    struct sasl *s = sasl_new(SASL_LOGIN, false, NULL, 0);

    (void)state;
    assert_int_equal(sasl_begin(s, str_n(NULL, 0), &challenge), SASL_CHALLENGE);
    assert_true(str_is(buf_str(&challenge), "Username:"));
    assert_int_equal(give(s, false, "ann", 3, &challenge), SASL_CHALLENGE);
    assert_true(str_is(buf_str(&challenge), "Password:"));
    assert_int_equal(give(s, false, "secret", 6, &challenge), SASL_PASSWORD);
    assert_string_equal(sasl_login(s), "ann");
    sasl_free(&s);
    s = sasl_new(SASL_LOGIN, false, NULL, 0);
    assert_int_equal(give(s, true, "ann", 3, &challenge), SASL_CHALLENGE);
    assert_true(str_is(buf_str(&challenge), "Password:"));
    assert_int_equal(sasl_step(s, STR("*"), &challenge), SASL_CANCELLED);
    sasl_free(&s);
    buf_free(&challenge);
}

/* RFC 7677 §3, whose nonces are given. */
static void the_example_of_rfc_7677_holds(void **state)
{
    struct scram s;
    struct scram_keys keys = {.iterations = 4096};
    unsigned char salted[SCRAM_KEY], client[SCRAM_KEY];
    unsigned len = SCRAM_KEY;
    struct buf salt = buf_make(32), out = buf_make(1000);

    (void)state;
    assert_true(base64_decode(STR("W22ZaJ0SNY7soEsUEjb6gQ=="), &salt) && salt.len == SCRAM_SALT);
    memcpy(keys.salt, salt.at, SCRAM_SALT);
    PKCS5_PBKDF2_HMAC("pencil", 6, keys.salt, SCRAM_SALT, 4096, EVP_sha256(), SCRAM_KEY, salted);
    HMAC(EVP_sha256(), salted, SCRAM_KEY, (const unsigned char *)"Client Key", 10, client, &len);
    SHA256(client, SCRAM_KEY, keys.stored);
    HMAC(EVP_sha256(), salted, SCRAM_KEY, (const unsigned char *)"Server Key", 10, keys.server, &len);
    scram_init(&s, false, false, NULL, 0);
    assert_int_equal(scram_first(&s, STR("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")), SCRAM_OK);
    assert_string_equal(s.login, "user");
    assert_true(scram_challenge(&s, &keys, &out));
    buf_clear(&s.nonce); /* the server's part of the example's nonce in place of ours */
    buf_add_text(&s.nonce, "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    buf_clear(&s.transcript);
    buf_add_text(&s.transcript, "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    buf_clear(&out);
    assert_int_equal(scram_last(&s, STR("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), &out), SCRAM_OK);
    assert_true(str_is(buf_str(&out), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    scram_clear(&s);
    buf_free(&salt);
    buf_free(&out);
}

static void keys_are_written_and_read(void **state)
{
    struct scram_keys keys, back, first, second;
    unsigned char secret[SCRAM_KEY] = {1};
    char text[SCRAM_TEXT_MAX];

    (void)state;
    assert_true(scram_keys_make(STR("correct horse"), &keys));
    scram_keys_format(&keys, text);
    assert_true(scram_keys_parse(str_from(text), &back));
    assert_memory_equal(&keys, &back, sizeof keys);
    assert_false(scram_keys_parse(STR("100:W22ZaJ0SNY7soEsUEjb6gQ==:x:y"), &back));
    assert_false(scram_keys_parse(STR(""), &back));
    scram_keys_pretend(secret, STR("nobody@acme.test"), &first);
    scram_keys_pretend(secret, STR("nobody@acme.test"), &second);
    assert_memory_equal(first.salt, second.salt, SCRAM_SALT);
    assert_int_equal(first.iterations, keys.iterations);
}

/* The client's side, as RFC 5802 §3 has it. FLAG is what stands before the first comma, BINDING what is bound to. */
static void answer_challenge(const char *password, const char *flag, struct str binding, struct str bare, struct str challenge, struct buf *out)
{
    unsigned char salted[SCRAM_KEY], client[SCRAM_KEY], stored[SCRAM_KEY], signature[SCRAM_KEY], proof[SCRAM_KEY];
    unsigned len = SCRAM_KEY;
    struct str rest = challenge, nonce = str_cut(&rest, ','), salt_text = str_from_index(str_cut(&rest, ','), 2);
    struct buf salt = buf_make(64), channel = buf_make(200), message = buf_make(2000), to_sign = buf_make(4000);
    uint64_t iterations = 0;

    assert_true(str_to_u64(str_from_index(rest, 2), 1000000, &iterations));
    assert_true(base64_decode(salt_text, &salt));
    PKCS5_PBKDF2_HMAC(password, (int)strlen(password), (const unsigned char *)salt.at, (int)salt.len, (int)iterations, EVP_sha256(), SCRAM_KEY, salted);
    HMAC(EVP_sha256(), salted, SCRAM_KEY, (const unsigned char *)"Client Key", 10, client, &len);
    SHA256(client, SCRAM_KEY, stored);
    buf_addf(&channel, "%s,,", flag);
    buf_add_str(&channel, binding);
    buf_add_text(&message, "c=");
    base64_encode(buf_str(&channel), &message);
    buf_add_char(&message, ',');
    buf_add_str(&message, nonce);
    buf_addf(&to_sign, STR_FMT "," STR_FMT "," STR_FMT, STR_ARG(bare), STR_ARG(challenge), STR_ARG(buf_str(&message)));
    HMAC(EVP_sha256(), stored, SCRAM_KEY, (const unsigned char *)to_sign.at, to_sign.len, signature, &len);
    for (size_t i = 0; i < SCRAM_KEY; i++)
        proof[i] = client[i] ^ signature[i];
    buf_add_str(out, buf_str(&message));
    buf_add_text(out, ",p=");
    base64_encode(str_n((const char *)proof, SCRAM_KEY), out);
    buf_free(&salt);
    buf_free(&channel);
    buf_free(&message);
    buf_free(&to_sign);
}

struct scram_case {
    const char *name;
    enum sasl_mechanism mechanism;
    bool offered;
    const char *flag, *binding, *password;
    enum sasl_next first, last;
};

static void run_scram(const struct scram_case *c, const struct scram_keys *keys)
{
    const struct scram_binding bindings[] = {{.name = "tls-exporter", .data = "exported", .len = 8}, {.name = "tls-unique", .data = "unique", .len = 6}};
    struct sasl *s = sasl_new(c->mechanism, c->offered, bindings, 2);
    struct buf message = buf_make(4000), challenge = buf_make(SASL_CHALLENGE_MAX), answer = buf_make(4000);
    struct str bare = STR("n=ann@acme.test,r=abcdefgh");

    buf_addf(&message, "%s,," STR_FMT, c->flag, STR_ARG(bare));
    enum sasl_next next = give(s, true, message.at, message.len, &challenge);
    assert_int_equal(next, c->first);
    if (next == SASL_KEYS) {
        assert_string_equal(sasl_login(s), "ann@acme.test");
        assert_int_equal(sasl_give_keys(s, keys, true, &challenge), SASL_CHALLENGE);
        answer_challenge(c->password, c->flag, str_from(c->binding), bare, buf_str(&challenge), &answer);
        next = give(s, false, answer.at, answer.len, &challenge);
        if (next == SASL_CHALLENGE) {
            assert_true(str_starts(buf_str(&challenge), STR("v=")));
            next = sasl_step(s, STR(""), &challenge);
        }
        if (next != c->last)
            fail_msg("%s: %d", c->name, (int)next);
    }
    sasl_free(&s);
    buf_free(&message);
    buf_free(&challenge);
    buf_free(&answer);
}

static void scram_binds_to_the_channel(void **state)
{
    static const struct scram_case rows[] = {
        {"without binding", SASL_SCRAM, false, "n", "", "correct horse", SASL_KEYS, SASL_RIGHT},
        {"wrong password", SASL_SCRAM, false, "n", "", "correct hors", SASL_KEYS, SASL_WRONG},
        {"the client could bind, we cannot", SASL_SCRAM, false, "y", "", "correct horse", SASL_KEYS, SASL_RIGHT},
        {"the client was told we cannot, but we can", SASL_SCRAM, true, "y", "", "correct horse", SASL_WRONG, SASL_WRONG},
        {"bound without PLUS", SASL_SCRAM, true, "p=tls-exporter", "exported", "correct horse", SASL_WRONG, SASL_WRONG},
        {"PLUS without binding", SASL_SCRAM_PLUS, true, "n", "", "correct horse", SASL_WRONG, SASL_WRONG},
        {"exporter", SASL_SCRAM_PLUS, true, "p=tls-exporter", "exported", "correct horse", SASL_KEYS, SASL_RIGHT},
        {"unique", SASL_SCRAM_PLUS, true, "p=tls-unique", "unique", "correct horse", SASL_KEYS, SASL_RIGHT},
        {"another channel", SASL_SCRAM_PLUS, true, "p=tls-exporter", "unique", "correct horse", SASL_KEYS, SASL_WRONG},
        {"a binding that nobody knows", SASL_SCRAM_PLUS, true, "p=tls-other", "x", "correct horse", SASL_WRONG, SASL_WRONG},
        {"no flag", SASL_SCRAM, false, "x", "", "correct horse", SASL_MALFORMED, SASL_MALFORMED},
    };
    struct scram_keys keys;

    (void)state;
    assert_true(scram_keys_make(STR("correct horse"), &keys));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        run_scram(&rows[i], &keys);
}

static void scram_refuses_what_is_not_whole(void **state)
{
    static const struct {
        const char *message;
        enum sasl_next next;
    } rows[] = {
        {"n,,n=ann,r=x", SASL_KEYS},
        {"n,a=bob,n=ann,r=x", SASL_KEYS}, {"n,a=,n=ann,r=x", SASL_KEYS},
        {"n,,n=a=2Cb=3Dc,r=x", SASL_KEYS},
        {"n,,n=a=2c,r=x", SASL_MALFORMED},   {"n,,n=,r=x", SASL_MALFORMED},     {"n,,n=ann,r=", SASL_MALFORMED}, {"n,,n=ann", SASL_MALFORMED},
        {"n,,r=x,n=ann", SASL_MALFORMED},    {"n,b=c,n=ann,r=x", SASL_MALFORMED}, {"n,n=ann,r=x", SASL_MALFORMED}, {"", SASL_CHALLENGE},
        {"n,,m=ext,n=ann,r=x", SASL_WRONG},  {"n,,n=ann,r=x y", SASL_MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf challenge = buf_make(SASL_CHALLENGE_MAX);
        struct sasl *s = sasl_new(SASL_SCRAM, false, NULL, 0);
        size_t len = strlen(rows[i].message);
        enum sasl_next next = len ? give(s, true, rows[i].message, len, &challenge) : sasl_begin(s, str_n(NULL, 0), &challenge);
        assert_int_equal(next, rows[i].next);
        sasl_free(&s);
        buf_free(&challenge);
    }
}

static void keys_of_nobody_fit_no_proof(void **state)
{
    struct scram_keys keys;
    struct buf challenge = buf_make(SASL_CHALLENGE_MAX), answer = buf_make(4000);
    struct sasl *s = sasl_new(SASL_SCRAM, false, NULL, 0);

    (void)state;
    assert_true(scram_keys_make(STR("correct horse"), &keys));
    assert_int_equal(give(s, true, "n,,n=ann,r=x", 12, &challenge), SASL_KEYS);
    assert_int_equal(sasl_give_keys(s, &keys, false, &challenge), SASL_CHALLENGE);
    answer_challenge("correct horse", "n", STR(""), STR("n=ann,r=x"), buf_str(&challenge), &answer);
    assert_int_equal(give(s, false, answer.at, answer.len, &challenge), SASL_WRONG);
    sasl_free(&s);
    buf_free(&challenge);
    buf_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_read_by_the_letter), cmocka_unit_test(passwords_are_prepared),
        cmocka_unit_test(a_password_is_right_or_wrong_and_remembered_only_when_right), cmocka_unit_test(many_at_once_wait_for_each_other), cmocka_unit_test(plain_has_three_parts),
        cmocka_unit_test(login_asks_for_both), cmocka_unit_test(the_example_of_rfc_7677_holds), cmocka_unit_test(keys_are_written_and_read),
        cmocka_unit_test(scram_binds_to_the_channel), cmocka_unit_test(scram_refuses_what_is_not_whole), cmocka_unit_test(keys_of_nobody_fit_no_proof),
    };
    return cmocka_run_group_tests_name("sasl", tests, NULL, NULL);
}
