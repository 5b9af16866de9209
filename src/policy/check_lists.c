/* check_lists.c: block lists of networks, senders and recipients. */
#include "policy/policy.h"

/* The next address of From. */
static bool next_author(struct str *rest, struct record *out)
{
    while (report_next(rest, RECORD_MAILBOX, out))
        if (str_is_case(out->mailbox.field, "from") && out->mailbox.address.len)
            return true;
    return false;
}

struct finding check_authors(const struct message_facts *m, const struct policy *p)
{
    struct str rest = report_records(m->report);
    char evidence[EVIDENCE_MAX];
    struct record r;

    (void)p;
    while (m->lists && next_author(&rest, &r))
        if (lists_author_blocked(m->lists, r.mailbox.address, m->scope, evidence))
            return finding_make(REASON_BLOCKED_SENDER, "%s", evidence);
    return finding_none();
}

bool author_is_allowed(const struct message_facts *m)
{
    struct str rest = report_records(m->report);
    struct record r, other;
    bool authenticated = m->author && m->author->result == DMARC_PASS;

    if (!m->lists || !next_author(&rest, &r) || next_author(&rest, &other))
        return false;
    return lists_author_allowed(m->lists, r.mailbox.address, m->scope, authenticated, NULL);
}

struct finding check_lists(const struct client_facts *client, const struct envelope_facts *e, const struct lists *lists)
{
    char evidence[EVIDENCE_MAX];

    if (lists_recipient_blocked(lists, e->recipient, e->scope, evidence))
        return finding_make(REASON_BLOCKED_RECIPIENT, "%s", evidence);
    if (lists_ip_blocked(lists, &client->peer.ip, e->scope, evidence))
        return finding_make(REASON_BLOCKED_IP, "%s", evidence);
    if (lists_sender_blocked(lists, e->sender, e->scope, evidence))
        return finding_make(REASON_BLOCKED_SENDER, "%s", evidence);
    return finding_none();
}
