/* verdict.c: from findings and one recipient's settings to an action. Pure, so it is tested as a table. */
#include "policy/policy.h"

/* Refusals that protect the protocol, the gateway or the recipient's own word: no allow list, no observing, no role address changes them. */
static bool is_protocol(enum reason r)
{
    switch (r) {
    case REASON_RELAY_DENIED:
    case REASON_MESSAGE_TOO_LARGE:
    case REASON_BAD_LINE_ENDING:
    case REASON_PIPELINED_TOO_EARLY:
    case REASON_MAIL_LOOP:
    case REASON_TRANSACTION_FAILED:
    case REASON_INTERNAL_ERROR:
    case REASON_RETRY_PER_RECIPIENT:
    case REASON_DESTINATION_UNKNOWN: /* there is no such mailbox: accepting would only make a bounce */
    case REASON_DESTINATION_REFUSED:
    case REASON_DESTINATION_UNVERIFIED:
    case REASON_AUTH_REQUIRED:
        return true;
    default:
        return reason_row(r)->kind == REASON_KIND_PROTOCOL;
    }
}

/* The ACTION setting behind a reason: its row's own, or the one beside a limit. */
static int action_setting(enum reason r)
{
    switch (r) {
    case REASON_LINE_TOO_LONG_IN_MESSAGE: return SETTING_max_line_action;
    case REASON_HEADER_TOO_LONG: return SETTING_max_header_action;
    case REASON_DATE_OUT_OF_RANGE: return SETTING_max_date_skew_action;
    case REASON_FILE_NAME_TOO_LONG: return SETTING_max_file_name_action;
    case REASON_TOO_MANY_PARTS: return SETTING_max_parts_action;
    case REASON_ATTACHMENT_BLOCKED: return SETTING_blocked_attachments;
    default: break;
    }
    int s = reason_row(r)->setting;
    return s >= 0 && setting_row((enum setting)s)->type == SETTING_ACTION ? s : -1;
}

enum action action_for(enum reason r, const struct policy *p)
{
    int s = action_setting(r);

    if (s >= 0)
        return setting_action(p, (enum setting)s);
    return reason_row(r)->action == ACTION_NONE ? ACTION_REFUSE : reason_row(r)->action;
}

enum action action_of(const struct finding *f, const struct policy *p)
{
    enum action a = action_for(f->reason, p);

    return f->most != ACTION_OFF && a > f->most ? f->most : a;
}

/* REFUSE of a temporary row is a deferral. */
static enum action by_kind(enum reason r, enum action a)
{
    return a == ACTION_REFUSE && reason_row(r)->code / 100 == 4 ? ACTION_DEFER : a;
}

struct verdict verdict_decide(const struct findings *findings, const struct policy *p, bool allowed, bool is_role)
{
    struct verdict v = {.action = ACTION_OFF};

    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *f = &findings->at[i];
        enum action a = by_kind(f->reason, action_of(f, p));
        if (a >= ACTION_QUARANTINE && !is_protocol(f->reason)) {
            if (is_role || (allowed && reason_row(f->reason)->allow_lifts)) {
                v.lifted = v.lifted || !is_role;
                continue;
            }
            if (setting_flag(p, SETTING_observe)) {
                v.observed = true;
                a = ACTION_SCORE;
            }
        }
        if (a >= ACTION_REFUSE) {
            v.action = a;
            v.by = f;
            return v;
        }
        if (a > v.action) {
            v.action = a;
            v.by = f;
        }
    }
    return v;
}
