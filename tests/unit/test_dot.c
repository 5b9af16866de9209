/* test_dot.c: only CR LF . CR LF ends DATA; all known look-alikes, in every split. */
#include "base/buf.h"
#include "smtp/dot.h"

#include "check.h"

static bool keep(void *arg, const char *at, size_t len)
{
    return buf_add(arg, at, len);
}

static enum dot_result decode(struct str input, size_t split, struct buf *out, unsigned *defects)
{
    struct dot_decoder d;
    size_t used;

    dot_decoder_init(&d, false);
    enum dot_result r = dot_decode(&d, str_sub(input, 0, split), &used, keep, out);
    if (r == DOT_MORE)
        r = dot_decode(&d, str_from_index(input, split), &used, keep, out);
    *defects = d.defects;
    return r;
}

static const struct {
    const char *name;
    struct str wire, text;
} rows[] = {
    {"a line", {"a\r\n.\r\n", sizeof("a\r\n.\r\n") - 1}, {"a\r\n", sizeof("a\r\n") - 1}},
    {"nothing", {".\r\n", sizeof(".\r\n") - 1}, {"", sizeof("") - 1}},
    {"a stuffed dot", {"..a\r\n.\r\n", sizeof("..a\r\n.\r\n") - 1}, {".a\r\n", sizeof(".a\r\n") - 1}},
    {"a line of one dot", {"..\r\n.\r\n", sizeof("..\r\n.\r\n") - 1}, {".\r\n", sizeof(".\r\n") - 1}},
    {"dots inside", {"a.b\r\n.\r\n", sizeof("a.b\r\n.\r\n") - 1}, {"a.b\r\n", sizeof("a.b\r\n") - 1}},
};

static void wire_is_decoded_in_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t split = 0; split <= rows[i].wire.len; split++) {
            struct buf out = buf_make(1000);
            unsigned defects;
            if (decode(rows[i].wire, split, &out, &defects) != DOT_END || !str_eq(buf_str(&out), rows[i].text) || defects)
                fail_msg("%s, split at %zu", rows[i].name, split);
            buf_free(&out);
        }
    }
}

/* "\\n.\\x00" as the public file writes it. */
static size_t unescape(const char *from, char *to)
{
    size_t n = 0;
    unsigned value;

    while (*from && *from != '\t') {
        if (from[0] == '\\' && from[1] == 'x' && sscanf(from + 2, "%2x", &value) == 1) {
            to[n++] = (char)value;
            from += 4;
        } else if (from[0] == '\\') {
            to[n++] = from[1] == 'n' ? '\n' : from[1] == 'r' ? '\r' : from[1];
            from += 2;
        } else {
            to[n++] = *from++;
        }
    }
    return n;
}

static void no_look_alike_ends_data(void **state)
{
    char path[4096], line[1000], wire[1200];
    size_t forms = 0;

    (void)state;
    if (!conformance_path("smtp/smuggling-eod.tsv", path, sizeof path)) {
        print_message("the public list of look-alikes is not at hand: skipped\n");
        skip();
    }
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (line[0] != '\\')
            continue;
        size_t n = (size_t)snprintf(wire, sizeof wire, "body");
        n += unescape(line, wire + n);
        n += (size_t)snprintf(wire + n, sizeof wire - n, "MAIL FROM:<x@y.test>\r\n");
        forms++;
        for (size_t split = 0; split <= n; split++) {
            struct buf out = buf_make(2000);
            unsigned defects;
            if (decode(str_n(wire, n), split, &out, &defects) == DOT_END)
                fail_msg("form %zu ends DATA when split at %zu: %s", forms, split, line);
            if (!defects)
                fail_msg("form %zu is not noted: %s", forms, line);
            buf_free(&out);
        }
    }
    fclose(f);
    print_message("look-alikes of the end of DATA: %zu of %zu refused\n", forms, forms);
    assert_true(forms >= 12);
}

static void the_encoder_never_emits_a_bare_ending(void **state)
{
    const struct str inputs[] = {STR("a\nb"), STR("a\rb"), STR("\n.\n"), STR("\r.\r"), STR(".a\r\n"), STR(""), STR("a\r\n.\r\nb\r\n")};

    (void)state;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        struct buf wire = buf_make(1000), back = buf_make(1000);
        struct dot_encoder e;
        unsigned defects;
        dot_encoder_init(&e);
        assert_true(dot_encode(&e, inputs[i], keep, &wire));
        assert_true(dot_encode_end(&e, keep, &wire));
        assert_int_equal(decode(buf_str(&wire), wire.len, &back, &defects), DOT_END);
        assert_int_equal(defects, 0);
        buf_free(&wire);
        buf_free(&back);
    }
}

static void lines_are_measured(void **state)
{
    struct dot_decoder d;
    struct buf out = buf_make(5000);
    size_t used;

    (void)state;
    dot_decoder_init(&d, false);
    assert_int_equal(dot_decode(&d, STR("ab\r\n..abcd\r\nc\r\n.\r\n"), &used, keep, &out), DOT_END);
    assert_int_equal(d.longest, 5);
    assert_int_equal(d.longest_line, 2);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wire_is_decoded_in_every_split), cmocka_unit_test(no_look_alike_ends_data),
                                       cmocka_unit_test(the_encoder_never_emits_a_bare_ending), cmocka_unit_test(lines_are_measured)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
