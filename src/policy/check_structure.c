/* check_structure.c: how the message is built, measured by a domain's settings. Evidence names the part and the line. */
#include "policy/policy.h"

#include <stdio.h>

enum { AUTHOR_OCTETS_MOST = 900 /* RFC 5321 §4.5.3.1: 320 */, AUTHORS_MOST = 20, AUTHOR_DOMAINS_MOST = 5 /* of so many the gate asks for the policy, and the scan reads more mailboxes than so many */ };

struct finding check_part_count(const struct message_facts *m, const struct policy *p)
{
    int64_t limit = setting_number(p, SETTING_max_parts);

    if (!limit || m->report->part_count <= limit)
        return finding_none();
    return finding_make(REASON_TOO_MANY_PARTS, "%u parts, %lld are allowed", m->report->part_count, (long long)limit);
}

/* RFC 2046 §5.2.2: put together only behind the gateway, where nothing looks at the whole. */
struct finding check_partial(const struct message_facts *m, const struct policy *p)
{
    struct str rest = report_records(m->report);
    struct record r;

    if (setting_action(p, SETTING_check_partial) == ACTION_OFF)
        return finding_none();
    while (report_next(&rest, RECORD_PART, &r))
        if (str_is(r.part.type, "message/partial"))
            return finding_make(REASON_PARTIAL_MESSAGE, "part " STR_FMT " in line %u is message/partial",
                                STR_ARG(r.part.path.len ? r.part.path : STR("0")), r.part.line);
    return finding_none();
}

static struct finding malformed(const struct record_defect *d, unsigned more)
{
    char where[80] = "", others[40] = "";

    if (d->path.len)
        snprintf(where, sizeof where, "part " STR_FMT "%s", STR_ARG(str_sub(d->path, 0, 48)), d->line ? ", " : ": ");
    if (more)
        snprintf(others, sizeof others, " (and %u more)", more);
    if (d->line)
        return finding_make(REASON_MESSAGE_MALFORMED, "%sline %u: " STR_FMT "%s", where, d->line, STR_ARG(str_sub(d->text, 0, 90)), others);
    return finding_make(REASON_MESSAGE_MALFORMED, "%s" STR_FMT "%s", where, STR_ARG(str_sub(d->text, 0, 100)), others);
}

/* Some readers show the first author, others the last; whose policy is looked at must not be a matter of who stands where (RFC 9989 §11.5). */
static struct finding check_author_count(const struct scan_report *report)
{
    struct str rest = report_records(report), seen[AUTHOR_DOMAINS_MOST];
    struct record r;
    size_t mailboxes = 0, domains = 0;

    while (report_next(&rest, RECORD_MAILBOX, &r)) {
        bool known = !r.mailbox.domain.len;
        if (!str_is_case(r.mailbox.field, "From"))
            continue;
        if (r.mailbox.address.len > AUTHOR_OCTETS_MOST) /* its end, which is the domain's, may not have been read */
            return finding_make(REASON_MESSAGE_MALFORMED, "an address in From has more than %d octets", AUTHOR_OCTETS_MOST);
        for (size_t i = 0; i < domains; i++)
            known = known || str_eq_case(seen[i], r.mailbox.domain);
        if (++mailboxes > AUTHORS_MOST || (!known && domains == AUTHOR_DOMAINS_MOST))
            return finding_make(REASON_MESSAGE_MALFORMED, "From names more than %d %s", mailboxes > AUTHORS_MOST ? AUTHORS_MOST : AUTHOR_DOMAINS_MOST,
                                mailboxes > AUTHORS_MOST ? "authors" : "domains");
        if (!known)
            seen[domains++] = r.mailbox.domain;
    }
    return finding_none();
}

/* What two readers could read differently, and what could not be read whole. */
struct finding check_structure(const struct message_facts *m, const struct policy *p)
{
    struct str rest = report_records(m->report);
    struct record r, first;
    unsigned count = 0;

    if (setting_action(p, SETTING_check_structure) == ACTION_OFF)
        return finding_none();
    while (report_next(&rest, RECORD_DEFECT, &r)) {
        if (!r.defect.is_ambiguous)
            continue;
        if (count++ == 0)
            first = r;
    }
    if (count)
        return malformed(&first.defect, count - 1);
    if (m->report->important_dropped)
        return finding_make(REASON_MESSAGE_MALFORMED, "%s", "it holds more than can be examined");
    return check_author_count(m->report);
}
