/* dmarc_mail.c: an aggregate report as a message: a few words, and the XML compressed (RFC 9990 §3.5.2). */
#include "base/clock.h"
#include "base/log.h"
#include "courier/dmarc_reports.h"
#include "courier/report_pack.h"
#include "mail/date.h"

#include <string.h>

enum { XML_MAX = 256 * 1024 * 1024, MESSAGE_MAX = 10 * 1024 * 1024 /* what most servers take */, SIGNATURES_BYTES_MAX = 96 * 1024 };

/* A name in a header field: what is no plain ASCII would need encoding, and no name of ours has it. */
static void add_phrase(struct buf *out, const char *text)
{
    buf_add_char(out, '"');
    for (const char *c = text; *c; c++)
        buf_add_char(out, *c < 32 || *c > 126 || strchr("\"\\", *c) ? '?' : *c);
    buf_add_char(out, '"');
}

static void add_head(const struct dmarc_report *about, const struct dmarc_domain *d, const struct address *to, int64_t now_ms, const char *boundary,
                     struct buf *out)
{
    char date[DATE_TEXT_MAX];
    struct buf id = buf_make(1024);

    dmarc_report_id(about, d, &id);
    buf_addf(out, "Date: %s\r\nFrom: ", date_format(now_ms, date));
    add_phrase(out, about->organization);
    buf_addf(out, "\r\n\t<%s>\r\nTo: <" STR_FMT ">\r\n", about->email, STR_ARG(address_text(to)));
    buf_addf(out, "Subject: Report Domain: %s\r\n\tSubmitter: %s\r\n\tReport-ID: <" STR_FMT ">\r\n", d->name, about->receiver, STR_ARG(buf_str(&id)));
    buf_addf(out, "Message-ID: <%s.dmarc@%s>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n", boundary, about->receiver);
    buf_addf(out, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n", boundary);
    buf_free(&id);
}

static void add_parts(const struct dmarc_report *about, const struct dmarc_domain *d, struct str packed, const char *boundary, struct buf *out)
{
    buf_addf(out, "--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n", boundary);
    buf_addf(out, "This is a DMARC aggregate report by the mail gateway %s\r\non mail that came in the name of %s.\r\n", about->receiver, d->name);
    buf_addf(out, "It is sent because the domain's DMARC record asks for it (rua).\r\n\r\n--%s\r\nContent-Type: application/gzip\r\n", boundary);
    buf_addf(out, "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n\tfilename=\"%s!%s!%lld!%lld.xml.gz\"\r\n\r\n", about->receiver,
             d->name, (long long)dmarc_report_begin_s(about), (long long)dmarc_report_end_s(about));
    report_base64(packed, out);
    buf_addf(out, "\r\n--%s--\r\n", boundary);
}

static void sign(struct dkim_signer *signer, const struct dmarc_report *about, struct spool_message *m)
{
    struct buf header = buf_make(SIGNATURES_BYTES_MAX);
    struct str email = str_from(about->email), domain = str_from_index(email, (size_t)(str_find_last(email, '@') + 1));

    if (!dkim_sign(signer, domain, blob_bytes(m->body), m->received_ms / 1000, &header) || header.failed)
        log_error("DMARC report %s could not be signed: it goes without", m->reference);
    else if (header.len)
        m->header = blob_from(buf_str(&header));
    buf_free(&header);
}

static struct spool_message *to_message(const struct dmarc_report *about, const struct address *to, struct str text, int64_t now_ms)
{
    struct spool_message *m = spool_message_new(1);
    struct address sender;

    if (!m)
        return NULL;
    random_reference(m->reference);
    m->received_ms = now_ms;
    m->is_outgoing = true;
    m->mail.body = BODY_7BIT;
    m->mail.size = text.len;
    if (address_parse(str_from(about->email), false, &sender, NULL) == ADDRESS_OK) /* so that SPF is aligned as well (RFC 9990 §3.5.2) */
        m->mail.sender = sender;
    m->recipients[0].args.recipient = *to;
    m->recipients[0].args.notify = DSN_NOTIFY_NEVER;
    m->recipients[0].next_try_ms = now_ms;
    m->body = blob_from(text);
    if (!m->body) {
        spool_message_unref(m);
        return NULL;
    }
    return m;
}

struct spool_message *dmarc_mail(struct dkim_signer *signer, const struct dmarc_report *about, const struct dmarc_domain *d, const struct address *to,
                                 int64_t now_ms)
{
    struct buf xml = buf_make(XML_MAX), packed = buf_make(MESSAGE_MAX), out = buf_make(2 * MESSAGE_MAX);
    struct spool_message *m = NULL;
    char boundary[REFERENCE_LEN + 1];

    random_reference(boundary);
    dmarc_xml(about, d, &xml);
    if (!xml.failed && xml.len && report_gzip(buf_str(&xml), &packed)) {
        add_head(about, d, to, now_ms, boundary, &out);
        add_parts(about, d, buf_str(&packed), boundary, &out);
        m = out.failed ? NULL : to_message(about, to, buf_str(&out), now_ms);
        if (m)
            sign(signer, about, m);
    }
    buf_free(&xml);
    buf_free(&packed);
    buf_free(&out);
    return m;
}
