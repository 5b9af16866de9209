/* fuzz_dmarc.c: DMARC records and the URIs for reports in them, and the lines in which a day is kept: within their ceilings, and what was taken is written as it was. */
#include "auth/dmarc.h"
#include "auth/dmarc_destination.h"
#include "store/dmarc_xml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static bool take_back(void *arg, struct str line)
{
    struct dmarc_day *again = arg;

    check(line.len && line.at[line.len - 1] == '\n');
    line.len--;
    return str_is(line, "postern dmarc 1") || dmarc_day_take_line(again, line);
}

static void check_uris(struct str text)
{
    struct address to[DMARC_DESTINATIONS_MAX];
    size_t count = dmarc_uris_parse(text, to);

    check(count <= DMARC_DESTINATIONS_MAX);
    for (size_t i = 0; i < count; i++)
        check(domain_is_full(address_domain(&to[i])) && !memchr(to[i].text, '\n', to[i].len));
}

static void check_day(struct str text)
{
    const struct dmarc_report about = {.organization = "x", .email = "x@x.test", .contact = "", .receiver = "x.test", .day = 20782};
    struct dmarc_day day, again;
    struct buf xml = buf_make(1024 * 1024);

    dmarc_day_init(&day, 64);
    dmarc_day_init(&again, 64);
    while (text.len)
        dmarc_day_take_line(&day, str_cut(&text, '\n'));
    check(day.row_count <= 64 && day.table.count <= 64);
    check(dmarc_day_lines(&day, take_back, &again));
    check(day.row_count == again.row_count && day.table.count == again.table.count);
    for (const struct dmarc_domain *d = day.first; d; d = d->next)
        dmarc_xml(&about, d, &xml);
    buf_free(&xml);
    dmarc_day_clear(&day);
    dmarc_day_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    struct dmarc_record record;

    if (dmarc_record_parse(text, &record))
        check_uris(str_from(record.rua));
    check_uris(text);
    check_day(text);
    return 0;
}
