/* filter_field.c: the fields of the filter grammar. */
#include "store/filter_parts.h"

#include <string.h>

#define STATUSES "accepted|delivered|bounced|delivery-failed|rejected|delayed|not-accepted|quarantined|quarantine-expired|quarantine-removed|released|" \
                 "auto-released|blackholed|queued|queue-frozen|queue-bounced|queue-removed|queue-expired"
#define CLASSES "ham|unsure|spam|phish|virus|allowed|blocked|error|unknown"

static const struct filter_field fields[] = {
    {"since", FILTER_SINCE, "m.id", "", false, "not older than 7d, 12h, 30m, 2w; or since 2026-11-24, 2026-11-24T14:00 (UTC)"},
    {"until", FILTER_UNTIL, "m.id", "", false, "before: as since"},
    {"from", FILTER_ADDRESS, "m.sender", "m.sender_domain", true, "envelope sender; \"\" is the null sender"},
    {"to", FILTER_ADDRESS, "m.recipient", "m.recipient_domain", true, "envelope recipient"},
    {"subject", FILTER_WORDS, "m.subject", "s", true, "words of the subject; inv* words that begin so; *voice* any part"},
    {"header-from", FILTER_WORDS, "m.header_from", "f", true, "words of header From, such as a name"},
    {"attachment", FILTER_WORDS, "m.attachments", "a", true, "words of attachments' names"},
    {"header-to", FILTER_CONTAINS, "m.header_to", "", false, "part of header To"},
    {"header-cc", FILTER_CONTAINS, "m.header_cc", "", false, "part of header Cc"},
    {"message-id", FILTER_EXACT, "m.message_id", "<", true, "Message-ID, with or without < >"},
    {"reference", FILTER_EXACT, "m.reference", "A", true, "as in the answer"},
    {"status", FILTER_CHOICE, "m.status", STATUSES, true, STATUSES},
    {"direction", FILTER_CHOICE, "m.direction", "in|out|own", false, "in|out|own"},
    {"class", FILTER_CHOICE, "m.main_class", CLASSES, false, CLASSES},
    {"sub-class", FILTER_EXACT, "m.sub_class", "", false, "why it is of that class"},
    {"extra-class", FILTER_CONTAINS, "m.extra_class", "", false, "part of what was found"},
    {"reason", FILTER_REASON, "m.reason", "", true, "that decided: spf-failure, as in the address of its page"},
    {"evidence", FILTER_CONTAINS, "m.findings", "", false, "part of any finding, reasons among them"},
    {"score", FILTER_NUMBER, "m.score", "", false, "0 to 1: >0.5, 0.3..0.9"},
    {"action", FILTER_EXACT, "m.action", "", false, "deliver, refuse, defer, quarantine, …"},
    {"size", FILTER_BYTES, "m.size", "", false, "octets: >10M"},
    {"ip", FILTER_NETWORK, "m.client_key", "", true, "the client's address or network"},
    {"ptr", FILTER_CONTAINS, "m.client_name", "", false, "part of the client's name"},
    {"helo", FILTER_CONTAINS, "m.helo", "", false, "part of what it called itself"},
    {"tls", FILTER_CONTAINS, "m.tls", "", false, "part of the session's TLS"},
    {"user", FILTER_EXACT, "m.login", "", false, "the account that sent it"},
    {"identity", FILTER_EXACT, "m.identity", "", false, "which user of the account"},
    {"tenant", FILTER_TENANT, "m.tenant", "", true, "a tenant and all below it"},
    {"domain", FILTER_DOMAIN, "m.domain", "", true, "whose mail it is"},
    {"host", FILTER_CONTAINS, "m.host", "", false, "part of the delivery's host, address or port"},
    {"reply", FILTER_CONTAINS, "m.reply", "", false, "part of our answer"},
    {"remote-reply", FILTER_CONTAINS, "m.remote_reply", "", false, "part of the destination's answer"},
    {"tls-policy", FILTER_CONTAINS, "m.tls_policy", "", false, "part of the delivery's TLS policy"},
    {"dsn", FILTER_EXACT, "m.dsn", "", false, "enhanced status code: 5.*"},
    {"attempts", FILTER_NUMBER, "m.attempts", "", false, "of delivery: >3"},
    {"next-try", FILTER_TIME, "m.next_try_ms", "", false, "<2026-11-24T14:00"},
    {"node", FILTER_EXACT, "m.node", "", false, "the host that took it"},
};
enum { FIELDS = sizeof fields / sizeof *fields };

const struct filter_field filter_any = {"", FILTER_ANY, "", "", true, ""};

bool filter_field_at(size_t i, struct filter_help *out)
{
    if (i >= FIELDS)
        return false;
    *out = (struct filter_help){fields[i].name, fields[i].help};
    return true;
}

const struct filter_field *filter_field_find(struct str name)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (str_is_case(name, fields[i].name))
            return &fields[i];
    return NULL;
}

/* One that begins like NAME, or that NAME begins with. */
const struct filter_field *filter_field_nearest(struct str name)
{
    for (size_t i = 0; i < FIELDS; i++) {
        struct str field = str_from(fields[i].name);
        if (name.len >= 2 && (str_starts_case(field, name) || str_starts_case(name, field)))
            return &fields[i];
    }
    return NULL;
}
