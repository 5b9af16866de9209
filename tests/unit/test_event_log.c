/* test_event_log.c: the message log says all there is to an event, to machines and to the tools made for Postfix; and nobody writes lines into it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "store/event_log.h"
#include "store/event_parts.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const int64_t noon = 1795521600123; /* 2026-11-24T12:00:00.123Z */
static const struct event_text_context context = {.host_name = "mx.acme.test", .process_id = 77};

static struct event sample(enum event_kind kind)
{
    struct event e = {
        .kind = kind,
        .wall_ms = noon,
        .reference = STR("7K3F9QXD2M"),
        .service = STR("mx"),
        .client_port = 41234,
        .helo = STR("client.test"),
        .sender = STR("bob@client.test"),
        .recipient = STR("ann@acme.test"),
        .domain = STR("acme.test"),
        .message_id = STR("<1@client.test>"),
        .size = 4321,
        .recipient_count = 1,
        .host = STR("mx1.acme.test[192.0.2.9]:25"),
        .remote_reply = STR("250 2.0.0 taken"),
        .delay_ms = 1234,
        .dsn = STR("2.0.0"),
    };
    e.client_ip = (struct ip){.family = 4, .bytes = {192, 0, 2, 7}};
    return e;
}

static struct event refusal(const char *reply, enum reason reason)
{
    struct event e = sample(EVENT_REFUSED);

    e.reply = str_from(reply);
    e.reason = reason;
    return e;
}

static void text_of(const struct event *e, struct buf *out)
{
    *out = buf_make(EVENT_LINE_MAX);
    event_text(e, &context, e->kind == EVENT_ACCEPTED ? EVENT_INTRODUCED | EVENT_IDENTIFIED : 0, out);
    assert_non_null(buf_text(out));
}

static void assert_text(const char *name, const struct event *e, const char *expected)
{
    struct buf out;

    text_of(e, &out);
    if (strcmp(buf_text(&out), expected) != 0)
        fail_msg("%s:\n got  %s expected  %s", name, buf_text(&out), expected);
    buf_free(&out);
}

#define AT(daemon) "2026-11-24T12:00:00.123000+00:00 mx.acme.test postfix/" daemon "[77]: 7K3F9QXD2M: "

static void lines_look_like_postfix(void **state)
{
    (void)state;
    struct event e = sample(EVENT_ACCEPTED);
    e.recipient_count = 3;
    assert_text("accepted", &e,
                AT("smtpd") "client=unknown[192.0.2.7]\n" AT("cleanup") "message-id=<1@client.test>\n" AT("qmgr")
                "from=<bob@client.test>, size=4321, nrcpt=3 (queue active)\n");
    e.client_ip.family = 0;
    e.sender = str_from("");
    assert_text("our own report", &e, AT("cleanup") "message-id=<1@client.test>\n" AT("qmgr") "from=<>, size=4321, nrcpt=3 (queue active)\n");
    e = sample(EVENT_DELIVERED);
    assert_text("delivered", &e,
                AT("smtp") "to=<ann@acme.test>, relay=mx1.acme.test[192.0.2.9]:25, delay=1.2, dsn=2.0.0, status=sent (250 2.0.0 taken)\n");
    e = sample(EVENT_DEFERRED);
    e.host = e.dsn = str_n(NULL, 0);
    e.remote_reply = STR("connect to mx1.acme.test[192.0.2.9]:25: Connection refused");
    e.delay_ms = 0;
    assert_text("deferred without a host", &e,
                AT("smtp") "to=<ann@acme.test>, relay=none, delay=0, dsn=4.0.0, status=deferred (connect to "
                           "mx1.acme.test[192.0.2.9]:25: Connection refused)\n");
    e = sample(EVENT_BOUNCED);
    e.remote_reply = STR("550 5.1.1 no such user");
    e.dsn = STR("5.1.1");
    e.why = STR("https://mx.acme.test/why/x/7K3F9QXD2M");
    assert_text("bounced", &e,
                AT("smtp") "to=<ann@acme.test>, relay=mx1.acme.test[192.0.2.9]:25, delay=1.2, dsn=5.1.1, status=bounced (host "
                           "mx1.acme.test[192.0.2.9]:25 said: 550 5.1.1 no such user), why=<https://mx.acme.test/why/x/7K3F9QXD2M>\n");
    e = refusal("554 5.7.1 mx.acme.test: Relay access denied. See https://mx.acme.test/why/relay-denied/7K3F9QXD2M", REASON_RELAY_DENIED);
    e.why = STR("https://mx.acme.test/why/relay-denied/7K3F9QXD2M");
    e.service = STR("submission");
    assert_text("refused", &e,
                AT("submission/smtpd") "reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 mx.acme.test: Relay access denied.; "
                                       "from=<bob@client.test> to=<ann@acme.test> proto=ESMTP helo=<client.test>, reason=RELAY_DENIED, "
                                       "why=<https://mx.acme.test/why/relay-denied/7K3F9QXD2M>\n");
    e = refusal("554 5.5.1 mx.acme.test: early", REASON_PIPELINED_TOO_EARLY);
    e.kind = EVENT_CONNECT_REFUSED;
    e.helo = e.sender = e.recipient = str_n(NULL, 0);
    assert_text("refused at connect", &e,
                AT("smtpd") "reject: CONNECT from unknown[192.0.2.7]: 554 5.5.1 mx.acme.test: early; proto=SMTP, reason=PIPELINED_TOO_EARLY\n");
}

/* Everything that others choose, filled with what would begin a line or close a field. */
static void nobody_writes_lines_of_his_own(void **state)
{
    static const char evil[] = "a\r\n> x\xFF\x1B[2J\" to=<y>, \xC2\x85status=sent (\xC3\xBC)\x7F";
    struct str bad = str_n(evil, sizeof evil - 1);

    (void)state;
    for (int kind = EVENT_CONNECT_REFUSED; kind <= EVENT_INCOMPLETE; kind++) {
        struct event e = sample((enum event_kind)kind);
        e.reference = e.helo = e.tls = e.sender = e.recipient = e.domain = e.subject = e.from = e.message_id = e.reply = e.why = e.host =
            e.remote_reply = e.dsn = bad;
        struct buf out;
        text_of(&e, &out);
        size_t lines = 0;
        for (size_t i = 0; i < out.len; i++) {
            unsigned char c = (unsigned char)out.at[i];
            assert_true(c >= 0x20 || c == '\n');
            assert_true(c != 0x7F);
            lines += c == '\n';
        }
        assert_int_equal(lines, kind == EVENT_ACCEPTED ? 3 : 1);
        assert_null(strstr(buf_text(&out), "to=<y>"));
        buf_free(&out);
        out = buf_make(EVENT_LINE_MAX);
        event_json(&e, &out);
        assert_ptr_equal(memchr(out.at, '\n', out.len), out.at + out.len - 1);
        json_t *parsed = json_loadb(out.at, out.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(parsed);
        json_decref(parsed);
        buf_free(&out);
    }
}

static void json_strings_are_always_valid(void **state)
{
    static const struct {
        const char *name, *in;
        size_t len;
        const char *out;
    } rows[] = {
        {"plain", "abc", 3, "\"abc\""},
        {"empty", "", 0, "\"\""},
        {"quotes", "a\"b\\c", 5, "\"a\\\"b\\\\c\""},
        {"controls", "\b\t\n\f\r\x01\x1F\x7F", 8, "\"\\b\\t\\n\\f\\r\\u0001\\u001f\\u007f\""},
        {"NUL", "a\0b", 3, "\"a\\u0000b\""},
        {"UTF-8", "\xC3\xBC\xE2\x82\xAC\xF0\x9F\x93\xA8", 9, "\"\xC3\xBC\xE2\x82\xAC\xF0\x9F\x93\xA8\""},
        {"lone byte", "a\xFFz", 3, "\"a\xEF\xBF\xBDz\""},
        {"overlong", "\xC0\xAF", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"surrogate", "\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"cut off", "\xE2\x82", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out = buf_make(256);
        json_out_string(&out, str_n(rows[i].in, rows[i].len));
        if (!str_is(buf_str(&out), rows[i].out))
            fail_msg("%s: %s", rows[i].name, buf_text(&out));
        buf_free(&out);
    }
}

static json_t *json_of(const struct event *e)
{
    struct buf out = buf_make(EVENT_LINE_MAX);

    event_json(e, &out);
    json_t *parsed = json_loadb(out.at, out.len, JSON_REJECT_DUPLICATES, NULL);
    if (!parsed)
        fail_msg("not JSON: %s", buf_text(&out));
    buf_free(&out);
    return parsed;
}

static const char *member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "(none)";
}

static void json_says_it_all(void **state)
{
    struct findings findings = {.count = 2};
    struct event e = refusal("554 5.7.1 denied", REASON_RELAY_DENIED);

    (void)state;
    findings.at[0].reason = REASON_RELAY_DENIED;
    strcpy(findings.at[0].evidence, "ann@acme.test");
    findings.at[1].reason = REASON_BAD_LINE_ENDING;
    e.findings = &findings;
    e.why = STR("https://w/");
    e.action = "refuse";
    e.attempts = 3;
    e.next_try_ms = noon + 60000;
    e.subject = STR("caf\xE9");
    json_t *parsed = json_of(&e);
    assert_string_equal(member(parsed, "time"), "2026-11-24T12:00:00.123Z");
    assert_string_equal(member(parsed, "event"), "refused");
    assert_string_equal(member(parsed, "status"), "rejected");
    assert_string_equal(member(parsed, "reference"), "7K3F9QXD2M");
    assert_string_equal(member(parsed, "client_ip"), "192.0.2.7");
    assert_int_equal(json_integer_value(json_object_get(parsed, "client_port")), 41234);
    assert_string_equal(member(parsed, "sender"), "bob@client.test");
    assert_string_equal(member(parsed, "recipient"), "ann@acme.test");
    assert_string_equal(member(parsed, "subject"), "caf\xEF\xBF\xBD");
    assert_string_equal(member(parsed, "reason"), "RELAY_DENIED");
    assert_string_equal(member(parsed, "why"), "https://w/");
    assert_string_equal(member(parsed, "next_try"), "2026-11-24T12:01:00.123Z");
    assert_int_equal(json_integer_value(json_object_get(parsed, "attempts")), 3);
    assert_null(json_object_get(parsed, "tls")); /* what is empty is left out */
    const json_t *list = json_object_get(parsed, "findings");
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(member(json_array_get(list, 0), "reason"), "RELAY_DENIED");
    assert_string_equal(member(json_array_get(list, 0), "evidence"), "ann@acme.test");
    assert_null(json_object_get(json_array_get(list, 1), "evidence"));
    json_decref(parsed);
}

static void status_follows_from_the_event(void **state)
{
    static const struct {
        const char *name;
        enum event_kind kind;
        const char *reply;
        enum reason reason;
        const char *status;
    } rows[] = {
        {"5xx", EVENT_REFUSED, "550 5.7.1 no", REASON_RELAY_DENIED, "rejected"},
        {"4xx of the moment", EVENT_REFUSED, "452 4.3.1 full", REASON_NO_STORAGE, "not-accepted"},
        {"4xx of a policy", EVENT_REFUSED, "451 4.7.1 later", REASON_GREYLISTED, "delayed"},
        {"busy", EVENT_CONNECT_REFUSED, "421 4.3.2 busy", REASON_SERVER_BUSY, "not-accepted"},
        {"accepted", EVENT_ACCEPTED, "", REASON_NONE, "accepted"},
        {"delivered", EVENT_DELIVERED, "", REASON_NONE, "delivered"},
        {"deferred", EVENT_DEFERRED, "", REASON_NONE, "queued"},
        {"bounced", EVENT_BOUNCED, "", REASON_NONE, "bounced"},
        {"expired", EVENT_EXPIRED, "", REASON_NONE, "queue-expired"},
        {"frozen", EVENT_FROZEN, "", REASON_NONE, "queue-frozen"},
        {"removed", EVENT_REMOVED, "", REASON_NONE, "queue-removed"},
        {"cut off", EVENT_INCOMPLETE, "", REASON_NONE, "not-accepted"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct event e = refusal(rows[i].reply, rows[i].reason);
        e.kind = rows[i].kind;
        if (strcmp(event_status(&e), rows[i].status) != 0)
            fail_msg("%s: %s", rows[i].name, event_status(&e));
    }
}

static void journal_fields_are_framed(void **state)
{
    struct event e = sample(EVENT_DELIVERED);
    struct buf out = buf_make(EVENT_LINE_MAX);
    uint32_t count, len;
    size_t at = sizeof count;
    bool message = false, reference = false;

    (void)state;
    event_journal(&e, &out);
    memcpy(&count, out.at, sizeof count);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(&len, out.at + at, sizeof len);
        at += sizeof len;
        assert_true(len <= out.len - at);
        message = message || str_starts(str_n(out.at + at, len), STR("MESSAGE=delivered 7K3F9QXD2M"));
        reference = reference || str_is(str_n(out.at + at, len), "POSTERN_REFERENCE=7K3F9QXD2M");
        at += len;
    }
    assert_int_equal(at, out.len);
    assert_true(message && reference);
    buf_free(&out);
}

struct files {
    char json[40], text[40], directory[32];
};

static int setup(void **state)
{
    struct files *f = calloc(1, sizeof *f);

    setenv("TZ", "UTC", 1);
    tzset();
    strcpy(f->directory, "/tmp/postern-log-XXXXXX");
    if (!mkdtemp(f->directory))
        return -1;
    snprintf(f->json, sizeof f->json, "%.24s/j", f->directory);
    snprintf(f->text, sizeof f->text, "%.24s/t", f->directory);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct files *f = *state;
    char moved[48];

    snprintf(moved, sizeof moved, "%s.1", f->json);
    unlink(moved);
    unlink(f->json);
    unlink(f->text);
    rmdir(f->directory);
    free(f);
    return 0;
}

static struct event_log *open_log(const char *json, const char *text)
{
    struct buf error = buf_make(512);
    struct event_log *l = event_log_open(json, text, false, "mx.acme.test", &error);

    if (!l)
        fail_msg("%s", buf_text(&error));
    buf_free(&error);
    return l;
}

/* All lines are whole and JSON; returns their number. */
static size_t count_json(const char *path)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0, count = 0;

    assert_non_null(f);
    for (ssize_t n; (n = getline(&line, &cap, f)) > 0; count++) {
        json_t *parsed = json_loadb(line, (size_t)n, 0, NULL);
        if (!parsed)
            fail_msg("not JSON: %s", line);
        json_decref(parsed);
    }
    free(line);
    fclose(f);
    return count;
}

enum { WRITERS = 6, EVENTS = 3000 };

static void *add_many(void *arg)
{
    char subject[400];

    memset(subject, 's', sizeof subject);
    for (int i = 0; i < EVENTS; i++) {
        struct event e = sample(EVENT_DELIVERED);
        e.subject = str_n(subject, (size_t)i % sizeof subject);
        event_log_add(arg, &e);
    }
    return NULL;
}

static void no_event_is_lost(void **state)
{
    struct files *f = *state;
    struct event_log *l = open_log(f->json, f->text);
    pthread_t threads[WRITERS];

    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, l), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    event_log_flush(l);
    assert_int_equal(count_json(f->json), WRITERS * EVENTS);
    add_many(l);
    event_log_close(&l); /* writes what waits */
    assert_int_equal(count_json(f->json), (WRITERS + 1) * EVENTS);
}

static void a_rotated_file_is_left_alone(void **state)
{
    struct files *f = *state;
    struct event_log *l = open_log(f->json, "");
    struct event e = sample(EVENT_DELIVERED);
    char moved[48];

    event_log_add(l, &e);
    event_log_flush(l);
    snprintf(moved, sizeof moved, "%s.1", f->json);
    assert_int_equal(rename(f->json, moved), 0);
    event_log_reopen(l);
    for (int64_t end = clock_mono_ms() + 30000; access(f->json, F_OK) != 0;) { /* it is the log's thread that reopens */
        assert_true(clock_mono_ms() < end);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    event_log_add(l, &e);
    event_log_close(&l);
    assert_int_equal(count_json(moved), 1);
    assert_int_equal(count_json(f->json), 1);
}

static void a_full_disk_does_not_stop_mail(void **state)
{
    struct files *f = *state;
    struct event_log *l = open_log("/dev/full", f->text);

    for (int i = 0; i < 16; i++) /* several times what the queue holds */
        add_many(l);
    event_log_flush(l);
    event_log_close(&l);
}

static void a_path_that_cannot_be_opened_is_said(void **state)
{
    struct buf error = buf_make(512);

    (void)state;
    assert_null(event_log_open("/nonexistent/x.jsonl", "", false, "mx", &error));
    assert_non_null(strstr(buf_text(&error), "/nonexistent/x.jsonl"));
    buf_free(&error);
}

static long total(const char *report, const char *what)
{
    const char *at = strstr(report, what);

    if (!at)
        fail_msg("no \"%s\" in:\n%s", what, report);
    while (at > report && at[-1] != '\n')
        at--;
    return strtol(at, NULL, 10);
}

static void add(struct event_log *l, enum event_kind kind, const char *reference, const char *reply)
{
    struct event e = sample(kind);

    e.reference = str_from(reference);
    if (kind == EVENT_REFUSED) {
        e.reply = str_from(reply);
        e.reason = REASON_RELAY_DENIED;
        e.why = STR("https://mx.acme.test/why/relay-denied/X");
    } else if (reply) {
        e.remote_reply = str_from(reply);
    }
    event_log_add(l, &e);
}

static void pflogsumm_counts_it_right(void **state)
{
    struct files *f = *state;
    static char report[64 * 1024];
    char command[128];

    if (system("command -v pflogsumm >/dev/null 2>&1") != 0)
        skip();
    struct event_log *l = open_log("", f->text);
    add(l, EVENT_ACCEPTED, "AAAAAAAAAA", NULL); /* one message to three recipients */
    add(l, EVENT_ACCEPTED, "AAAAAAAAAA", NULL);
    add(l, EVENT_ACCEPTED, "AAAAAAAAAA", NULL);
    add(l, EVENT_ACCEPTED, "BBBBBBBBBB", NULL);
    add(l, EVENT_DELIVERED, "AAAAAAAAAA", NULL);
    add(l, EVENT_DEFERRED, "AAAAAAAAAA", "451 4.3.0 later (status=sent) please");
    add(l, EVENT_DEFERRED, "AAAAAAAAAA", "connect to mx1.acme.test: timed out");
    add(l, EVENT_DELIVERED, "AAAAAAAAAA", NULL);
    add(l, EVENT_BOUNCED, "AAAAAAAAAA", "550 5.1.1 nobody");
    add(l, EVENT_EXPIRED, "BBBBBBBBBB", "451 4.3.0 later");
    add(l, EVENT_DELAY_NOTICE, "BBBBBBBBBB", NULL);
    add(l, EVENT_INCOMPLETE, "CCCCCCCCCC", NULL);
    for (int i = 0; i < 5; i++)
        add(l, EVENT_REFUSED, "DDDDDDDDDD", "554 5.7.1 mx.acme.test: Relay access denied. See https://mx.acme.test/why/relay-denied/X");
    event_log_close(&l);
    snprintf(command, sizeof command, "pflogsumm '%s' 2>&1", f->text);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    report[fread(report, 1, sizeof report - 1, out)] = '\0';
    assert_int_equal(pclose(out), 0);
    assert_int_equal(total(report, "  received"), 2);
    assert_int_equal(total(report, "  delivered"), 2);
    assert_int_equal(total(report, "  deferred"), 1);
    assert_non_null(strstr(report, "(2  deferrals)"));
    assert_int_equal(total(report, "  bounced"), 2);
    assert_int_equal(total(report, "  rejected"), 5);
    assert_int_equal(total(report, "  bytes received"), 8642);
    assert_int_equal(total(report, "  bytes delivered"), 8642);
    assert_non_null(strstr(report, "Relay access denied")); /* by reason, not by address of the page */
    assert_null(strstr(report, "/why/"));
}

/* The courier may be faster than the thread that accepted the message. */
static void a_delivery_before_the_acceptance_is_counted_right(void **state)
{
    struct files *f = *state;
    static char text[8192];
    struct event_log *l = open_log("", f->text);
    struct event early = sample(EVENT_DELIVERED), old = sample(EVENT_DELIVERED);

    early.delay_ms = 3;
    event_log_add(l, &early);
    add(l, EVENT_ACCEPTED, "7K3F9QXD2M", NULL);
    add(l, EVENT_ACCEPTED, "7K3F9QXD2M", NULL);
    old.reference = STR("FRMYESTRDY"); /* accepted by a run before this one: not introduced again */
    old.delay_ms = 86400000;
    event_log_add(l, &old);
    event_log_close(&l);
    FILE *in = fopen(f->text, "r");
    assert_non_null(in);
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    const char *client = strstr(text, "client="), *size = strstr(text, "size="), *sent = strstr(text, "status=sent");
    assert_true(client && size && client < size && size < sent);
    assert_null(strstr(client + 1, "client="));
    assert_null(strstr(size + 1, "size="));
    const char *id = strstr(text, "message-id=");
    assert_true(id && id > sent);
    assert_null(strstr(id + 1, "message-id="));
}

#define FILES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES(lines_look_like_postfix),
        cmocka_unit_test(nobody_writes_lines_of_his_own),
        cmocka_unit_test(json_strings_are_always_valid),
        cmocka_unit_test(json_says_it_all),
        cmocka_unit_test(status_follows_from_the_event),
        cmocka_unit_test(journal_fields_are_framed),
        FILES(no_event_is_lost),
        FILES(a_rotated_file_is_left_alone),
        FILES(a_full_disk_does_not_stop_mail),
        cmocka_unit_test(a_path_that_cannot_be_opened_is_said),
        FILES(a_delivery_before_the_acceptance_is_counted_right),
        FILES(pflogsumm_counts_it_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
