/* test_console_pages.c: the public pages as strangers see them: they exist, are small, well-formed and escaped, and tell no secret. */
#include "catalog/reason_page.h"
#include "console/pages.h"

#include "check.h"

static const char host[] = "mx.example.net";
enum { PAGE_LIMIT = 15000 };

static struct page get(const char *path)
{
    return page_for(str_from(path), host);
}

static bool has(const struct page *p, const char *text)
{
    return str_find_str(buf_str(&p->body), str_from(text)) >= 0;
}

struct row {
    const char *name, *path;
    int status;
    const char *holds; /* must be in it; NULL: nothing in particular */
};

static const struct row rows[] = {
    {"the front page", "/", 200, host},
    {"alive", "/livez", 200, "ok"},
    {"nothing here is for search engines", "/robots.txt", 200, "Disallow: /"},
    {"the one style sheet, with a dark side", "/style.css", 200, "prefers-color-scheme:dark"},
    {"the list", "/why", 200, "/why/invalid-greeting"},
    {"the list, with a slash", "/why/", 200, "/why/relay-denied"},
    {"a reason", "/why/relay-denied", 200, "550 5.7.1"},
    {"a reason with a reference", "/why/relay-denied/7K3F9QXD2M", 200, "7K3F9QXD2M"},
    {"a reference with a letter that Crockford leaves out", "/why/relay-denied/7K3F9QXD2I", 404, NULL},
    {"a reference in small letters", "/why/relay-denied/7k3f9qxd2m", 404, NULL},
    {"a reference too short", "/why/relay-denied/7K3F9QXD2", 404, NULL},
    {"a reference too long", "/why/relay-denied/7K3F9QXD2MM", 404, NULL},
    {"an empty reference", "/why/relay-denied/", 404, NULL},
    {"something behind the reference", "/why/relay-denied/7K3F9QXD2M/x", 404, NULL},
    {"a script for a reference", "/why/relay-denied/<script>alert(1)</script>", 404, NULL},
    {"no such reason", "/why/no-such-thing", 404, NULL},
    {"the row's id is not its address", "/why/RELAY_DENIED", 404, NULL},
    {"a way out of the tree", "/why/../../etc/passwd", 404, NULL},
    {"another page", "/admin", 404, NULL},
    {"an empty path", "", 404, NULL},
};

static void paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct page p = get(rows[i].path);
        if (p.status != rows[i].status || (rows[i].holds && !has(&p, rows[i].holds)))
            fail_msg("%s: %s gave %d", rows[i].name, rows[i].path, p.status);
        if (has(&p, "<script"))
            fail_msg("%s: %s holds a script", rows[i].name, rows[i].path);
        buf_free(&p.body);
    }
}

static void check_page(const char *path, const struct page *p)
{
    if (p->status != 200 || p->body.failed || p->body.len >= PAGE_LIMIT)
        fail_msg("%s: status %d, %zu bytes", path, p->status, p->body.len);
    if (!has(p, "<!DOCTYPE html>") || !has(p, "</html>") || !has(p, "<html lang=\"en\">"))
        fail_msg("%s is not a whole page", path);
    if (has(p, "<script") || has(p, " style=") || has(p, " onclick") || has(p, "<img"))
        fail_msg("%s holds what its security policy forbids", path);
    if (!utf8_is_valid(buf_str(&p->body)))
        fail_msg("%s is not UTF-8", path);
}

static void every_reason_has_a_page(void **state)
{
    (void)state;
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        const struct reason_row *row = reason_row(r);
        char path[128];
        snprintf(path, sizeof path, "/why/%s/0123456789", row->slug);
        struct page p = get(path);
        check_page(path, &p);
        if (!has(&p, row->id) || !has(&p, "0123456789"))
            fail_msg("%s lacks its name or its reference", path);
        if (has(&p, "does not give this answer yet") == row->enforced)
            fail_msg("%s: enforced is %d, and the page says otherwise", path, row->enforced);
        buf_free(&p.body);
    }
}

/* Nobody reads a page that was never written, or one that is too long for a terminal. */
static void every_page_is_written(void **state)
{
    (void)state;
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        const struct reason_page *page = reason_page(r);
        if (strcmp(page->slug, reason_row(r)->slug) != 0)
            fail_msg("%s has the page of %s", reason_row(r)->slug, page->slug);
        if (strlen(page->text) < 250 || strstr(page->text, "DRAFT"))
            fail_msg("%s is not written", page->slug);
        for (const char *line = page->text; *line;) {
            size_t len = strcspn(line, "\n");
            if (len > 200)
                fail_msg("%s: a line of %zu bytes", page->slug, len);
            line += len + (line[len] != '\0');
        }
    }
}

static void lists_are_whole(void **state)
{
    struct page p = get("/why");

    (void)state;
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        char link[128];
        snprintf(link, sizeof link, "\"/why/%s\"", reason_row(r)->slug);
        if (!has(&p, link))
            fail_msg("the list lacks %s", reason_row(r)->slug);
    }
    assert_true(p.body.len < PAGE_LIMIT);
    buf_free(&p.body);
}

/* The host name comes from a configuration, and still is not trusted. */
static void host_name_is_escaped(void **state)
{
    static const char *const where[] = {"/", "/why", "/why/ok", "/nothing"};

    (void)state;
    for (size_t i = 0; i < sizeof where / sizeof *where; i++) {
        struct page p = page_for(str_from(where[i]), "<b>\"&'");
        assert_false(has(&p, "<b>\"&'"));
        assert_true(has(&p, "&lt;b&gt;&quot;&amp;&#39;"));
        buf_free(&p.body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),           cmocka_unit_test(every_reason_has_a_page), cmocka_unit_test(every_page_is_written),
        cmocka_unit_test(lists_are_whole), cmocka_unit_test(host_name_is_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
