/* test_charset.c: what bytes of a declared, missing or lying charset mean, as rows; labels after the WHATWG encoding standard. */
#include "mail/charset.h"

#include "check.h"

struct row {
    const char *name, *declared, *bytes, *text;
    unsigned defects;
    const char *used;
};

static const struct row rows[] = {
    {"plain ASCII", "us-ascii", "hello", "hello", 0, "us-ascii"},
    {"nothing declared, nothing needed", "", "hello", "hello", 0, "us-ascii"},
    {"UTF-8", "UTF-8", "K\xc3\xa4se", "K\xc3\xa4se", 0, "utf-8"},
    {"label with quotes and blanks", " \"utf8\" ", "K\xc3\xa4se", "K\xc3\xa4se", 0, "utf-8"},
    {"Latin 1 is windows-1252", "ISO-8859-1", "\x80 \x93x\x94 \xe4", "\xe2\x82\xac \xe2\x80\x9cx\xe2\x80\x9d \xc3\xa4", 0, "windows-1252"},
    {"Latin 5 is windows-1254", "iso-8859-9", "\xfd\xfe\x80", "\xc4\xb1\xc5\x9f\xe2\x82\xac", 0, "windows-1254"},
    {"Latin 9", "iso-8859-15", "\xa4", "\xe2\x82\xac", 0, "iso-8859-15"},
    {"Latin 10, which ICU lacks", "iso-8859-16", "\xa4\xaa", "\xe2\x82\xac\xc8\x98", 0, "iso-8859-16"},
    {"Cyrillic", "koi8-r", "\xf0\xd2\xc9\xd7\xc5\xd4", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", 0, "koi8-r"},
    {"DOS", "cp437", "\x84", "\xc3\xa4", 0, "ibm437"},
    {"gb2312 is gb18030", "gb2312", "\xc4\xe3\x81\x30\x81\x30", "\xe4\xbd\xa0\xc2\x80", 0, "gb18030"},
    {"ks_c_5601 is windows-949", "ks_c_5601-1987", "\xb0\xa1\x81\x41", "\xea\xb0\x80\xea\xb0\x82", 0, "euc-kr"},
    {"Big5", "big5", "\xa4\xa4\xa4\xe5", "\xe4\xb8\xad\xe6\x96\x87", 0, "big5"},
    {"Shift_JIS, backslash kept", "shift_jis", "\\\x93\xfa\x96\x7b", "\\\xe6\x97\xa5\xe6\x9c\xac", 0, "shift_jis"},
    {"EUC-JP", "euc-jp", "\xc6\xfc\xcb\xdc", "\xe6\x97\xa5\xe6\x9c\xac", 0, "euc-jp"},
    {"ISO-2022-JP", "iso-2022-jp", "a\033$BF|K\\\033(Bb", "a\xe6\x97\xa5\xe6\x9c\xac" "b", CHARSET_STATEFUL, "iso-2022-jp"},
    {"ISO-2022-JP without escapes is ASCII", "iso-2022-jp", "abc", "abc", 0, "us-ascii"},
    {"ISO-2022-JP undeclared", "", "\033$BF|K\\\033(B", "\xe6\x97\xa5\xe6\x9c\xac", CHARSET_STATEFUL, "iso-2022-jp"},
    {"HZ", "hz-gb-2312", "~{VPND~}", "\xe4\xb8\xad\xe6\x96\x87", CHARSET_STATEFUL, "hz-gb-2312"},
    {"UTF-7 hides markup", "utf-7", "+ADw-script+AD4-", "<script>", CHARSET_UTF7, "utf-7"},
    {"UTF-7 undeclared is not decoded", "", "+ADw-script+AD4-", "+ADw-script+AD4-", 0, "us-ascii"},
    {"EBCDIC by ICU's name", "ibm037", "\xc8\x85\x93\x93\x96", "Hello", 0, "ibm037"},
    {"EBCDIC declared, ASCII sent", "ibm037", "Hello", "Hello", CHARSET_LIES, "us-ascii"},
    {"8 bit in us-ascii that is UTF-8", "us-ascii", "K\xc3\xa4se", "K\xc3\xa4se", CHARSET_LIES, "utf-8"},
    {"8 bit in us-ascii that is not", "us-ascii", "K\xe4se", "K\xc3\xa4se", CHARSET_LIES, "windows-1252"},
    {"8 bit, none declared", "", "K\xe4se", "K\xc3\xa4se", CHARSET_MISSING_8BIT, "windows-1252"},
    {"unknown name, ASCII", "x-klingon", "abc", "abc", CHARSET_UNKNOWN, "us-ascii"},
    {"unknown name, UTF-8", "x-klingon", "K\xc3\xa4se", "K\xc3\xa4se", CHARSET_UNKNOWN, "utf-8"},
    {"name with what no name has", "utf-8\x01,version=1", "abc", "abc", CHARSET_UNKNOWN, "us-ascii"},
    {"converter options are not ours to give away", "iso-2022,locale=ja", "abc", "abc", CHARSET_UNKNOWN, "us-ascii"},
    {"UTF-8 declared, Latin 1 sent", "utf-8", "K\xe4se", "K\xc3\xa4se", CHARSET_LIES, "windows-1252"},
    {"UTF-8 with one accident", "utf-8", "\xc3\xa4\xc3\xb6\xff\xc3", "\xc3\xa4\xc3\xb6\xef\xbf\xbd\xef\xbf\xbd", CHARSET_ILL_FORMED, "utf-8"},
    {"overlong slash is no slash", "utf-8", "\xc3\xa4\xc3\xa4\xc3\xa4\xc0\xaf", "\xc3\xa4\xc3\xa4\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd", CHARSET_ILL_FORMED, "utf-8"},
    {"euc-kr declared, UTF-8 sent", "euc-kr", "\xe2\x82\xac\xe2\x82\xac", "\xe2\x82\xac\xe2\x82\xac", CHARSET_LIES, "utf-8"},
    {"Hebrew without that letter", "iso-8859-8", "\xe0\xa1", "\xd7\x90\xef\xbf\xbd", CHARSET_ILL_FORMED, "iso-8859-8"},
    {"UTF-8 mark is taken off", "utf-8", "\xef\xbb\xbfhi", "hi", 0, "utf-8"},
    {"UTF-8 mark contradicts", "iso-8859-1", "\xef\xbb\xbfK\xc3\xa4se", "K\xc3\xa4se", CHARSET_BOM, "utf-8"},
    {"utf-16 declared, ASCII sent", "utf-16", "hello", "hello", CHARSET_LIES, "us-ascii"},
    {"a lead byte does not eat markup", "shift_jis", "\x81<b>", "\xef\xbf\xbd<b>", CHARSET_ILL_FORMED, "shift_jis"},
};

static void bytes_are_read(void **state)
{
    struct charset_context *c = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena = arena_make(1 << 20);
        struct charset_result r;
        charset_decode(c, &arena, str_from(rows[i].declared), str_from(rows[i].bytes), 1 << 16, &r);
        if (!str_is(r.text, rows[i].text) || r.defects != rows[i].defects || strcmp(r.used, rows[i].used) != 0)
            fail_msg("%s: gave \"" STR_FMT "\" %s, defects %u", rows[i].name, STR_ARG(r.text), r.used, r.defects);
        arena_free(&arena);
    }
}

static void wide_characters_in_both_orders(void **state)
{
    static const struct {
        const char *declared;
        struct str bytes;
        unsigned defects;
    } wide[] = {
        {"utf-16le", {"h\0i\0", 4}, 0},           {"utf-16be", {"\0h\0i", 4}, 0},
        {"utf-16", {"\xff\xfeh\0i\0", 6}, 0},     {"utf-16", {"\xfe\xff\0h\0i", 6}, 0},
        {"utf-16", {"\0h\0i", 4}, 0},             {"utf-16be", {"h\0i\0", 4}, 0},
        {"utf-8", {"\xff\xfeh\0i\0", 6}, CHARSET_BOM}, {"utf-32", {"\xff\xfe\0\0h\0\0\0i\0\0\0", 12}, 0},
        {"utf-32be", {"\0\0\0h\0\0\0i", 8}, 0},
    };

    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        struct arena arena = arena_make(1 << 20);
        struct charset_result r;
        charset_decode(*state, &arena, str_from(wide[i].declared), wide[i].bytes, 100, &r);
        if (!str_is(r.text, "hi") || r.defects != wide[i].defects)
            fail_msg("row %zu: gave " STR_FMT ", defects %u", i, STR_ARG(r.text), r.defects);
        arena_free(&arena);
    }
}

static void long_text_is_guessed_by_its_language(void **state)
{
    /* Russian in windows-1251, long enough to tell */
    static const char russian[] = "\xcf\xf0\xe8\xe2\xe5\xf2, \xea\xe0\xea \xe4\xe5\xeb\xe0? \xdd\xf2\xee \xef\xf0\xee\xf1\xf2\xee\xe9 \xf2\xe5\xea\xf1\xf2 "
                                  "\xed\xe0 \xf0\xf3\xf1\xf1\xea\xee\xec \xff\xe7\xfb\xea\xe5, \xea\xee\xf2\xee\xf0\xfb\xe9 \xed\xe0\xef\xe8\xf1\xe0\xed \xe4\xeb\xff \xf2\xee\xe3\xee, "
                                  "\xf7\xf2\xee\xe1\xfb \xe5\xe3\xee \xf3\xe7\xed\xe0\xeb\xe8.";
    struct arena arena = arena_make(1 << 20);
    struct charset_result r;

    charset_decode(*state, &arena, STR(""), STR(russian), 1 << 16, &r);
    assert_string_equal(r.used, "windows-1251");
    assert_int_equal(r.defects, CHARSET_MISSING_8BIT);
    arena_free(&arena);
}

static void output_is_cut_between_characters(void **state)
{
    static const struct {
        const char *declared, *bytes;
    } cases[] = {{"utf-8", "a\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"}, {"iso-8859-1", "a\xe4\xe4\xe4\xe4"}, {"gb18030", "a\xa8\xa6\xa8\xa6\xa8\xa6"},
                 {"utf-8", "a\xc3\xa4\xc3\xa4\xff\xc3\xa4\xc3\xa4"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t ceiling = 0; ceiling < 6; ceiling++) {
            struct arena arena = arena_make(1 << 20);
            struct charset_result r;
            charset_decode(*state, &arena, str_from(cases[i].declared), str_from(cases[i].bytes), ceiling, &r);
            assert_true(r.text.len <= ceiling);
            assert_true(r.text.len + 2 > ceiling);
            assert_true(utf8_is_valid(r.text));
            assert_true(r.defects & CHARSET_CEILING);
            arena_free(&arena);
        }
    }
}

static void nul_is_named_and_arena_may_be_used_up(void **state)
{
    struct arena arena = arena_make(1 << 20), full = arena_make(0);
    struct charset_result r;

    charset_decode(*state, &arena, STR("utf-8"), str_n("a\0b", 3), 100, &r);
    assert_int_equal(r.defects, CHARSET_NUL);
    assert_int_equal(r.text.len, 3);
    charset_decode(*state, &full, STR("iso-8859-1"), STR("\xe4"), 100, &r);
    assert_int_equal(r.text.len, 0);
    assert_true(r.defects & CHARSET_CEILING);
    arena_free(&arena);
}

static void more_charsets_than_slots(void **state)
{
    static const char *const names[] = {"koi8-r", "iso-8859-2", "iso-8859-3", "iso-8859-4", "iso-8859-5", "iso-8859-7", "gb18030",
                                        "euc-jp", "shift_jis",  "big5",       "euc-kr",     "ibm037",     "utf-7"};

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            struct arena arena = arena_make(1 << 20);
            struct charset_result r;
            charset_decode(*state, &arena, str_from(names[i]), STR("\xb1\xe1"), 100, &r);
            assert_true(r.text.len > 0 && utf8_is_valid(r.text));
            assert_string_equal(r.used, names[i]);
            arena_free(&arena);
        }
    }
}

static int setup(void **state)
{
    *state = charset_context_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    struct charset_context *c = *state;
    charset_context_free(&c);
    charset_context_free(&c);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_read),
        cmocka_unit_test(wide_characters_in_both_orders),
        cmocka_unit_test(long_text_is_guessed_by_its_language),
        cmocka_unit_test(output_is_cut_between_characters),
        cmocka_unit_test(nul_is_named_and_arena_may_be_used_up),
        cmocka_unit_test(more_charsets_than_slots),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
