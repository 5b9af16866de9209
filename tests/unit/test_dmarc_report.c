/* test_dmarc_report.c: what is counted for DMARC reports outlives processes and torn files, stays within its bounds, and becomes a report for whoever may have it. */
#include "auth/dmarc_destination.h"
#include "store/dmarc_tally.h"
#include "store/dmarc_xml.h"

#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const int64_t T0 = (int64_t)20782 * DMARC_DAY_MS + 5000; /* 2026-11-25 */

#define POLICY "reject\tnone\t\tr\ts\t0\tn\tmailto:a@author.test"

static const char row_a[] = "192.0.2.1\tpass\tpass\tfail\t\tauthor.test\tsender.test\tacme.test\tsender.test\tpass\tauthor.test:s1:pass other.test:s2:fail";
static const char row_b[] = "2001:db8::7\tnone\tfail\tfail\tlocal_policy\tauthor.test\t\t\thelo.test\tnone\t";

static void folder_make(char *to)
{
    strcpy(to, "/tmp/pt-dmarc-XXXXXX");
    assert_non_null(mkdtemp(to));
}

static void folder_remove(const char *folder)
{
    char path[200];

    for (int64_t day = 20782; day < 20784; day++) {
        dmarc_day_path(folder, day, path, sizeof path);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void add(struct dmarc_tally *t, int64_t at_ms, const char *domain, const char *row)
{
    dmarc_tally_add(t, at_ms, str_from(domain), STR(POLICY), str_from(row));
}

static struct dmarc_day read_day(const char *folder, int64_t day)
{
    struct dmarc_day d;
    char path[200];

    dmarc_day_init(&d, 1000);
    dmarc_day_path(folder, day, path, sizeof path);
    assert_true(dmarc_day_read(&d, path, NULL, NULL));
    return d;
}

/* Nothing is closed in between: as a kill leaves it. */
static void it_outlives_a_kill_and_a_torn_line(void **state)
{
    char folder[32], path[200];

    (void)state;
    folder_make(folder);
    struct dmarc_tally *killed = dmarc_tally_new(folder, 1000);
    add(killed, T0, "author.test", row_a);
    add(killed, T0 + 1, "author.test", row_a);
    dmarc_day_path(folder, 20782, path, sizeof path);
    int fd = open(path, O_WRONLY | O_APPEND);
    static const char torn[] = "R\tauthor.test\t1\t192.0.2.1\tpass";
    assert_int_equal(write(fd, torn, sizeof torn - 1), sizeof torn - 1);
    close(fd);
    struct dmarc_tally *t = dmarc_tally_new(folder, 1000);
    add(t, T0 + 2, "author.test", row_a);
    add(t, T0 + 3, "author.test", row_b);
    add(t, T0 + DMARC_DAY_MS, "author.test", row_b); /* the next day has its own file */
    dmarc_tally_free(&t);
    dmarc_tally_free(&killed);
    struct dmarc_day d = read_day(folder, 20782);
    const struct dmarc_domain *one = dmarc_day_find(&d, STR("author.test"));
    assert_non_null(one);
    assert_string_equal(one->published, POLICY);
    assert_int_equal(d.row_count, 2);
    assert_int_equal(one->first->count, 3);
    assert_int_equal(one->first->next->count, 1);
    dmarc_day_clear(&d);
    d = read_day(folder, 20783);
    assert_int_equal(d.first->first->count, 1);
    dmarc_day_clear(&d);
    folder_remove(folder);
}

static void a_flood_for_one_domain_leaves_room(void **state)
{
    struct dmarc_day d;
    char row[300];

    (void)state;
    dmarc_day_init(&d, 100);
    for (int i = 0; i < 1000; i++) {
        snprintf(row, sizeof row, "192.0.2.1\tnone\tfail\tfail\t\tflood.test\tx%d.test\t\t\t\t", i);
        dmarc_day_count(&d, STR("flood.test"), str_from(row), 1);
    }
    assert_int_equal(d.row_count, 26);
    assert_int_equal(d.left_out, 974);
    assert_true(dmarc_day_count(&d, STR("author.test"), str_from(row_a), 1));
    for (int i = 0; i < 1000; i++) {
        snprintf(row, sizeof row, "d%d.test", i);
        dmarc_day_count(&d, str_from(row), str_from(row_b), 1);
    }
    assert_int_equal(d.row_count, 100);
    assert_true(d.table.count <= 100);
    dmarc_day_clear(&d);
}

/* A file that is written anew holds each row once, and goes on. */
static void the_file_stays_small(void **state)
{
    char folder[32], path[200];
    struct stat st;

    (void)state;
    folder_make(folder);
    struct dmarc_tally *t = dmarc_tally_new(folder, 1000);
    for (int i = 0; i < 45000; i++)
        add(t, T0, "author.test", i % 2 ? row_a : row_b);
    dmarc_tally_free(&t);
    dmarc_day_path(folder, 20782, path, sizeof path);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 45000 * (off_t)sizeof row_b / 2);
    struct dmarc_day d = read_day(folder, 20782);
    assert_int_equal(d.row_count, 2);
    assert_int_equal(d.first->first->count + d.first->first->next->count, 45000);
    dmarc_day_clear(&d);
    folder_remove(folder);
}

static void lines_of_others_are_refused(void **state)
{
    static const char *const lines[] = {"", "R", "R\tauthor.test", "R\tauthor.test\t1", "R\tauthor.test\tx\ta\tb\tc\td\te\tf\tg\th\ti\tj\tk",
                                        "R\tauthor.test\t1\ta\tb\tc\td\te\tf\tg\th\ti\tj", "R\tauthor.test\t1\ta\tb\tc\td\te\tf\tg\th\ti\tj\tk\tl",
                                        "P\tauthor.test\treject", "S\tauthor.test\t", "Q\tauthor.test\tx", "R\t\t1\ta\tb\tc\td\te\tf\tg\th\ti\tj\tk"};
    struct dmarc_day d;

    (void)state;
    dmarc_day_init(&d, 100);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (dmarc_day_take_line(&d, str_from(lines[i])))
            fail_msg("taken: %s", lines[i]);
    assert_int_equal(d.row_count, 0);
    dmarc_day_clear(&d);
}

static void expect(const struct buf *xml, const char *text)
{
    if (str_find_str(buf_str(xml), str_from(text)) < 0)
        fail_msg("not there: %s\nin " STR_FMT, text, STR_ARG(buf_str(xml)));
}

static void a_report_says_all(void **state)
{
    const struct dmarc_report about = {.organization = "A & B <Ltd>", .email = "dmarc@mx.test", .contact = "", .receiver = "mx.test", .day = 20782};
    struct buf xml = buf_make(64 * 1024);
    struct dmarc_day d;
    bool is_new;

    (void)state;
    dmarc_day_init(&d, 100);
    assert_true(dmarc_day_publish(&d, STR("author.test"), STR(POLICY), &is_new));
    dmarc_xml(&about, d.first, &xml);
    assert_int_equal(xml.len, 0); /* a report has a record at least (§3.1.1.2) */
    assert_true(dmarc_day_count(&d, STR("author.test"), str_from(row_a), 41));
    assert_true(dmarc_day_count(&d, STR("author.test"), str_from(row_a), 1));
    assert_true(dmarc_day_count(&d, STR("author.test"), str_from(row_b), 7));
    dmarc_xml(&about, d.first, &xml);
    assert_false(xml.failed);
    expect(&xml, "<org_name>A &amp; B &lt;Ltd&gt;</org_name>");
    expect(&xml, "<report_id>2026-11-25_author.test@mx.test</report_id>");
    expect(&xml, "<begin>1795564800</begin>\n      <end>1795651199</end>");
    expect(&xml, "<p>reject</p>\n    <sp>none</sp>\n    <fo>0</fo>\n    <adkim>r</adkim>\n    <aspf>s</aspf>\n    <testing>n</testing>");
    expect(&xml, "<source_ip>192.0.2.1</source_ip>\n      <count>42</count>");
    expect(&xml, "<disposition>pass</disposition>\n        <dkim>pass</dkim>\n        <spf>fail</spf>\n      </policy_evaluated>");
    expect(&xml, "<selector>s2</selector>\n        <result>fail</result>");
    expect(&xml, "<source_ip>2001:db8::7</source_ip>\n      <count>7</count>");
    expect(&xml, "<reason>\n          <type>local_policy</type>");
    expect(&xml, "<envelope_from></envelope_from>");
    buf_free(&xml);
    dmarc_day_clear(&d);
}

static const char zone[] = "_dmarc.author.test. TXT \"v=DMARC1; p=reject\"\n"
                           "author.test._report._dmarc.takes.test. TXT \"v=DMARC1;\"\n"
                           "author.test._report._dmarc.moves.test. TXT \"v=DMARC1; rua=mailto:new@moves.test,mailto:victim@elsewhere.test\"\n"
                           "author.test._report._dmarc.words.test. TXT \"yes please\"\n"
                           "author.test._report._dmarc.down.test. TIMEOUT\n";

static void only_who_wants_it_gets_it(void **state)
{
    static const struct { const char *rua, *to; bool failed; } cases[] = {
        {"mailto:a@author.test", "a@author.test ", false},
        {"mailto:a@reports.author.test!10m", "a@reports.author.test ", false}, /* the organisation's own; the size is obsolete */
        {"MAILTO:a%2Bb@author.test?subject=x , https://author.test/", "a+b@author.test ", false},
        {"mailto:a@takes.test,mailto:a@takes.test", "a@takes.test ", false},
        {"mailto:a@moves.test", "new@moves.test ", false},
        {"mailto:a@words.test", "", false},
        {"mailto:victim@silent.test", "", false},
        {"mailto:a@down.test,mailto:a@author.test", "a@author.test ", true},
        {"mailto:,mailto:a,mailto:%zz@author.test,mailto:a@[192.0.2.1],:,", "", false},
    };
    char path[] = "/tmp/pt-dmarc-zone-XXXXXX";
    struct buf error = buf_make(500), got = buf_make(2000);
    struct address to[DMARC_DESTINATIONS_MAX];
    bool failed;

    (void)state;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, zone, sizeof zone - 1), sizeof zone - 1);
    close(fd);
    struct dns *dns = dns_new_zone_file(path, &error);
    if (!dns)
        fail_msg(STR_FMT, STR_ARG(buf_str(&error)));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_clear(&got);
        size_t count = dmarc_destinations(dns, STR("author.test"), str_from(cases[i].rua), to, &failed);
        for (size_t k = 0; k < count; k++)
            buf_addf(&got, STR_FMT " ", STR_ARG(address_text(&to[k])));
        if (!str_is(buf_str(&got), cases[i].to) || failed != cases[i].failed)
            fail_msg("%s: " STR_FMT ", failed: %d", cases[i].rua, STR_ARG(buf_str(&got)), failed);
    }
    dns_free(&dns);
    unlink(path);
    buf_free(&error);
    buf_free(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_outlives_a_kill_and_a_torn_line), cmocka_unit_test(a_flood_for_one_domain_leaves_room),
        cmocka_unit_test(the_file_stays_small),               cmocka_unit_test(lines_of_others_are_refused),
        cmocka_unit_test(a_report_says_all),                  cmocka_unit_test(only_who_wants_it_gets_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
