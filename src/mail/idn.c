/* idn.c: internationalised domain names, by libidn2 (IDNA 2008 with the non-transitional mapping). */
#include "mail/address.h"

#include <idn2.h>
#include <string.h>

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] > 127)
            return false;
    return true;
}

bool domain_to_ascii(struct str domain, char *to, size_t size)
{
    char text[DOMAIN_MAX + 1], *ascii = NULL;

    if (domain.len && domain.at[domain.len - 1] == '.')
        domain.len--;
    if (!str_copy(text, sizeof text, domain))
        return false;
    if (is_ascii(domain)) {
        if (!str_copy(to, size, domain))
            return false;
    } else {
        bool ok = idn2_to_ascii_8z(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK && str_copy(to, size, str_from(ascii));
        idn2_free(ascii);
        if (!ok)
            return false;
    }
    str_lower(to, strlen(to));
    return domain_is_valid(str_from(to), false);
}
