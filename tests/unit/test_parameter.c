/* test_parameter.c: Content-Type and Content-Disposition as real and hostile mail writes them: rows with a reason to exist. */
#include "base/buf.h"
#include "mail/charset.h"
#include "mail/parameter.h"

#include "check.h"

/* `text` is "type/subtype|name=value|…", with {charset'language} behind the value where it has them. */
struct row {
    const char *name, *value, *text;
    unsigned defects;
};

static const struct row types[] = {
    {"plain", " text/plain", "text/plain", 0},
    {"lower case names, values as they are", "TEXT/Plain; CHARSET=US-Ascii", "text/plain|charset=US-Ascii", 0},
    {"blanks around everything", " text / plain ; charset = utf-8 ; ", "text/plain|charset=utf-8", 0},
    {"quoted, with quoted pairs", "a/b; n=\"x; \\\"y\\\\\"", "a/b|n=x; \"y\\", 0},
    {"fold inside a quoted string", "a/b; n=\"x\r\n y\"", "a/b|n=x y", 0},
    {"comments everywhere", "(a) text (b(c)) / (d) plain (e); charset=us-ascii (Plain text)", "text/plain|charset=us-ascii", PARAMETER_COMMENT},
    {"comment right behind a value", "a/b; n=x(y); m=z", "a/b|n=x|m=z", PARAMETER_COMMENT},
    {"parentheses inside a value", "a/b; name=report(1).pdf", "a/b|name=report(1).pdf", PARAMETER_COMMENT | PARAMETER_UNQUOTED},
    {"open comment is text", "a/b; (c; n=x", "a/b|n=x", PARAMETER_COMMENT | PARAMETER_JUNK | PARAMETER_NO_VALUE},
    {"value with blanks", "a/b; name=my new file.exe", "a/b|name=my new file.exe", PARAMETER_UNQUOTED},
    {"value with specials", "a/b; boundary=x=y:z", "a/b|boundary=x=y:z", PARAMETER_UNQUOTED},
    {"semicolon forgotten behind the type", "text/html charset=utf-8", "text/html|charset=utf-8", PARAMETER_NO_SEMICOLON},
    {"semicolon forgotten between parameters", "a/b; n=x m=y", "a/b|n=x|m=y", PARAMETER_NO_SEMICOLON},
    {"semicolon forgotten behind a quoted string", "a/b; n=\"x\" m=y", "a/b|n=x|m=y", PARAMETER_NO_SEMICOLON},
    {"comma for a semicolon", "text/html, charset=utf-8", "text/html|charset=utf-8", PARAMETER_JUNK | PARAMETER_NO_SEMICOLON},
    {"text behind a quoted string", "a/b; n=\"x\"y; m=z", "a/b|n=x|n=xy|m=z", PARAMETER_JUNK | PARAMETER_TWICE},
    {"quoted string without end", "a/b; n=\"x; m=y", "a/b|n=x; m=y", PARAMETER_QUOTE_OPEN},
    {"no value", "a/b; n; m=; o=\"\"", "a/b|o=", PARAMETER_NO_VALUE},
    {"no name", "a/b; =x; m=y", "a/b|m=y", PARAMETER_JUNK},
    {"no subtype", "text; charset=utf-8", "text/|charset=utf-8", PARAMETER_SLASH},
    {"no type", "/plain", "/", PARAMETER_SLASH},
    {"two slashes", "a/b/c", "a/b/c", PARAMETER_SLASH | PARAMETER_JUNK},
    {"only a parameter", "charset=utf-8", "/|charset=utf-8", PARAMETER_SLASH | PARAMETER_JUNK},
    {"empty", "", "/", PARAMETER_SLASH},
    {"twice, the same", "a/b; n=x; N=x", "a/b|n=x", 0},
    {"twice, different", "a/b; n=x; N=y", "a/b|n=x|n=y", PARAMETER_TWICE},
    {"continued", "a/b; n*0=x; n*1=\"y z\"", "a/b|n=xy z", 0},
    {"continued out of order", "a/b; n*1=y; n*0=x", "a/b|n=xy", PARAMETER_CONTINUATION_GAP},
    {"continued with a gap", "a/b; n*0=x; n*2=y", "a/b|n=xy", PARAMETER_CONTINUATION_GAP},
    {"continued without the first", "a/b; n*1=x", "a/b|n=x", PARAMETER_CONTINUATION_GAP},
    {"continued, one number twice", "a/b; n*0=x; n*0=z; n*1=y", "a/b|n=xy|n=zy", PARAMETER_TWICE},
    {"leading zero", "a/b; n*00=x", "a/b|n=x", PARAMETER_CONTINUATION_GAP},
    {"charset and language", "a/b; t*=us-ascii'en-us'This%20is", "a/b|t=This is{us-ascii'en-us}", 0},
    {"both empty", "a/b; t*=''a%20b", "a/b|t=a b{'}", 0},
    {"latin 1", "a/b; t*=iso-8859-1'de'Fr%F6sche", "a/b|t=Fr\xc3\xb6sche{iso-8859-1'de}", 0},
    {"extended and continued, one piece not", "a/b; t*0*=us-ascii'en'%2A%20; t*1=%2A; t*2*=%2A", "a/b|t=* %2A*{us-ascii'en}", 0},
    {"a character over two pieces", "a/b; t*0*=utf-8''%C3; t*1*=%BC", "a/b|t=\xc3\xbc{utf-8'}", 0},
    {"no charset where one belongs", "a/b; t*=a%20b", "a/b|t=a b", PARAMETER_BAD_CHARSET},
    {"unknown charset", "a/b; t*=x-none''ab", "a/b|t=ab{x-none'}", PARAMETER_BAD_CHARSET},
    {"broken percent", "a/b; t*=utf-8''50%; u*=utf-8''%zz%4", "a/b|t=50%{utf-8'}|u=%zz%4{utf-8'}", PARAMETER_BAD_PERCENT},
    {"extended in quotes", "a/b; t*=\"utf-8''a%20b\"", "a/b|t=a b{utf-8'}", PARAMETER_QUOTED_EXTENDED},
    {"both forms alike", "a/b; n=\"a b\"; n*=utf-8''a%20b", "a/b|n=a b{utf-8'}", 0},
    {"both forms, different", "a/b; n=a.txt; n*=utf-8''a.exe", "a/b|n=a.exe{utf-8'}|n=a.txt", PARAMETER_BOTH_FORMS},
    {"three forms", "a/b; n*0=z; n=y; n*=''x", "a/b|n=x{'}|n=z|n=y", PARAMETER_BOTH_FORMS},
    {"encoded word", "a/b; n=\"=?utf-8?q?=C3=BC?= x\"", "a/b|n=\xc3\xbc x", PARAMETER_ENCODED_WORD},
    {"encoded words, unquoted", "a/b; n==?utf-8?q?a?= =?utf-8?q?b?=", "a/b|n=ab", PARAMETER_ENCODED_WORD | PARAMETER_UNQUOTED},
    {"encoded word in pieces", "a/b; n*0=\"=?utf-8?q?a\"; n*1=\"b?=\"", "a/b|n=ab", PARAMETER_ENCODED_WORD},
    {"raw UTF-8", "a/b; n=\"\xc3\xbc\"", "a/b|n=\xc3\xbc", PARAMETER_8BIT},
    {"raw latin 1", "a/b; n=\"\xfc\"", "a/b|n=\xc3\xbc", PARAMETER_8BIT},
    {"an encoded control", "a/b; n=\"=?utf-8?q?x=01y?=\"", "a/b|n=x\x01y", PARAMETER_CONTROL | PARAMETER_ENCODED_WORD},
    {"raw Japanese", "a/b; n=\"\x1B$B@A5a=q\x1B(B.pdf\"", "a/b|n=\xE8\xAB\x8B\xE6\xB1\x82\xE6\x9B\xB8.pdf", PARAMETER_8BIT},
    {"raw control", "a/b; n=\"x\x01y\"", "a/b|n=x\x01y", PARAMETER_CONTROL},
    {"encoded line end", "a/b; n*=''x%0D%0Ay", "a/b|n=x\r\ny{'}", PARAMETER_CONTROL},
    {"bare CR in a quoted string", "a/b; n=\"x\ry\"", "a/b|n=xy", PARAMETER_CONTROL},
    {"only stars", "a/b; *=x; **=y; m=z", "a/b|m=z", PARAMETER_JUNK},
};

static const struct row kinds[] = {
    {"plain", " attachment; filename=\"a.b\"", "attachment|filename=a.b", 0},
    {"kind in any case", "ATTACHMENT", "attachment", 0},
    {"semicolon forgotten", "attachment filename=a.b", "attachment|filename=a.b", PARAMETER_NO_SEMICOLON},
    {"no kind", "filename=a.b", "|filename=a.b", PARAMETER_JUNK},
    {"empty", "", "", PARAMETER_JUNK},
    {"more words", "attachment and more; filename=a", "attachment|filename=a", PARAMETER_JUNK},
};

static void describe(struct buf *to, const struct parameter *p)
{
    for (; p; p = p->next) {
        buf_addf(to, "|" STR_FMT "=", STR_ARG(p->name));
        buf_add_str(to, p->value);
        if (p->charset.at)
            buf_addf(to, "{" STR_FMT "'" STR_FMT "}", STR_ARG(p->charset), STR_ARG(p->language));
    }
}

struct fixture {
    struct charset_context *charsets;
    struct arena arena;
};

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.charsets = charset_context_new(), .arena = arena_make(64 << 20)};
    *state = &f;
    return f.charsets ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    charset_context_free(&f->charsets);
    arena_free(&f->arena);
    return 0;
}

static void check_row(const struct row *row, struct buf *text, unsigned defects)
{
    if (!str_is(buf_str(text), row->text) || defects != row->defects)
        fail_msg("%s: %s gave %s (%#x), not %s (%#x)", row->name, row->value, buf_text(text), defects, row->text, row->defects);
    buf_free(text);
}

static void content_types_are_read(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct buf text = buf_make(4096);
        struct content_type t;
        content_type_parse(&f->arena, f->charsets, str_from(types[i].value), &t);
        buf_addf(&text, STR_FMT "/" STR_FMT, STR_ARG(t.type), STR_ARG(t.subtype));
        describe(&text, t.parameters);
        check_row(&types[i], &text, t.defects);
    }
}

static void dispositions_are_read(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct buf text = buf_make(4096);
        struct disposition d;
        disposition_parse(&f->arena, f->charsets, str_from(kinds[i].value), &d);
        buf_add_str(&text, d.kind);
        describe(&text, d.parameters);
        check_row(&kinds[i], &text, d.defects);
    }
}

static void names_are_found(void **state)
{
    struct fixture *f = *state;
    struct content_type t;

    content_type_parse(&f->arena, f->charsets, STR("Multipart/Mixed; x=1; Boundary=b"), &t);
    assert_true(content_type_is(&t, "multipart", NULL) && content_type_is(&t, "multipart", "mixed"));
    assert_false(content_type_is(&t, "multipart", "signed"));
    assert_true(str_is(parameter_find(t.parameters, "boundary")->value, "b"));
    assert_null(parameter_find(t.parameters, "charset"));
}

static void ceilings_hold(void **state)
{
    struct fixture *f = *state;
    struct buf field = buf_make(1 << 20);
    struct content_type t;
    size_t count = 0;

    buf_add_text(&field, "a/b");
    for (int i = 0; i < 1000; i++)
        buf_addf(&field, "; n%d=x", i);
    content_type_parse(&f->arena, f->charsets, buf_str(&field), &t);
    for (const struct parameter *p = t.parameters; p; p = p->next)
        count++;
    assert_int_equal(count, PARAMETERS_MAX);
    assert_int_equal(t.defects, PARAMETER_JUNK | PARAMETER_CUT);
    buf_clear(&field);
    buf_add_text(&field, "a/b; n=");
    for (int i = 0; i < 20000; i++)
        buf_add_char(&field, 'x');
    content_type_parse(&f->arena, f->charsets, buf_str(&field), &t);
    assert_int_equal(t.parameters->value.len, PARAMETER_VALUE_MAX);
    assert_int_equal(t.defects, PARAMETER_JUNK | PARAMETER_CUT);
    buf_free(&field);
}

static void used_up_arena_is_no_crash(void **state)
{
    struct fixture *f = *state;

    for (size_t ceiling = 1; ceiling < 600; ceiling += 16) {
        struct arena small = arena_make(ceiling);
        struct content_type t;
        content_type_parse(&small, f->charsets, STR("A/B; N*0*=iso-8859-1''%FC; N*1=y; m=\"=?utf-8?q?x?=\"; o=\"\\a\""), &t);
        arena_free(&small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(content_types_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(dispositions_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_are_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ceilings_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(used_up_arena_is_no_crash, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
