/* stage_message.c: DATA. Every check looks at the same report, so their order matters only for who answers. */
#include "policy/policy.h"

void stage_message(const struct message_facts *m, const struct policy *p, struct findings *out)
{
    static struct finding (*const checks[])(const struct message_facts *, const struct policy *) = {
        check_header_size, check_line_length, check_header_count, check_subject, check_date, check_part_count, check_partial,
        check_authors, check_dmarc, check_structure, check_file_names, check_blocked_attachments, check_encrypted_attachments, check_macros, check_active_attachments, check_reputation};
    struct finding f = check_message_size(m->size, p);

    findings_add(out, &f);
    f = check_hops(m, p);
    findings_add(out, &f);
    for (size_t i = 0; !m->skips_content && i < sizeof checks / sizeof *checks; i++) {
        f = checks[i](m, p);
        findings_add(out, &f);
    }
}
