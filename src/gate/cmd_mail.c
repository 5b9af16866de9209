/* cmd_mail.c: MAIL FROM opens a transaction. Only what concerns the gateway itself is refused here; the rest waits for RCPT. */
#include "gate/lookup.h"
#include "gate/outgoing.h"
#include "gate/session.h"

#include "policy/policy.h"

#include <stdlib.h>

static enum session_next refuse_arguments(struct session *s, enum args_result result, const char *why)
{
    switch (result) {
    case ARGS_ADDRESS:
        return answer_detail(s, REASON_BAD_SENDER_SYNTAX, why);
    case ARGS_NEEDS_SMTPUTF8:
        return answer(s, REASON_NEEDS_SMTPUTF8);
    case ARGS_PARAMETER:
        return answer_detail(s, REASON_BAD_MAIL_PARAMETER, why);
    default:
        return answer_detail(s, REASON_BAD_ARGUMENTS, why ? why : "MAIL FROM:<address> is needed");
    }
}

static enum session_next refuse(struct session *s, const struct finding *f)
{
    char reference[REFERENCE_LEN + 1];

    random_reference(reference);
    event_refused(s, f, reference, NULL, NULL, NULL);
    return answer_finding(s, f, reference);
}

static enum session_next refuse_transaction(struct session *s, const struct finding *f)
{
    enum session_next next = refuse(s, f);

    session_reset_transaction(s);
    return next;
}

static struct finding check_service(struct session *s)
{
    const struct policy *p = session_policy(s);
    bool submission = s->service != SERVICE_MX;
    int64_t most = setting_number(p, SETTING_max_messages_per_connection);

    if (!s->client.tls && setting_flag(p, submission ? SETTING_submission_require_tls : SETTING_require_tls))
        return finding_make(REASON_TLS_REQUIRED, "%s", "");
    struct finding f = outgoing_check(s);
    if (f.reason != REASON_NONE)
        return f;
    if (most && s->messages >= most)
        return finding_make(REASON_RATE_MESSAGES, "%s", "");
    return finding_none();
}

static struct finding check_room(const struct session *s, const struct mail_args *mail)
{
    struct finding f = check_message_size(mail->size, session_policy(s));

    if (f.reason != REASON_NONE)
        return f;
    if (spool_is_failed(s->gate->parts.spool))
        return finding_make(REASON_INTERNAL_ERROR, "%s", "the queue is read-only");
    if (!spool_has_room(s->gate->parts.spool, mail->size))
        return finding_make(REASON_NO_STORAGE, "%s", "");
    return finding_none();
}

static void take_new_runtime(struct session *s)
{
    struct gate_runtime *now = gate_take(s->gate);

    gate_runtime_unref(s->runtime);
    s->runtime = now;
}

static struct transaction *transaction_new(struct session *s, const struct mail_args *mail)
{
    struct transaction *tx = calloc(1, sizeof *tx);

    if (!tx)
        return NULL;
    tx->runtime = gate_runtime_ref(s->runtime);
    tx->mail = *mail;
    tx->size_limit = (uint64_t)setting_number(session_policy(s), SETTING_max_message_size);
    tx->envelope_rules = tx->message_rules = rule_budget_full();
    random_reference(tx->reference);
    return tx;
}

enum session_next cmd_mail(struct session *s, struct str args)
{
    struct mail_args mail;
    const char *why = NULL;

    if (!s->greeted)
        return answer_detail(s, REASON_BAD_SEQUENCE, "EHLO or HELO comes first");
    if (s->tx)
        return answer_detail(s, REASON_BAD_SEQUENCE, "a transaction is open already");
    take_new_runtime(s);
    struct finding f = check_service(s);
    if (f.reason != REASON_NONE)
        return refuse(s, &f);
    struct offered offered = session_offered(s);
    enum args_result result = mail_args_parse(args, &offered, &mail, &why);
    if (result != ARGS_OK)
        return refuse_arguments(s, result, why);
    if (mail.requiretls && !s->client.tls)
        return answer(s, REASON_REQUIRETLS_NEEDS_TLS);
    f = check_room(s, &mail);
    if (f.reason != REASON_NONE)
        return refuse(s, &f);
    s->tx = transaction_new(s, &mail);
    if (!s->tx)
        return answer(s, REASON_INTERNAL_ERROR);
    f = outgoing_mail(s);
    if (f.reason != REASON_NONE)
        return refuse_transaction(s, &f);
    lookup_begin(s);
    return answer(s, REASON_SENDER_OK);
}
