/* fuzz_header_text.c: any bytes as an address list, a Received field, encoded words, parameters, message ids: what comes out is UTF-8, within its ceilings. */
#include "base/bug.h"
#include "mail/charset.h"
#include "mail/mailbox.h"
#include "mail/parameter.h"
#include "mail/rfc2047.h"
#include "mail/trace_field.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct charset_context *charsets;
    struct arena arena = arena_make(4 << 20);
    struct str text = str_n((const char *)data, size), rest = text, id;
    struct content_type type;
    struct disposition disposition;
    struct received received;

    if (!charsets)
        charsets = charset_context_new();
    bug_unless(charsets != NULL);
    size_t count = 0, listed = 0;
    for (struct mailbox *m = mailbox_list_parse(&arena, charsets, text, 20, &count); m; m = m->next, listed++)
        bug_unless(utf8_is_valid(m->display));
    bug_unless(listed <= 20 && listed <= count);
    bug_unless(utf8_is_valid(words_decode(&arena, charsets, text, NULL)));
    content_type_parse(&arena, charsets, text, &type);
    for (const struct parameter *p = type.parameters; p; p = p->next)
        bug_unless(utf8_is_valid(p->value) && p->value.len <= 4 * PARAMETER_VALUE_MAX);
    disposition_parse(&arena, charsets, text, &disposition);
    if (received_parse(&arena, text, &received) && received.has_from_ip)
        bug_unless(received.from_ip.family == 4 || received.from_ip.family == 6);
    for (int i = 0; i < 1000 && message_id_next(&arena, &rest, &id); i++)
        message_id_is_valid(id);
    arena_free(&arena);
    return 0;
}
