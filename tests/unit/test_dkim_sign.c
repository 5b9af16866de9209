/* test_dkim_sign.c: what we sign, our own verifier takes; what was changed, added or slipped in, it does not. */
#include "auth/dkim_key.h"
#include "auth/dkim_sign.h"

#include "check.h"

#include <sys/stat.h>
#include <unistd.h>

enum { NOW_S = 1700000000 };

struct setup {
    char directory[64];
    char zone[96];
    struct dkim_signer *signer;
    struct dns *dns;
    struct signature_context *context;
};

static void write_text(const char *path, struct str text, int mode)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(text.at, 1, text.len, f), text.len);
    fclose(f);
    assert_int_equal(chmod(path, (mode_t)mode), 0);
}

static void add_key(struct setup *s, const char *domain, const char *selector, const char *type, FILE *zone)
{
    struct buf pem = buf_make(SIGNING_KEY_BYTES_MAX), record = buf_make(4096), error = buf_make(200);
    char path[200];

    assert_true(dkim_key_make(type, &pem));
    assert_true(dkim_key_record(buf_str(&pem), &record, &error));
    assert_null(dkim_key_problem(buf_str(&record)));
    snprintf(path, sizeof path, "%s/%s", s->directory, domain);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s.pem", s->directory, domain, selector);
    write_text(path, buf_str(&pem), 0600);
    fprintf(zone, "%s._domainkey.%s TXT \"%.200s\" \"%s\"\n", selector, domain, buf_text(&record), record.len > 200 ? record.at + 200 : "");
    buf_free(&pem);
    buf_free(&record);
    buf_free(&error);
}

static struct dkim_keys *load(const char *directory, bool *fine, struct buf *error)
{
    struct buf bytes = buf_make(SIGNING_KEYS_BYTES_MAX);

    *fine = dkim_folder_read(directory, &bytes, error);
    struct dkim_keys *keys = dkim_keys_new(buf_str(&bytes), error);
    buf_free(&bytes);
    assert_non_null(keys);
    return keys;
}

static int start(void **state)
{
    struct setup *s = calloc(1, sizeof *s);
    struct buf error = buf_make(4096);
    bool fine;

    strcpy(s->directory, "/tmp/dkim-sign-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    snprintf(s->zone, sizeof s->zone, "%s/zone", s->directory);
    FILE *zone = fopen(s->zone, "we");
    assert_non_null(zone);
    add_key(s, "acme.test", "r1", "rsa", zone);
    add_key(s, "acme.test", "e1", "ed25519", zone);
    add_key(s, "news.other.test", "only", "ed25519", zone);
    fclose(zone);
    s->signer = dkim_signer_new(load(s->directory, &fine, &error));
    assert_true(fine);
    s->dns = dns_new_zone_file(s->zone, &error);
    assert_non_null(s->dns);
    s->context = signature_context_new();
    buf_free(&error);
    *state = s;
    return 0;
}

static int stop(void **state)
{
    struct setup *s = *state;
    char command[120];

    dkim_signer_free(&s->signer);
    dns_free(&s->dns);
    signature_context_free(&s->context);
    snprintf(command, sizeof command, "rm -r %s", s->directory);
    assert_int_equal(system(command), 0);
    free(s);
    return 0;
}

static struct buf sign(struct setup *s, const char *domain, struct str message)
{
    struct buf out = buf_make(4 * 1024 * 1024);

    assert_true(dkim_sign(s->signer, str_from(domain), message, NOW_S, &out));
    return out;
}

/* How many of MESSAGE's signatures hold. */
static size_t holding(struct setup *s, struct str message, size_t *count)
{
    static struct signature list[SIGNATURES_MAX];
    size_t good = 0;

    *count = signatures_read(s->context, message, list, SIGNATURES_MAX);
    for (size_t i = 0; i < *count; i++) {
        struct dkim_verdict v;
        dkim_verify(s->dns, NULL, &list[i], NOW_S + 10, &v);
        good += v.result == DKIM_PASS;
    }
    return good;
}

static size_t signed_and_holding(struct setup *s, const char *domain, struct str as_signed, struct str as_arrived, size_t *count)
{
    struct buf all = sign(s, domain, as_signed);

    assert_true(buf_add_str(&all, as_arrived));
    size_t good = holding(s, buf_str(&all), count);
    buf_free(&all);
    return good;
}

#define HEADER "From: Ann <ann@acme.test>\r\nTo: bob@example.test\r\nSubject:  two   blanks\r\n\tand a fold\r\nReceived: from here\r\n"

static void what_is_signed_holds(void **state)
{
    static const struct { const char *name, *message; } rows[] = {
        {"plain", HEADER "\r\nhello\r\n"},
        {"8 bit", HEADER "\r\ngr\xc3\xbc\xc3\x9f" "e \xff\r\n"},
        {"no body", HEADER "\r\n"},
        {"no end of the header", HEADER},
        {"final empty lines and blanks", HEADER "\r\na  b \t\r\n\r\n \r\n\r\n"},
        {"dots", HEADER "\r\n.\r\n..\r\n.x\r\n"},
        {"fields twice", "From: a@acme.test\r\nReceived: 1\r\nList-Id: <1>\r\nReply-To: x@y.test\r\nList-Id: <2>\r\nReply-To: z@y.test\r\n\r\nx\r\n"},
    };
    struct setup *s = *state;
    size_t count;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str m = str_from(rows[i].message);
        if (signed_and_holding(s, "acme.test", m, m, &count) != 2 || count != 2)
            fail_msg("%s: %zu signatures", rows[i].name, count);
    }
    /* a last line without its ending gets one on the way */
    assert_int_equal(signed_and_holding(s, "acme.test", STR(HEADER "\r\nx \t"), STR(HEADER "\r\nx \t\r\n"), &count), 2);
    assert_int_equal(signed_and_holding(s, "acme.test", STR(HEADER "\r\nx\r\n \t"), STR(HEADER "\r\nx\r\n \t\r\n"), &count), 2);
}

static void very_long_lines_hold(void **state)
{
    struct setup *s = *state;
    struct buf m = buf_make(1 << 20);
    size_t count;

    buf_add_text(&m, HEADER "References:");
    for (int i = 0; i < 2000; i++)
        buf_addf(&m, "\r\n <%d@acme.test>", i);
    buf_add_text(&m, "\r\n\r\n");
    for (int i = 0; i < 300000; i++)
        buf_add_char(&m, "ab \t"[i % 4]);
    buf_add_text(&m, "\r\n");
    assert_false(m.failed);
    assert_int_equal(signed_and_holding(s, "acme.test", buf_str(&m), buf_str(&m), &count), 2);
    buf_free(&m);
}

static void what_was_changed_does_not_hold(void **state)
{
    static const char *const changed[] = {
        HEADER "\r\nhellO\r\n",
        "From: Bob <ann@acme.test>\r\nTo: bob@example.test\r\nSubject:  two   blanks\r\n\tand a fold\r\n\r\nhello\r\n",
        "From: eve@acme.test\r\n" HEADER "\r\nhello\r\n",       /* a second From above */
        HEADER "From: eve@acme.test\r\n\r\nhello\r\n",          /* and below */
        "Subject: other\r\n" HEADER "\r\nhello\r\n",
        "Reply-To: eve@example.test\r\n" HEADER "\r\nhello\r\n", /* none was there: it must not be added */
        "Content-Type: text/html\r\n" HEADER "\r\nhello\r\n",
        "Cc: eve@example.test\r\n" HEADER "\r\nhello\r\n",
    };
    static const char *const harmless[] = {
        "Received: from there\r\n" HEADER "\r\nhello\r\n",
        "Date: Tue, 24 Nov 2026 14:11:00 +0000\r\nMessage-ID: <x@y>\r\nX-Other: y\r\n" HEADER "\r\nhello\r\n", /* a later server may add what was missing */
        HEADER "\r\nhello  \r\n\r\n",
    };
    struct setup *s = *state;
    struct str m = STR(HEADER "\r\nhello\r\n");
    size_t count;

    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++)
        if (signed_and_holding(s, "acme.test", m, str_from(changed[i]), &count) != 0 || count != 2)
            fail_msg("row %zu still holds", i);
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (signed_and_holding(s, "acme.test", m, str_from(harmless[i]), &count) != 2)
            fail_msg("row %zu does not hold any more", i);
}

static void the_authors_domain_chooses_the_keys(void **state)
{
    static const struct { const char *author; size_t count; const char *domain; } rows[] = {
        {"acme.test", 2, "d=acme.test;"}, {"ACME.Test", 2, "d=acme.test;"}, {"deep.below.acme.test", 2, "d=acme.test;"},
        {"news.other.test", 1, "d=news.other.test;"}, {"other.test", 0, ""}, {"xacme.test", 0, ""}, {"test", 0, ""}, {"", 0, ""}, {"..", 0, ""},
    };
    struct setup *s = *state;
    size_t count;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = sign(s, rows[i].author, STR(HEADER "\r\nx\r\n"));
        buf_add_text(&out, HEADER "\r\nx\r\n");
        if (holding(s, buf_str(&out), &count) != rows[i].count || count != rows[i].count ||
            str_find_str(buf_str(&out), str_from(rows[i].domain)) < 0)
            fail_msg("%s: %zu signatures", rows[i].author, count);
        buf_free(&out);
    }
}

static void what_would_arrive_otherwise_is_not_signed(void **state)
{
    static const char *const rows[] = {HEADER "\r\nbare\nLF\r\n", HEADER "\r\nbare\rCR\r\n", "Subject: no author\r\n\r\nx\r\n", "\r\nno header\r\n", "",
                                       HEADER "\r\nends in CR\r",
                                       " folded first\r\n" HEADER "\r\nx\r\n"};
    struct setup *s = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = sign(s, "acme.test", str_from(rows[i]));
        if (out.len)
            fail_msg("row %zu was signed", i);
        buf_free(&out);
    }
    struct buf many = buf_make(65536);
    buf_add_text(&many, HEADER);
    for (int i = 0; i < 200; i++)
        buf_add_text(&many, "List-Id: <x>\r\n");
    buf_add_text(&many, "\r\nx\r\n");
    struct buf out = sign(s, "acme.test", buf_str(&many));
    assert_int_equal(out.len, 0);
    buf_free(&out);
    buf_free(&many);
}

static void lines_of_the_field_are_short(void **state)
{
    struct setup *s = *state;
    struct buf out = sign(s, "acme.test", STR(HEADER "\r\nx\r\n"));
    struct str rest = buf_str(&out);

    while (rest.len) {
        struct str line = str_cut(&rest, '\n');
        assert_true(line.len <= 79);
        assert_true(line.at[line.len - 1] == '\r');
    }
    buf_free(&out);
}

static void keys_that_are_none_are_named(void **state)
{
    struct setup *s = *state;
    char path[200];
    struct buf error = buf_make(8192);
    bool fine;

    (void)state;
    snprintf(path, sizeof path, "%s/bad.test", s->directory);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/bad.test/junk.pem", s->directory);
    write_text(path, STR("no key\n"), 0600);
    snprintf(path, sizeof path, "%s/bad.test/open.pem", s->directory);
    write_text(path, STR("no key\n"), 0644);
    snprintf(path, sizeof path, "%s/bad.test/not a selector.pem", s->directory);
    write_text(path, STR("no key\n"), 0600);
    snprintf(path, sizeof path, "%s/bad.test/README", s->directory);
    write_text(path, STR("not looked at\n"), 0644);
    struct dkim_keys *keys = load(s->directory, &fine, &error);
    assert_false(fine);
    assert_int_equal(dkim_keys_count(keys), 3); /* the good ones still sign */
    assert_true(str_find_str(buf_str(&error), STR("bad.test/junk is no private key")) >= 0);
    assert_true(str_find_str(buf_str(&error), STR("open.pem: everybody on this host")) >= 0);
    assert_true(str_find_str(buf_str(&error), STR("not a selector.pem: the name is no selector")) >= 0);
    assert_true(str_find_str(buf_str(&error), STR("README")) < 0);
    dkim_signer_swap(s->signer, keys);
    buf_clear(&error);
    keys = load("/nonexistent/folder", &fine, &error);
    assert_true(fine && error.len == 0 && dkim_keys_count(keys) == 0);
    dkim_keys_unref(keys);
    buf_free(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_signed_holds, start, stop),
        cmocka_unit_test_setup_teardown(very_long_lines_hold, start, stop),
        cmocka_unit_test_setup_teardown(what_was_changed_does_not_hold, start, stop),
        cmocka_unit_test_setup_teardown(the_authors_domain_chooses_the_keys, start, stop),
        cmocka_unit_test_setup_teardown(what_would_arrive_otherwise_is_not_signed, start, stop),
        cmocka_unit_test_setup_teardown(lines_of_the_field_are_short, start, stop),
        cmocka_unit_test_setup_teardown(keys_that_are_none_are_named, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
