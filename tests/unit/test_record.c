/* test_record.c: records cross a socket from a process that may have been taken over: what is written is read back, and no lie gets through. */
#include "scan/record_signature.h"

#include "check.h"

static struct record sample(enum record_kind kind)
{
    struct record r = {.kind = kind};

    switch (kind) {
    case RECORD_DEFECT:
        r.defect = (struct record_defect){true, 12, STR("boundary-twice"), STR("1.2"), STR("the boundary is given twice")};
        break;
    case RECORD_FILE:
        r.file = (struct record_file){.level = 2, .type = 7, .facts = 0x80000001, .size = UINT64_MAX, .has_sha256 = true, .path = STR("2"),
                                      .name = STR("a.zip/b.exe"), .extension = STR("exe")};
        memset(r.file.sha256, 0xAB, sizeof r.file.sha256);
        break;
    case RECORD_HOP:
        r.hop = (struct record_hop){.date_ms = -5, .helo = STR("h"), .ip = STR("192.0.2.1")};
        break;
    case RECORD_TEXT:
        r.text = (struct record_text){STR("1"), STR("visible"), STR("two\r\nlines")};
        break;
    default:
        break;
    }
    return r;
}

static void every_kind_comes_back(void **state)
{
    struct buf out = buf_make(65536);

    (void)state;
    for (enum record_kind kind = RECORD_DEFECT; kind < RECORD_KIND_END; kind++) {
        struct record wrote = sample(kind);
        assert_true(record_write(&out, &wrote));
    }
    struct str rest = buf_str(&out);
    for (enum record_kind kind = RECORD_DEFECT; kind < RECORD_KIND_END; kind++) {
        struct record read;
        assert_true(record_read(&rest, &read));
        assert_int_equal(read.kind, kind);
        if (kind == RECORD_DEFECT) {
            assert_true(read.defect.is_ambiguous);
            assert_int_equal(read.defect.line, 12);
            assert_true(str_is(read.defect.text, "the boundary is given twice"));
        } else if (kind == RECORD_FILE) {
            assert_true(read.file.size == UINT64_MAX && read.file.facts == 0x80000001 && read.file.sha256[31] == 0xAB);
            assert_true(str_is(read.file.name, "a.zip/b.exe"));
        } else if (kind == RECORD_HOP) {
            assert_true(read.hop.date_ms == -5);
        } else if (kind == RECORD_TEXT) {
            assert_true(str_is(read.text.text, "two\nlines"));
        }
    }
    assert_int_equal(rest.len, 0);
    buf_free(&out);
}

static void texts_are_made_clean(void **state)
{
    static const struct { const char *name; struct str in; const char *out; } rows[] = {
        {"plain", {"plain", 5}, "plain"},
        {"line ends and tabs become blanks", {"a\r\nb\tc", 6}, "a  b c"},
        {"NUL shows", {"a\0b", 3}, "a\xEF\xBF\xBD" "b"},
        {"no UTF-8 shows", {"a\xFF" "b", 3}, "a\xEF\xBF\xBD" "b"},
        {"UTF-8 stays", {"\xC3\xA9", 2}, "\xC3\xA9"},
        {"a C1 control steers terminals", {"a\xC2\x9B" "31m", 6}, "a 31m"},
        {"an escape", {"\x1B[2J", 4}, " [2J"},
        {"cut between characters", {"0123456789abcd\xE2\x82\xAC", 17}, "0123456789abcd"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = buf_make(100);
        record_clean(&out, rows[i].in, 16, false);
        if (!str_is(buf_str(&out), rows[i].out))
            fail_msg("%s: \"" STR_FMT "\"", rows[i].name, STR_ARG(buf_str(&out)));
        buf_free(&out);
    }
}

static void what_does_not_fit_leaves_no_trace(void **state)
{
    struct buf out = buf_make(100);
    struct record r = sample(RECORD_DEFECT);

    (void)state;
    assert_true(record_write(&out, &r));
    size_t len = out.len;
    assert_false(record_write(&out, &r));
    assert_int_equal(out.len, len);
    assert_false(out.failed);
    buf_free(&out);
}

/* Every octet of a good record changed in every way that matters: it is refused, or what is read can be looked at without harm. */
static void no_lie_does_harm(void **state)
{
    static const unsigned char values[] = {0, 1, 2, 7, 8, 9, 0x1B, 0x7F, 0x80, 0xC2, 0xFF};

    (void)state;
    for (enum record_kind kind = RECORD_DEFECT; kind < RECORD_KIND_END; kind++) {
        struct buf out = buf_make(65536);
        struct record r = sample(kind);
        assert_true(record_write(&out, &r));
        for (size_t i = 0; i < out.len; i++)
            for (size_t v = 0; v < sizeof values; v++) {
                char before = out.at[i];
                out.at[i] = (char)values[v];
                struct str rest = buf_str(&out);
                while (record_read(&rest, &r))
                    assert_true(r.kind > 0 && r.kind < RECORD_KIND_END);
                out.at[i] = before;
            }
        for (size_t len = 0; len < out.len; len++) { /* cut short */
            struct str rest = str_sub(buf_str(&out), 0, len);
            assert_false(record_read(&rest, &r));
        }
        buf_free(&out);
    }
}

static void no_control_gets_through(void **state)
{
    struct buf out = buf_make(1000);
    struct record r = {.kind = RECORD_DEFECT, .defect = {.name = STR("n"), .text = STR("abc")}};

    (void)state;
    assert_true(record_write(&out, &r));
    out.at[out.len - 2] = '\n';
    struct str rest = buf_str(&out);
    assert_false(record_read(&rest, &r));
    assert_true(rest.len > 0);
    buf_free(&out);
}

static void signatures_come_back(void **state)
{
    struct signature s = {.kind = SIGNATURE_ARC_SEAL, .algorithm = ALGORITHM_ED25519_SHA256, .chain = CHAIN_PASS, .instance = 3, .body_relaxed = true,
                          .has_expiry = true, .expiry_s = -5, .length = 7, .line = 9, .bytes_len = SIGNATURE_BYTES_MAX, .domain = "a.test",
                          .selector = "s", .identity_domain = "b.a.test"};
    struct signature again;
    struct record r, read;
    struct buf out = buf_make(4096);

    (void)state;
    for (size_t i = 0; i < sizeof s.bytes; i++)
        s.bytes[i] = (unsigned char)i; /* not text: NUL, controls, no UTF-8 */
    record_of_signature(&s, &r);
    assert_true(record_write(&out, &r));
    struct str rest = buf_str(&out);
    assert_true(record_read(&rest, &read));
    assert_true(signature_of_record(&read, &again));
    assert_memory_equal(&s, &again, sizeof s);
    read.signature.algorithm = ALGORITHM_UNKNOWN + 1;
    assert_false(signature_of_record(&read, &again));
    read.signature.algorithm = 0;
    read.signature.domain = STR("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
                                "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789");
    assert_false(signature_of_record(&read, &again));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_come_back),
        cmocka_unit_test(every_kind_comes_back), cmocka_unit_test(texts_are_made_clean), cmocka_unit_test(what_does_not_fit_leaves_no_trace),
        cmocka_unit_test(no_lie_does_harm), cmocka_unit_test(no_control_gets_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
