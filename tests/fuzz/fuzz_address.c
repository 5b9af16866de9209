/* fuzz_address.c: paths, bare addresses, domains, literals and xtext. What is accepted once is accepted again, unchanged. */
#include "mail/address.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size), rest = text;
    struct address a, again;
    char local[LOCAL_PART_MAX + 1], plain[600], domain[256];
    const char *why = NULL;
    struct ip ip;
    size_t len;

    if (path_parse(&rest, true, true, true, &a, &why) == ADDRESS_OK && address_domain(&a).len) {
        if (address_local_unquoted(&a, local) > LOCAL_PART_MAX)
            abort();
        if (address_parse(address_text(&a), true, &again, &why) != ADDRESS_OK || !address_eq(&a, &again))
            abort();
    }
    if (address_parse(text, false, &a, &why) == ADDRESS_OK && a.is_utf8)
        abort();
    domain_is_valid(text, true);
    if (domain_is_full(text) && !domain_is_valid(text, true))
        abort();
    if (domain_to_ascii(text, domain, sizeof domain) && !domain_is_valid(str_from(domain), false))
        abort();
    if (address_literal_parse(text, &ip) && ip.family != 4 && ip.family != 6)
        abort();
    if (xtext_decode(text, plain, sizeof plain, &len)) {
        struct buf back = buf_make(4096);
        char twice[600];
        size_t twice_len;
        xtext_encode(&back, str_n(plain, len));
        if (!xtext_decode(buf_str(&back), twice, sizeof twice, &twice_len) || twice_len != len || memcmp(plain, twice, len) != 0)
            abort();
        buf_free(&back);
    }
    return 0;
}
