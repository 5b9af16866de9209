/* test_filter.c: the filter grammar: what is said of what cannot be read, which rows each term finds, whose rows are seen, pages, and that indices are used. */
#include "store/event_log.h"
#include "store/filter.h"
#include "store/message_rows.h"
#include "store/message_search.h"
#include "store/schema.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int64_t now_ms = 1795521600000; /* 2026-11-24T12:00:00Z */
static const struct message_scope everything = {MESSAGES_OF_ALL, 0};
static char directory[64], path[100];
static struct db *db;

struct sample {
    const char *reference, *sender, *recipient, *subject, *from, *attachments, *ip;
    enum event_kind kind;
    enum reason reason;
    int64_t days_ago;
    int64_t tenant, domain;
    uint64_t size;
    double score;
};

static const struct sample samples[] = {
    {"AAA", "bob@x.test", "ann@acme.test", "Your invoice 2026", "Bob Baker <bob@x.test>", "invoice.pdf", "192.0.2.7", EVENT_ACCEPTED, REASON_NONE, 1, 10, 100, 5000, 0.1},
    {"BBB", "eve@mail.y.test", "ann@acme.test", "Gr\xc3\x96SSE matters", "Eve <eve@y.test>", "", "192.0.2.99", EVENT_REFUSED, REASON_SPF_FAILURE, 3, 10, 100, 2000000, 0.7},
    {"CCC", "", "carl@acme.test", "Undelivered 100% sure", "", "a_b.zip", "2001:db8::1", EVENT_QUARANTINED, REASON_SPAM, 9, 10, 100, 900, 0.95},
    {"DDD", "bob@x.test", "dora@other.test", "\xe8\xab\x8b\xe6\xb1\x82\xe6\x9b\xb8", "Bob", "", "198.51.100.1", EVENT_ACCEPTED, REASON_NONE, 20, 11, 101, 100, 0},
    {"EEE", "bob@x.test", "Ann@file.test", "invoices and more", "Bob", "", "192.0.2.7", EVENT_ACCEPTED, REASON_NONE, 0, 0, 0, 100, 0},
};

static void add(struct message_rows *rows, const struct sample *s)
{
    struct arena arena = arena_make(MESSAGE_ROW_MEMORY);
    struct message_row row;
    struct event e = {.kind = s->kind, .wall_ms = now_ms, .reference = str_from(s->reference), .service = STR("mx"), .sender = str_from(s->sender),
                      .recipient = str_from(s->recipient), .subject = str_from(s->subject), .from = str_from(s->from), .attachments = str_from(s->attachments),
                      .reason = s->reason, .reply = s->kind == EVENT_REFUSED ? STR("550 no") : STR(""), .tenant_id = s->tenant, .domain_id = s->domain,
                      .size = s->size, .score = s->score, .action = "deliver", .message_id = STR("<1@x.test>")};

    assert_true(ip_parse(str_from(s->ip), &e.client_ip));
    assert_true(message_row_of(&e, STR("mx"), &arena, &row));
    row.at[MESSAGE_id] = DB_N(db_id_at(now_ms - s->days_ago * 86400000 - 1000));
    assert_int_equal(message_rows_put(rows, &row), DB_OK);
    arena_free(&arena);
}

static int set_up(void **state)
{
    struct buf error = buf_make(500);

    (void)state;
    snprintf(directory, sizeof directory, "/tmp/postern-filter-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/store.db", directory);
    db = db_open(path, &error);
    assert_true(db && schema_migrate(db, &error));
    buf_free(&error);
    assert_int_equal(db_script(db, "INSERT INTO tenant(id, parent, name, created_ms) VALUES(9, NULL, 'top', 1), (10, 9, 'one', 1), (11, NULL, 'two', 1);"
                                   "INSERT INTO domain(id, tenant, name, created_ms) VALUES(100, 10, 'acme.test', 1), (101, 11, 'other.test', 1);"
                                   "INSERT INTO mailbox(id, domain, local_part, created_ms) VALUES(1000, 100, 'ann', 1);"
                                   "INSERT INTO mailbox_alias(domain, local_part, mailbox) VALUES(100, 'carl', 1000)"), DB_OK);
    struct message_rows *rows = message_rows_new(db);
    assert_int_equal(db_begin(db), DB_OK);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        add(rows, &samples[i]);
    assert_int_equal(db_commit(db), DB_OK);
    message_rows_free(&rows);
    return 0;
}

static int tear_down(void **state)
{
    char command[200];

    (void)state;
    db_close(&db);
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command);
}

static struct filter *parse(const char *text)
{
    struct buf error = buf_make(500);
    struct filter *f = filter_parse(str_from(text), now_ms, &error);

    if (!f)
        fail_msg("%s: " STR_FMT, text, STR_ARG(buf_str(&error)));
    buf_free(&error);
    return f;
}

/* The references that are found, newest first, "AAA BBB". */
static void find(const struct message_scope *scope, const char *text, char *to, size_t size)
{
    struct filter *f = parse(text);
    struct message_page page;
    struct message_count count;
    struct buf out = buf_make(size);

    assert_int_equal(message_search(db, scope, f, 0, 100, 60000, &page), DB_OK);
    for (size_t i = 0; i < page.count; i++)
        buf_addf(&out, "%s" STR_FMT, i ? " " : "", STR_ARG(page.rows[i].at[MESSAGE_reference].bytes));
    assert_int_equal(page.next, 0);
    assert_int_equal(message_count(db, scope, f, 1000, 60000, &count), DB_OK);
    assert_int_equal(count.count, page.count);
    assert_false(count.is_more);
    str_copy(to, size, buf_str(&out));
    buf_free(&out);
    message_page_clear(&page);
    filter_free(&f);
}

static void each_term_finds_its_rows(void **state)
{
    static const struct {
        const char *filter, *found;
    } rows[] = {
        {"", "EEE AAA BBB CCC DDD"},
        {"from:bob@x.test", "EEE AAA DDD"},
        {"from:BOB@X.test to:*@acme.test", "AAA"},
        {"to:@acme.test", "AAA BBB CCC"},
        {"from:*@*.y.test", "BBB"},
        {"from:b*", "EEE AAA DDD"},
        {"from:\"\"", "CCC"},
        {"from:<>", "CCC"},
        {"to:ann@file.test", "EEE"},
        {"status:quarantined", "CCC"},
        {"status:quarantined,rejected", "BBB CCC"},
        {"status:Rejected", "BBB"},
        {"-status:accepted", "BBB CCC"},
        {"NOT status:accepted NOT reason:spam", "BBB"},
        {"reason:spf-failure", "BBB"},
        {"reason:SPF_FAILURE,spam", "BBB CCC"},
        {"since:7d", "EEE AAA BBB"},
        {"since:2026-11-23T00:00", "EEE AAA"},
        {"until:7d", "CCC DDD"},
        {"since:10d until:2026-11-21T13:00Z", "BBB CCC"},
        {"score:>0.5", "BBB CCC"},
        {"score:0.05..0.8", "AAA BBB"},
        {"score:<=0.1", "EEE AAA DDD"},
        {"size:>1M", "BBB"},
        {"size:1K..1m", "AAA"},
        {"subject:invoice", "AAA"},
        {"subject:inv*", "EEE AAA"},
        {"subject:*voice*", "EEE AAA"},
        {"subject:\"your invoice\"", "AAA"},
        {"subject:\"invoice your\"", ""},
        {"subject:\"gr\xc3\xb6sse\"", "BBB"},
        {"subject:\"MATTERS\"", "BBB"},
        {"subject:\"100%\"", "CCC"},
        {"subject:\"100_\"", "CCC"}, /* the word 100 */
        {"subject:\xe6\xb1\x82", "DDD"},
        {"subject:\xe8\xab\x8b\xe6\xb1\x82", "DDD"},
        {"subject:\xe6\xb1\x82\xe8\xab\x8b", ""},
        {"attachment:pdf", "AAA"},
        {"attachment:\"a_b\"", "CCC"},
        {"header-from:baker", "AAA"},
        {"ip:192.0.2.7", "EEE AAA"},
        {"ip:192.0.2.0/24", "EEE AAA BBB"},
        {"ip:2001:db8::/32", "CCC"},
        {"ip:192.0.2.7,198.51.100.1", "EEE AAA DDD"},
        {"domain:acme.test", "AAA BBB CCC"},
        {"domain:file.test", "EEE"},
        {"tenant:top", "AAA BBB CCC"},
        {"tenant:two", "DDD"},
        {"tenant:nobody", ""},
        {"reference:aaa", "AAA"},
        {"message-id:1@x.test", "EEE AAA BBB CCC DDD"},
        {"message-id:<1@x.test> class:spam", "CCC"},
        {"class:spam,unknown direction:in", "EEE AAA BBB CCC DDD"},
        {"from:bob@x.test OR reason:spam", "EEE AAA CCC DDD"},
        {"(from:bob@x.test OR reason:spam) since:10d", "EEE AAA CCC"},
        {"from:bob@x.test since:10d OR reason:spam", "EEE AAA CCC"},
        {"-(from:bob@x.test OR reason:spam)", "BBB"},
        {"-subject:invoice from:bob@x.test", "EEE DDD"},
        {"invoice", "AAA"},
        {"bob@x.test", "EEE AAA DDD"},
        {"dora@other.test", "DDD"},
        {"-invoice -matters", "EEE CCC DDD"},
        {"reply:550", "BBB"},
        {"from:\"bob@x.test\" AND to:ann*", "EEE AAA"},
    };
    char found[200];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        find(&everything, rows[i].filter, found, sizeof found);
        if (strcmp(found, rows[i].found) != 0)
            fail_msg("%s: found \"%s\", expected \"%s\"", rows[i].filter, found, rows[i].found);
    }
}

static void errors_name_the_place_and_what_is_meant(void **state)
{
    static const struct {
        const char *filter, *error;
    } rows[] = {
        {"form:bob@x.test", "at character 1: there is no field \"form\""},
        {"from:a@x.test sub:x", "at character 15: there is no field \"sub\"; did you mean subject:?"},
        {"status:queue", "at character 8: status: \"queue\" is not one of accepted|"},
        {"reason:nonsense", "at character 8: reason: \"nonsense\" is not a reason such as"},
        {"since:soon", "at character 7: since: \"soon\" is not a time"},
        {"since:7d,8d", "one time only"},
        {"score:high", "is not a number"},
        {"score:>", "is not a number"},
        {"score:1e9", "is not a number"},
        {"size:10X", "is not a number of octets"},
        {"ip:192.0.2.1/24", "is not an address or a network"},
        {"subject:\"open", "at character 9: the closing \" is missing"},
        {"(a OR b", "at character 1: the closing ) is missing"},
        {"a )", "at character 3: a ) without its ("},
        {"a OR", "at character 5: a term is missing"},
        {"-", "at character 2: a term is missing"},
        {"from:", "at character 6: a value is missing"},
        {"\xc3\xb6\xc3\xb6 from:", "at character 9: a value is missing"},
        {"subject:\"a\"b", "a blank belongs between terms"},
        {"\xff", "no UTF-8"},
        {"((((((((((((((((((a))))))))))))))))))", "more than 16 levels"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf error = buf_make(1000);
        struct filter *f = filter_parse(str_from(rows[i].filter), now_ms, &error);
        if (f)
            fail_msg("%s was taken", rows[i].filter);
        if (str_find_str(buf_str(&error), str_from(rows[i].error)) < 0)
            fail_msg("%s: \"" STR_FMT "\", expected \"%s\"", rows[i].filter, STR_ARG(buf_str(&error)), rows[i].error);
        buf_free(&error);
    }
}

static void a_scope_shows_its_own_rows_alone(void **state)
{
    static const struct {
        struct message_scope scope;
        const char *filter, *found;
    } rows[] = {
        {{MESSAGES_OF_TENANT, 9}, "", "AAA BBB CCC"},
        {{MESSAGES_OF_TENANT, 11}, "", "DDD"},
        {{MESSAGES_OF_DOMAIN, 100}, "", "AAA BBB CCC"},
        {{MESSAGES_OF_DOMAIN, 101}, "domain:acme.test", ""},
        {{MESSAGES_OF_DOMAIN, 101}, "from:bob@x.test OR to:ann@acme.test", "DDD"},
        {{MESSAGES_OF_DOMAIN, 101}, "-subject:nothing", "DDD"},
        {{MESSAGES_OF_MAILBOX, 1000}, "", "AAA BBB CCC"},
        {{MESSAGES_OF_MAILBOX, 1000}, "to:ann@acme.test", "AAA BBB"},
        {{MESSAGES_OF_MAILBOX, 1}, "", ""},
        {{MESSAGES_OF_DOMAIN, 0}, "", ""},
    };
    char found[200];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        find(&rows[i].scope, rows[i].filter, found, sizeof found);
        if (strcmp(found, rows[i].found) != 0)
            fail_msg("row %zu: found \"%s\", expected \"%s\"", i, found, rows[i].found);
    }
}

static void pages_follow_each_other(void **state)
{
    struct filter *f = parse("from:bob@x.test");
    struct message_page page;
    int64_t before = 0;
    size_t pages = 0, found = 0;

    (void)state;
    do {
        assert_int_equal(message_search(db, &everything, f, before, 2, 60000, &page), DB_OK);
        found += page.count;
        before = page.next;
        pages++;
        message_page_clear(&page);
    } while (before);
    assert_int_equal(found, 3);
    assert_int_equal(pages, 2);
    do { /* no time at all: one piece a page, and all is found in the end */
        assert_int_equal(message_search(db, &everything, f, before, 2, 0, &page), DB_OK);
        found += page.count;
        before = page.next;
        message_page_clear(&page);
    } while (before);
    assert_int_equal(found, 6);
    struct message_count count;
    assert_int_equal(message_count(db, &everything, f, 2, 60000, &count), DB_OK);
    assert_true(count.count == 2 && count.is_more);
    filter_free(&f);
}

/* Each condition that claims an index has one that covers it. */
static void conditions_that_drive_have_an_index(void **state)
{
    static const char *const filters[] = {"from:a@b.test", "from:@b.test", "to:a@b.test", "to:*@b.test", "subject:invoice", "attachment:inv*", "header-from:bob",
                                          "message-id:1@x", "reference:AAA", "status:quarantined", "reason:spam,phish", "ip:192.0.2.7", "ip:192.0.2.0/24",
                                          "tenant:top", "domain:acme.test", "domain:file.test"};

    (void)state;
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        struct filter_query *q = malloc(sizeof *q);
        struct filter *f = parse(filters[i]);
        struct buf sql = buf_make(10000);
        filter_query_init(q);
        assert_true(filter_compile(f, db, q));
        assert_true(q->count == 1 && q->at[0].drive != FILTER_LOOKS);
        bool is_word = q->at[0].word_sql.len > 0, is_set = q->at[0].drive == FILTER_SET;
        const char *id = is_word ? (is_set ? "+w.message" : "w.message") : is_set ? "+m.id" : "m.id"; /* as a search does it */
        buf_addf(&sql, "EXPLAIN QUERY PLAN SELECT %s FROM %s WHERE " STR_FMT " AND %s >= 5 AND %s < 7 ORDER BY %s DESC LIMIT 10", id,
                 is_word ? "message_word w" : "message m", STR_ARG(is_word ? q->at[0].word_sql : q->at[0].sql), id, id, id);
        struct db_rows *r = db_query_once(db, buf_text(&sql), q->values, q->value_count);
        bool searches = false, sorts = false;
        while (db_next(r)) {
            struct str step = db_text(r, 3);
            searches = searches || str_starts(step, STR("SEARCH m USING COVERING INDEX")) || str_find_str(step, STR("message_by_reference")) >= 0 || str_starts(step, STR("SEARCH w USING PRIMARY KEY"));
            sorts = sorts || str_find_str(step, STR("TEMP B-TREE FOR ORDER BY")) >= 0;
        }
        assert_int_equal(db_done(&r), DB_OK);
        if (!searches || sorts != (q->at[0].drive == FILTER_SET))
            fail_msg("%s: %s", filters[i], searches ? "order is not as claimed" : "no index");
        buf_free(&sql);
        filter_query_clear(q);
        filter_free(&f);
        free(q);
    }
}

static void what_a_filter_holds_is_never_sql(void **state)
{
    char found[200];

    (void)state;
    find(&everything, "from:\"'; DROP TABLE message; --\"", found, sizeof found);
    assert_string_equal(found, "");
    find(&everything, "subject:\"\\\\' OR 1=1 --\"", found, sizeof found);
    assert_string_equal(found, "");
    find(&everything, "", found, sizeof found);
    assert_string_equal(found, "EEE AAA BBB CCC DDD");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_term_finds_its_rows), cmocka_unit_test(errors_name_the_place_and_what_is_meant), cmocka_unit_test(a_scope_shows_its_own_rows_alone),
        cmocka_unit_test(pages_follow_each_other),  cmocka_unit_test(conditions_that_drive_have_an_index),     cmocka_unit_test(what_a_filter_holds_is_never_sql),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
