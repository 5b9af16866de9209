/* test_settings.c: values with their bounds, inheritance, the file with its line numbers, and the retry schedule. */
#include "catalog/schedule.h"
#include "store/settings_file.h"

#include "check.h"

static const struct {
    const char *name, *text, *error; /* error: part of the message, NULL: none is expected */
} rows[] = {
    {"nothing is fine", "", NULL},
    {"a domain", "domain \"acme.test\" { max_line = 2000 }", NULL},
    {"unknown setting", "\n\nfoo = 1", ":4: no such setting: foo"},
    {"a slip", "max_mesage_size = 1M", ":2: no such setting: max_mesage_size; is max_message_size meant?"},
    {"a domain's setting outside", "routes = {\"mx\"}", ":2: routes may only stand in a domain"},
    {"lines behind comments", "# one\n// two \"\nchunking = yes # three\n/* four\nfive */\nmax_line = abc", ":7: max_line"},
    {"lines behind words like comments", "why_url = https://mx.test/#a\nmax_line = abc", ":3: max_line"},
    {"a section without end", "# one\ndomain \"acme.test\" {\nmax_line = 900\n", ":3: what begins here is not closed"},
    {"a brace in a string", "why_url = \"{\"", NULL},
    {"a comment without end", "max_line = 900\n/* chunking = no", ":3: what begins here is not closed"},
    {"not a number", "\nmax_line = abc", ":3: max_line: \"abc\" is not a number"},
    {"out of bounds", "max_recipients = 99", "99 is not within 100"},
    {"a size", "max_message_size = 10M", NULL},
    {"a size without sense", "max_message_size = 10X", "is not a size"},
    {"a time", "idle_timeout = 2m", NULL},
    {"a time without sense", "idle_timeout = soon", "is not a time"},
    {"yes", "chunking = no", NULL},
    {"neither yes nor no", "chunking = maybe", "is not yes or no"},
    {"a choice", "check_greeting_literal = none", NULL},
    {"no choice", "check_greeting_literal = some", "is none of any|own|none"},
    {"networks", "xclient_networks = {\"127.0.0.0/8\", \"::1\"}", NULL},
    {"bits past the prefix", "xclient_networks = {\"127.0.0.1/8\"}", "is not a network"},
    {"a process setting in a domain", "domain \"acme.test\" { workers = 3 }", "workers holds for the whole gateway"},
    {"a domain twice", "domain \"acme.test\" { }\ndomain \"acme.test\" { }", "duplicate title"},
    {"no domain name", "domain \"acme test\" { }", "not a domain name"},
    {"a pattern that does not compile", "restricted_local_part = \"([\"", "restricted_local_part"},
    {"listener without port", "listen_mx = {\"127.0.0.1\"}", "is not an address with a port"},
    {"submissions without certificate", "listen_submissions = {\"127.0.0.1:465\"}", "needs tls_certificates"},
    {"a host name of one label", "host_name = mx", "not a full host name"},
    {"a host name that is an address", "host_name = 127.0.0.1", "not a full host name"},
    {"a host name with an empty label", "host_name = mx..test", "not a full host name"},
    {"a certificate without key", "tls_certificates = {\"cert.pem\"}", "is not certificate-file:key-file"},
    {"schedule", "retry_schedule = {\"1m*2\", \"1h\"}", NULL},
    {"schedule without end", "retry_schedule = {\"1m*2\"}", "retry_schedule"},
};

static struct settings *parse(const char *more, struct buf *error)
{
    char text[2000];

    snprintf(text, sizeof text, "host_name = mx.postern.test\n%s\n", more);
    return settings_file_parse(text, "test.conf", error, NULL);
}

static void the_file_is_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf error = buf_make(8192);
        struct settings *s = parse(rows[i].text, &error);
        bool named = rows[i].error && str_find_str(buf_str(&error), str_from(rows[i].error)) >= 0;
        if ((s != NULL) == (rows[i].error != NULL) || (rows[i].error && !named))
            fail_msg("%s: %s, \"" STR_FMT "\"", rows[i].name, s ? "accepted" : "refused", STR_ARG(buf_str(&error)));
        settings_unref(s);
        buf_free(&error);
    }
}

static void every_wrong_value_is_named(void **state)
{
    struct buf error = buf_make(8192);

    (void)state;
    assert_null(parse("max_line = abc\nxclient_networks = {\"10.0.0.0/8\", \"nonsense\", \"10.1.0.0/16\"}\nidle_timeout = soon", &error));
    struct str all = buf_str(&error);
    assert_true(str_find_str(all, STR("test.conf:2: max_line")) >= 0);
    assert_true(str_find_str(all, STR("test.conf:3: xclient_networks: \"nonsense\"")) >= 0);
    assert_true(str_find_str(all, STR("test.conf:4: idle_timeout")) >= 0);
    size_t lines = 1;
    for (size_t i = 0; i < all.len; i++)
        lines += all.at[i] == '\n';
    assert_int_equal(lines, 3); /* an entry of a list is named once, also with others behind it */
    buf_free(&error);
}

/* Not the longest list there is: libconfuse moves all entries for each new one, which takes a minute under ASan at 100,000. */
static void a_list_may_be_as_long_as_its_row_says(void **state)
{
    long most = (long)setting_row(SETTING_allowed_sender_domains)->max;

    (void)state;
    for (long n = most; n <= most + 1; n++) {
        struct buf text = buf_make(16 * 1024 * 1024), error = buf_make(8192);
        buf_add_text(&text, "host_name = mx.postern.test\nallowed_sender_domains = {");
        for (long i = 0; i < n; i++)
            buf_addf(&text, "%s\"d%ld.test\"", i ? ", " : "", i);
        buf_add_text(&text, "}\n");
        struct settings *s = settings_file_parse(buf_text(&text), "test.conf", &error, NULL);
        assert_int_equal(s != NULL, n == most);
        assert_int_equal(str_find_str(buf_str(&error), STR("more than")) >= 0, n > most);
        settings_unref(s);
        buf_free(&text);
        buf_free(&error);
    }
}

static void only_what_nobody_reads_is_warned_of(void **state)
{
    struct buf error = buf_make(8192), warnings = buf_make(8192);
    struct settings *s = settings_file_parse("host_name = mx.postern.test\nrestricted_local_part = \"^x\"\nvirus = off\n", "test.conf", &error, &warnings);

    (void)state;
    assert_non_null(s);
    assert_true(str_is(buf_str(&warnings), "test.conf: virus has no effect in this build yet"));
    settings_unref(s);
    buf_free(&error);
    buf_free(&warnings);
}

static void domains_inherit_what_they_do_not_set(void **state)
{
    struct buf error = buf_make(8192);
    struct settings *s = parse("max_line = 2000\ncheck_subject = off\ndomain \"a.test\" { max_line = 2000 }\ndomain \"B.test\" { check_subject = tag }",
                               &error);
    const struct domain *a = settings_domain(s, STR("A.TEST")), *b = settings_domain(s, STR("b.test"));

    (void)state;
    assert_non_null(a);
    assert_non_null(b);
    assert_null(settings_domain(s, STR("c.test")));
    assert_int_equal(setting_number(&b->policy, SETTING_max_line), 2000);
    assert_true(setting_is_set(&a->policy, SETTING_max_line));
    assert_false(setting_is_set(&b->policy, SETTING_max_line));
    assert_int_equal(setting_action(&a->policy, SETTING_check_subject), ACTION_OFF);
    assert_int_equal(setting_action(&b->policy, SETTING_check_subject), ACTION_TAG);
    assert_true(a->policy.data_fingerprint != b->policy.data_fingerprint);
    settings_unref(s);
    buf_free(&error);
}

static bool put(struct policy *p, enum setting id, const char *text)
{
    struct setting_value v;
    struct buf error = buf_make(200);
    bool ok = setting_parse(id, &text, 1, &v, &error) && policy_set(p, id, &v);

    buf_free(&error);
    return ok;
}

static void each_level_holds_for_those_below_it(void **state)
{
    struct buf error = buf_make(8192);
    struct settings *s = settings_new();
    struct tenant *reseller = settings_add_tenant(s, 7, NULL), *customer = settings_add_tenant(s, 9, reseller);
    struct domain *d = settings_add_domain_of(s, STR("a.test"), customer), *other = settings_add_domain(s, STR("b.test"));
    struct policy *ann = settings_add_mailbox(s, d, STR("Ann"));

    (void)state;
    assert_ptr_equal(settings_tenant(s, 9), customer);
    assert_null(settings_tenant(s, 8));
    assert_null(settings_add_mailbox(s, d, STR("ann")));
    assert_true(put(settings_system_policy(s), SETTING_host_name, "mx.postern.test"));
    assert_true(put(&reseller->policy, SETTING_max_line, "2000"));
    assert_true(put(&reseller->policy, SETTING_max_line, "2001"));
    assert_true(put(&reseller->policy, SETTING_check_subject, "off"));
    assert_true(put(&customer->policy, SETTING_check_subject, "tag"));
    assert_true(put(&d->policy, SETTING_max_parts, "5"));
    assert_true(put(ann, SETTING_greylist, "no"));
    assert_false(put(ann, SETTING_max_parts, "6")); /* no setting of a mailbox */
    assert_false(put(&customer->policy, SETTING_max_sessions, "6"));
    assert_true(settings_finish(s, &error));
    const struct policy *p = settings_mailbox(s, d, STR("ANN+news"));
    assert_ptr_equal(p, ann);
    assert_ptr_equal(settings_mailbox(s, d, STR("bob")), &d->policy);
    assert_ptr_equal(settings_mailbox(s, other, STR("ann")), &other->policy);
    assert_false(setting_flag(p, SETTING_greylist));
    assert_true(setting_flag(&d->policy, SETTING_greylist));
    assert_int_equal(setting_number(p, SETTING_max_parts), 5);
    assert_int_equal(setting_number(p, SETTING_max_line), 2001);
    assert_int_equal(setting_action(p, SETTING_check_subject), ACTION_TAG);
    assert_int_equal(setting_number(p, SETTING_max_sessions), 20000);
    assert_string_equal(setting_text(p, SETTING_host_name), "mx.postern.test");
    assert_true(setting_is_set(&d->policy, SETTING_max_parts) && !setting_is_set(p, SETTING_max_parts));
    assert_int_equal(setting_number(&other->policy, SETTING_max_line), 998);
    assert_true(p->data_fingerprint == d->policy.data_fingerprint && p->data_fingerprint != other->policy.data_fingerprint);
    assert_non_null(setting_pattern(p, SETTING_restricted_local_part));
    settings_unref(s);
    buf_free(&error);
}

static void retries_follow_the_specification(void **state)
{
    struct buf error = buf_make(200);
    struct settings *s = parse("", &error);
    struct retry_schedule schedule;
    int64_t age_ms = 0, minute = 60000, hour = 60 * minute;

    (void)state;
    assert_true(schedule_parse(setting_list(settings_system(s), SETTING_retry_schedule), &schedule, &error));
    for (uint32_t n = 1; n <= 8; n++) {
        assert_int_equal(schedule_next_ms(&schedule, n, age_ms), 15 * minute);
        age_ms += 15 * minute;
    }
    assert_int_equal(age_ms, 2 * hour);
    assert_int_equal(schedule_next_ms(&schedule, 9, age_ms), 15 * minute * 3 / 2);
    assert_int_equal(schedule_next_ms(&schedule, 20, 17 * hour), 6 * hour);
    assert_int_equal(schedule_next_ms(&schedule, 100000, 90 * hour), 6 * hour);
    settings_unref(s);
    buf_free(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_file_is_checked), cmocka_unit_test(every_wrong_value_is_named),
                                       cmocka_unit_test(a_list_may_be_as_long_as_its_row_says), cmocka_unit_test(only_what_nobody_reads_is_warned_of),
                                       cmocka_unit_test(domains_inherit_what_they_do_not_set), cmocka_unit_test(each_level_holds_for_those_below_it), cmocka_unit_test(retries_follow_the_specification)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
