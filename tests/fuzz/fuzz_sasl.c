/* fuzz_sasl.c: an AUTH exchange from its first octet to its end. The first octet chooses the mechanism and what is offered; lines follow. */
#include "auth/sasl.h"
#include "base/base64.h"
#include "base/bug.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is base64 is written back as it was. */
static void check_base64(struct str line)
{
    struct buf octets = buf_make(SASL_LINE_MAX), back = buf_make(SASL_LINE_MAX * 2);

    if (base64_decode(line, &octets))
        bug_unless(base64_encode(buf_str(&octets), &back) && str_eq(buf_str(&back), line));
    buf_free(&octets);
    buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct scram_binding bindings[] = {{.name = "tls-exporter", .data = "0123456789", .len = 10}, {.name = "tls-unique", .data = "9876", .len = 4}};
    struct scram_keys keys = {.iterations = 4096};
    struct buf challenge = buf_make(SASL_CHALLENGE_MAX);

    if (!size)
        return 0;
    struct str rest = str_n((const char *)data + 1, size - 1);
    struct sasl *s = sasl_new((enum sasl_mechanism)(data[0] % SASL_MECHANISMS), data[0] & 0x80, bindings, data[0] >> 4 & 3);
    if (!s)
        return 0;
    struct str line = str_cut(&rest, '\n');
    enum sasl_next next = sasl_begin(s, data[0] & 0x40 ? str_n(NULL, 0) : line, &challenge);
    for (int steps = 0; steps < 20; steps++) {
        if (next == SASL_KEYS) {
            bug_unless(*sasl_login(s));
            buf_clear(&challenge);
            next = sasl_give_keys(s, &keys, data[0] & 0x08, &challenge);
        }
        if (next != SASL_CHALLENGE || !rest.at)
            break;
        line = str_cut(&rest, '\n');
        check_base64(line);
        buf_clear(&challenge);
        next = sasl_step(s, line, &challenge);
    }
    if (next == SASL_PASSWORD)
        bug_unless(*sasl_login(s) && sasl_password(s).len);
    bug_unless(next != SASL_RIGHT); /* nobody finds a proof for these keys by chance */
    sasl_free(&s);
    buf_free(&challenge);
    return 0;
}
