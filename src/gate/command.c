/* command.c: from a command line to its handler; the commands that fit in a few lines stand here. */
#include "gate/session.h"


static enum session_next cmd_rset(struct session *s, struct str args)
{
    if (args.len)
        return answer_detail(s, REASON_BAD_ARGUMENTS, "RSET takes none");
    if (s->tx)
        event_incomplete(s);
    session_reset_transaction(s);
    return answer(s, REASON_OK);
}

static enum session_next cmd_quit(struct session *s, struct str args)
{
    if (args.len)
        return answer_detail(s, REASON_BAD_ARGUMENTS, "QUIT takes none");
    s->closing = s->said_quit = true;
    return answer(s, REASON_CLOSING);
}

/* Somebody speaks HTTP at us: a browser or a server-side request forgery (cross-protocol attack). */
static enum session_next cmd_http(struct session *s)
{
    s->closing = true;
    return answer(s, REASON_UNRECOGNIZED);
}

enum session_next command_run(struct session *s, struct str line)
{
    struct str args;
    enum verb verb = command_parse(line, &args);

    switch (verb) {
    case VERB_HELO:
    case VERB_EHLO:
        return cmd_hello(s, verb, args);
    case VERB_MAIL:
        return cmd_mail(s, args);
    case VERB_RCPT:
        return cmd_rcpt(s, args);
    case VERB_DATA:
        return cmd_data(s, args);
    case VERB_BDAT:
        return cmd_bdat(s, args);
    case VERB_RSET:
        return cmd_rset(s, args);
    case VERB_NOOP:
        return answer(s, REASON_OK);
    case VERB_QUIT:
        return cmd_quit(s, args);
    case VERB_VRFY:
        return args.len ? answer(s, REASON_CANNOT_VERIFY) : answer_detail(s, REASON_BAD_ARGUMENTS, "VRFY takes an address");
    case VERB_HELP:
        return answer(s, REASON_HELP_TEXT);
    case VERB_STARTTLS:
        return cmd_starttls(s, args);
    case VERB_AUTH:
        return cmd_auth(s, args);
    case VERB_XCLIENT:
        return cmd_xclient(s, args);
    case VERB_EXPN:
    case VERB_ETRN:
    case VERB_TURN:
        return answer(s, REASON_NOT_IMPLEMENTED);
    case VERB_HTTP:
        return cmd_http(s);
    case VERB_LHLO:
    case VERB_UNKNOWN:
        break;
    }
    return answer(s, REASON_UNRECOGNIZED);
}
