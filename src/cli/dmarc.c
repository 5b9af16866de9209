/* dmarc.c: `postern dmarc report --dry-run`: what was counted for DMARC reports so far, as the reports would have it. Reads the files of state_directory. */
#include "cli/command.h"

#include "auth/dmarc_destination.h"
#include "base/clock.h"
#include "courier/dmarc_reports.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum { DAYS_BACK = 30, XML_MAX = 256 * 1024 * 1024 };

static void print_addresses(const struct dmarc_domain *d)
{
    struct str published[PUBLISHED_FIELDS];
    struct address to[DMARC_DESTINATIONS_MAX];

    if (!dmarc_fields(str_from(d->published), published, PUBLISHED_FIELDS))
        return;
    size_t count = dmarc_uris_parse(published[PUBLISHED_RUA], to);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "postern: %s asks for it at " STR_FMT "%s\n", d->name, STR_ARG(address_text(&to[i])),
                dmarc_domain_was_sent(d, address_text(&to[i])) ? " (sent)" : "");
}

/* Standard output gets XML alone. False: it could not be made. */
static bool print_report(const struct dmarc_report *about, const struct dmarc_domain *d)
{
    struct buf xml = buf_make(XML_MAX);

    if (!d->first || !d->published)
        return true;
    dmarc_xml(about, d, &xml);
    bool ok = !xml.failed && fwrite(xml.at, 1, xml.len, stdout) == xml.len;
    print_addresses(d);
    if (!ok)
        fprintf(stderr, "postern: the report on %s could not be printed\n", d->name);
    buf_free(&xml);
    return ok;
}

static bool print_day(const struct settings *settings, int64_t day, const char *domain, size_t *found)
{
    const struct policy *p = settings_system(settings);
    char path[PATH_MAX], host[DMARC_ABOUT_MAX], email[DMARC_ABOUT_MAX];
    struct dmarc_report about;
    struct dmarc_day counted;

    dmarc_day_path(setting_text(p, SETTING_state_directory), day, path, sizeof path);
    dmarc_day_init(&counted, (size_t)setting_number(p, SETTING_dmarc_report_entries));
    bool ok = dmarc_day_read(&counted, path, NULL, NULL) || errno == ENOENT;
    if (!ok)
        fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
    dmarc_report_about(settings, day, host, email, &about);
    for (const struct dmarc_domain *d = counted.first; d; d = d->next) {
        if (domain && !str_is_case(str_from(domain), d->name))
            continue;
        ok = print_report(&about, d) && ok;
        ++*found;
    }
    dmarc_day_clear(&counted);
    return ok;
}

int dmarc_main(const struct command_line *line)
{
    int64_t today = clock_wall_ms() / DMARC_DAY_MS;
    size_t found = 0;
    bool ok = true;

    if (!line->dry_run || line->words) {
        fprintf(stderr, "postern: the gateway sends the reports itself, once a day; dmarc report --dry-run prints them\n");
        return EX_USAGE;
    }
    struct settings *settings = command_settings(line);
    if (!settings)
        return EX_CONFIG;
    for (int64_t day = today - DAYS_BACK; day <= today; day++)
        ok = print_day(settings, day, line->domain, &found) && ok;
    if (!setting_flag(settings_system(settings), SETTING_dmarc_reports))
        fprintf(stderr, "postern: dmarc_reports is off: nothing is counted\n");
    else if (!found)
        fprintf(stderr, "postern: nothing is counted%s%s\n", line->domain ? " for " : "", line->domain ? line->domain : "");
    settings_unref(settings);
    return ok ? EX_OK : EX_IOERR;
}
