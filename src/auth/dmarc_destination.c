/* dmarc_destination.c: see dmarc_destination.h. */
#include "auth/dmarc_destination.h"

#include "auth/dmarc.h"
#include "base/clock.h"

#include <stdio.h>

enum { NAME_MAX_OCTETS = 253, OVERRIDES_AT_MOST = 8, PATIENCE_MS = 10000 /* then no further destination is asked about */ };

static int hex_digit(char c)
{
    if (ascii_is_digit((unsigned char)c))
        return c - '0';
    int l = ascii_lower((unsigned char)c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/* RFC 3986 §2.1. False: malformed, or more than a path may have. */
static bool percent_decode(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] != '%') {
            buf_add_char(out, s.at[i]);
            continue;
        }
        if (i + 2 >= s.len || hex_digit(s.at[i + 1]) < 0 || hex_digit(s.at[i + 2]) < 0)
            return false;
        buf_add_char(out, (char)(hex_digit(s.at[i + 1]) * 16 + hex_digit(s.at[i + 2])));
        i += 2;
    }
    return !out->failed;
}

/* mailto: with one address; header fields behind '?' are nobody's business here. */
static bool parse_one(struct str uri, struct address *out)
{
    struct buf text = buf_make(PATH_MAX_OCTETS);

    uri = str_trim(uri);
    if (!str_starts_case(uri, STR("mailto:")))
        return false;
    uri = str_from_index(uri, 7);
    struct str path = str_cut(&uri, '!');
    path = str_cut(&path, '?');
    bool ok = percent_decode(path, &text) && address_parse(buf_str(&text), false, out, NULL) == ADDRESS_OK && !out->is_literal &&
              domain_is_full(address_domain(out));
    buf_free(&text);
    return ok;
}

static size_t add_new(const struct address *one, struct address *to, size_t count)
{
    if (count == DMARC_DESTINATIONS_MAX)
        return count;
    for (size_t i = 0; i < count; i++)
        if (address_eq(&to[i], one))
            return count;
    to[count] = *one;
    return count + 1;
}

size_t dmarc_uris_parse(struct str uris, struct address to[DMARC_DESTINATIONS_MAX])
{
    size_t count = 0;
    struct address one;

    while (uris.len)
        if (parse_one(str_cut(&uris, ','), &one))
            count = add_new(&one, to, count);
    return count;
}

/* §4, steps 6 to 9. */
static size_t take_answer(const struct dns_answer *a, const struct address *asked, struct address *to, size_t count)
{
    struct address own[DMARC_DESTINATIONS_MAX];
    struct dmarc_record record;
    bool authorized = false, overridden = false;

    for (size_t i = 0; i < a->count && i < OVERRIDES_AT_MOST; i++) {
        if (!dmarc_record_parse(a->at[i].data, &record))
            continue;
        authorized = true;
        size_t others = dmarc_uris_parse(str_from(record.rua), own);
        for (size_t k = 0; k < others; k++) {
            if (!str_eq_case(address_domain(&own[k]), address_domain(asked)))
                continue; /* to prevent loops and worse */
            overridden = true;
            count = add_new(&own[k], to, count);
        }
    }
    return authorized && !overridden ? add_new(asked, to, count) : count;
}

static size_t ask(struct dns *dns, struct str policy_domain, const struct address *asked, struct address *to, size_t count, bool *failed)
{
    char name[NAME_MAX_OCTETS + 1];
    int n = snprintf(name, sizeof name, STR_FMT "._report._dmarc." STR_FMT, STR_ARG(policy_domain), STR_ARG(address_domain(asked)));

    if (n < 0 || (size_t)n >= sizeof name)
        return count;
    struct dns_question *q = dns_start(dns, str_n(name, (size_t)n), DNS_TXT);
    const struct dns_answer *a = dns_wait(q);
    *failed = *failed || a->status == DNS_FAILED;
    if (a->status == DNS_OK)
        count = take_answer(a, asked, to, count);
    dns_done(&q);
    return count;
}

size_t dmarc_destinations(struct dns *dns, struct str policy_domain, struct str rua, struct address to[DMARC_DESTINATIONS_MAX], bool *failed)
{
    struct address asked[DMARC_DESTINATIONS_MAX];
    size_t wanted = dmarc_uris_parse(rua, asked), count = 0;
    int64_t until_ms = clock_mono_ms() + PATIENCE_MS;
    char own[256], other[256];

    *failed = wanted && !dmarc_organization(dns, policy_domain, own);
    if (*failed)
        return 0;
    for (size_t i = 0; i < wanted; i++) {
        if (clock_mono_ms() > until_ms || !dmarc_organization(dns, address_domain(&asked[i]), other))
            *failed = true;
        else if (str_eq_case(str_from(own), str_from(other)))
            count = add_new(&asked[i], to, count);
        else
            count = ask(dns, policy_domain, &asked[i], to, count, failed);
    }
    return count;
}
