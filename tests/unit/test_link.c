/* test_link.c: what a link really is, and where text has one. */
#include "check.h"
#include "mail/link.h"
#include "mail/text.h"

#include <seccomp.h>
#include <sys/wait.h>
#include <unistd.h>

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
        {"http://example.com/\xE2\x80\xAEgpj.exe", "http://example.com/%E2%80%AEgpj.exe", "example.com", LINK_CONTROL},
        {"http://example.com/\xD9\x85\xDB\x8C\xE2\x80\x8C\xD8\xAE", "http://example.com/\xD9\x85\xDB\x8C%E2%80%8C\xD8\xAE", "example.com", 0}, /* Persian */
        {"http://evil%E3%80%82" "com/", "http://evil.com/", "evil.com", LINK_PERCENT_HOST},
        {"http://127.1/", "http://127.0.0.1/", "", LINK_IP_HOST | LINK_ODD_IP},
        {"http://0x7f.1/", "http://127.0.0.1/", "", LINK_IP_HOST | LINK_ODD_IP},
        {"http://\xEF\xBC\x91\xEF\xBC\x92\xEF\xBC\x97.0.0.1/", "http://127.0.0.1/", "", LINK_IP_HOST | LINK_ODD_IP}, /* full width */
        {"http://[::ffff:192.0.2.1]/", "http://192.0.2.1/", "", LINK_IP_HOST | LINK_ODD_IP},
        {"/\\evil.com", "http://evil.com/", "evil.com", LINK_BACKSLASH | LINK_NO_SCHEME},
        {"\\\\evil.com\\share", "http://evil.com/share", "evil.com", LINK_BACKSLASH | LINK_NO_SCHEME},
        {"file://evil.com/share", "file://evil.com/share", "evil.com", 0},
        {"hxxps[://]evil.com", "https://evil.com/", "evil.com", LINK_DEFANGED},
        {"http://google.com?@evil.com/", "http://google.com/?@evil.com/", "google.com", 0},
        {"http://google.com;@evil.com/", "http://evil.com/", "evil.com", LINK_USERINFO},
        {"http://\xE4\xB8\xAD\xE6\x96\x87" "abc.com/", "http://xn--abc-u68do18h.com/", "xn--abc-u68do18h.com", LINK_IDN},
        {"http://\xD9\x86\xD8\xA7\xD9\x85\xD9\x87\xE2\x80\x8C\xD8\xA7\xDB\x8C.com/", "http://xn--mgba3gch31f060k.com/", "xn--mgba3gch31f060k.com", LINK_IDN}, /* a joiner that Persian needs */
        {"http://\xE2\x9D\xA4\xEF\xB8\x8F.ws/", "http://xn--qei.ws/", "xn--qei.ws", LINK_IDN},
        {"http://ex\xEF\xB8\x8E" "ample.com/", "http://example.com/", "example.com", LINK_CONTROL},
        {"http://xn--zzzzzzz99999.com/", "http://xn--zzzzzzz99999.com/", "xn--zzzzzzz99999.com", LINK_IDN},
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
                                       "http://a:b", "http://a:99999/",      "http://256.1.1.1", "http://1.2.3.4.5", "http://.../",
                                       "http://0xffffffffff/", "http://09.1/", "http://a.1../", "http://evil.com../", "javascript://x.com/%0aalert(1)", "data://x.com/", "http://[::1", "http://real.com%2f.evil.com/",
                                       "http://google.com\xEF\xBC\x8F" "evil.com/", "http://ex\xE2\x80\x8D" "ample.com/", "http://a%00.com/"};
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
        {"[http://a.com] {http://b.com} <URL:http://c.com/>", "http://a.com/ http://b.com/ http://c.com/ "},
        {"[x](http://a.com/x) [y](http://b.com)", "http://a.com/x http://b.com/ "},
        {"http://a.com\xE2\x80\xA6 http://b.com\xE2\x80\x94x http://c.com\xE2\x86\x92 http://d.com/x\xE2\x80\xA6", "http://a.com/ http://b.com/ http://c.com/ http://d.com/x "},
        {"www.example.com\xD8\x8C http://example.in/\xE0\xA5\xA4", "http://www.example.com/ http://example.in/ "}, /* Arabic comma, danda */
        {"example.co.jp\xE3\x82\x92\xE8\xA6\x8B \xF0\x9F\x8E\x89" "example.com\xF0\x9F\x8E\x89", "http://example.co.jp/ http://example.com/ "},
        {"\xD0\x9F\xD0\xA0\xD0\x98\xD0\x9C\xD0\x95\xD0\xA0.\xD0\xA0\xD0\xA4", "http://xn--e1afmkfd.xn--p1ai/ "},
        {"\xE4\xBE\x8B\xE5\xAD\x90.\xE4\xB8\xAD\xE5\x9B\xBD/x paypal\xE3\x80\x82" "com", "http://xn--fsqu00a.xn--fiqs8s/x http://paypal.com/ "},
        {"\xF0\x9F\x92\xA9.la", "http://xn--ls8h.la/ "},
        {"evil.com?x=1 evil.com#y evil.com? evil.com:8080/x", "http://evil.com/?x=1 http://evil.com/#y http://evil.com/ http://evil.com:8080/x "},
        {"see http://evil.com... or http://evil.org..", "http://evil.com/ http://evil.org/ "},
        {"http://evil.com,url=http://b.com", "http://evil.com/ http://b.com/ "},
        {"http://paypal.com;.evil.com/", "http://paypal.com;.evil.com/ "},
        {"hxxps[://]evil.com evil(.)com evil[dot]com evil{.}com", "https://evil.com/ http://evil.com/ http://evil.com/ http://evil.com/ "},
        {"https://[2001:db8::1]:80/ http://[::1]", "https://[2001:db8::1]:80/ http://[::1]/ "},
        {"end of it.Next sentence.It works. M\xC3\xBCller GmbH & Co.KG in ASP.NET", ""},
        {"bob@sub.example.com/x user:pass@host.com @evil.com", ""},
        {"run build.sh, main.rs, lib.so, x.zip; 192.168.1.1, z.B. u.a.", ""},
        {"please....read it at freaky...free..now, or...evil.com... ", "http://evil.com/ "},
        {"Booking.com Paypal.Com", "http://booking.com/ http://paypal.com/ "},
        {"http://evil.com\xE2\x80\x8F", "http://evil.com/ "}, /* a mark of direction */
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
        {"http://r.test/?u=//evil.com/x&v=%2F%2Fevil.org", "evil.com evil.org "},
        {"http://r.test/?u=evil.com/x&f=readme.md&m=a@b.com&n=1.2", "evil.com "},
        {"http://r.test/?u=http:/evil.com&v=https:evil.org", "evil.com evil.org "},
        {"http://r.test/?u=http:%5C%5Cevil.com", "evil.com "},
        {"http://r.test/?u=http%25253A%25252F%25252Fevil.com", "evil.com "},
        {"http://r.test/aHR0cDovL2RlY295LmNvbS8=/aHR0cDovL2V2aWwuY29t", "decoy.com evil.com "},
        {"http://r.test/?d=eyJ1cmwiOiJodHRwOi8vZXZpbC5jb20vIn0=", "evil.com "}, /* JSON */
        {"http://r.test/?u=aHR0cCUzQSUyRiUyRmV2aWwuY29t", "evil.com "},         /* percent-encoding in base64 */
        {"http://r.test/?u=hxxp://evil[.]com", "evil.com "},
        {"http://r.test/?a=http://evil.com/x?y=1&b=http://evil.com/z", "evil.com "},
        {"https://urldefense.proofpoint.com/v2/url?u=http-3A__evil.com_x&d=Dw", "evil.com "},
        {"https://r.test/?url=https%3A%2F%2Fevil.com%2Fx%3Fa%3Dhttp%253A%252F%252Finner.com", "evil.com inner.com "},
        {"http://r.test/?a=http://1.test/http://2.test/http://3.test/http://4.test/http://5.test/http://6.test/http://7.test/http://8.test/http://9.test/",
         "1.test 2.test 3.test 4.test 5.test 6.test 7.test 8.test "},
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
        {"http://evil.com/", "pay\xC2\xADpal.com", true},     {"http://evil.com/", " PAYPAL.Com ", true},   {"http://evil.com/", "Paypal.De", true},
        {"http://evil.com/", "\xD1\x80\xD0\xB0ypal.com", true}, {"http://evil.com/", "see setup.py", false}, {"http://evil.com/", "ASP.NET guide", false},
        {"http://evil.com/", "This is it.In short", false},  {"http://192.0.2.1/", "http://192.0.2.2/", true},
        {"http://xn--mnchen-3ya.de/", "M\xC3\x9CNCHEN.DE", false}, {"http://a.com/b.com", "http://a.com/b.com", false},
        {"http://a.github.io/", "b.github.io", true},        {"http://evil.com/", "www.evil.com.", false},
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

/* In a process that dies when it opens a file. */
static int read_without_files(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    struct link l, inner;
    size_t cursor = 0;

    if (!filter || seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(open), 0) || seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(openat), 0) ||
        seccomp_load(filter))
        return 2;
    bool works = link_parse(&arena, context, STR("http://p\xD0\xB0ypal.com/?u=http://evil.co.uk/"), &l) && l.skeleton.len &&
                 link_next_nested(&arena, context, &l, &cursor, &inner) && str_is(inner.domain, "evil.co.uk") &&
                 text_skeleton(&arena, STR("p\xD0\xB0ypal")).len && text_normalize(&arena, STR("\xEF\xBC\xB0"), 9).len == 1;
    return works ? 0 : 1;
}

static void no_file_is_opened_once_ready(void **state)
{
    int status = 0;
    pid_t child = fork();

    (void)state;
    assert_true(child >= 0);
    if (child == 0)
        _exit(read_without_files());
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
        skip(); /* no seccomp here */
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void nothing_is_quadratic(void **state)
{
    static const char *const rows[] = {"http://", "http://@/", "@", "[.]", ".", "%25", "a.com ", "www.", "http://a.com/?u=", "(", "hxxp[:]//", "a@", "http://\xE4\xBD\xA0", "\xE3\x80\x82", "a.", "http://[", ":", "/",
                                       "www.a,", "http://a.b,", "a.md:8", "a[.]b ", "a.\xC3\xBC ", "a.u\xCC\x88 ", "foo.notatld ", "http://%41", "http://a;b "};
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
        cmocka_unit_test(no_file_is_opened_once_ready),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
