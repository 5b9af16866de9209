/* feedback.c: see feedback.h. */
#include "courier/feedback.h"

#include "base/log.h"
#include "mail/date.h"

#include <stdio.h>

enum { REPORT_MAX = 1024 * 1024, SIGNATURES_BYTES_MAX = 96 * 1024 };

static void from_whom(const struct settings *settings, char *host, size_t host_size, char *postmaster, size_t size)
{
    const struct policy *system = settings_system(settings);
    const char *set = setting_text(system, SETTING_postmaster);

    settings_host_name(system, host, host_size);
    if (*set)
        str_copy(postmaster, size, str_from(set));
    else
        snprintf(postmaster, size, "postmaster@%s", host);
}

static struct spool_message *to_message(struct str text, const struct address *to, int64_t now_ms)
{
    struct spool_message *m = spool_message_new(1);

    if (!m)
        return NULL;
    random_reference(m->reference);
    m->received_ms = now_ms;
    m->is_outgoing = true;
    m->mail.body = BODY_8BITMIME;
    m->mail.size = text.len;
    for (size_t i = 0; i < text.len; i++)
        m->is_8bit = m->is_8bit || (unsigned char)text.at[i] > 127;
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

static void sign(struct dkim_signer *signer, struct str author, struct spool_message *m)
{
    struct buf header = buf_make(SIGNATURES_BYTES_MAX);
    struct str domain = str_from_index(author, (size_t)(str_find_last(author, '@') + 1));

    if (!dkim_sign(signer, domain, blob_bytes(m->body), m->received_ms / 1000, &header) || header.failed)
        log_error("report %s could not be signed: it goes without", m->reference);
    else if (header.len)
        m->header = blob_from(buf_str(&header));
    buf_free(&header);
}

struct spool_message *feedback_mail(const struct settings *settings, struct dkim_signer *signer, struct str to, const char *subject, struct str content,
                                   int64_t now_ms)
{
    char host[256], postmaster[340], date[DATE_TEXT_MAX], id[REFERENCE_LEN + 1];
    struct buf out = buf_make(REPORT_MAX);
    struct address address;

    if (address_parse(to, false, &address, NULL) != ADDRESS_OK || !address_domain(&address).len)
        return NULL;
    from_whom(settings, host, sizeof host, postmaster, sizeof postmaster);
    random_reference(id);
    buf_addf(&out, "Date: %s\r\nFrom: Mail gateway %s <%s>\r\nTo: <" STR_FMT ">\r\nSubject: %s\r\n", date_format(now_ms, date), host, postmaster,
             STR_ARG(address_text(&address)), subject);
    buf_addf(&out, "Message-ID: <%s.feedback@%s>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n", id, host);
    buf_add_str(&out, content);
    struct spool_message *m = out.failed ? NULL : to_message(buf_str(&out), &address, now_ms);
    if (m && signer)
        sign(signer, str_from(postmaster), m);
    buf_free(&out);
    return m;
}
