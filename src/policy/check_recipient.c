/* check_recipient.c: what can be said of a recipient without asking anybody. */
#include "policy/policy.h"

#include <regex.h>
#include <string.h>

struct finding check_relay(const struct client_facts *client, const struct envelope_facts *e)
{
    if (e->domain || e->is_our_postmaster || e->is_return || client->is_trusted_sender)
        return finding_none();
    return finding_make(REASON_RELAY_DENIED, "%s", "");
}

struct finding check_restricted_local_part(const struct address *recipient, const struct policy *p)
{
    char local[LOCAL_PART_MAX + 1];
    size_t len = address_local_unquoted(recipient, local);
    const regex_t *pattern = setting_pattern(p, SETTING_restricted_local_part);

    if (!pattern)
        return finding_none();
    if (memchr(local, '\0', len))
        return finding_make(REASON_RESTRICTED_CHARACTERS, "%s", "NUL");
    local[len] = '\0';
    if (regexec(pattern, local, 0, NULL, 0) != 0)
        return finding_none();
    return finding_make(REASON_RESTRICTED_CHARACTERS, "%s", local);
}

/* RFC 5321 §4.5.5: a notification concerns one sender of one message. */
struct finding check_bounce_to_many(const struct envelope_facts *e)
{
    if (!address_is_null(e->sender) || e->recipients_before == 0)
        return finding_none();
    return finding_make(REASON_BOUNCE_TO_MANY, "%s", "");
}

/* A bounce answers mail that was sent, and what we send bears a tag. */
struct finding check_batv(const struct envelope_facts *e)
{
    return e->lacks_tag ? finding_make(REASON_BATV_UNSIGNED, "%s", "") : finding_none();
}

struct finding check_local_recipients(const struct envelope_facts *e, const struct policy *p)
{
    const struct setting_list *list = setting_list(p, SETTING_local_recipients);
    char local[LOCAL_PART_MAX + 1];
    size_t len = address_local_unquoted(e->recipient, local);

    if (!e->domain || e->is_known || (list->count == 0 && !setting_flag(p, SETTING_only_known_recipients)))
        return finding_none();
    for (size_t i = 0; i < list->count; i++)
        if (str_is_case(str_n(local, len), list->at[i]))
            return finding_none();
    return finding_make(REASON_DESTINATION_UNKNOWN, "%s", "");
}
