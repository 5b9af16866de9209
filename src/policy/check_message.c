/* check_message.c: what the scan process found in the message, measured by a domain's settings. Evidence names the field and the line. */
#include "policy/policy.h"

#include "mail/date.h"


static const int64_t DAY_MS = 86400000;

struct finding check_message_size(uint64_t size, const struct policy *p)
{
    uint64_t limit = (uint64_t)setting_number(p, SETTING_max_message_size);

    if (size <= limit)
        return finding_none();
    struct finding f = finding_make(REASON_MESSAGE_TOO_LARGE, "%s", "");
    f.size = limit;
    return f;
}

struct finding check_line_length(const struct message_facts *m, const struct policy *p)
{
    int64_t limit = setting_number(p, SETTING_max_line);

    if (!limit || m->is_binary || m->report->longest_line <= limit)
        return finding_none();
    return finding_make(REASON_LINE_TOO_LONG_IN_MESSAGE, "line %u has %u bytes, %lld are allowed", m->report->longest_line_number,
                        m->report->longest_line, (long long)limit);
}

struct finding check_header_size(const struct message_facts *m, const struct policy *p)
{
    int64_t field = setting_number(p, SETTING_max_header_field), all = setting_number(p, SETTING_max_header);
    const struct scan_report *r = m->report;

    if (field && r->longest_field > field)
        return finding_make(REASON_HEADER_TOO_LONG, "field %s in line %u has %u bytes, %lld are allowed", r->longest_field_name,
                            r->longest_field_line, r->longest_field, (long long)field);
    if (all && r->header_bytes > all)
        return finding_make(REASON_HEADER_TOO_LONG, "the header has %u bytes, %lld are allowed", r->header_bytes, (long long)all);
    return finding_none();
}

struct finding check_header_count(const struct message_facts *m, const struct policy *p)
{
    const struct scan_report *r = m->report;

    if (setting_action(p, SETTING_check_header_count) == ACTION_OFF)
        return finding_none();
    for (enum once_field f = 0; f < ONCE_COUNT; f++)
        if (r->count[f] > 1)
            return finding_make(REASON_BAD_HEADER_COUNT, "%u %s fields, the second in line %u", r->count[f], once_field_name(f),
                                r->second_line[f]);
    return r->count[ONCE_FROM] ? finding_none() : finding_make(REASON_BAD_HEADER_COUNT, "%s", "no From field");
}

/* RFC 6532 §3.2 allows raw UTF-8 in an internationalised message, and only there. */
struct finding check_subject(const struct message_facts *m, const struct policy *p)
{
    const struct scan_report *r = m->report;

    if (setting_action(p, SETTING_check_subject) == ACTION_OFF || !r->subject_8bit_line || (m->smtputf8 && r->subject_is_utf8))
        return finding_none();
    return finding_make(REASON_SUBJECT_INVALID, "Badly formed Subject header in line %u, raw bytes above 127", r->subject_8bit_line);
}

struct finding check_date(const struct message_facts *m, const struct policy *p)
{
    int64_t days = setting_number(p, SETTING_max_date_skew_days);
    const struct scan_report *r = m->report;
    char text[DATE_TEXT_MAX];

    if (!r->has_date)
        return setting_flag(p, SETTING_date_required) ? finding_make(REASON_DATE_OUT_OF_RANGE, "%s", "no Date field") : finding_none();
    if (!days || !r->date_is_valid) /* one that cannot be read is a defect of structure, not a distance */
        return finding_none();
    int64_t away_ms = r->date_ms > m->now_ms ? r->date_ms - m->now_ms : m->now_ms - r->date_ms;
    if (away_ms <= days * DAY_MS)
        return finding_none();
    return finding_make(REASON_DATE_OUT_OF_RANGE, "%s in line %u is %lld days in the %s, %lld are allowed", date_format(r->date_ms, text),
                        r->date_line, (long long)(away_ms / DAY_MS), r->date_ms > m->now_ms ? "future" : "past", (long long)days);
}

/* RFC 5321 §6.3: counting Received fields is the way to see a loop. */
struct finding check_hops(const struct message_facts *m, const struct policy *p)
{
    int64_t limit = setting_number(p, SETTING_max_hops);

    if (m->report->received_count <= limit)
        return finding_none();
    return finding_make(REASON_MAIL_LOOP, "%u Received fields, %lld are allowed", m->report->received_count, (long long)limit);
}
