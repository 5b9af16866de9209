/* elsewhere_ldap.c: the three LDAP messages that a login takes, as BER (RFC 4511 §4.2, §4.14, §5.1); see elsewhere.h. */
#include "auth/elsewhere.h"

#include <string.h>

enum { SEQUENCE = 0x30, INTEGER = 0x02, OCTETS = 0x04, ENUMERATED = 0x0a, BIND = 0x60, EXTENDED = 0x77, SIMPLE = 0x80, NAME = 0x80, VERSION = 3, RESPONSE_MAX = 64 * 1024 };

static void add_length(struct buf *out, size_t len)
{
    if (len < 128) {
        buf_add_char(out, (char)len);
        return;
    }
    buf_add_char(out, (char)0x82); /* two octets: all of ours are below 64 KB */
    buf_add_char(out, (char)(len >> 8));
    buf_add_char(out, (char)(len & 0xff));
}

static void add(struct buf *out, unsigned tag, struct str value)
{
    buf_add_char(out, (char)tag);
    add_length(out, value.len);
    buf_add_str(out, value);
}

static void add_number(struct buf *out, unsigned tag, char number)
{
    add(out, tag, str_n(&number, 1));
}

static void wrap(struct buf *out, char id, unsigned operation, struct str content)
{
    struct buf message = buf_make(8 * 1024);

    add_number(&message, INTEGER, id);
    add(&message, operation, content);
    add(out, SEQUENCE, buf_str(&message));
    if (message.failed)
        out->failed = true;
    explicit_bzero(message.at, message.cap);
    buf_free(&message);
}

bool elsewhere_ldap_bind(struct str dn, struct str password, struct buf *out)
{
    struct buf content = buf_make(4 * 1024);

    add_number(&content, INTEGER, VERSION);
    add(&content, OCTETS, dn);
    add(&content, SIMPLE, password);
    bool fits = !content.failed && password.len > 0; /* a bind without a password always succeeds: RFC 4513 §5.1.2 */
    if (fits)
        wrap(out, 2, BIND, buf_str(&content));
    if (content.at)
        explicit_bzero(content.at, content.cap);
    buf_free(&content);
    return fits && !out->failed;
}

void elsewhere_ldap_starttls(struct buf *out)
{
    struct buf content = buf_make(100);

    add(&content, NAME, STR("1.3.6.1.4.1.1466.20037"));
    wrap(out, 1, EXTENDED, buf_str(&content));
    buf_free(&content);
}

/* One tag-length-value at the beginning of *REST. 1: there; 0: not whole; -1: not BER as LDAP has it. */
static int take(struct str *rest, unsigned *tag, struct str *value)
{
    size_t head = 2, len;

    if (rest->len < 2)
        return 0;
    *tag = (unsigned char)rest->at[0];
    len = (unsigned char)rest->at[1];
    if (len >= 128) {
        size_t count = len & 127;
        if (count == 0 || count > 4)
            return -1;
        if (rest->len < 2 + count)
            return 0;
        len = 0;
        for (size_t i = 0; i < count; i++)
            len = len << 8 | (unsigned char)rest->at[2 + i];
        head += count;
    }
    if (len > RESPONSE_MAX)
        return -1;
    if (rest->len - head < len)
        return 0;
    *value = str_sub(*rest, head, len);
    *rest = str_from_index(*rest, head + len);
    return 1;
}

int elsewhere_ldap_result(struct str octets, unsigned type, size_t *used)
{
    struct str rest = octets, message, id, response, code;
    unsigned tag;
    bool can_be_one = !octets.len || (unsigned char)octets.at[0] == SEQUENCE;
    int whole = can_be_one ? take(&rest, &tag, &message) : -1;

    if (whole <= 0)
        return whole == 0 ? -2 : -1;
    *used = octets.len - rest.len;
    if (take(&message, &tag, &id) != 1 || tag != INTEGER || take(&message, &tag, &response) != 1 || tag != type || take(&response, &tag, &code) != 1 ||
        tag != ENUMERATED || code.len != 1)
        return -1;
    return (unsigned char)code.at[0] & 127;
}
