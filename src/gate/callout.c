/* callout.c: see callout.h. */
#include "gate/callout.h"

#include "base/clock.h"
#include "courier/callout.h"
#include "gate/cut_through.h"
#include "gate/session.h"

/* As many workers may wait for servers elsewhere as cut_through.h says; beyond them only what is remembered counts. */
static void ask(struct session *s, const struct address *who, enum callout_kind kind, struct callout_answer *out)
{
    bool may_ask = destination_wait_begin(s);

    callout_ask(s->gate->parts.callouts, s->tx->runtime->settings, who, kind, may_ask, out);
    if (may_ask)
        destination_wait_end(s);
}

/* The destination's words only where they are fresh: they may be others by now. */
static struct finding refused(enum reason reason, const char *before, const struct callout_answer *a)
{
    struct finding f = a->is_fresh ? finding_make(reason, "%s%s", before, a->text)
                                   : finding_make(reason, "%sit said so %lld minutes ago", before, (long long)((clock_wall_ms() - a->asked_ms) / 60000));

    if (a->is_fresh && reason == REASON_DESTINATION_REFUSED && a->enhanced[0] == reason_row(reason)->enhanced[0])
        str_copy(f.enhanced, sizeof f.enhanced, str_from(a->enhanced));
    return f;
}

struct finding callout_recipient(struct session *s, const struct recipient *r)
{
    struct callout_answer a;

    if (!r->domain || !setting_flag(&r->domain->policy, SETTING_recipient_callout) || s->tx->cut) /* cut-through asks the same with the message itself */
        return finding_none();
    ask(s, &r->args.recipient, CALLOUT_RECIPIENT, &a);
    if (a.result == CALLOUT_NO)
        return refused(REASON_DESTINATION_REFUSED, ": ", &a);
    bool is_listed = setting_list(&r->domain->policy, SETTING_local_recipients)->count > 0; /* those that are not were refused before */
    if (a.result == CALLOUT_YES || a.is_known || is_listed)
        return finding_none();
    return finding_make(REASON_DESTINATION_UNVERIFIED, "%s", a.text);
}

static bool is_exempt(const struct setting_list *list, struct str domain)
{
    for (size_t i = 0; i < list->count; i++) {
        struct str entry = str_from(list->at[i]);
        bool is_pattern = str_starts(entry, STR("*."));
        if (is_pattern ? str_ends_case(domain, str_from_index(entry, 1)) : str_eq_case(domain, entry))
            return true;
    }
    return false;
}

static bool is_forwarded(const struct address *sender)
{
    struct str local = address_local(sender);

    return str_starts_case(local, STR("SRS0")) || str_starts_case(local, STR("SRS1"));
}

struct finding callout_sender(struct session *s, const struct recipient *r)
{
    const struct address *sender = &s->tx->mail.sender;
    const struct policy *p = r->policy;
    struct callout_answer a;

    if (!setting_flag(p, SETTING_sender_callout) || address_is_null(sender) || !address_domain(sender).len || is_forwarded(sender) ||
        is_exempt(setting_list(p, SETTING_sender_callout_exempt), address_domain(sender)))
        return finding_none();
    ask(s, sender, CALLOUT_SENDER, &a);
    if (a.result == CALLOUT_YES || a.is_known)
        return finding_none();
    return a.result == CALLOUT_NO ? refused(REASON_SENDER_REFUSED, "", &a) : finding_make(REASON_SENDER_UNVERIFIED, "%s", a.text);
}
