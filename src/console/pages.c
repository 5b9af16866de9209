/* pages.c: see pages.h. */
#include "console/pages.h"

#include "base/random.h"
#include "catalog/reason_page.h"
#include "catalog/settings.h"

#include <string.h>

static const char style[] =
    ":root{color-scheme:light dark;--fg:#1c2024;--bg:#fff;--dim:#5b6470;--line:#d9dee4;--accent:#0b5cad}\n"
    "@media(prefers-color-scheme:dark){:root{--fg:#e6e9ec;--bg:#14171a;--dim:#9aa4af;--line:#333a42;--accent:#7cb7f5}}\n"
    "body{margin:0 auto;max-width:44rem;padding:1.5rem 1rem 3rem;font:1rem/1.55 system-ui,sans-serif;color:var(--fg);background:var(--bg)}\n"
    "h1{font-size:1.5rem;line-height:1.25}h2{font-size:1.1rem;margin-top:2rem}a{color:var(--accent)}\n"
    "code,pre{font:.9rem/1.5 ui-monospace,monospace}pre{overflow-x:auto;padding:.75rem;border:1px solid var(--line);border-radius:.4rem}\n"
    ".dim{color:var(--dim)}dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:0}dt{color:var(--dim)}dd{margin:0}\n"
    "ul.list{list-style:none;padding:0}ul.list li{padding:.3rem 0;border-bottom:1px solid var(--line)}\n";

static void escape(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.at[i]) {
        case '&': buf_add_text(out, "&amp;"); break;
        case '<': buf_add_text(out, "&lt;"); break;
        case '>': buf_add_text(out, "&gt;"); break;
        case '"': buf_add_text(out, "&quot;"); break;
        case '\'': buf_add_text(out, "&#39;"); break;
        default: buf_add_char(out, text.at[i]); break;
        }
    }
}

static void head(struct buf *out, const char *title)
{
    buf_add_text(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    escape(out, str_from(title));
    buf_add_text(out, "</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n<body>\n<main>\n<h1>");
    escape(out, str_from(title));
    buf_add_text(out, "</h1>\n");
}

static void foot(struct buf *out, const char *host)
{
    buf_add_text(out, "</main>\n<footer class=\"dim\"><p>This page is served by the mail gateway ");
    escape(out, str_from(host));
    buf_add_text(out, ". <a href=\"/why\">All answers it gives</a></p></footer>\n</body>\n</html>\n");
}

static struct page text_page(int status, const char *type, const char *text)
{
    struct page p = {.status = status, .type = type, .body = buf_make(PAGE_MAX)};

    buf_add_text(&p.body, text);
    return p;
}

static struct page not_found(const char *host)
{
    struct page p = {.status = 404, .type = "text/html; charset=utf-8", .body = buf_make(PAGE_MAX)};

    head(&p.body, "There is no such page");
    buf_add_text(&p.body, "<p>Look for the answer you got in the <a href=\"/why\">list of all answers</a>.</p>\n");
    foot(&p.body, host);
    return p;
}

static void facts(struct buf *out, const struct reason_row *row, struct str reference)
{
    buf_addf(out, "<h2>Technical details</h2>\n<dl><dt>Answer</dt><dd><code>%d%s%s</code></dd><dt>Name</dt><dd><code>%s</code></dd>", row->code,
             *row->enhanced ? " " : "", row->enhanced, row->id);
    buf_addf(out, "<dt>Found at</dt><dd>%s</dd>", reason_stage_name(row->stage));
    if (row->setting >= 0)
        buf_addf(out, "<dt>Setting</dt><dd><code>%s</code></dd>", setting_row((enum setting)row->setting)->name);
    buf_addf(out, "<dt>Allow list</dt><dd>%s</dd>", row->allow_lifts ? "a sender on the recipient's allow list is let through" : "changes nothing");
    if (reference.len) {
        buf_add_text(out, "<dt>Reference</dt><dd><code>");
        escape(out, reference);
        buf_add_text(out, "</code> (quote it when you ask the recipient's postmaster)</dd>");
    }
    buf_add_text(out, "</dl>\n");
}

static struct page reason_html(enum reason r, struct str reference, const char *host)
{
    const struct reason_row *row = reason_row(r);
    struct page p = {.status = 200, .type = "text/html; charset=utf-8", .body = buf_make(PAGE_MAX)};

    head(&p.body, reason_page(r)->title);
    if (!row->enforced)
        buf_add_text(&p.body, "<p class=\"dim\">This build of the gateway does not give this answer yet.</p>\n");
    buf_add_text(&p.body, reason_page(r)->html);
    buf_add_char(&p.body, '\n');
    facts(&p.body, row, reference);
    foot(&p.body, host);
    return p;
}

static struct page list_html(const char *host)
{
    static const struct { enum reason_kind kind; const char *title; } groups[] = {
        {REASON_KIND_PERMANENT, "Refused"}, {REASON_KIND_TEMPORARY, "Not now: try again later"},
        {REASON_KIND_DELIVERY, "In delivery reports"}, {REASON_KIND_PROTOCOL, "Protocol"}};
    struct page p = {.status = 200, .type = "text/html; charset=utf-8", .body = buf_make(PAGE_MAX)};

    head(&p.body, "Why did the gateway answer so?");
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        buf_addf(&p.body, "<h2>%s</h2>\n<ul class=\"list\">\n", groups[i].title);
        for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++) {
            const struct reason_row *row = reason_row(r);
            if (row->kind != groups[i].kind)
                continue;
            buf_addf(&p.body, "<li><code>%d</code> <a href=\"/why/%s\">", row->code, row->slug);
            escape(&p.body, str_from(reason_page(r)->title));
            buf_add_text(&p.body, "</a></li>\n");
        }
        buf_add_text(&p.body, "</ul>\n");
    }
    foot(&p.body, host);
    return p;
}

static struct page home_html(const char *host)
{
    struct page p = {.status = 200, .type = "text/html; charset=utf-8", .body = buf_make(PAGE_MAX)};

    head(&p.body, host);
    buf_add_text(&p.body, "<p>This host is a mail gateway: it checks mail on its way to and from other mail servers. If it refused or delayed a "
                          "message of yours, its answer held the address of a page that says why.</p>\n");
    foot(&p.body, host);
    return p;
}

static bool is_reference(struct str s)
{
    if (s.len != REFERENCE_LEN)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!memchr("0123456789ABCDEFGHJKMNPQRSTVWXYZ", s.at[i], 32))
            return false;
    return true;
}

struct page page_for(struct str path, const char *host)
{
    if (str_is(path, "/"))
        return home_html(host);
    if (str_is(path, "/livez"))
        return text_page(200, "text/plain; charset=utf-8", "ok\n");
    if (str_is(path, "/robots.txt"))
        return text_page(200, "text/plain; charset=utf-8", "User-agent: *\nDisallow: /\n");
    if (str_is(path, "/style.css"))
        return text_page(200, "text/css; charset=utf-8", style);
    if (str_is(path, "/why") || str_is(path, "/why/"))
        return list_html(host);
    if (!str_starts(path, STR("/why/")))
        return not_found(host);
    struct str reference = str_from_index(path, 5), slug = str_cut(&reference, '/');
    enum reason r = reason_find(slug);
    if (r == REASON_NONE || !str_is(slug, reason_row(r)->slug) || (reference.at && !is_reference(reference)))
        return not_found(host);
    return reason_html(r, reference, host);
}

struct page page_unlock(enum unlock_answer answer, const struct unlock_target *who, const char *host)
{
    static const struct {
        int status;
        const char *title, *text;
    } pages[] = {
        [UNLOCK_READY] = {200, "Let the account send again?", "<p>Change its password first, and remove the cause: otherwise it will soon be locked again.</p>\n"
                                                             "<form method=\"post\"><button>Unlock</button></form>\n"},
        [UNLOCK_DONE] = {200, "The account may send again", "<p>Keep an eye on it. The link you used has no further effect.</p>\n"},
        [UNLOCK_UNKNOWN] = {404, "This link has no effect", "<p>It was used already, is older than seven days, or a newer one was sent. The operator of the gateway can help.</p>\n"},
        [UNLOCK_FAILED] = {503, "This does not work right now", "<p>Please try again in a few minutes.</p>\n"},
    };
    struct page p = {.status = pages[answer].status, .type = "text/html; charset=utf-8", .body = buf_make(PAGE_MAX)};

    head(&p.body, pages[answer].title);
    if (answer == UNLOCK_READY || answer == UNLOCK_DONE) {
        buf_add_text(&p.body, "<p><code>");
        escape(&p.body, str_from(who->login));
        buf_add_text(&p.body, "</code>");
        if (*who->identity) {
            buf_add_text(&p.body, ", user <code>");
            escape(&p.body, str_from(who->identity));
            buf_add_text(&p.body, "</code>");
        }
        buf_add_text(&p.body, "</p>\n");
    }
    buf_add_text(&p.body, pages[answer].text);
    foot(&p.body, host);
    return p;
}

struct page page_digest(enum digest_answer answer, const struct digest_target *what, const char *host)
{
    static const struct {
        int status;
        const char *title, *text;
    } pages[] = {
        [DIGEST_READY] = {200, "Release this message?", "<p>It will be delivered to your mailbox. Open it with care: the gateway had a reason to keep it back.</p>\n"
                                                        "<form method=\"post\"><button>Release</button></form>\n"},
        [DIGEST_DONE] = {200, "The message is on its way", "<p>It should be in your mailbox in a moment. The link you used has no further effect.</p>\n"},
        [DIGEST_UNKNOWN] = {404, "This link has no effect", "<p>It was used already, or is older than seven days. Your next digest, or whoever looks after your mail, can help.</p>\n"},
        [DIGEST_GONE] = {410, "The message is not in quarantine any more", "<p>It was released before, was removed, or its time there was over.</p>\n"},
        [DIGEST_FAILED] = {503, "This does not work right now", "<p>Please try again in a few minutes.</p>\n"},
    };
    struct page p = {.status = pages[answer].status, .type = "text/html; charset=utf-8", .body = buf_make(PAGE_MAX)};

    head(&p.body, pages[answer].title);
    if (answer == DIGEST_READY && what->reason != REASON_NONE)
        buf_addf(&p.body, "<p>Kept back: <a href=\"/why/%s\">%s</a></p>\n", reason_row(what->reason)->slug, reason_row(what->reason)->slug);
    if (answer == DIGEST_READY && what->allows)
        buf_add_text(&p.body, "<p>Its sender will be let through from now on, as long as he can prove to be the sender.</p>\n");
    if (answer == DIGEST_DONE && what->allows)
        buf_add_text(&p.body, what->was_allowed ? "<p>Its sender is on your allow list now.</p>\n"
                                                : "<p>Its sender could not be put on your allow list; whoever looks after your mail can do that.</p>\n");
    buf_add_text(&p.body, pages[answer].text);
    foot(&p.body, host);
    return p;
}
