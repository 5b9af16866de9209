/* test_outcome.c: what a remote reply means: the rows of the courier (responses.md), by enhanced code first, then by code. */
#include "courier/parts.h"

#include "check.h"

static const struct {
    const char *name;
    int code;
    const char *enhanced;
    enum outcome_kind kind;
    enum reason reason;
    const char *status;
} rows[] = {
    {"taken", 250, "2.0.0", OUTCOME_DELIVERED, REASON_DELIVERED, "2.0.0"},
    {"unknown address", 550, "5.1.1", OUTCOME_FAILED, REASON_DELIVERY_ADDRESS, "5.1.1"},
    {"unknown domain there", 550, "5.1.2", OUTCOME_FAILED, REASON_DELIVERY_NO_DOMAIN, "5.1.2"},
    {"bad syntax", 553, "5.1.3", OUTCOME_FAILED, REASON_DELIVERY_ADDRESS_INVALID, "5.1.3"},
    {"553 alone", 553, "", OUTCOME_FAILED, REASON_DELIVERY_ADDRESS_INVALID, "5.1.3"},
    {"accepts no mail", 521, "", OUTCOME_FAILED, REASON_DELIVERY_NULL_MX, "5.1.10"},
    {"556 says it too (RFC 7504)", 556, "5.1.10", OUTCOME_FAILED, REASON_DELIVERY_NULL_MX, "5.1.10"},
    {"too large", 552, "5.3.4", OUTCOME_FAILED, REASON_DELIVERY_TOO_LARGE, "5.3.4"},
    {"too large for the mailbox", 552, "5.2.3", OUTCOME_FAILED, REASON_DELIVERY_TOO_LARGE, "5.2.3"},
    {"full", 552, "5.2.2", OUTCOME_FAILED, REASON_DELIVERY_MAILBOX_FULL, "5.2.2"},
    {"552 alone", 552, "", OUTCOME_FAILED, REASON_DELIVERY_MAILBOX_FULL, "5.2.2"},
    {"not local", 551, "", OUTCOME_FAILED, REASON_DELIVERY_NOT_LOCAL, "5.1.6"},
    {"550 alone", 550, "", OUTCOME_FAILED, REASON_DELIVERY_UNAVAILABLE, "5.2.0"},
    {"spam, they say", 550, "5.7.1", OUTCOME_FAILED, REASON_DELIVERY_UNAVAILABLE, "5.7.1"},
    {"554", 554, "", OUTCOME_FAILED, REASON_DELIVERY_FAILED, "5.0.0"},
    {"a loop", 554, "5.4.6", OUTCOME_FAILED, REASON_DELIVERY_LOOP, "5.4.6"},
    {"REQUIRETLS cannot be kept", 550, "5.7.30", OUTCOME_FAILED, REASON_DELIVERY_NEEDS_TLS, "5.7.30"},
    {"lacks an extension", 554, "5.6.3", OUTCOME_FAILED, REASON_DELIVERY_NEEDS_EXTENSION, "5.6.3"},
    {"full for now", 452, "4.2.2", OUTCOME_DEFERRED, REASON_DELIVERY_DELAYED, "4.2.2"},
    {"greylisted", 451, "", OUTCOME_DEFERRED, REASON_DELIVERY_DELAYED, "4.0.0"},
    {"an enhanced code of another class is not believed", 550, "4.1.1", OUTCOME_FAILED, REASON_DELIVERY_UNAVAILABLE, "5.2.0"},
};

static void replies_have_a_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct smtp_reply reply = {.code = rows[i].code};
        snprintf(reply.enhanced, sizeof reply.enhanced, "%s", rows[i].enhanced);
        snprintf(reply.text, sizeof reply.text, "%d %s first\n%d second", rows[i].code, rows[i].enhanced, rows[i].code);
        struct outcome o = outcome_of_reply(&reply, false);
        if (o.kind != rows[i].kind || o.reason != rows[i].reason || strcmp(o.status, rows[i].status) != 0)
            fail_msg("%s: kind %d, %s, %s", rows[i].name, o.kind, reason_row(o.reason)->id, o.status);
        assert_null(strchr(o.text, '\n'));
    }
}

static void our_own_words_have_a_status(void **state)
{
    static const struct { enum outcome_kind kind; enum reason reason; const char *status; } own[] = {
        {OUTCOME_DEFERRED, REASON_DELIVERY_NO_RESPONSE, "4.4.1"}, {OUTCOME_DEFERRED, REASON_DELIVERY_BAD_CONNECTION, "4.4.2"},
        {OUTCOME_FAILED, REASON_DELIVERY_EXPIRED, "5.4.7"}, {OUTCOME_FAILED, REASON_DELIVERY_RETURNED, "5.7.0"},
        {OUTCOME_FAILED, REASON_DELIVERY_NULL_MX, "5.1.10"}};

    (void)state;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        struct outcome o = outcome_local(own[i].kind, own[i].reason, "%s", "x");
        assert_string_equal(o.status, own[i].status);
    }
}

static void routes_are_read(void **state)
{
    static const struct { const char *text; bool ok, lmtp, by_mx; const char *host; uint16_t port; } routes[] = {
        {"mail.acme.test:2525", true, false, false, "mail.acme.test", 2525}, {"mail.acme.test", true, false, false, "mail.acme.test", 25},
        {"192.0.2.1:26", true, false, false, "192.0.2.1", 26}, {"[2001:db8::1]:27", true, false, false, "2001:db8::1", 27},
        {"lmtp:127.0.0.1:24", true, true, false, "127.0.0.1", 24}, {"lmtp:/run/dovecot/lmtp", true, true, false, "/run/dovecot/lmtp", 0},
        {"mx", true, false, true, "acme.test", 25}, {"mx:other.test", true, false, true, "other.test", 25},
        {"MX:b\xc3\xbc" "cher.test", true, false, true, "xn--bcher-kva.test", 25}, {"mx:", false, false, false, "", 0},
        {"mail.acme.test:99999", false, false, false, "", 0}, {"192.0.2.1:0", false, false, false, "", 0}, {"lmtp:", false, false, false, "", 0},
        {"/run/x", false, false, false, "", 0}, {"mail.acme.test:0", false, false, false, "", 0}, {"mail_x:25", false, false, false, "", 0}};

    (void)state;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        struct route r;
        bool ok = route_parse(str_from(routes[i].text), STR("acme.test"), &r);
        if (ok != routes[i].ok || (ok && (r.lmtp != routes[i].lmtp || r.by_mx != routes[i].by_mx || strcmp(r.host, routes[i].host) != 0 ||
                                          (routes[i].port && r.port != routes[i].port))))
            fail_msg("%s", routes[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(replies_have_a_meaning), cmocka_unit_test(our_own_words_have_a_status),
                                       cmocka_unit_test(routes_are_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
