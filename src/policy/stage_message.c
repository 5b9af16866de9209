/* stage_message.c: DATA. Every check looks at the same report, so their order matters only for who answers. */
#include "policy/policy.h"

typedef struct finding message_check(const struct message_facts *, const struct policy *);

static void run(message_check *const *checks, const struct message_facts *m, const struct policy *p, struct findings *out)
{
    for (; *checks; checks++) {
        struct finding f = (*checks)(m, p);
        findings_add(out, &f);
    }
}

void stage_message(const struct message_facts *m, const struct policy *p, struct findings *out)
{
    static message_check *const before_rules[] = {check_header_size, check_line_length, check_header_count, check_subject, check_date, check_part_count,
                                                  check_partial, check_authors, check_dmarc, NULL};
    static message_check *const behind_rules[] = {check_structure, check_file_names, check_blocked_attachments, check_encrypted_attachments, check_macros,
                                                  check_active_attachments, check_reputation, NULL};
    struct finding f = check_message_size(m->size, p);

    findings_add(out, &f);
    f = check_hops(m, p);
    findings_add(out, &f);
    if (m->skips_content)
        return;
    run(before_rules, m, p, out);
    for (size_t i = 0; m->rules && i < m->rules->count; i++)
        findings_add(out, &m->rules->findings[i]);
    run(behind_rules, m, p, out);
    if (m->rules)
        findings_skip(out, &m->rules->skips);
}
