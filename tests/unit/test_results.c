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
                snprintf(got + strlen(got), sizeof got - strlen(got), "%.*s=%.*s ", (int)item.method.len, item.method.at, (int)item.result.len,
                         item.result.at);
        }
        print_message("%s\n", rows[i].value);
        assert_string_equal(got, rows[i].all ? rows[i].all : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(read_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
