/* test_policy_checks.c: each check of the policy as a table of facts, what it finds, and the words of its evidence. */
#include "policy/policy.h"
#include "store/settings_file.h"

#include "check.h"

static struct settings *load(const char *more)
{
    char text[1000];
    struct buf error = buf_make(4096);

    snprintf(text, sizeof text, "host_name = mx.postern.test\n%s\n", more);
    struct settings *s = settings_file_parse(text, "test", &error, NULL);
    if (!s)
        fail_msg(STR_FMT, STR_ARG(buf_str(&error)));
    buf_free(&error);
    return s;
}

static void expect(const char *name, const struct finding *f, enum reason reason, const char *evidence)
{
    if (f->reason != reason || (evidence && !strstr(f->evidence, evidence)))
        fail_msg("%s: reason %d, \"%s\"", name, (int)f->reason, f->evidence);
}

static void greetings(void **state)
{
    static const struct { const char *name, *helo, *setting, *evidence; } rows[] = {
        {"a full name", "mail.sender.test", "", NULL},
        {"a final dot", "mail.sender.test.", "", NULL},
        {"a bare address", "192.0.2.7", "", "is a bare IP address"},
        {"a bare IPv6 address", "2001:db8::7", "", "is a bare IP address"},
        {"an underscore", "my_host.test", "", "holds the character _"},
        {"not full", "localhost", "", "is not a full host name"},
        {"our own name", "MX.postern.test", "", "is our own name"},
        {"own literal", "[192.0.2.7]", "", NULL},
        {"a foreign literal", "[192.0.2.8]", "", "not the client's own"},
        {"a foreign literal, any accepted", "[192.0.2.8]", "check_greeting_literal = any", NULL},
        {"own literal, none accepted", "[192.0.2.7]", "check_greeting_literal = none", "is not accepted"},
        {"switched off", "localhost", "check_greeting = off", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct settings *s = load(rows[i].setting);
        struct client_facts client = {.service = SERVICE_MX, .helo = str_from(rows[i].helo)};
        assert_true(ip_parse(STR("192.0.2.7"), &client.peer.ip));
        struct finding f = check_greeting(&client, STR("mx.postern.test"), settings_system(s));
        expect(rows[i].name, &f, rows[i].evidence ? REASON_INVALID_GREETING : REASON_NONE, rows[i].evidence);
        client.service = SERVICE_SUBMISSION; /* mail programs of people say anything */
        f = check_greeting(&client, STR("mx.postern.test"), settings_system(s));
        expect(rows[i].name, &f, REASON_NONE, NULL);
        settings_unref(s);
    }
}

static void recipients(void **state)
{
    static const struct { const char *name, *sender, *recipient; bool trusted; size_t before; enum reason reason; } rows[] = {
        {"ours", "a@sender.test", "ann@acme.test", false, 0, REASON_NONE},
        {"not ours", "a@sender.test", "ann@other.test", false, 0, REASON_RELAY_DENIED},
        {"not ours, from a user of ours", "a@acme.test", "ann@other.test", true, 0, REASON_NONE},
        {"a percent sign", "a@sender.test", "ann%x@acme.test", false, 0, REASON_RESTRICTED_CHARACTERS},
        {"a pipe", "a@sender.test", "\"|x\"@acme.test", false, 0, REASON_RESTRICTED_CHARACTERS},
        {"unknown here", "a@sender.test", "nobody@acme.test", false, 0, REASON_DESTINATION_UNKNOWN},
        {"known in another case", "a@sender.test", "ANN@acme.test", false, 0, REASON_NONE},
        {"a bounce to one", "", "ann@acme.test", false, 0, REASON_NONE},
        {"a bounce to a second", "", "ann@acme.test", false, 1, REASON_BOUNCE_TO_MANY},
        {"mail to a second", "a@sender.test", "ann@acme.test", false, 1, REASON_NONE},
    };
    struct settings *s = load("domain \"acme.test\" { local_recipients = {\"ann\"} }");
    struct buf error = buf_make(200);
    struct lists *lists = lists_load("", &error);

    (void)state;
    assert_non_null(lists);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct address sender = {0}, recipient;
        const char *why = NULL;
        struct findings found = {0};
        if (*rows[i].sender)
            assert_int_equal(address_parse(str_from(rows[i].sender), false, &sender, &why), ADDRESS_OK);
        assert_int_equal(address_parse(str_from(rows[i].recipient), false, &recipient, &why), ADDRESS_OK);
        struct client_facts client = {.service = rows[i].trusted ? SERVICE_SUBMISSION : SERVICE_MX, .helo = STR("mail.sender.test"),
                                      .is_trusted_sender = rows[i].trusted};
        assert_true(ip_parse(STR("192.0.2.7"), &client.peer.ip));
        const struct domain *domain = settings_domain(s, address_domain(&recipient));
        struct envelope_facts e = {.sender = &sender, .recipient = &recipient, .domain = domain, .scope = &(struct list_scope){.domain = address_domain(&recipient)},
                                   .recipients_before = rows[i].before};
        stage_recipient(&client, &e, STR("mx.postern.test"), domain ? &domain->policy : settings_system(s), lists, &found);
        expect(rows[i].name, found.count ? &found.at[0] : &(struct finding){.reason = REASON_NONE}, rows[i].reason, NULL);
    }
    lists_free(&lists);
    settings_unref(s);
    buf_free(&error);
}

static const int64_t NOW_MS = 1700000000000, DAY_MS = 86400000;

static struct scan_report fine(void)
{
    struct scan_report r = {.longest_line = 998, .longest_line_number = 3, .longest_field = 100, .longest_field_line = 2, .header_bytes = 500,
                            .received_count = 3, .has_date = true, .date_is_valid = true, .date_line = 4, .date_ms = NOW_MS};

    snprintf(r.longest_field_name, sizeof r.longest_field_name, "X-Long");
    r.count[ONCE_FROM] = 1;
    return r;
}

static struct findings judge(const struct scan_report *r, const char *setting, bool smtputf8)
{
    struct settings *s = load(setting);
    struct message_facts m = {.size = 1000, .smtputf8 = smtputf8, .now_ms = NOW_MS, .report = r};
    struct findings found = {0};

    stage_message(&m, settings_system(s), &found);
    settings_unref(s);
    return found;
}

/* The report is fine but for one thing; the settings beside it switch that very check off. */
static void expect_one(const char *name, const struct scan_report *r, enum reason reason, const char *evidence, const char *off)
{
    struct findings found = judge(r, "", false);

    assert_int_equal(found.count, 1);
    expect(name, &found.at[0], reason, evidence);
    found = judge(r, off, false);
    if (found.count)
        fail_msg("%s: found although \"%s\"", name, off);
}

static void messages(void **state)
{
    struct scan_report r = fine();

    (void)state;
    assert_int_equal(judge(&r, "", false).count, 0);
    r.longest_line = 999;
    expect_one("a long line", &r, REASON_LINE_TOO_LONG_IN_MESSAGE, "line 3 has 999 bytes", "max_line = 0");
    r = fine();
    r.longest_field = 16385;
    expect_one("a long field", &r, REASON_HEADER_TOO_LONG, "field X-Long in line 2", "max_header_field = 0");
    r = fine();
    r.header_bytes = 256 * 1024 + 1;
    expect_one("a large header", &r, REASON_HEADER_TOO_LONG, "the header has 262145 bytes", "max_header = 0");
    r = fine();
    r.count[ONCE_SUBJECT] = 2;
    r.second_line[ONCE_SUBJECT] = 9;
    expect_one("two subjects", &r, REASON_BAD_HEADER_COUNT, "2 Subject fields, the second in line 9", "check_header_count = off");
    r = fine();
    r.count[ONCE_FROM] = 0;
    expect_one("no From", &r, REASON_BAD_HEADER_COUNT, "no From", "check_header_count = off");
    r = fine();
    r.date_ms = NOW_MS + 8 * DAY_MS;
    expect_one("a late date", &r, REASON_DATE_OUT_OF_RANGE, "8 days in the future", "max_date_skew_days = 0");
    r.date_ms = NOW_MS - 8 * DAY_MS;
    expect_one("an old date", &r, REASON_DATE_OUT_OF_RANGE, "8 days in the past", "max_date_skew_days = 0");
    r.date_ms = NOW_MS + 7 * DAY_MS;
    assert_int_equal(judge(&r, "", false).count, 0);
    r = fine();
    r.received_count = 51;
    expect_one("a loop", &r, REASON_MAIL_LOOP, "51 Received fields", "max_hops = 100");
}

static void subjects(void **state)
{
    struct scan_report r = fine();

    (void)state;
    r.subject_8bit_line = 5;
    expect_one("raw octets", &r, REASON_SUBJECT_INVALID, "Badly formed Subject header", "check_subject = off");
    assert_int_equal(judge(&r, "", true).count, 1); /* SMTPUTF8, but not UTF-8 */
    r.subject_is_utf8 = true;
    assert_int_equal(judge(&r, "", true).count, 0);
    assert_int_equal(judge(&r, "", false).count, 1);
}

static void sizes_and_missing_dates(void **state)
{
    struct settings *s = load("max_message_size = 64K");
    struct finding f = check_message_size(65537, settings_system(s));
    struct scan_report r = fine();

    (void)state;
    expect("too large", &f, REASON_MESSAGE_TOO_LARGE, NULL);
    assert_int_equal(f.size, 65536);
    f = check_message_size(65536, settings_system(s));
    expect("just as large", &f, REASON_NONE, NULL);
    r.has_date = false;
    assert_int_equal(judge(&r, "", false).count, 0);
    assert_int_equal(judge(&r, "date_required = yes", false).count, 1);
    settings_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(greetings), cmocka_unit_test(recipients), cmocka_unit_test(messages),
                                       cmocka_unit_test(subjects), cmocka_unit_test(sizes_and_missing_dates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
