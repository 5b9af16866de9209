/* notice.c: see notice.h. */
#include "courier/notice.h"

#include "base/log.h"
#include "courier/report_pack.h"
#include "mail/date.h"

#include <string.h>

enum { MESSAGE_MAX = 10 * 1024 * 1024, SIGNATURES_BYTES_MAX = 96 * 1024, WORD_OCTETS = 39 /* of text in one encoded word: 52 in base64 */, LINE_OCTETS = 70 };

static bool is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] < 32 || (unsigned char)text.at[i] > 126)
            return false;
    return text.len <= LINE_OCTETS && str_find_str(text, STR("=?")) < 0;
}

/* The longest start of TEXT that fits into a word and ends with a whole character. */
static size_t word_length(struct str text)
{
    size_t len = text.len < WORD_OCTETS ? text.len : WORD_OCTETS;

    while (len > 1 && len < text.len && ((unsigned char)text.at[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static void add_words(struct buf *out, struct str text)
{
    bool is_first = true;

    while (text.len) {
        struct buf word = buf_make(4 * WORD_OCTETS);
        size_t len = word_length(text);
        report_base64(str_sub(text, 0, len), &word);
        buf_addf(out, "%s=?utf-8?B?" STR_FMT "?=", is_first ? "" : "\r\n ", STR_ARG(str_trim(buf_str(&word))));
        buf_free(&word);
        text = str_from_index(text, len);
        is_first = false;
    }
}

void notice_header_text(struct buf *out, struct str text)
{
    if (is_plain(text))
        buf_add_str(out, text);
    else
        add_words(out, text);
}

void notice_html_text(struct buf *out, struct str text)
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

static void add_head(struct buf *out, const struct notice *n, const char *boundary, int64_t now_ms)
{
    char date[DATE_TEXT_MAX];
    struct str name = str_from(n->from_name);

    buf_addf(out, "Date: %s\r\nFrom: ", date_format(now_ms, date));
    if (name.len && is_plain(name) && !memchr(name.at, '"', name.len) && !memchr(name.at, '\\', name.len))
        buf_addf(out, "\"" STR_FMT "\"\r\n\t", STR_ARG(name)); /* a quoted string; what would need escapes in it is encoded instead */
    else if (name.len) {
        add_words(out, name);
        buf_add_text(out, "\r\n\t");
    }
    buf_addf(out, "<%s>\r\nTo: <" STR_FMT ">\r\nSubject: ", n->from, STR_ARG(address_text(&n->to)));
    notice_header_text(out, n->subject);
    buf_addf(out, "\r\nMessage-ID: <%s.notice@%s>\r\nAuto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\n", boundary, n->host);
    if (*n->list_id)
        buf_addf(out, "List-Id: <%s>\r\n", n->list_id);
}

static void add_text_part(struct buf *out, const char *type, struct str text, const char *boundary)
{
    if (boundary)
        buf_addf(out, "--%s\r\n", boundary);
    buf_addf(out, "Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n", type);
    report_base64(text, out);
    buf_add_text(out, "\r\n");
}

static void add_alternatives(struct buf *out, const struct notice *n, const char *boundary)
{
    if (!n->html.len) {
        add_text_part(out, "text/plain", n->text, NULL);
        return;
    }
    buf_addf(out, "Content-Type: multipart/alternative; boundary=\"%s.a\"\r\n\r\n", boundary);
    char inner[REFERENCE_LEN + 3];
    str_copy(inner, sizeof inner, str_from(boundary));
    strcat(inner, ".a");
    add_text_part(out, "text/plain", n->text, inner);
    add_text_part(out, "text/html", n->html, inner);
    buf_addf(out, "--%s--\r\n", inner);
}

static void add_body(struct buf *out, const struct notice *n, const char *boundary)
{
    if (!n->attachment.len) {
        add_alternatives(out, n, boundary);
        return;
    }
    buf_addf(out, "Content-Type: multipart/mixed; boundary=\"%s.m\"\r\n\r\n--%s.m\r\n", boundary, boundary);
    add_alternatives(out, n, boundary);
    buf_addf(out, "\r\n--%s.m\r\n", boundary);
    buf_add_str(out, n->attachment);
    buf_addf(out, "\r\n--%s.m--\r\n", boundary);
}

static void sign(struct dkim_signer *signer, const struct notice *n, struct spool_message *m)
{
    struct buf header = buf_make(SIGNATURES_BYTES_MAX);
    struct str from = str_from(n->from), domain = str_from_index(from, (size_t)(str_find_last(from, '@') + 1));

    if (!dkim_sign(signer, domain, blob_bytes(m->body), m->received_ms / 1000, &header) || header.failed)
        log_error("notice %s could not be signed: it goes without", m->reference);
    else if (header.len)
        m->header = blob_from(buf_str(&header));
    buf_free(&header);
}

struct spool_message *notice_make(struct dkim_signer *signer, const struct notice *n, int64_t now_ms)
{
    struct spool_message *m = spool_message_new(1);
    struct buf out = buf_make(MESSAGE_MAX);

    if (!m)
        return NULL;
    random_reference(m->reference);
    add_head(&out, n, m->reference, now_ms);
    add_body(&out, n, m->reference);
    m->received_ms = now_ms;
    m->is_outgoing = true;
    m->mail.body = BODY_7BIT;
    m->mail.size = out.len;
    m->recipients[0].args.recipient = n->to;
    m->recipients[0].args.notify = DSN_NOTIFY_NEVER;
    m->recipients[0].next_try_ms = now_ms;
    m->body = out.failed ? NULL : blob_from(buf_str(&out));
    buf_free(&out);
    if (!m->body) {
        spool_message_unref(m);
        return NULL;
    }
    sign(signer, n, m);
    return m;
}
