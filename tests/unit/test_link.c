/* test_link.c: what a link really is, and where text has one. */
#include "check.h"
#include "mail/link.h"

static struct arena arena;
static struct link_context *context;

static int set_up(void **state)
{
    (void)state;
    context = link_context_new(NULL);
    arena = arena_make(64 << 20);
    return context == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    link_context_free(&context);
    arena_free(&arena);
    return 0;
}

static const char *text_of(struct str s)
{
    static char text[4][2100];
    static unsigned turn;
    char *to = text[turn++ % 4];

    str_copy(to, sizeof text[0], s);
    return to;
}

static void parsed(void **state)
{
    static const struct {
        const char *target, *url, *domain;
        unsigned tricks;
    } rows[] = {
        {"http://www.example.co.uk/a?b#c", "http://www.example.co.uk/a?b#c", "example.co.uk", 0},
        {"HTTPS://EXAMPLE.com", "https://example.com/", "example.com", 0},
        {"http://bank.example@evil.com/", "http://evil.com/", "evil.com", LINK_USERINFO},
        {"http://a:b@c@evil.com", "http://evil.com/", "evil.com", LINK_USERINFO},
        {"http:\\\\evil.com\\x", "http://evil.com/x", "evil.com", LINK_BACKSLASH},
        {"http://bank.example\\@evil.com/", "http://bank.example/@evil.com/", "bank.example", LINK_BACKSLASH},
        {"http:/evil.com", "http://evil.com/", "evil.com", 0},
        {"http:evil.com", "http://evil.com/", "evil.com", 0},
        {"http://////evil.com", "http://evil.com/", "evil.com", 0},
        {"//evil.com/x", "http://evil.com/x", "evil.com", LINK_NO_SCHEME},
        {"www.evil.com/x", "http://www.evil.com/x", "evil.com", LINK_NO_SCHEME},
        {" ht\ntp://ev\til.com/ ", "http://evil.com/", "evil.com", LINK_CONTROL},
        {"http://192.0.2.1/", "http://192.0.2.1/", "", LINK_IP_HOST},
        {"http://3221225985/", "http://192.0.2.1/", "", LINK_IP_HOST | LINK_ODD_IP},
        {"http://0xC0.0.0x201/", "http://192.0.2.1/", "", LINK_IP_HOST | LINK_ODD_IP},
        {"http://0300.0.2.1/", "http://192.0.2.1/", "", LINK_IP_HOST | LINK_ODD_IP},
        {"http://192.0.2.1./", "http://192.0.2.1/", "", LINK_IP_HOST},
        {"http://%31%39%32.0.2.1/", "http://192.0.2.1/", "", LINK_IP_HOST | LINK_PERCENT_HOST},
        {"http://[2001:db8::1]:8080/", "http://[2001:db8::1]:8080/", "", LINK_IP_HOST | LINK_PORT},
        {"http://ev%69l.com/", "http://evil.com/", "evil.com", LINK_PERCENT_HOST},
        {"http://example.com:80/", "http://example.com/", "example.com", 0},
        {"http://example.com:8080", "http://example.com:8080/", "example.com", LINK_PORT},
        {"http://b\xC3\xBC" "cher.de/", "http://xn--bcher-kva.de/", "xn--bcher-kva.de", LINK_IDN},
        {"http://fa\xC3\x9F.de", "http://xn--fa-hia.de/", "xn--fa-hia.de", LINK_IDN},
        {"http://\xD0\xB0pple.com/", "http://xn--pple-43d.com/", "xn--pple-43d.com", LINK_IDN | LINK_MIXED_SCRIPT},
        {"http://ex\xC2\xAD" "ample.com", "http://example.com/", "example.com", LINK_CONTROL},
        {"http://example\xE3\x80\x82" "com", "http://example.com/", "example.com", 0},
        {"http://\xEF\xBC\xA5xample.com", "http://example.com/", "example.com", 0},
        {"hxxp://evil[.]com/x", "http://evil.com/x", "evil.com", LINK_DEFANGED},
        {"hxxps[:]//evil(dot)com", "https://evil.com/", "evil.com", LINK_DEFANGED},
        {"http://example.com/a%2541", "http://example.com/a%2541", "example.com", LINK_DOUBLE_ENCODED},
        {"http://example.com/\xE2\x80\xAEgpj.exe", "http://example.com/%E2%80%AEgpj.exe", "example.com", 0},
        {"http://localhost/", "http://localhost/", "", 0},
        {"http://github.io/", "http://github.io/", "", 0},
        {"http://a.github.io/", "http://a.github.io/", "a.github.io", 0},
        {"ftp://example.com/f", "ftp://example.com/f", "example.com", 0},
        {"slack://example.com/f", "slack://example.com/f", "example.com", 0},
        {"http://example.com?x", "http://example.com/?x", "example.com", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct link l;
        print_message("%s\n", rows[i].target);
        assert_true(link_parse(&arena, context, str_from(rows[i].target), &l));
        assert_string_equal(text_of(l.url), rows[i].url);
        assert_string_equal(text_of(l.domain), rows[i].domain);
        assert_int_equal(l.tricks, rows[i].tricks);
    }
}

static void no_link(void **state)
{
    static const char *const rows[] = {"",           "mailto:a@example.com", "cid:x@y",          "#top",         "/path",           "tel:+49123", "javascript:x()",
                                       "http://",    "http:///",             "http://@/",        "http://a b/",  "http://exa<mple", "data:,x",    "page.html",
                                       "http://a:b", "http://a:99999/",      "http://256.1.1.1", "http://1.2.3.4.5", "http://.../", "http://a.1../"};
    struct link l;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (link_parse(&arena, context, str_from(rows[i]), &l))
            fail_msg("%s is taken for %s", rows[i], text_of(l.url));
    assert_false(link_parse(&arena, context, STR("//u\0evil.com/x"), &l));
    assert_false(link_parse(&arena, context, STR("mailto:a@b"), &l));
    assert_string_equal(text_of(l.scheme), "mailto");
}

static void in_text(void **state)
{
    static const struct {
        const char *text, *urls;
    } rows[] = {
        {"see http://example.com/a.", "http://example.com/a "},
        {"(http://example.com/a_(b))", "http://example.com/a_(b) "},
        {"<http://example.com/a,b>, http://example.org", "http://example.com/a,b http://example.org/ "},
        {"www.example.com, WWW.example.org!", "http://www.example.com/ http://www.example.org/ "},
        {"go to example.com/login now", "http://example.com/login "},
        {"mail carol@example.com please", ""},
        {"read setup.py and README.md, then e.g. version 1.2.3 at 10.30", ""},
        {"paypal.com", "http://paypal.com/ "},
        {"no link: foo.notatld, a.b", ""},
        {"hxxp://evil[.]com/x and evil[.]com", "http://evil.com/x http://evil.com/ "},
        {"\xE8\xAF\xB7\xE7\x82\xB9http://example.com/x\xE3\x80\x82\xE8\xB0\xA2\xE8\xB0\xA2", "http://example.com/x "},
        {"b\xC3\xBC" "cher.de/x", "http://xn--bcher-kva.de/x "},
        {"xhttp://example.com", "http://example.com/ "},
        {"\"http://example.com/\"", "http://example.com/ "},
        {"http://@/ http://example.com/", "http://example.com/ "},
        {"http://example.com:8080/x", "http://example.com:8080/x "},
        {"a.com/b.com", "http://a.com/b.com "},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str rest = str_from(rows[i].text);
        char got[512] = "";
        struct link l;
        while (link_next_in_text(&arena, context, &rest, &l))
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s ", text_of(l.url));
        print_message("%s\n", rows[i].text);
        assert_string_equal(got, rows[i].urls);
    }
}

static void nested(void **state)
{
    static const struct {
        const char *url, *hosts;
    } rows[] = {
        {"http://r.test/?u=http://evil.com/&v=1", "evil.com "},
        {"http://r.test/?u=http%3A%2F%2Fevil.com%2F", "evil.com "},
        {"http://r.test/?u=http%253A%252F%252Fevil.com", "evil.com "},
        {"http://r.test/http://evil.com/x/http://evil.org", "evil.com evil.org "},
        {"http://r.test/?u=aHR0cDovL2V2aWwuY29tLw==", "evil.com "},
        {"http://r.test/#//x?go=https%3a%2f%2fevil.com", "evil.com "},
        {"http://r.test/plain/path?a=b", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct link outer, inner;
        size_t cursor = 0;
        char got[512] = "";
        assert_true(link_parse(&arena, context, str_from(rows[i].url), &outer));
        while (link_next_nested(&arena, context, &outer, &cursor, &inner)) {
            assert_true(inner.tricks & LINK_NESTED);
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s ", text_of(inner.host));
        }
        print_message("%s\n", rows[i].url);
        assert_string_equal(got, rows[i].hosts);
    }
}

static void shown_differs(void **state)
{
    static const struct {
        const char *real, *shown;
        bool differs;
    } rows[] = {
        {"http://evil.com/", "https://paypal.com/login", true}, {"http://evil.com/", "paypal.com", true},       {"http://www.example.com/x", "example.com", false},
        {"http://evil.com/", "Click here", false},              {"http://evil.com/", "carol@paypal.com", false}, {"http://evil.com/", "Version 2.0", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct link l;
        assert_true(link_parse(&arena, context, str_from(rows[i].real), &l));
        if (link_shown_differs(&arena, context, &l, str_from(rows[i].shown)) != rows[i].differs)
            fail_msg("%s shown as %s", rows[i].real, rows[i].shown);
    }
}

static void look_alikes(void **state)
{
    struct link a, b;

    (void)state;
    assert_true(link_parse(&arena, context, STR("http://\xD0\xB0pple.com"), &a));
    assert_string_equal(text_of(a.skeleton), "apple.corn"); /* m and rn look alike */
    assert_true(link_parse(&arena, context, STR("http://apple.com"), &b));
    assert_int_equal(b.skeleton.len, 0);
}

/* The first words of each line in the public list's own test: a name, and its registrable domain or null. */
static void public_suffixes(void **state)
{
    char path[1024], line[512];
    unsigned right = 0, all = 0;

    (void)state;
    if (!conformance_path("psl/tests/test_psl.txt", path, sizeof path))
        skip();
    FILE *f = fopen(path, "re");
    conformance_path("psl/public_suffix_list.dat", path, sizeof path);
    struct link_context *listed = link_context_new(path);
    assert_non_null(listed);
    while (fgets(line, sizeof line, f)) {
        char name[256], wanted[256];
        struct link l;
        if (sscanf(line, "checkPublicSuffix('%255[^']', '%255[^']')", name, wanted) != 2) {
            if (sscanf(line, "checkPublicSuffix('%255[^']', %4[null])", name, wanted) != 2)
                continue;
            wanted[0] = '\0';
        }
        char target[600];
        snprintf(target, sizeof target, "http://%s/", name);
        bool is_link = link_parse(&arena, listed, str_from(target), &l);
        struct link w = {.host = str_n("", 0)};
        if (wanted[0]) {
            snprintf(target, sizeof target, "http://%s/", wanted);
            assert_true(link_parse(&arena, listed, str_from(target), &w));
        }
        all++;
        if (wanted[0] ? is_link && str_eq(l.domain, w.host) : !is_link || l.domain.len == 0)
            right++;
        else
            print_message("%s: %s, not %s\n", name, text_of(l.domain), wanted);
    }
    fclose(f);
    link_context_free(&listed);
    print_message("public suffix list: %u of %u\n", right, all);
    assert_int_equal(right, all);
}

static void nothing_is_quadratic(void **state)
{
    static const char *const rows[] = {"http://", "http://@/", "@", "[.]", ".", "%25", "a.com ", "www.", "http://a.com/?u=", "(", "hxxp[:]//", "a@", "http://\xE4\xBD\xA0", "\xE3\x80\x82", "a.", "http://[", ":", "/"};
    enum { OCTETS = 4 << 20 };
    char *text = malloc(OCTETS);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t step = strlen(rows[i]);
        for (size_t at = 0; at + step <= OCTETS; at += step)
            memcpy(text + at, rows[i], step);
        struct str rest = str_n(text, OCTETS / step * step);
        struct link l;
        for (int links = 0; links < 5000 && link_next_in_text(&arena, context, &rest, &l); links++)
            ;
        arena_free(&arena);
        arena = arena_make(64 << 20);
        link_parse(&arena, context, str_n(text, OCTETS / step * step), &l);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsed),        cmocka_unit_test(no_link),     cmocka_unit_test(in_text),         cmocka_unit_test(nested),
        cmocka_unit_test(shown_differs), cmocka_unit_test(look_alikes), cmocka_unit_test(public_suffixes), cmocka_unit_test(nothing_is_quadratic),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
