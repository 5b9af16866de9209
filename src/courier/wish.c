/* wish.c: what TLS a message asks for: REQUIRETLS of its envelope, or TLS-Required: No of its header (RFC 8689 §3, §4.1). */
#include "courier/parts.h"
#include "mail/header.h"

/* The one field of that name, with the one value it may have. */
static bool says_no(struct str message)
{
    struct header_walk walk = header_walk(message);
    struct header_field f;
    size_t count = 0;
    bool no = false;

    while (header_next(&walk, &f)) {
        if (!str_is_case(f.name, "TLS-Required"))
            continue;
        struct buf value = buf_make(1000);
        header_unfold(&value, f.value);
        no = !value.failed && str_eq_case(str_trim(buf_str(&value)), STR("No"));
        buf_free(&value);
        count++;
    }
    return count == 1 && no;
}

enum tls_wish message_wish(const struct spool_message *m, struct str body)
{
    /* §5: a report is not lost because its way back promises less; it holds no more than a header */
    if (m->mail.requiretls)
        return address_is_null(&m->mail.sender) ? TLS_WISH_NONE : TLS_WISH_REQUIRED;
    return says_no(body) ? TLS_WISH_OPTIONAL : TLS_WISH_NONE;
}
