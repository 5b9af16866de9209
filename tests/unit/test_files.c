/* test_files.c: what attached files are and hold, and that no ceiling is passed, whatever the file says. Samples with more in them: tests/system. */
#include "base/buf.h"
#include "scan/files/file.h"
#include "scan/files/ole.h"
#include "scan/files/pdf.h"
#include "scan/files/vba.h"

#include "check.h"

#include <string.h>

enum { ROOM = 64 << 20 };
static struct file_context *context;

static void assert_str(struct str s, const char *expected)
{
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.at, expected, s.len);
}

static int set_up(void **state)
{
    (void)state;
    context = file_context_new();
    return context ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    file_context_free(&context);
    return 0;
}

static struct file_budget budget_default(void)
{
    return (struct file_budget){.unpacked_bytes = 32 << 20, .entries = 2000, .ratio = 200, .levels = 3, .images = 8, .pixels = 32 << 20, .urls = 100};
}

static struct file_report look(struct arena *arena, struct str bytes, const char *name, struct file_budget budget)
{
    struct file_report report;
    uint64_t before = budget.unpacked_bytes;

    file_read(context, arena, bytes, str_from(name), &budget, &report);
    assert_true(budget.unpacked_bytes <= before);
    return report;
}

/* COUNT octets of zeros as raw deflate data: blocks that copy a first zero. */
static void add_zeros(struct buf *out, size_t count)
{
    z_stream z = {0};
    static const unsigned char zeros[1 << 16];
    unsigned char packed[1 << 12];

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
    for (int result = Z_OK; result != Z_STREAM_END;) {
        if (z.avail_in == 0) {
            z.next_in = (Bytef *)(uintptr_t)zeros;
            z.avail_in = (uInt)(count < sizeof zeros ? count : sizeof zeros);
            count -= z.avail_in;
        }
        z.next_out = packed;
        z.avail_out = sizeof packed;
        result = deflate(&z, count || z.avail_in ? Z_NO_FLUSH : Z_FINISH);
        assert_true(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR);
        buf_add(out, packed, sizeof packed - z.avail_out);
    }
    deflateEnd(&z);
}

static void put16(struct buf *out, unsigned n) { buf_addf(out, "%c%c", (int)(n & 255), (int)(n >> 8 & 255)); }
static void put32(struct buf *out, uint64_t n) { put16(out, n & 0xFFFF); put16(out, n >> 16 & 0xFFFF); }

struct item { const char *name; struct str packed, plain; unsigned method; uint64_t size; };

/* A zip of ITEMS; where PLAIN is there it is stored. */
static struct buf make_zip(const struct item *items, size_t count)
{
    struct buf zip = buf_make(ROOM), directory = buf_make(ROOM);

    for (size_t i = 0; i < count; i++) {
        const struct item *m = &items[i];
        struct str data = m->method ? m->packed : m->plain;
        uint64_t size = m->method ? m->size : m->plain.len;
        uint32_t crc = m->method ? 0 : (uint32_t)crc32_z(0, (const Bytef *)m->plain.at, m->plain.len);
        size_t place = zip.len;
        for (int is_central = 0; is_central < 2; is_central++) {
            struct buf *to = is_central ? &directory : &zip;
            put32(to, is_central ? 0x02014B50 : 0x04034B50);
            put16(to, 20);
            if (is_central)
                put16(to, 20);
            put16(to, 0);
            put16(to, m->method);
            put32(to, 0);
            put32(to, crc);
            put32(to, data.len);
            put32(to, size);
            put16(to, (unsigned)strlen(m->name));
            put16(to, 0);
            if (is_central) {
                buf_add(to, "\0\0\0\0\0\0\0\0\0\0", 10);
                put32(to, place);
            }
            buf_add_text(to, m->name);
        }
        buf_add_str(&zip, data);
    }
    size_t at = zip.len;
    buf_add_str(&zip, buf_str(&directory));
    put32(&zip, 0x06054B50);
    put32(&zip, 0);
    put16(&zip, (unsigned)count);
    put16(&zip, (unsigned)count);
    put32(&zip, directory.len);
    put32(&zip, at);
    put16(&zip, 0);
    assert_false(zip.failed);
    buf_free(&directory);
    return zip;
}

static void a_zip_of_zeros_is_a_bomb(void **state)
{
    struct arena arena = arena_make(ROOM);
    struct buf zeros = buf_make(ROOM);

    (void)state;
    add_zeros(&zeros, 40 << 20);
    struct item one = {"zeros.bin", buf_str(&zeros), {0}, 8, 40 << 20};
    struct buf zip = make_zip(&one, 1);
    struct file_report r = look(&arena, buf_str(&zip), "x.zip", budget_default());
    assert_int_equal(r.facts, FACT_BOMB);
    assert_int_equal(r.entry_count, 1);
    assert_int_equal(r.entries->facts, FACT_BOMB);
    assert_true(arena.used < ROOM);
    arena_free(&arena);
    buf_free(&zip);
    buf_free(&zeros);
}

/* 42.zip's way: little by itself, much in all. Every level has 16 zips of the level below it. */
static void zips_in_zips_share_one_budget(void **state)
{
    struct arena arena = arena_make(ROOM);
    struct buf zeros = buf_make(ROOM);
    struct buf inner;

    (void)state;
    add_zeros(&zeros, 900 << 10);
    struct item one = {"zeros.bin", buf_str(&zeros), {0}, 8, 900 << 10};
    inner = make_zip(&one, 1);
    for (int level = 0; level < 2; level++) {
        struct item items[16];
        for (int i = 0; i < 16; i++)
            items[i] = (struct item){i % 2 ? "a.zip" : "b.zip", {0}, buf_str(&inner), 0, 0};
        struct buf outer = make_zip(items, 16);
        buf_free(&inner);
        inner = outer;
    }
    struct file_report r = look(&arena, buf_str(&inner), "42.zip", budget_default());
    assert_true(r.facts & FACT_BOMB);
    arena_free(&arena);
    buf_free(&inner);
    buf_free(&zeros);
}

static void what_is_too_deep_is_said(void **state)
{
    struct item leaf = {"run.exe", {0}, STR("MZ and more"), 0, 0};
    struct buf zip = make_zip(&leaf, 1);

    (void)state;
    for (int level = 1; level <= 4; level++) {
        struct arena arena = arena_make(ROOM);
        struct file_report r = look(&arena, buf_str(&zip), "x.zip", budget_default());
        assert_int_equal((r.facts & FACT_TOO_DEEP) != 0, level > 3);
        struct file_entry *last = r.entries;
        while (last->next)
            last = last->next;
        assert_int_equal(last->type, level > 3 ? FILE_ZIP : FILE_PE);
        assert_int_equal(last->level, level > 3 ? 3 : level);
        arena_free(&arena);
        struct item outer = {"inner.zip", {0}, buf_str(&zip), 0, 0};
        struct buf next = make_zip(&outer, 1);
        buf_free(&zip);
        zip = next;
    }
    buf_free(&zip);
}

static void more_entries_than_allowed_are_counted(void **state)
{
    struct arena arena = arena_make(ROOM);
    struct file_budget few = budget_default();
    static char names[40][8];
    struct item items[40];

    (void)state;
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "%d.txt", i);
        items[i] = (struct item){names[i], {0}, STR("x"), 0, 0};
    }
    struct buf zip = make_zip(items, 40);
    few.entries = 10;
    struct file_report r = look(&arena, buf_str(&zip), "x.zip", few);
    assert_int_equal(r.entry_count, 10);
    assert_int_equal(r.entries_dropped, 30);
    assert_int_equal(r.facts, FACT_TOO_MANY);
    arena_free(&arena);
    buf_free(&zip);
}

/* A stream that inflates to 200 MB, as object stream and as file, and twenty filters one after the other. */
static void a_pdf_does_not_inflate_without_end(void **state)
{
    struct arena arena = arena_make(ROOM);
    struct buf zeros = buf_make(ROOM), pdf = buf_make(ROOM);

    (void)state;
    buf_add(&zeros, "\x78\xDA", 2);
    add_zeros(&zeros, 200 << 20);
    buf_add_text(&pdf, "%PDF-1.7\n");
    for (int i = 0; i < 3; i++) {
        buf_addf(&pdf, "%d 0 obj << /Type /%s /Filter /FlateDecode /Length %zu >> stream\n", i + 1, i % 2 ? "EmbeddedFile" : "ObjStm", zeros.len);
        buf_add_str(&pdf, buf_str(&zeros));
        buf_add_text(&pdf, "\nendstream endobj\n");
    }
    struct file_report r = look(&arena, buf_str(&pdf), "x.pdf", budget_default());
    assert_int_equal(r.type, FILE_PDF);
    assert_true(r.facts & FACT_BOMB);
    arena_free(&arena);
    buf_clear(&pdf);
    buf_add_text(&pdf, "%PDF-1.7\n1 0 obj << /Type /ObjStm /Filter [");
    for (int i = 0; i < 20; i++)
        buf_add_text(&pdf, "/ASCIIHexDecode ");
    buf_add_text(&pdf, "] >> stream\n3130303030 endstream");
    r = look(&arena, buf_str(&pdf), "x.pdf", budget_default());
    assert_int_equal(r.facts, FACT_DAMAGED);
    arena_free(&arena);
    buf_free(&pdf);
    buf_free(&zeros);
}

static void links_in_a_pdf(void **state)
{
    static const char pdf[] = "%PDF-1.4\n1 0 obj << /A << /S /URI /URI (https://a.example/x\\(1\\)\\057y) >> >> endobj "
                              "2 0 obj << /URI <68747470733A2F2F622E6578616D706C652F> >> 3 0 obj << /S /SubmitForm /F << /FS /URL /F (http://c.example/) >> >> "
                              "4 0 obj << /URI (\xFE\xFF\0h\0t\0t\0p\0:\0/\0/\0d) >> 5 0 obj << /URI (https://a.example/x\\(1\\)\\057y) >> "
                              "6 0 obj << /URI (\x91\x82\x01\x77) >>";
    static const char *const wanted[] = {"https://a.example/x(1)/y", "https://b.example/", "http://c.example/", "http://d"};
    struct arena arena = arena_make(ROOM);
    struct file_report r = look(&arena, str_n(pdf, sizeof pdf - 1), "x.pdf", budget_default());
    const struct file_url *u = r.urls;

    (void)state;
    assert_int_equal(r.url_count, 4);
    for (size_t i = 0; i < 4; i++, u = u->next) {
        assert_str(u->url, wanted[i]);
        assert_string_equal(u->from, "pdf");
    }
    arena_free(&arena);
    struct file_budget few = budget_default();
    few.urls = 1;
    r = look(&arena, str_n(pdf, sizeof pdf - 1), "x.pdf", few);
    assert_int_equal(r.url_count, 1);
    assert_true(r.urls_dropped >= 3);
    arena_free(&arena);
}

/* Whatever is repeated, the end is reached; a reader that is not linear in one of these would take minutes. */
static void repeated_words_are_read_once(void **state)
{
    static const struct { const char *name, *first, *again, *last; } rows[] = {
        {"brackets", "%PDF-1.4\n", "(", ""}, {"closed brackets", "%PDF-1.4\n", "(", ")"}, {"names", "%PDF-1.4\n", "/", ""},
        {"dictionaries", "%PDF-1.4\n", "<<", ""}, {"streams", "%PDF-1.4\n", "1 0 obj<<>>stream ", ""}, {"streams only", "%PDF-1.4\n", "stream\n", ""},
        {"object streams", "%PDF-1.4\n", "<</ObjStm>>stream\n", ""}, {"lengths", "%PDF-1.4\n", "<</Length 9999999>>stream ", "endstream"},
        {"streams in hexadecimal", "%PDF-1.4\n", "<</ObjStm/Filter/AHx>>stream\n1 0 obj ", "endstream"},
        {"files", "%PDF-1.4\n", "1 0 obj<</EF<</F 1 0 R>>>>stream endstream ", ""}, {"objects", "%PDF-1.4\n", "/ObjStm stream 1 0 obj ", "endstream"},
        {"groups", "{\\rtf1", "{", ""}, {"data", "{\\rtf1", "\\objdata 00", ""}, {"objects in RTF", "{\\rtf1", "{\\objdata 0102}", ""},
        {"fields", "{\\rtf1", "{\\fldinst DDE", ""}, {"binary", "{\\rtf1", "\\bin1 {", ""}, {"zip heads", "PK\3\4", "PK\3\4", ""},
        {"letters", "<html>", "QUJD", ""}, {"lines of letters", "<html>", "QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD\n", ""},
        {"programs in letters", "<html>", "'TVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQTVqQ'", ""},
        {"addresses", "[InternetShortcut]", "\nURL=x", ""},
        {"open zip ends", "PK\5\6", "PK\5\6", ""}, {"markup", "<html>", "<script", ""}, {"open comments", "<html>", "<!--", ""},
    };
    const size_t len = 6 << 20;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena = arena_make(ROOM);
        struct buf bytes = buf_make(ROOM);
        struct file_report r;
        buf_add_text(&bytes, rows[i].first);
        while (bytes.len < len)
            buf_add_text(&bytes, rows[i].again);
        buf_add_text(&bytes, rows[i].last);
        r = look(&arena, buf_str(&bytes), "x", budget_default());
        assert_true(r.entry_count <= 2000);
        arena_free(&arena);
        buf_free(&bytes);
    }
}

/* The same for a format with zeros in it. */
static void a_section_of_onenote_is_read_once(void **state)
{
    static const struct { struct str again; } rows[] = {
        {{"\xE7\x16\xE3\xBD\x65\x26\x11\x45\xA4\xC4\x8D\x4D\x0B\x7A\x9E\xAC\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 24}},
        {{"\xE7\x16\xE3\xBD\x65\x26\x11\x45\xA4\xC4\x8D\x4D\x0B\x7A\x9E\xAC\0\0\x10\0\0\0\0\0", 24}}, {{"a\0.\0", 4}}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena = arena_make(ROOM);
        struct buf bytes = buf_make(ROOM);
        buf_add(&bytes, "\xE4\x52\x5C\x7B\x8C\xD8\xA7\x4D\xAE\xB1\x53\x78\xD0\x29\x96\xD3", 16);
        while (bytes.len < 6 << 20)
            buf_add_str(&bytes, rows[i].again);
        struct file_report r = look(&arena, buf_str(&bytes), "x.one", budget_default());
        assert_int_equal(r.type, FILE_ONENOTE);
        arena_free(&arena);
        buf_free(&bytes);
    }
}

/* MS-OVBA 3.2: the examples of the specification. */
static void packed_vba_as_specified(void **state)
{
    const struct { struct str packed; const char *plain; } rows[] = {
        {STR("\x01\x19\xB0\x00" "abcdefgh" "\x00" "ijklmnop" "\x00" "qrstuv."), "abcdefghijklmnopqrstuv."},
        {STR("\x01\x03\xB0\x02" "a\x45\x00"), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
        {STR("\x01\x03\xB0\x02" "a\x45\xF0"), NULL}, /* reaches back before the beginning */
        {STR("\x02\x03\xB0\x02" "a\x45\x00"), NULL},
        {STR("\x01"), NULL},
    };
    struct buf out = buf_make(1 << 20);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool ok = vba_decompress(rows[i].packed, &out);
        if (rows[i].plain) {
            assert_true(ok);
            assert_str(buf_str(&out), rows[i].plain);
        }
    }
    assert_string_equal(vba_auto_name(STR("private sub AUTOOPEN()")), "autoopen");
    assert_string_equal(vba_auto_name(STR("Sub InkPicture1_Painted(x)")), "_painted");
    assert_null(vba_auto_name(STR("Sub MyAutoOpen2()")));
    buf_free(&out);
}

/* MS-OXRTFCP 4.1.1 and 4.2.1: the examples of the specification. */
static void packed_rtf_as_specified(void **state)
{
    static const char first[] = "\x2d\x00\x00\x00\x2b\x00\x00\x00\x4c\x5a\x46\x75\xf1\xc5\xc7\xa7\x03\x00\x0a\x00\x72\x63\x70\x67\x31\x32\x35\x42\x32"
                                "\x0a\xf3\x20\x68\x65\x6c\x09\x00\x20\x62\x77\x05\xb0\x6c\x64\x7d\x0a\x80\x0f\xa0";
    static const char second[] = "\x1a\x00\x00\x00\x1c\x00\x00\x00\x4c\x5a\x46\x75\xe2\xd4\x4b\x51\x41\x00\x04\x20\x57\x58\x59\x5a\x0d\x6e\x7d\x01\x0e\xb0";
    struct buf out = buf_make(4096), text = buf_make(4096);
    bool is_html;

    (void)state;
    assert_true(rtf_decompress(str_n(first, sizeof first - 1), &out));
    assert_str(buf_str(&out), "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
    rtf_text(buf_str(&out), &text, &is_html);
    assert_str(buf_str(&text), "hello world");
    assert_false(is_html);
    assert_true(rtf_decompress(str_n(second, sizeof second - 1), &out));
    assert_str(buf_str(&out), "{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}");
    assert_false(rtf_decompress(str_n(first, sizeof first - 3), &out));
    buf_free(&out);
    buf_free(&text);
}

static void types_by_content(void **state)
{
    const struct { struct str bytes; const char *type; } rows[] = {
        {STR(""), "empty"}, {STR("hello\n"), "text"}, {STR("\n  <!DOCTYPE html>"), "html"}, {STR("<?xml version='1.0'?><svg xmlns='x'>"), "svg"},
        {STR("<svg><script>"), "svg"}, {STR("MZ\x90"), "pe"}, {STR("x\n%PDF-1.4"), "pdf"}, {STR("%!PS\n%PDF-1.4"), "pdf"}, {STR("{\\rt"), "rtf"},
        {STR("\x1F\x8B\x08"), "gzip"}, {STR("7z\xBC\xAF\x27\x1C"), "7z"}, {STR("Rar!\x1A\x07\x01"), "rar"}, {STR("\x7F" "ELF\2\1\1"), "elf"},
        {STR("L\0\0\0\x01\x14\x02\0\0\0\0\0\xC0\0\0\0\0\0\0\x46"), "lnk"}, {STR("ITSF\x03\0\0\0"), "chm"}, {STR("MSCF\0\0\0\0"), "cab"},
        {STR("\xE4\x52\x5C\x7B\x8C\xD8\xA7\x4D\xAE\xB1\x53\x78\xD0\x29\x96\xD3"), "onenote"}, {STR("conectix\0\0\0\2"), "vhd"}, {STR("vhdxfile\0"), "vhd"},
        {STR("\x89PNG\r\n\x1A\n"), "png"}, {STR("From: a@b\r\nTo: c@d\r\n\r\nx"), "email"}, {STR("BEGIN:VCALENDAR\r\n"), "calendar"}, {STR("#!/bin/sh\n"), "script"},
        {STR("MZ is how programs begin\n"), "text"}, {STR("BZh is how bzip2 files begin\n"), "text"}, {STR("BZh91AY&SY"), "bzip2"},
        {STR("[InternetShortcut]\r\nURL=x"), "shortcut"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(file_type_name(file_type_by_magic(rows[i].bytes)), rows[i].type);
}

/* Behind the mark of a tar and nothing that is one: libarchive gives it back whole, as the only file in itself. */
static void a_broken_archive_is_not_in_itself(void **state)
{
    struct arena arena = arena_make(ROOM);
    char bytes[1024];

    (void)state;
    memset(bytes, 'a', sizeof bytes);
    memcpy(bytes + 257, "ustar", 5);
    struct file_report r = look(&arena, str_n(bytes, sizeof bytes), "x.tar", budget_default());
    assert_true(r.facts & FACT_DAMAGED);
    assert_false(r.facts & FACT_TOO_DEEP);
    assert_null(r.entries);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zip_of_zeros_is_a_bomb),
        cmocka_unit_test(zips_in_zips_share_one_budget),
        cmocka_unit_test(what_is_too_deep_is_said),
        cmocka_unit_test(more_entries_than_allowed_are_counted),
        cmocka_unit_test(a_pdf_does_not_inflate_without_end),
        cmocka_unit_test(links_in_a_pdf),
        cmocka_unit_test(repeated_words_are_read_once),
        cmocka_unit_test(a_section_of_onenote_is_read_once),
        cmocka_unit_test(packed_vba_as_specified),
        cmocka_unit_test(packed_rtf_as_specified),
        cmocka_unit_test(types_by_content),
        cmocka_unit_test(a_broken_archive_is_not_in_itself),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
