/* sender.c: the return address as a destination is told it: tagged (BATV) where the sender is ours, rewritten (SRS) where the mail only passes through. */
#include "courier/courier.h"

#include "auth/sender_tag.h"
#include "base/clock.h"

#include <string.h>

struct address courier_sender(const struct secrets *secrets, const struct settings *settings, struct str destination, const struct address *sender,
                              bool is_outgoing)
{
    const struct domain *from = settings_domain(settings, address_domain(sender)), *to = settings_domain(settings, destination);
    struct address tagged;

    if (!secrets || address_is_null(sender))
        return *sender;
    if (is_outgoing) {
        bool signs = from && strcmp(setting_text(&from->policy, SETTING_batv), "no") != 0;
        return signs && batv_sign(secrets, sender, clock_wall_ms(), &tagged) ? tagged : *sender;
    }
    if (!to || !setting_flag(&to->policy, SETTING_srs))
        return *sender;
    struct str own = str_from(setting_text(&to->policy, SETTING_srs_domain));
    if (!own.len)
        own = to->name;
    if (str_eq_case(address_domain(sender), own))
        return *sender; /* it is one of those already */
    return srs_rewrite(secrets, sender, own, clock_wall_ms(), &tagged) ? tagged : *sender;
}
