/* dmarc_xml.c: see dmarc_xml.h. */
#include "store/dmarc_xml.h"

#include <stdio.h>
#include <time.h>

static void add_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c == '&')
            buf_add_text(out, "&amp;");
        else if (c == '<')
            buf_add_text(out, "&lt;");
        else if (c == '>')
            buf_add_text(out, "&gt;");
        else
            buf_add_char(out, c < 32 || c == 127 ? ' ' : (char)c); /* XML 1.0 §2.2 knows few control characters */
    }
}

static void add_element(struct buf *out, const char *indent, const char *name, struct str text)
{
    buf_addf(out, "%s<%s>", indent, name);
    add_escaped(out, text);
    buf_addf(out, "</%s>\n", name);
}

/* Nothing where there is nothing to say. */
static void add_known(struct buf *out, const char *indent, const char *name, struct str text)
{
    if (text.len)
        add_element(out, indent, name, text);
}

int64_t dmarc_report_begin_s(const struct dmarc_report *about)
{
    return about->day * (DMARC_DAY_MS / 1000);
}

int64_t dmarc_report_end_s(const struct dmarc_report *about)
{
    return dmarc_report_begin_s(about) + DMARC_DAY_MS / 1000 - 1;
}

void dmarc_report_id(const struct dmarc_report *about, const struct dmarc_domain *d, struct buf *out)
{
    time_t at = (time_t)dmarc_report_begin_s(about);
    struct tm tm;
    char date[16];

    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&at, &tm));
    buf_addf(out, "%s_%s@%s", date, d->name, about->receiver);
}

static void add_metadata(const struct dmarc_report *about, const struct dmarc_domain *d, struct buf *out)
{
    struct buf id = buf_make(1024);

    dmarc_report_id(about, d, &id);
    buf_add_text(out, "  <report_metadata>\n");
    add_element(out, "    ", "org_name", str_from(about->organization));
    add_element(out, "    ", "email", str_from(about->email));
    add_known(out, "    ", "extra_contact_info", str_from(about->contact));
    add_element(out, "    ", "report_id", buf_str(&id));
    buf_addf(out, "    <date_range>\n      <begin>%lld</begin>\n      <end>%lld</end>\n    </date_range>\n", (long long)dmarc_report_begin_s(about),
             (long long)dmarc_report_end_s(about));
    buf_add_text(out, "    <generator>Postern</generator>\n  </report_metadata>\n");
    buf_free(&id);
}

static void add_policy(const struct dmarc_domain *d, const struct str f[PUBLISHED_FIELDS], struct buf *out)
{
    buf_add_text(out, "  <policy_published>\n");
    add_element(out, "    ", "domain", str_from(d->name));
    buf_add_text(out, "    <discovery_method>treewalk</discovery_method>\n");
    add_element(out, "    ", "p", f[PUBLISHED_P]);
    add_known(out, "    ", "sp", f[PUBLISHED_SP]);
    add_known(out, "    ", "np", f[PUBLISHED_NP]);
    add_known(out, "    ", "fo", f[PUBLISHED_FO]);
    add_known(out, "    ", "adkim", f[PUBLISHED_ADKIM]);
    add_known(out, "    ", "aspf", f[PUBLISHED_ASPF]);
    add_known(out, "    ", "testing", f[PUBLISHED_T]);
    buf_add_text(out, "  </policy_published>\n");
}

static void add_signatures(struct str list, struct buf *out)
{
    for (struct str one = str_word(&list); one.len; one = str_word(&list)) {
        struct str domain = str_cut(&one, ':'), selector = str_cut(&one, ':');
        buf_add_text(out, "      <dkim>\n");
        add_element(out, "        ", "domain", domain);
        add_element(out, "        ", "selector", selector);
        add_element(out, "        ", "result", one);
        buf_add_text(out, "      </dkim>\n");
    }
}

static void add_row(uint64_t count, const struct str f[DMARC_FIELDS], struct buf *out)
{
    buf_add_text(out, "  <record>\n    <row>\n");
    add_element(out, "      ", "source_ip", f[DMARC_SOURCE_IP]);
    buf_addf(out, "      <count>%llu</count>\n      <policy_evaluated>\n", (unsigned long long)count);
    add_element(out, "        ", "disposition", f[DMARC_DISPOSITION]);
    add_element(out, "        ", "dkim", f[DMARC_DKIM_ALIGNED]);
    add_element(out, "        ", "spf", f[DMARC_SPF_ALIGNED]);
    if (f[DMARC_OVERRIDE].len) {
        buf_add_text(out, "        <reason>\n");
        add_element(out, "          ", "type", f[DMARC_OVERRIDE]);
        buf_add_text(out, "        </reason>\n");
    }
    buf_add_text(out, "      </policy_evaluated>\n    </row>\n    <identifiers>\n");
    add_element(out, "      ", "header_from", f[DMARC_HEADER_FROM]);
    add_element(out, "      ", "envelope_from", f[DMARC_ENVELOPE_FROM]); /* empty for the null sender (§3.1.1.10) */
    add_known(out, "      ", "envelope_to", f[DMARC_ENVELOPE_TO]);
    buf_add_text(out, "    </identifiers>\n    <auth_results>\n");
    add_signatures(f[DMARC_SIGNATURES], out);
    if (f[DMARC_SPF_RESULT].len) {
        buf_add_text(out, "      <spf>\n");
        add_element(out, "        ", "domain", f[DMARC_SPF_DOMAIN]);
        buf_add_text(out, "        <scope>mfrom</scope>\n");
        add_element(out, "        ", "result", f[DMARC_SPF_RESULT]);
        buf_add_text(out, "      </spf>\n");
    }
    buf_add_text(out, "    </auth_results>\n  </record>\n");
}

void dmarc_xml(const struct dmarc_report *about, const struct dmarc_domain *d, struct buf *out)
{
    struct str published[PUBLISHED_FIELDS], row[DMARC_FIELDS];

    if (!d->first || !d->published || !dmarc_fields(str_from(d->published), published, PUBLISHED_FIELDS))
        return;
    buf_add_text(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">\n  <version>1.0</version>\n");
    add_metadata(about, d, out);
    add_policy(d, published, out);
    for (const struct dmarc_row *r = d->first; r; r = r->next)
        if (dmarc_fields(str_n(r->text, r->len), row, DMARC_FIELDS))
            add_row(r->count, row, out);
    buf_add_text(out, "</feedback>\n");
}
