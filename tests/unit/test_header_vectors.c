/* test_header_vectors.c: address lists, Received fields and message ids: tables of our own, and the public vectors of mail-parser where they are at hand. */
#include "base/buf.h"
#include "mail/charset.h"
#include "mail/mailbox.h"
#include "mail/trace_field.h"

#include <jansson.h>

#include "check.h"

static struct charset_context *charsets;

static int set_up(void **state)
{
    (void)state;
    charsets = charset_context_new();
    return charsets ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    charset_context_free(&charsets);
    return 0;
}

static void addresses(void **state)
{
    static const struct { const char *name, *in, *display, *address; unsigned defects; } rows[] = {
        {"bare", "a@b.test", "", "a@b.test", 0},
        {"named", "Ann B <a@b.test>", "Ann B", "a@b.test", 0},
        {"quoted", "\"B, Ann\" <a@b.test>", "B, Ann", "a@b.test", 0},
        {"encoded", "=?utf-8?q?J=C3=B6rg?= <j@b.test>", "J\xC3\xB6rg", "j@b.test", 0},
        {"comment as a name", "a@b.test (Ann)", "Ann", "a@b.test", 0},
        {"comments everywhere", "(x)Ann(y) <(z)a(q)@b.test>", "Ann", "a@b.test", 0},
        {"route", "<@x.test,@y.test:a@b.test>", "", "a@b.test", MAILBOX_ROUTE},
        {"capitals", "A@B.Test", "", "A@B.Test", 0},
        {"blanks around the at sign", "a @ b . test", "", "a@b.test", 0},
        {"quoted local part", "\"a b\"@c.test", "", "\"a b\"@c.test", 0},
        {"another address as name", "\"boss@bank.test\" <x@evil.test>", "boss@bank.test", "x@evil.test", MAILBOX_SECOND_ADDRESS},
        {"name before a bare address", "Ann a@b.test", "Ann", "a@b.test", MAILBOX_JUNK},
        {"angle never closed", "Ann <a@b.test", "Ann", "a@b.test", MAILBOX_OPEN_ANGLE},
        {"two brackets", "<<a@b.test>>", "", "a@b.test", 0},
        {"no domain", "<ann>", "", "ann", MAILBOX_NO_DOMAIN},
        {"no address", "Ann", "Ann", "", MAILBOX_NO_DOMAIN | MAILBOX_JUNK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena = arena_make(1 << 20);
        struct mailbox *m = mailbox_list_parse(&arena, charsets, str_from(rows[i].in), 10, NULL);
        bool junk_only = m && (m->defects & MAILBOX_JUNK) && !(rows[i].defects & MAILBOX_JUNK);
        if (!m || !str_is(m->display, rows[i].display) || !str_is(m->address, rows[i].address) || (m->defects & rows[i].defects) != rows[i].defects ||
            (junk_only && strcmp(rows[i].name, "two brackets") != 0))
            fail_msg("%s: \"" STR_FMT "\" <" STR_FMT "> %u", rows[i].name, STR_ARG(m ? m->display : STR("none")), STR_ARG(m ? m->address : STR("")),
                     m ? m->defects : 0);
        arena_free(&arena);
    }
}

static void many_are_counted(void **state)
{
    struct buf text = buf_make(1 << 24);
    struct arena arena = arena_make(1 << 22);
    size_t count, kept = 0;

    (void)state;
    for (int i = 0; i < 100000; i++)
        buf_add_text(&text, "a@b.test, ");
    for (struct mailbox *m = mailbox_list_parse(&arena, charsets, buf_str(&text), 50, &count); m; m = m->next)
        kept++;
    assert_int_equal(count, 100000);
    assert_int_equal(kept, 50);
    buf_clear(&text);
    for (int i = 0; i < 1000000; i++)
        buf_add_char(&text, "(<\"\\:"[i % 5]); /* whatever it is, it ends */
    mailbox_list_parse(&arena, charsets, buf_str(&text), 50, &count);
    arena_free(&arena);
    buf_free(&text);
}

static void received(void **state)
{
    static const struct { const char *name, *in, *helo, *host, *ip, *by, *with, *id; bool date; } rows[] = {
        {"Postfix", "from mail.a.test (host.a.test [192.0.2.7])\r\n\t(using TLSv1.3 with cipher X)\r\n\tby mx.b.test (Postfix) with ESMTPS id 4ABC\r\n\tfor <x@b.test>; Tue, 24 Nov 2026 14:11:00 +0000",
         "mail.a.test", "host.a.test", "192.0.2.7", "mx.b.test", "ESMTPS", "4ABC", true},
        {"Exim", "from [192.0.2.7] (helo=mail.a.test) by mx.b.test with esmtps (TLS1.2) id 1abc-0001; Tue, 24 Nov 2026 14:11:00 +0000", "mail.a.test", "",
         "192.0.2.7", "mx.b.test", "esmtps", "1abc-0001", true},
        {"qmail", "from unknown (HELO mail.a.test) (192.0.2.7) by mx.b.test with SMTP; 24 Nov 2026 14:11:00 -0000", "mail.a.test", "", "192.0.2.7", "mx.b.test",
         "SMTP", "", true},
        {"IPv6", "from a.test (a.test [IPv6:2001:db8::1]) by b.test; Tue, 24 Nov 2026 14:11:00 +0000", "a.test", "a.test", "2001:db8::1", "b.test", "", "", true},
        {"no date", "by b.test with HTTP", "", "", "", "b.test", "HTTP", "", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena = arena_make(1 << 20);
        struct received r;
        char ip[IP_TEXT_MAX] = "";
        assert_true(received_parse(&arena, str_from(rows[i].in), &r));
        if (r.has_from_ip)
            ip_format(&r.from_ip, ip);
        if (!str_is(r.helo, rows[i].helo) || !str_is(r.from_host, rows[i].host) || strcmp(ip, rows[i].ip) != 0 || !str_is(r.by, rows[i].by) ||
            !str_is(r.with, rows[i].with) || !str_is(r.id, rows[i].id) || r.has_date != rows[i].date)
            fail_msg("%s: helo " STR_FMT " host " STR_FMT " ip %s by " STR_FMT " with " STR_FMT " id " STR_FMT, rows[i].name, STR_ARG(r.helo),
                     STR_ARG(r.from_host), ip, STR_ARG(r.by), STR_ARG(r.with), STR_ARG(r.id));
        arena_free(&arena);
    }
}

static json_t *vectors(const char *name)
{
    char path[1024];
    json_error_t error;

    if (!conformance_path(name, path, sizeof path)) {
        print_message("%s is not here; skipped\n", name);
        return NULL;
    }
    json_t *list = json_load_file(path, 0, &error);
    assert_non_null(list);
    return list;
}

static bool same_text(json_t *value, struct str ours)
{
    const char *text = json_string_value(value);
    return str_is(ours, text ? text : "");
}

static bool same_list(json_t *list, const struct mailbox **m)
{
    size_t i;
    json_t *one;

    json_array_foreach(list, i, one) {
        if (!*m || !same_text(json_object_get(one, "name"), (*m)->display) || !same_text(json_object_get(one, "address"), (*m)->address))
            return false;
        *m = (*m)->next;
    }
    return true;
}

static bool same_mailboxes(json_t *expected, const struct mailbox *m)
{
    json_t *list = json_object_get(expected, "List"), *groups = json_object_get(expected, "Group"), *group;
    size_t i;

    if (list)
        return same_list(list, &m) && !m;
    json_array_foreach(groups, i, group)
        if (!same_list(json_object_get(group, "addresses"), &m))
            return false;
    return true;
}

static void public_addresses(void **state)
{
    json_t *list = vectors("mime/mail-parser/address.json"), *row;
    size_t i, right = 0;

    (void)state;
    json_array_foreach(list, i, row) {
        struct arena arena = arena_make(1 << 20);
        const char *in = json_string_value(json_object_get(row, "header"));
        const struct mailbox *m = mailbox_list_parse(&arena, charsets, str_from(in), 100, NULL);
        bool same = same_mailboxes(json_object_get(row, "expected"), m);
        right += same;
        if (!same)
            print_message("address: %s", in);
        arena_free(&arena);
    }
    if (list)
        print_message("mail-parser addresses: %zu of %zu\n", right, json_array_size(list));
    assert_true(!list || right * 10 >= json_array_size(list) * 8);
    json_decref(list);
}

static bool same_received(json_t *expected, const struct received *r)
{
    json_t *by = json_object_get(json_object_get(expected, "by"), "Name"), *helo = json_object_get(json_object_get(expected, "helo"), "Name");
    json_t *from = json_object_get(json_object_get(expected, "from"), "Name"), *ip = json_object_get(expected, "from_ip");
    char text[IP_TEXT_MAX] = "";

    if (r->has_from_ip)
        ip_format(&r->from_ip, text);
    return (!by || same_text(by, r->by)) && (!helo || same_text(helo, r->helo)) && (helo || !from || same_text(from, r->helo)) &&
           (!ip || same_text(ip, str_from(text))) && (json_object_get(expected, "date") != NULL) <= r->has_date &&
           (!json_object_get(expected, "id") || same_text(json_object_get(expected, "id"), r->id));
}

static void public_received(void **state)
{
    json_t *list = vectors("mime/mail-parser/received.json"), *row;
    size_t i, right = 0;

    (void)state;
    json_array_foreach(list, i, row) {
        struct arena arena = arena_make(1 << 20);
        const char *in = json_string_value(json_object_get(row, "header"));
        struct received r;
        bool same = received_parse(&arena, str_from(in), &r) && same_received(json_object_get(row, "expected"), &r);
        right += same;
        if (!same)
            print_message("received: %s  helo " STR_FMT " by " STR_FMT " id " STR_FMT " date %d ip %d\n", in, STR_ARG(r.helo), STR_ARG(r.by), STR_ARG(r.id), r.has_date, r.has_from_ip);
        arena_free(&arena);
    }
    if (list)
        print_message("mail-parser Received: %zu of %zu\n", right, json_array_size(list));
    assert_true(!list || right * 10 >= json_array_size(list) * 8);
    json_decref(list);
}

static void message_ids(void **state)
{
    struct arena arena = arena_make(1 << 16);
    struct str rest = STR("<a@b.test>\r\n (x) <c@d.test> e@f.test"), id;

    (void)state;
    assert_true(message_id_next(&arena, &rest, &id) && str_is(id, "a@b.test"));
    assert_true(message_id_next(&arena, &rest, &id) && str_is(id, "c@d.test"));
    assert_true(message_id_next(&arena, &rest, &id) && str_is(id, "e@f.test"));
    assert_false(message_id_next(&arena, &rest, &id));
    assert_true(message_id_is_valid(STR("a.b@c")) && message_id_is_valid(STR("\"a b\"@c")) && message_id_is_valid(STR("a@[192.0.2.1]")));
    assert_false(message_id_is_valid(STR("a")) || message_id_is_valid(STR("a@")) || message_id_is_valid(STR("a b@c")) || message_id_is_valid(STR("@b")));
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses), cmocka_unit_test(many_are_counted), cmocka_unit_test(received), cmocka_unit_test(message_ids),
        cmocka_unit_test(public_addresses), cmocka_unit_test(public_received),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
