/* test_sender_checks.c: what is judged from DNS answers, as tables: the answers, the settings, what is found. */
#include "policy/large_senders.h"
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

static const struct client_facts *a_client(void)
{
    static struct client_facts client = {.service = SERVICE_MX, .helo = {"mail.sender.test", 16}};

    assert_true(ip_parse(STR("192.0.2.7"), &client.peer.ip));
    return &client;
}

static struct envelope_facts from(const char *sender, struct address *a)
{
    const char *why = NULL;

    memset(a, 0, sizeof *a);
    if (*sender)
        assert_int_equal(address_parse(str_from(sender), false, a, &why), ADDRESS_OK);
    return (struct envelope_facts){.sender = a};
}

enum { NOT_ASKED = 99 };

static void spf(void **state)
{
    static const struct { const char *name, *setting; int spf, helo; enum reason reason; enum action action; const char *evidence; } rows[] = {
        {"pass", "", SPF_PASS, SPF_PASS, REASON_NONE, ACTION_OFF, NULL},
        {"nothing asked", "", NOT_ASKED, NOT_ASKED, REASON_NONE, ACTION_OFF, NULL},
        {"no record", "", SPF_NONE, SPF_NONE, REASON_NONE, ACTION_OFF, NULL},
        {"neutral", "", SPF_NEUTRAL, SPF_NEUTRAL, REASON_NONE, ACTION_OFF, NULL},
        {"an error in the record", "", SPF_PERMERROR, SPF_PERMERROR, REASON_NONE, ACTION_OFF, NULL},
        {"fail", "", SPF_FAIL, SPF_NONE, REASON_SPF_FAILURE, ACTION_REFUSE, "192.0.2.7 may not send for sender.test (-all)"},
        {"fail, only scored", "spf = score", SPF_FAIL, SPF_NONE, REASON_SPF_FAILURE, ACTION_SCORE, "sender.test"},
        {"fail, off", "spf = off", SPF_FAIL, SPF_FAIL, REASON_NONE, ACTION_OFF, NULL},
        {"softfail", "", SPF_SOFTFAIL, SPF_NONE, REASON_SPF_FAILURE, ACTION_SCORE, "sender.test"},
        {"softfail, refused", "spf_softfail = refuse", SPF_SOFTFAIL, SPF_NONE, REASON_SPF_FAILURE, ACTION_REFUSE, "sender.test"},
        {"softfail never does more than fail", "spf = tag\nspf_softfail = refuse", SPF_SOFTFAIL, SPF_NONE, REASON_SPF_FAILURE, ACTION_TAG, "sender.test"},
        {"softfail, off", "spf_softfail = off", SPF_SOFTFAIL, SPF_NONE, REASON_NONE, ACTION_OFF, NULL},
        {"the DNS fails", "", SPF_TEMPERROR, SPF_NONE, REASON_SPF_UNAVAILABLE, ACTION_DEFER, "sender.test: no answer"},
        {"the DNS fails, only scored", "spf = score", SPF_TEMPERROR, SPF_NONE, REASON_SPF_UNAVAILABLE, ACTION_SCORE, NULL},
        {"a stolen greeting", "", SPF_PASS, SPF_FAIL, REASON_SPF_FAILURE, ACTION_REFUSE, "192.0.2.7 may not greet as mail.sender.test"},
        {"a greeting that cannot be asked for", "", SPF_PASS, SPF_TEMPERROR, REASON_NONE, ACTION_OFF, NULL},
        {"a greeting that softly fails", "spf_softfail = refuse", SPF_PASS, SPF_SOFTFAIL, REASON_NONE, ACTION_OFF, NULL},
        {"null sender, fail", "", NOT_ASKED, SPF_FAIL, REASON_SPF_FAILURE, ACTION_REFUSE, "may not send for mail.sender.test"},
        {"null sender, the DNS fails", "", NOT_ASKED, SPF_TEMPERROR, REASON_SPF_UNAVAILABLE, ACTION_DEFER, "mail.sender.test"},
        {"exempt domain", "spf_exempt_domains = {\"SENDER.test\"}", SPF_FAIL, SPF_NONE, REASON_NONE, ACTION_OFF, NULL},
        {"below an exempt domain", "spf_exempt_domains = {\"*.test\"}", SPF_FAIL, SPF_FAIL, REASON_NONE, ACTION_OFF, NULL},
        {"not below itself", "spf_exempt_domains = {\"*.sender.test\"}", SPF_FAIL, SPF_NONE, REASON_SPF_FAILURE, ACTION_REFUSE, NULL},
        {"exempt network", "spf_exempt_networks = {\"192.0.2.0/24\"}", SPF_FAIL, SPF_FAIL, REASON_NONE, ACTION_OFF, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct settings *s = load(rows[i].setting);
        struct spf_verdict sender = {.result = (enum spf_result)rows[i].spf, .mechanism = "-all", .problem = "no answer"}, helo = sender;
        helo.result = (enum spf_result)rows[i].helo;
        struct sender_facts facts = {.spf = rows[i].spf == NOT_ASKED ? NULL : &sender, .helo_spf = rows[i].helo == NOT_ASKED ? NULL : &helo};
        struct address a;
        struct envelope_facts e = from(facts.spf ? "carol@sender.test" : "", &a);
        struct finding f = check_spf(a_client(), &e, &facts, settings_system(s));
        struct findings list = {0};
        findings_add(&list, &f);
        enum action action = verdict_decide(&list, settings_system(s), false, false).action;
        if (f.reason != rows[i].reason || action != rows[i].action || (rows[i].evidence && !strstr(f.evidence, rows[i].evidence)))
            fail_msg("%s: reason %d, action %s, \"%s\"", rows[i].name, (int)f.reason, action_name(action), f.evidence);
        settings_unref(s);
    }
}

static void sender_domains(void **state)
{
    static const struct { enum sender_dns dns; enum reason reason; const char *evidence; } rows[] = {
        {SENDER_DNS_NOT_ASKED, REASON_NONE, ""}, {SENDER_DNS_FOUND, REASON_NONE, ""}, {SENDER_DNS_NULL_MX, REASON_SENDER_NULL_MX, "sender.test"},
        {SENDER_DNS_NO_RECORD, REASON_SENDER_DNS_MISSING, "sender.test has neither MX nor address"},
        {SENDER_DNS_NO_NAME, REASON_SENDER_DNS_MISSING, "sender.test does not exist"},
        {SENDER_DNS_FAILED, REASON_SENDER_DNS_FAILURE, "sender.test"}};
    struct settings *on = load(""), *off = load("check_sender_dns = off");
    struct address a;
    struct envelope_facts e = from("carol@sender.test", &a);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sender_facts facts = {.dns = rows[i].dns};
        struct finding f = check_sender_dns(&e, &facts, settings_system(on));
        if (f.reason != rows[i].reason || !strstr(f.evidence, rows[i].evidence))
            fail_msg("%d: reason %d, \"%s\"", (int)rows[i].dns, (int)f.reason, f.evidence);
        f = check_sender_dns(&e, &facts, settings_system(off));
        assert_int_equal(f.reason, REASON_NONE);
    }
    settings_unref(on);
    settings_unref(off);
}

static void client_names(void **state)
{
    static const struct { enum iprev result; const char *setting; enum reason reason; enum action action; } rows[] = {
        {IPREV_PASS, "", REASON_NONE, ACTION_OFF}, {IPREV_NO_PTR, "", REASON_PTR_MISSING, ACTION_SCORE},
        {IPREV_NO_PTR, "check_ptr = refuse", REASON_PTR_MISSING, ACTION_REFUSE}, {IPREV_MISMATCH, "check_ptr = refuse", REASON_PTR_MISSING, ACTION_REFUSE},
        {IPREV_MISMATCH, "check_ptr = off", REASON_NONE, ACTION_OFF}, {IPREV_FAILED, "", REASON_SENDER_DNS_FAILURE, ACTION_SCORE},
        {IPREV_FAILED, "check_ptr = refuse", REASON_SENDER_DNS_FAILURE, ACTION_DEFER}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct settings *s = load(rows[i].setting);
        struct iprev_verdict v = {.result = rows[i].result, .name = "mail.bank.test"};
        struct sender_facts facts = {.iprev = &v};
        struct finding f = check_ptr(a_client(), &facts, settings_system(s));
        struct findings list = {0};
        findings_add(&list, &f);
        assert_int_equal(f.reason, rows[i].reason);
        assert_int_equal(verdict_decide(&list, settings_system(s), false, false).action, rows[i].action);
        settings_unref(s);
    }
}

static void block_lists(void **state)
{
    static const struct { int weight; const char *setting; enum reason reason; enum action action; } rows[] = {
        {0, "dnsbl = refuse", REASON_NONE, ACTION_OFF}, {-5, "dnsbl = refuse", REASON_NONE, ACTION_OFF},
        {10, "", REASON_DNSBL_LISTED, ACTION_SCORE}, {10, "dnsbl = refuse", REASON_DNSBL_LISTED, ACTION_REFUSE},
        {9, "dnsbl = refuse", REASON_DNSBL_LISTED, ACTION_SCORE}, {9, "dnsbl = refuse\ndnsbl_threshold = 9", REASON_DNSBL_LISTED, ACTION_REFUSE},
        {10, "dnsbl = off", REASON_NONE, ACTION_OFF}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct settings *s = load(rows[i].setting);
        struct dnsbl_verdict v = {.weight = rows[i].weight, .listed = "bl.example (127.0.0.2)"};
        struct sender_facts facts = {.dnsbl = &v};
        struct finding f = check_dnsbl(a_client(), &facts, settings_system(s));
        struct findings list = {0};
        findings_add(&list, &f);
        assert_int_equal(f.reason, rows[i].reason);
        assert_int_equal(verdict_decide(&list, settings_system(s), false, false).action, rows[i].action);
        if (f.reason != REASON_NONE)
            assert_string_equal(f.evidence, "192.0.2.7 in bl.example (127.0.0.2)");
        settings_unref(s);
    }
}

static void first_contacts(void **state)
{
    struct settings *on = load(""), *off = load("greylist = no");
    struct greylist_facts g = {.now_ms = (13 * 60 + 58) * 60000LL, .wait_ms = 599001, .is_first = true};
    struct finding f = check_greylist(&g, settings_system(on));

    (void)state;
    assert_int_equal(f.reason, REASON_GREYLISTED);
    assert_int_equal(f.seconds, 600); /* never less than there is to wait */
    assert_string_equal(f.evidence, "delayed until 14:07 UTC, first contact");
    assert_int_equal(f.until_ms, g.now_ms + g.wait_ms);
    f = check_greylist(&g, settings_system(off));
    assert_int_equal(f.reason, REASON_NONE);
    g.wait_ms = 0;
    f = check_greylist(&g, settings_system(on));
    assert_int_equal(f.reason, REASON_NONE);
    settings_unref(on);
    settings_unref(off);
}

static void large_senders(void **state)
{
    static const struct { const char *name, *entry; } rows[] = {
        {"mail-x41.google.com", "google.com"}, {"GOOGLE.com", "google.com"}, {"notgoogle.com", NULL}, {"google.com.evil.test", NULL},
        {"a.b.protection.outlook.com", "protection.outlook.com"}, {"com", NULL}, {"", NULL}, {"c-1-2.hsd1.comcast.net", NULL}};
    struct buf error = buf_make(1000);
    struct large_senders *l = large_senders_load("", &error);

    (void)state;
    if (!l)
        fail_msg(STR_FMT, STR_ARG(buf_str(&error)));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *entry = large_senders_name(l, str_from(rows[i].name));
        if (entry != rows[i].entry && (!entry || !rows[i].entry || strcmp(entry, rows[i].entry) != 0))
            fail_msg("%s: %s", rows[i].name, entry ? entry : "none");
    }
    large_senders_free(&l);
    assert_null(large_senders_load("/nowhere/at/all", &error));
    assert_true(str_find_str(buf_str(&error), STR("/nowhere/at/all")) >= 0);
    buf_free(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(spf), cmocka_unit_test(sender_domains), cmocka_unit_test(client_names),
                                       cmocka_unit_test(block_lists),
                                       cmocka_unit_test(first_contacts), cmocka_unit_test(large_senders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
