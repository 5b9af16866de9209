/* test_text.c: tricks with Unicode, and honest text in which there are none. */
#include "check.h"
#include "mail/text.h"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_make(256 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void tricks(void **state)
{
    static const struct {
        const char *text;
        unsigned seen;
        uint32_t times;
    } rows[] = {
        {"Pay\xE2\x80\x8Bpal and Pay\xE2\x81\xA0\xE2\x80\x8Bpal", TEXT_ZERO_WIDTH, 3},
        {"invoice\xE2\x80\xAE" "fdp.exe", TEXT_BIDI_OVERRIDE, 1},
        {"a\xF3\xA0\x81\xA1\xF3\xA0\x81\xA2", TEXT_TAGS, 2},
        {"a\xEF\xB8\x8F\xEF\xB8\x8F\xEF\xB8\x8F", TEXT_TAGS, 2},
        {"P\xD0\xB0ypal, Micr\xD0\xBEs\xD0\xBE" "ft", TEXT_MIXED_SCRIPT, 2},
        {"Am\xCE\xB1zon", TEXT_MIXED_SCRIPT, 1},
        {"V\xC2\xADi\xC2\xAD" "a\xC2\xADgra", TEXT_SOFT_HYPHEN, 3},
        {"\xF0\x9D\x97\xA3\xF0\x9D\x97\xAE\xF0\x9D\x98\x86", TEXT_MATH_LETTERS, 3},
        {"\xEF\xBC\xB0\xEF\xBC\xA1\xEF\xBC\xB9", TEXT_MATH_LETTERS, 3},
        {"\xEE\x80\x80", TEXT_PRIVATE_USE, 1},
        {"\xF0\x9D\x97\xAC" "our order", TEXT_MATH_LETTERS, 1},                             /* one, as a first letter */
        {"\xF0\x9F\x85\xBF\xF0\x9F\x85\xB0\xF0\x9F\x86\x88", TEXT_MATH_LETTERS, 3},       /* squared */
        {"Pay\xE2\x80\x8Epal", TEXT_ZERO_WIDTH, 1},                                        /* a mark of direction */
        {"P\xEF\xB8\x80" "a\xEF\xB8\x80y", TEXT_ZERO_WIDTH, 2},                             /* selectors behind letters */
        {"c\xE2\x80\x8Co\xE2\x80\x8C" "d\xE2\x80\x8C" "e 1\xE2\x80\x8B" "2", TEXT_ZERO_WIDTH, 4},
        {"\xF0\x9F\x8F\xB4\xF3\xA0\x81\xA7\xF3\xA0\x81\xA2\xF3\xA0\x81\xA5\xF3\xA0\x81\xAE\xF3\xA0\x81\xA7\xF3\xA0\x81\xBF\xF3\xA0\x81\xA1", TEXT_TAGS, 1}, /* behind a flag */
        {"a\xF3\xA0\x84\x80\xF3\xA0\x84\x81", TEXT_TAGS, 1},                               /* octets in selectors */
        {"\xE2\x81\xA6hidden\xE2\x81\xA9", TEXT_BIDI_OVERRIDE, 2},
        {"\xE1\x8F\xA2" "ay\xE1\x8F\xA2" "al", TEXT_MIXED_SCRIPT, 1},                         /* Cherokee */
        {"\xCE\xA1" "ay\xCE\xA1" "al", TEXT_MIXED_SCRIPT, 1},                                 /* Greek capitals */
        {"C\xD0\xB1\xD0\xB5\xD1\x80\xD0\xB1\xD0\xB0\xD0\xBD\xD0\xBA \xD1\x81\xD0\xB1\xD0\xB5p\xD0\xB1\xD0\xB0\xD0\xBD\xD0\xBA", TEXT_MIXED_SCRIPT, 2}, /* Latin in Russian words */
        {"\xD0\x92" "ank \xD0\xBE" "f Am\xD0\xB5ric\xD0\xB0", TEXT_MIXED_SCRIPT, 3},
        {"Z\xCC\x81\xCC\x82\xCC\x83\xCC\x84\xCC\x85\xCC\x86" "algo", TEXT_COMBINING_PILE, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct text_tricks t;
        text_find_tricks(&arena, str_from(rows[i].text), &t);
        if (t.seen != rows[i].seen || t.count[__builtin_ctz(t.seen | 256)] != rows[i].times)
            fail_msg("%s: %x, %u times", rows[i].text, t.seen, t.count[__builtin_ctz(t.seen | 256)]);
        assert_true(t.sample.len > 0);
    }
}

static void honest_text(void **state)
{
    static const char *const rows[] = {
        "plain ASCII",
        "Gr\xC3\xBC\xC3\x9Fze aus M\xC3\xBCnchen, ca. 10 \xE2\x82\xAC",
        "\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82, \xD0\xBC\xD0\xB8\xD1\x80! iPhone \xD0\xB8 Windows",
        "\xCE\x9A\xCE\xB1\xCE\xBB\xCE\xB7\xCE\xBC\xCE\xAD\xCF\x81\xCE\xB1, 5 k\xCE\xA9, \xCE\x94t",
        "\xD9\x85\xD8\xB1\xD8\xAD\xD8\xA8\xD8\xA7",
        "\xD9\x85\xDB\x8C\xE2\x80\x8C\xD8\xAE\xD9\x88\xD8\xA7\xD9\x87\xD9\x85",                       /* Persian, with a non-joiner */
        "\xE0\xA4\x95\xE0\xA5\x8D\xE2\x80\x8D\xE0\xA4\xB7",                                           /* Hindi, with a joiner */
        "\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7",                   /* a family */
        "\xE2\x9D\xA4\xEF\xB8\x8F ok",
        "\xF0\x9F\x8F\xB4\xF3\xA0\x81\xA7\xF3\xA0\x81\xA2\xF3\xA0\x81\xA5\xF3\xA0\x81\xAE\xF3\xA0\x81\xA7\xF3\xA0\x81\xBF", /* a flag */
        "Vi\xE1\xBB\x87t Nam, Ti\xE1\xBA\xBFng",
        "\xE4\xBD\xA0\xE5\xA5\xBD world",
        "\xD7\x91\xD6\xB0\xD6\xBC\xD7\xA8\xD6\xB5\xD7\x90\xD7\xA9\xD6\xB4\xD7\x81\xD7\x99\xD7\xAA",   /* pointed Hebrew */
        "\xD0\x9F\xD1\x80\xD0\xBE\xD1\x88\xD1\x83 USB-\xD0\xBA\xD0\xB0\xD0\xB1\xD0\xB5\xD0\xBB\xD1\x8C, iPad\xD0\xBE\xD0\xBC, SMS\xD0\xBA\xD0\xB0, PR\xD1\x89\xD0\xB8\xD0\xBA, 3D-\xD0\xBF\xD1\x80\xD0\xB8\xD0\xBD\xD1\x82\xD0\xB5\xD1\x80",
        "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2i\xD1\x82, i\xD0\xBD\xD1\x82\xD0\xB5\xD1\x80\xD0\xBD\xD0\xB5\xD1\x82",                               /* Ukrainian with a Latin i */
        "TNF\xCE\xB1, NF\xCE\xBA" "B, TGF-\xCE\xB2" "1, \xCE\xB2-carotene, 100 \xC2\xB5" "F, \xCE\x94T",                                   /* what biologists write */
        "\xE1\xBC\x99\xCE\xBB\xCE\xBB\xCE\xAC\xCF\x82 \xE1\xBC\x88\xCE\xB8\xE1\xBF\x86\xCE\xBD\xCE\xB1\xCE\xB9",                       /* polytonic Greek */
        "\xE6\xA0\xAA\xE5\xBC\x8F\xE4\xBC\x9A\xE7\xA4\xBE\xEF\xBC\xAE\xEF\xBC\xB4\xEF\xBC\xB4" "docomo",                              /* full width in Japanese */
        "\xF0\x9D\x91\x93(\xF0\x9D\x91\xA5) = 2, \xE2\x93\x98 Info, \xE2\x93\x82\xEF\xB8\x8F Metro, \xF0\x9F\x85\xB0\xEF\xB8\x8F \xF0\x9F\x85\xBF\xEF\xB8\x8F", /* one by one */
        "1\xEF\xB8\x8F\xE2\x83\xA3 #\xEF\xB8\x8F\xE2\x83\xA3 \xC2\xA9\xEF\xB8\x8F \xE2\x84\xA2\xEF\xB8\x8F",                           /* keycaps */
        "\xF0\x9F\x8F\xB3\xEF\xB8\x8F\xE2\x80\x8D\xF0\x9F\x8C\x88 \xF0\x9F\x91\xA9\xF0\x9F\x8F\xBD\xE2\x80\x8D\xF0\x9F\x92\xBB",
        "\xE0\xB7\x81\xE0\xB7\x8A\xE2\x80\x8D\xE0\xB6\xBB\xE0\xB7\x93 \xE0\xA6\xB0\xE2\x80\x8D\xE0\xA7\x8D\xE0\xA6\xAF",              /* Sinhala, Bengali */
        "\xE0\xB8\x97\xE0\xB8\xB5\xE0\xB9\x88\xE0\xB8\x99\xE0\xB8\xB5\xE0\xB9\x88 \xE0\xBD\x96\xE0\xBD\xA6\xE0\xBE\x92\xE0\xBE\xB2\xE0\xBD\xB4", /* Thai, Tibetan */
        "\xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4 \xE1\x9E\x81\xE1\x9F\x92\xE1\x9E\x98\xE2\x80\x8B\xE1\x9E\x9A",                          /* Korean; Khmer with a break */
        "\xE8\x91\x9B\xF3\xA0\x84\x80\xE5\x9F\x8E",                                          /* one form of an ideograph */
        "\xE2\x80\x8F\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D\xE2\x80\x8F (\xE2\x80\x8E" "abc\xE2\x80\x8E)",                                 /* marks of direction around words */
        "x\xC2\xB2 + H\xE2\x82\x82O, 1\xCB\xA2\xE1\xB5\x97, \xE2\x84\x96 5, \xE2\x91\xA0\xE2\x91\xA1",
        "\xEF\xBB\xBF" "begins with a byte order mark",
        "preheader \xE2\x80\x8C \xE2\x80\x8C \xE2\x80\x8C",                                           /* fillers of newsletters, between words */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct text_tricks t;
        text_find_tricks(&arena, str_from(rows[i]), &t);
        if (t.seen)
            fail_msg("%s: %x", rows[i], t.seen);
    }
}

static void normalized(void **state)
{
    static const struct {
        const char *text, *normal;
    } rows[] = {
        {"plain", "plain"},
        {"Pay\xE2\x80\x8Bpal", "Paypal"},
        {"\xF0\x9D\x97\xA3\xF0\x9D\x97\xAE\xF0\x9D\x98\x86", "Pay"},
        {"\xEF\xBC\xB0\xEF\xBC\xA1\xEF\xBC\xB9", "PAY"},
        {"e\xCC\x81", "\xC3\xA9"},
        {"\xEF\xAC\x81ne", "fine"},
        {"\xF0\x9F\x85\xBF\xF0\x9F\x85\xB0\xF0\x9F\x86\x88", "PAY"},
        {"Pay\xE2\x80\x8E\xEF\xB8\x80\xF3\xA0\x81\xA1pal", "Paypal"},
        {"a\xE2\x80\xAE" "b\xC2\xAD" "c", "abc"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[64];
        str_copy(text, sizeof text, text_normalize(&arena, str_from(rows[i].text), 1000));
        assert_string_equal(text, rows[i].normal);
    }
    assert_int_equal(text_normalize(&arena, STR("abcdef"), 3).len, 3);
    assert_true(text_normalize(&arena, STR("\xEF\xB7\xBA\xEF\xB7\xBA"), 6).len <= 6); /* one that grows */
}

static void skeletons(void **state)
{
    (void)state;
    assert_true(str_eq(text_skeleton(&arena, STR("P\xD0\xB0ypal")), text_skeleton(&arena, STR("Paypal"))));
    assert_false(str_eq(text_skeleton(&arena, STR("Paypal")), text_skeleton(&arena, STR("Paypai"))));
}

static void nothing_is_quadratic(void **state)
{
    static const char *const rows[] = {"\xCC\x81", "a\xCC\x81", "\xEF\xB7\xBA", "\xE2\x80\x8B", "\xF3\xA0\x81\xA1", "\xD0\xB0z", "\xE1\x84\x80\xE1\x85\xA1"};
    enum { OCTETS = 4 << 20 };
    char *text = malloc(OCTETS);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t step = strlen(rows[i]), len = OCTETS / step * step;
        struct text_tricks t;
        for (size_t at = 0; at + step <= OCTETS; at += step)
            memcpy(text + at, rows[i], step);
        text_find_tricks(&arena, str_n(text, len), &t);
        text_normalize(&arena, str_n(text, len), len);
        text_skeleton(&arena, str_n(text, len));
        arena_free(&arena);
        arena = arena_make(256 << 20);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tricks), cmocka_unit_test(honest_text), cmocka_unit_test(normalized), cmocka_unit_test(skeletons),
                                       cmocka_unit_test(nothing_is_quadratic)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
