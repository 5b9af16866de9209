/* test_decode.c: transfer encodings as the standard has them, and broken ones as readers take them. */
#include "mail/decode.h"

#include "check.h"

enum { CEILING = 1 << 20 };

static const struct row {
    const char *name;
    enum transfer_encoding encoding;
    struct str in, out;
    unsigned defects;
    long stop; /* -1: all of it */
} rows[] = {
#define ROW(name, encoding, in, out, defects, stop) {name, ENCODING_##encoding, {in, sizeof(in) - 1}, {out, sizeof(out) - 1}, defects, stop}
    ROW("RFC 4648 §10, all", BASE64, "Zm9vYmFy", "foobar", 0, -1),
    ROW("two octets", BASE64, "Zm9vYmE=", "fooba", 0, 5),
    ROW("one octet", BASE64, "Zm9vYg==\r\n", "foob", 0, 4),
    ROW("lines and blanks", BASE64, "Zm\r\n9v Ym\t Fy\n", "foobar", 0, -1),
    ROW("junk is skipped", BASE64, "Zm9v!Ym-Fy", "foobar", DECODE_JUNK, -1),
    ROW("octets above 127", BASE64, "Zm9v\xE4YmFy", "foobar", DECODE_JUNK | DECODE_RAW_8BIT, -1),
    ROW("NUL inside", BASE64, "Zm9v\0YmFy", "foobar", DECODE_JUNK, -1),
    ROW("goes on behind the padding", BASE64, "Zm9vYg==\r\nYmFy", "foobbar", DECODE_AFTER_PADDING, 4),
    ROW("two pieces each padded", BASE64, "Zg==Zg==", "ff", DECODE_AFTER_PADDING, 1),
    ROW("padding first", BASE64, "=Zm9v", "foo", DECODE_JUNK, -1),
    ROW("padding that nothing asks for", BASE64, "Zm9v==Zm9v", "foofoo", DECODE_AFTER_PADDING, 3),
    ROW("more padding than needed is nothing", BASE64, "Zg====", "f", 0, 1),
    ROW("padding missing", BASE64, "Zm9vYg", "foob", DECODE_TRUNCATED, -1),
    ROW("half of the padding", BASE64, "Zm9vYg=", "foob", DECODE_TRUNCATED, 4),
    ROW("one letter too many", BASE64, "Zm9vY", "foo", DECODE_TRUNCATED, -1),
    ROW("loose bits", BASE64, "Zm9vYn==", "foob", DECODE_LOOSE_BITS, 4),
    ROW("a line of 80", BASE64, "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB\r\n",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", DECODE_LINE_TOO_LONG, -1),
    ROW("escapes", QUOTED_PRINTABLE, "a=3Db=C3=A4", "a=b\xC3\xA4", 0, -1),
    ROW("soft line break", QUOTED_PRINTABLE, "ab=\r\ncd\r\n", "abcd\r\n", 0, -1),
    ROW("blanks behind a soft line break", QUOTED_PRINTABLE, "ab= \t\r\ncd", "abcd", 0, -1),
    ROW("blanks at the end of a line go", QUOTED_PRINTABLE, "ab \t\r\ncd ", "ab\r\ncd", 0, -1),
    ROW("a blank that is meant stays", QUOTED_PRINTABLE, "ab=20\r\n", "ab \r\n", 0, -1),
    ROW("lower case", QUOTED_PRINTABLE, "=c3=a4", "\xC3\xA4", DECODE_LOWER_HEX, -1),
    ROW("not hexadecimal", QUOTED_PRINTABLE, "a=ZZ=4", "a=ZZ=4", DECODE_BAD_ESCAPE, -1),
    ROW("= at the very end", QUOTED_PRINTABLE, "a=", "a", 0, -1),
    ROW("octets above 127", QUOTED_PRINTABLE, "\xE4=20", "\xE4 ", DECODE_RAW_8BIT, -1),
    ROW("a line of 77", QUOTED_PRINTABLE, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", DECODE_LINE_TOO_LONG, -1),
    ROW("uuencode", UUENCODE, "begin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\n", "Cat", 0, -1),
    ROW("uuencode without end", UUENCODE, "begin 644 cat.txt\n#0V%T\n", "Cat", DECODE_NO_END, -1),
    ROW("uuencode without mode", UUENCODE, "begin cat.txt\n#0V%T\n`\nend\n", "Cat", 0, -1),
    ROW("uuencode with text in front", UUENCODE, "See this:\n\nbegin 644 cat.txt\n#0V%T\n \nend\n", "Cat", 0, -1),
    ROW("uuencode with cut blanks", UUENCODE, "begin 644 z\n&````\n`\nend\n", "\0\0\0\0\0\0", 0, -1),
    ROW("declared, but none there", UUENCODE, "begin\nto see\n", "begin\nto see\n", DECODE_BAD_LENGTH, -1),
    ROW("yEnc", YENC, "=ybegin line=128 size=3 name=a b.txt\r\n\x6D\x8B\x9E\r\n=yend size=3 crc32=47e7ad34\r\n", "Cat", DECODE_BAD_LENGTH, -1),
    ROW("yEnc escape", YENC, "=ybegin line=128 size=2 name=a\r\n=\x40=\x4A\r\n=yend size=2\r\n", "\xD6\xE0", 0, -1),
    ROW("yEnc without end", YENC, "=ybegin line=128 size=3 name=a\n\x6D\x8B\x9E\n", "Cat", DECODE_NO_END, -1),
    ROW("yEnc of wrong size", YENC, "=ybegin line=128 size=4 name=a\n\x6D\x8B\x9E\n=yend size=4\n", "Cat", DECODE_BAD_LENGTH, -1),
    ROW("8bit is itself", 8BIT, "=3D\x80", "=3D\x80", 0, -1),
#undef ROW
};

static void each_encoding_is_read_as_readers_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct arena arena = arena_make(CEILING);
        struct decoded d;
        decode_transfer(&arena, r->encoding, r->in, CEILING, &d);
        if (!str_eq(d.bytes, r->out))
            fail_msg("%s: got \"" STR_FMT "\"", r->name, STR_ARG(d.bytes));
        if (d.defects != r->defects)
            fail_msg("%s: defects %u, not %u", r->name, d.defects, r->defects);
        if (d.stop != (r->stop < 0 ? d.bytes.len : (size_t)r->stop))
            fail_msg("%s: stops at %zu", r->name, d.stop);
        arena_free(&arena);
    }
}

static void a_defect_says_where(void **state)
{
    struct arena arena = arena_make(CEILING);
    struct decoded d;

    (void)state;
    decode_transfer(&arena, ENCODING_BASE64, STR("Zm9v\r\n!mFy"), CEILING, &d);
    assert_int_equal(d.defect_at, 6);
    decode_transfer(&arena, ENCODING_QUOTED_PRINTABLE, STR("ab\r\nc=xx"), CEILING, &d);
    assert_int_equal(d.defect_at, 5);
    arena_free(&arena);
}

static void output_ends_at_the_ceiling(void **state)
{
    static const struct { enum transfer_encoding encoding; const char *in; } inputs[] = {
        {ENCODING_BASE64, "Zm9vYmFyZm9vYmFy"}, {ENCODING_QUOTED_PRINTABLE, "=41=42=43=44=45=46"}, {ENCODING_7BIT, "foobarfoobar"},
        {ENCODING_UUENCODE, "begin 644 a\n&0V%T0V%T\n`\nend\n"}, {ENCODING_YENC, "=ybegin line=9 size=6 name=a\naaaaaa\n=yend size=6\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        for (size_t ceiling = 0; ceiling < 6; ceiling++) {
            struct arena arena = arena_make(CEILING);
            struct decoded d;
            decode_transfer(&arena, inputs[i].encoding, str_from(inputs[i].in), ceiling, &d);
            assert_int_equal(d.bytes.len, ceiling);
            assert_true(d.defects & DECODE_CEILING);
            arena_free(&arena);
        }
}

static void an_arena_used_up_gives_nothing(void **state)
{
    struct arena arena = arena_make(64);
    struct decoded d;
    char text[200];

    (void)state;
    memset(text, 'A', sizeof text);
    decode_transfer(&arena, ENCODING_BASE64, str_n(text, sizeof text), CEILING, &d);
    assert_int_equal(d.bytes.len, 0);
    assert_true(d.defects & DECODE_CEILING);
    arena_free(&arena);
}

static void files_in_text_are_found_one_by_one(void **state)
{
    struct arena arena = arena_make(CEILING);
    struct embedded_file file;
    struct str rest = STR("We begin with\nbegin 644 one.txt\nis how it starts.\n"
                          "begin 644 one.txt\n#0V%T\n`\nend\nMore\n=ybegin line=128 size=3 name=two.bin\n\x6D\x8B\x9E\n"
                          "begin-base64 600 three.bin\nQ2F0\n====\nbegin 644 four\n#0V%T\nNo file any more, but a sentence.\n");
    const char *names[] = {"one.txt", "two.bin", "three.bin", "four"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_true(decode_next_embedded(&arena, &rest, CEILING, &file));
        if (!str_is(file.name, names[i]) || !str_is(file.content.bytes, "Cat"))
            fail_msg("%s: got " STR_FMT " with " STR_FMT, names[i], STR_ARG(file.name), STR_ARG(file.content.bytes));
    }
    assert_true(file.content.defects & DECODE_NO_END);
    assert_false(decode_next_embedded(&arena, &rest, CEILING, &file));
    assert_int_equal(rest.len, 0);
    arena_free(&arena);
}

/* With the mark of a run in its data, and runs longer than one mark can say. */
static void binhex_is_a_file_in_text(void **state)
{
    struct arena arena = arena_make(CEILING);
    struct embedded_file file;
    struct str rest = STR("Hello,\n"
        "(This file must be converted with BinHex 4.0)\n"
        "\n"
        ":#'CTGQ8ZBQPZ!&4&@&4dG(Kd!*!%!6%!N!4r-N0KG*!!N!\"\"N2p\"N#f\"``!!:\n"
        "bye\n");

    (void)state;
    assert_true(decode_next_embedded(&arena, &rest, CEILING, &file));
    assert_true(str_is(file.name, "five.bin") && file.encoding == ENCODING_BINHEX && file.content.defects == 0);
    assert_int_equal(file.content.bytes.len, 305);
    assert_true(str_starts(file.content.bytes, STR("Cat\x90\x90" "AAA")) && file.content.bytes.at[304] == 'A');
    assert_false(decode_next_embedded(&arena, &rest, CEILING, &file));
    rest = STR("(This file must be converted with BinHex 4.0)\n\nbut it is a sentence\n");
    assert_false(decode_next_embedded(&arena, &rest, CEILING, &file));
    arena_free(&arena);
}

/* Would need gigabytes if each reserved what the rest of the text could give. */
static void many_small_files_cost_little(void **state)
{
    static const char one[] = "begin 644 a\nend\n=ybegin line=1 name=b\n";
    enum { TIMES = 20000 };
    struct arena arena = arena_make(64 << 20);
    struct embedded_file file;
    char *text = malloc(TIMES * (sizeof one - 1));
    size_t found = 0;

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < TIMES; i++)
        memcpy(text + i * (sizeof one - 1), one, sizeof one - 1);
    struct str rest = str_n(text, TIMES * (sizeof one - 1));
    while (decode_next_embedded(&arena, &rest, CEILING, &file))
        found++;
    assert_int_equal(found, 2 * TIMES);
    arena_free(&arena);
    free(text);
}

static void encodings_go_by_many_names(void **state)
{
    (void)state;
    assert_int_equal(transfer_encoding_parse(STR("BASE64")), ENCODING_BASE64);
    assert_int_equal(transfer_encoding_parse(STR("Quoted-Printable")), ENCODING_QUOTED_PRINTABLE);
    assert_int_equal(transfer_encoding_parse(STR("x-uue")), ENCODING_UUENCODE);
    assert_int_equal(transfer_encoding_parse(STR("x-yencode")), ENCODING_YENC);
    assert_int_equal(transfer_encoding_parse(STR("base64;")), ENCODING_UNKNOWN);
    assert_int_equal(transfer_encoding_parse(STR("")), ENCODING_UNKNOWN);
    assert_string_equal(transfer_encoding_name(ENCODING_UUENCODE), "x-uuencode");
    assert_string_equal(transfer_encoding_name(ENCODING_8BIT), "8bit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_encoding_is_read_as_readers_do),
        cmocka_unit_test(a_defect_says_where),
        cmocka_unit_test(output_ends_at_the_ceiling),
        cmocka_unit_test(an_arena_used_up_gives_nothing),
        cmocka_unit_test(files_in_text_are_found_one_by_one), cmocka_unit_test(binhex_is_a_file_in_text),
        cmocka_unit_test(many_small_files_cost_little),
        cmocka_unit_test(encodings_go_by_many_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
