/* test_results.c: Authentication-Results of others, as RFC 8601 writes them and as forgers do. */
#include "auth/results.h"
#include "check.h"

static void read_back(void **state)
{
    static const struct {
        bool is_arc;
        const char *value, *all; /* "id|i|method=result …"; NULL: cannot be read */
    } rows[] = {
        {false, " example.com; none", "example.com|0|"},
        {false, " example.com 1; spf=pass smtp.mailfrom=example.net", "example.com|0|spf=pass "},
        {false, "example.com;\r\n\tauth=pass (cram-md5) smtp.auth=sender@example.net;\r\n\tspf=pass smtp.mailfrom=example.net", "example.com|0|auth=pass spf=pass "},
        {false, "(a;b) \"mx.example.com\" (c) ; dkim / 1 = fail (bad; signature) reason=\"x;y\" header.d=a.test ; dmarc=pass", "mx.example.com|0|dkim=fail dmarc=pass "},
        {false, "example.com", "example.com|0|"},
        {false, "example.com; ; dkim; =x; spf=neutral;", "example.com|0|spf=neutral "},
        {false, "example.com; dmarc=fail reason=\"\" \"; dmarc=pass\" header.from=a.test (b); spf=pass", "example.com|0|dmarc=fail:a.test spf=pass "},
        {false, "example.com; dmarc=pass policy.dmarc=none Header.From = \"x@a.test\" header.from=b.test", "example.com|0|dmarc=pass:a.test "},
        {false, "", NULL},
        {false, "; spf=pass", NULL},
        {false, "a b; spf=pass", NULL},
        {true, "i=3; example.com; dmarc=pass", "example.com|3|dmarc=pass "},
        {true, "I = 50 ; example.com;spf=fail", "example.com|50|spf=fail "},
        {true, "example.com; i=3; dmarc=pass", NULL},
        {true, "i=0; example.com; x=y", NULL},
        {true, "i=51; example.com; x=y", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct results r;
        struct results_item item;
        char got[256] = "";
        if (results_open(str_from(rows[i].value), rows[i].is_arc, &r)) {
            snprintf(got, sizeof got, "%.*s|%u|", (int)r.authserv_id.len, r.authserv_id.at, r.instance);
            while (results_next(&r, &item))
                snprintf(got + strlen(got), sizeof got - strlen(got), "%.*s=%.*s%s%.*s ", (int)item.method.len, item.method.at, (int)item.result.len,
                         item.result.at, item.header_from.len ? ":" : "", (int)item.header_from.len, item.header_from.at);
        }
        print_message("%s\n", rows[i].value);
        assert_string_equal(got, rows[i].all ? rows[i].all : "");
    }
}

static void receivers_of_spf(void **state)
{
    static const struct { const char *value, *receiver; /* NULL: none, or readers may differ */ } rows[] = {
        {" pass (mx.here.test: domain of a@b.test designates 192.0.2.1 as permitted sender)\r\n\treceiver=mx.here.test; client-ip=192.0.2.1;\r\n\tenvelope-from=\"a@b.test\"; helo=b.test;",
         "mx.here.test"},
        {"fail receiver=mx.here.test", "mx.here.test"},
        {"(x) pass (a (b)) RECEIVER (c) = (d) \"mx.here.test\" (e) ;", "mx.here.test"},
        {"Pass (mailfrom) identity=mailfrom; client-ip=2001:db8::1; helo=b.test; envelope-from=<>; receiver=<UNKNOWN>", "<UNKNOWN>"},
        {"pass client-ip=192.0.2.1; problem=\"receiver=mx.there.test; x\"; receiver=mx.here.test", "mx.here.test"},
        {"pass (receiver=mx.there.test) receiver=mx.here.test", "mx.here.test"},
        {"pass (google.com: domain of a@b.test designates 192.0.2.1 as permitted sender) client-ip=192.0.2.1;", NULL},
        {"pass", NULL},
        {"", NULL},
        {"receiver=mx.here.test", NULL},
        {"pass receiver=mx.here.test; receiver=mx.there.test", NULL},
        {"pass receiver=", NULL},
        {"pass receiver=\"\"", NULL},
        {"pass x=y receiver=mx.here.test; receiver=mx.there.test", NULL},
        {"pass x; receiver=mx.here.test", NULL},
        {"pass ; receiver=mx.here.test", NULL},
        {"pass (does not end receiver=mx.here.test", NULL},
        {"pass receiver=mx.here.test; problem=\"does not end", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str receiver;
        bool ok = results_spf_receiver(str_from(rows[i].value), &receiver);
        if (ok != (rows[i].receiver != NULL) || (ok && !str_is(receiver, rows[i].receiver)))
            fail_msg("%s: %d " STR_FMT, rows[i].value, ok, STR_ARG(receiver));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(read_back), cmocka_unit_test(receivers_of_spf)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
