/*
 * command.h: one SMTP command line taken apart: verb, arguments, and the parameters of MAIL and RCPT
 * (RFC 5321 §4.1.1, §4.1.2; RFC 1870, 3030, 3461, 6152, 6531, 8689, 4954). Pure functions on bytes.
 */
#ifndef SMTP_COMMAND_H
#define SMTP_COMMAND_H

#include "base/str.h"
#include "mail/address.h"

enum verb {
    VERB_UNKNOWN, VERB_HELO, VERB_EHLO, VERB_LHLO, VERB_MAIL, VERB_RCPT, VERB_DATA, VERB_BDAT, VERB_RSET, VERB_NOOP, VERB_QUIT,
    VERB_VRFY, VERB_EXPN, VERB_HELP, VERB_ETRN, VERB_TURN, VERB_STARTTLS, VERB_AUTH, VERB_XCLIENT, VERB_HTTP /* GET, POST … at our port */
};

/*
 * LINE is without its line ending. ARGS gets what follows the verb, blanks trimmed.
 */
enum verb command_parse(struct str line, struct str *args);

enum mail_body { BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME };
enum dsn_ret { DSN_RET_UNSET, DSN_RET_FULL, DSN_RET_HDRS };
enum dsn_notify { DSN_NOTIFY_UNSET = 0, DSN_NOTIFY_NEVER = 1, DSN_NOTIFY_SUCCESS = 2, DSN_NOTIFY_FAILURE = 4, DSN_NOTIFY_DELAY = 8 };
enum { ENVID_MAX = 100, ORCPT_MAX = 500 }; /* RFC 3461 §4.4 and §4.2 */

struct mail_args {
    struct address sender;
    uint64_t size;            /* SIZE=, 0 when absent */
    enum mail_body body;
    bool smtputf8, requiretls;
    enum dsn_ret ret;
    char envid[ENVID_MAX + 1];/* as sent (xtext), NUL-terminated; "" when absent */
};

struct rcpt_args {
    struct address recipient;
    unsigned notify;          /* enum dsn_notify flags */
    char orcpt[ORCPT_MAX + 1];/* as sent: "rfc822;xtext"; "" when absent */
};

enum args_result {
    ARGS_OK,
    ARGS_SYNTAX,          /* not FROM:<…> / TO:<…>; a parameter's value is malformed, or it stands there twice: BAD_ARGUMENTS */
    ARGS_ADDRESS,         /* BAD_SENDER_SYNTAX / BAD_RECIPIENT_SYNTAX */
    ARGS_NEEDS_SMTPUTF8,
    ARGS_PARAMETER,       /* unknown, or not offered: BAD_MAIL_PARAMETER */
};

/* OFFERED tells which extensions EHLO listed; a parameter of one that was not is ARGS_PARAMETER. After HELO it is all false. */
struct offered {
    bool size, body, binarymime, smtputf8, dsn, requiretls, auth;
};
enum args_result mail_args_parse(struct str args, const struct offered *offered, struct mail_args *out, const char **why)
    __attribute__((warn_unused_result));
enum args_result rcpt_args_parse(struct str args, const struct offered *offered, bool smtputf8, struct rcpt_args *out, const char **why)
    __attribute__((warn_unused_result));
/* "BDAT size [LAST]" (RFC 3030 §2). */
bool bdat_args_parse(struct str args, uint64_t *size, bool *last) __attribute__((warn_unused_result));

#endif
