/* test_dns_cache.c: what the cache keeps, joins, forgets and counts, with a source that answers when it is told to; and records as people read them. */
#include "base/clock.h"
#include "net/dns_parts.h"

#include "check.h"

#include <string.h>

enum { LONG_OCTETS = 200 * 1024 };

/* Answers at once, but for names that begin with "slow": those wait in HELD. */
struct source {
    struct dns_entry *held;
    unsigned asked;
};

static void answer(struct dns_entry *e)
{
    e->timed_out = e->name[0] == 't';
    if (e->name[0] != 't' && e->name[0] != 'f') {
        struct dns_record *r = dns_entry_add(e);
        assert_non_null(r);
        *r = (struct dns_record){.ttl = 60};
        e->answer.status = DNS_OK;
        if (str_starts(str_from(e->name), STR("alias")))
            e->answer.canonical = arena_str(&e->arena, STR("end.test"));
        if (str_starts(str_from(e->name), STR("long")))
            assert_non_null(arena_alloc(&e->arena, LONG_OCTETS));
    }
    dns_entry_answer(e, 60);
}

static void ask(void *self, struct dns_entry *e)
{
    struct source *s = self;

    s->asked++;
    if (str_starts(str_from(e->name), STR("slow")))
        s->held = e;
    else
        answer(e);
}

static void no_free(void *self)
{
    (void)self;
}

static struct dns *cache(struct source *s)
{
    static const struct dns_source source = {.ask = ask, .free = no_free};
    struct buf error = buf_make(100);
    struct dns *d = dns_new(&source, s, 10000, &error);

    assert_non_null(d);
    buf_free(&error);
    return d;
}

static enum dns_origin look_up(struct dns *d, const char *name, int64_t *kept_ms)
{
    struct dns_question *q = dns_start(d, str_from(name), DNS_A);

    assert_non_null(q);
    dns_wait(q);
    enum dns_origin origin = dns_origin(q, kept_ms);
    dns_done(&q);
    return origin;
}

static void each_question_is_counted_once(void **state)
{
    struct source s = {0};
    struct dns *d = cache(&s);
    struct dns_stats stats;
    int64_t kept_ms;

    (void)state;
    assert_int_equal(look_up(d, "acme.test", &kept_ms), DNS_ASKED);
    assert_true(kept_ms > 0 && kept_ms <= 60000);
    assert_int_equal(look_up(d, "ACME.test.", NULL), DNS_CACHED);
    assert_int_equal(look_up(d, "fails.test", NULL), DNS_ASKED);
    assert_int_equal(look_up(d, "fails.test", NULL), DNS_CACHED); /* for a moment, so that a dead server is not flooded */
    assert_int_equal(look_up(d, "timeout.test", NULL), DNS_ASKED);
    struct dns_question *first = dns_start(d, STR("slow.test"), DNS_A), *second = dns_start(d, STR("slow.test"), DNS_A);
    assert_false(dns_is_answered(second));
    assert_int_equal(dns_origin(second, &kept_ms), DNS_JOINED);
    assert_int_equal(kept_ms, 0);
    answer(s.held);
    assert_int_equal(dns_wait(first)->status, DNS_OK);
    assert_int_equal(dns_origin(first, NULL), DNS_ASKED);
    dns_done(&first);
    dns_done(&second);
    dns_stats(d, &stats);
    assert_int_equal(stats.hits, 2);
    assert_int_equal(stats.joined, 1);
    assert_int_equal(stats.misses, 4);
    assert_int_equal(stats.misses, s.asked);
    assert_int_equal(stats.failures, 2);
    assert_int_equal(stats.timeouts, 1);
    assert_int_equal(stats.kept, 4);
    assert_int_equal(stats.evicted, 0);
    assert_true(stats.p50_us > 0 && stats.p50_us <= stats.p99_us);
    clock_turn(61 * 1000);
    assert_int_equal(look_up(d, "acme.test", NULL), DNS_ASKED);
    clock_turn(-61 * 1000);
    dns_free(&d);
}

static void what_is_forgotten_is_asked_anew(void **state)
{
    struct source s = {0};
    struct dns *d = cache(&s);
    struct dns_stats stats;

    (void)state;
    look_up(d, "end.test", NULL);
    look_up(d, "alias.test", NULL);
    look_up(d, "other.test", NULL);
    assert_int_equal(dns_flush(d, STR("nowhere.test")), 0);
    assert_int_equal(dns_flush(d, STR("End.test.")), 2); /* with what an alias made of it */
    assert_int_equal(look_up(d, "other.test", NULL), DNS_CACHED);
    assert_int_equal(look_up(d, "end.test", NULL), DNS_ASKED);
    struct dns_question *first = dns_start(d, STR("slow.test"), DNS_A);
    struct dns_entry *held = s.held;
    assert_int_equal(dns_flush(d, STR("")), 3);
    struct dns_question *second = dns_start(d, STR("slow.test"), DNS_A);
    assert_int_equal(dns_origin(second, NULL), DNS_ASKED);
    answer(held); /* late, for the one who waits for it; the cache has another question now */
    assert_int_equal(dns_wait(first)->status, DNS_OK);
    assert_false(dns_is_answered(second));
    answer(s.held);
    assert_int_equal(dns_wait(second)->status, DNS_OK);
    dns_done(&first);
    dns_done(&second);
    dns_stats(d, &stats);
    assert_int_equal(stats.kept, 1);
    dns_free(&d);
}

static void a_flood_of_names_keeps_its_bounds(void **state)
{
    struct source s = {0};
    struct dns *d = cache(&s);
    struct dns_stats stats;
    char name[40];

    (void)state;
    dns_stats(d, &stats);
    for (uint64_t i = 0; i < stats.most_kept + 10; i++) {
        snprintf(name, sizeof name, "n%llu.test", (unsigned long long)i);
        look_up(d, name, NULL);
    }
    dns_stats(d, &stats);
    assert_int_equal(stats.kept, stats.most_kept);
    assert_int_equal(stats.evicted, 10);
    assert_int_equal(look_up(d, "n0.test", NULL), DNS_ASKED);
    dns_free(&d);
}

static void long_answers_keep_to_its_octets(void **state)
{
    struct source s = {0};
    struct dns *d = cache(&s);
    struct dns_stats stats;
    char name[40];

    (void)state;
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "long%d.test", i);
        look_up(d, name, NULL);
    }
    dns_stats(d, &stats);
    assert_in_range(stats.kept, 1000, (256 << 20) / LONG_OCTETS);
    assert_int_equal(stats.kept + stats.evicted, 2000);
    assert_int_equal(look_up(d, "long1999.test", NULL), DNS_CACHED);
    assert_int_equal(look_up(d, "long0.test", NULL), DNS_ASKED);
    dns_flush(d, STR("")); /* and what is gone is not counted any longer */
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "long%d.test", i);
        look_up(d, name, NULL);
    }
    assert_int_equal(look_up(d, "long0.test", NULL), DNS_CACHED);
    dns_free(&d);
}

static unsigned followed, detail_seen;

static void follow(struct dns *d, struct str name, const struct dns_answer *a, unsigned detail)
{
    followed++;
    detail_seen = detail;
    assert_true(str_eq(name, STR("slow.test")));
    assert_int_equal(a->status, DNS_OK);
    dns_ask_ahead(d, STR("next.test"), DNS_A);
}

static void what_follows_is_asked_by_who_has_the_answer(void **state)
{
    struct source s = {0};
    struct dns *d = cache(&s);

    (void)state;
    followed = 0;
    struct dns_question *plain = dns_start(d, STR("slow.test"), DNS_A), *first = dns_start_and_follow(d, STR("slow.test"), DNS_A, follow, 4);
    struct dns_question *second = dns_start_and_follow(d, STR("slow.test"), DNS_A, follow, 6);
    assert_int_equal(followed, 0);
    dns_done(&plain);
    dns_done(&first);
    dns_done(&second); /* nobody waits any longer: it goes on all the same */
    answer(s.held);
    assert_int_equal(followed, 1);
    assert_int_equal(detail_seen, 4);
    assert_int_equal(look_up(d, "next.test", NULL), DNS_CACHED);
    dns_flush(d, STR("next.test"));
    struct dns_question *late = dns_start_and_follow(d, STR("slow.test"), DNS_A, follow, 6);
    assert_int_equal(followed, 2); /* known already: at once */
    assert_int_equal(detail_seen, 6);
    assert_int_equal(look_up(d, "next.test", NULL), DNS_CACHED);
    dns_done(&late);
    dns_free(&d);
}

static void percentiles_are_never_too_small(void **state)
{
    static const int64_t rows[] = {-5, 0, 10, 11, 999, 1000, 20000, 1234567, 120000000, INT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_latency l = {0};
        assert_int_equal(dns_latency_percentile(&l, 99), 0);
        dns_latency_note(&l, rows[i]);
        uint64_t told = dns_latency_percentile(&l, 50);
        assert_int_equal(dns_latency_percentile(&l, 99), told);
        if (rows[i] < INT64_MAX && ((int64_t)told < rows[i] || (rows[i] > 10 && (int64_t)told > rows[i] + rows[i] / 2)))
            fail_msg("%lld: %llu", (long long)rows[i], (unsigned long long)told);
    }
    struct dns_latency l = {0};
    for (int i = 1; i <= 200; i++)
        dns_latency_note(&l, i <= 100 ? 1000 : i <= 198 ? 20000 : 5000000);
    assert_in_range(dns_latency_percentile(&l, 50), 1000, 1500);
    assert_in_range(dns_latency_percentile(&l, 51), 20000, 30000);
    assert_in_range(dns_latency_percentile(&l, 99), 20000, 30000);
    assert_in_range(dns_latency_percentile(&l, 100), 5000000, 7500000);
}

static void records_are_written_as_in_a_zone_file(void **state)
{
    static const struct { enum dns_type type; struct dns_record r; const char *text; } rows[] = {
        {DNS_A, {.ip = {.family = 4, .bytes = {192, 0, 2, 1}}}, "192.0.2.1"},
        {DNS_AAAA, {.ip = {.family = 6, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 1}}}, "2001:db8::1"},
        {DNS_MX, {.preference = 10, .data = {"mx.test", 7}}, "10 mx.test."},
        {DNS_MX, {.preference = 0, .data = {"", 0}}, "0 ."},
        {DNS_PTR, {.data = {"a\xff\n.test", 8}}, "a\\255\\010.test."},
        {DNS_TXT, {.data = {"v=spf1 \"\\\xc3\xa4\0", 12}}, "\"v=spf1 \\\"\\\\\\195\\164\\000\""},
        {DNS_TLSA, {.data = {"\3\1\1\0\xff", 5}}, "3 1 1 00ff"}};
    enum dns_type type;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = buf_make(200);
        dns_record_format(rows[i].type, &rows[i].r, &out);
        assert_string_equal(buf_text(&out), rows[i].text);
        buf_free(&out);
        assert_true(dns_type_parse(str_from(dns_type_name(rows[i].type)), &type) && type == rows[i].type);
    }
    assert_true(dns_type_parse(STR("tlsa"), &type) && type == DNS_TLSA);
    assert_false(dns_type_parse(STR("TIMEOUT"), &type));
    assert_false(dns_type_parse(STR(""), &type));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_question_is_counted_once), cmocka_unit_test(what_is_forgotten_is_asked_anew),
                                       cmocka_unit_test(a_flood_of_names_keeps_its_bounds), cmocka_unit_test(long_answers_keep_to_its_octets),
                                       cmocka_unit_test(what_follows_is_asked_by_who_has_the_answer), cmocka_unit_test(percentiles_are_never_too_small),
                                       cmocka_unit_test(records_are_written_as_in_a_zone_file)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
