/* fuzz_command.c: command lines, with the parameters of MAIL, RCPT and BDAT. What was accepted must be within its ceilings. */
#include "smtp/command.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool claim)
{
    if (!claim)
        abort();
}

static void check_address(const struct address *a)
{
    check(a->len < sizeof a->text && strlen(a->text) == a->len && a->local_len <= a->len);
    check(!memchr(a->text, '\r', a->len) && !memchr(a->text, '\n', a->len)); /* it goes into replies and to other servers */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str args, line = str_n((const char *)data, size);
    const struct offered all = {true, true, true, true, true, true, false}, none = {0};
    struct mail_args mail;
    struct rcpt_args rcpt;
    const char *why = NULL;
    uint64_t chunk;
    bool last;

    command_parse(line, &args);
    for (int i = 0; i < 2; i++) {
        const struct offered *o = i ? &all : &none;
        if (mail_args_parse(args, o, &mail, &why) == ARGS_OK) {
            check_address(&mail.sender);
            check(strlen(mail.envid) <= ENVID_MAX && (i || (!mail.size && !mail.smtputf8 && !mail.requiretls)));
            check(!mail.sender.is_utf8 || mail.smtputf8);
        }
        if (rcpt_args_parse(args, o, i != 0, &rcpt, &why) == ARGS_OK) {
            check_address(&rcpt.recipient);
            check(!address_is_null(&rcpt.recipient) && strlen(rcpt.orcpt) <= ORCPT_MAX);
            check(!(rcpt.notify & DSN_NOTIFY_NEVER) || rcpt.notify == DSN_NOTIFY_NEVER);
        }
    }
    if (bdat_args_parse(args, &chunk, &last))
        check(args.len > 0);
    return 0;
}
