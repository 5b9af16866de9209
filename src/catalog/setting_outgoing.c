/* setting_outgoing.c: values of settings of outgoing accounts, and some others, that have a grammar of their own; see setting_parts.h. */
#include "catalog/lock_rule.h"
#include "catalog/setting_parts.h"

#include <regex.h>
#include <string.h>

static const char *wrong_mechanism(const char *text)
{
    static const char *const known[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_is_case(str_from(text), known[i]))
            return NULL;
    return "is none of SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN, LOGIN";
}

static const char *wrong_identity(const char *text)
{
    struct str s = str_from(text);
    bool is_field = str_starts_case(s, STR("header:")) && s.len > 7;

    for (size_t i = 7; is_field && i < s.len; i++)
        is_field = s.at[i] > ' ' && s.at[i] < 127 && s.at[i] != ':';
    return is_field || str_is_case(s, "account") || str_is_case(s, "sender") ? NULL : "is not account, sender, or header:NAME";
}

/* A back-reference would take time without end; nothing else of what 200 octets can say does on a line of a header. */
static const char *wrong_pattern(const char *text)
{
    regex_t compiled;

    for (const char *p = strchr(text, '\\'); p && p[1]; p = strchr(p + 2, '\\'))
        if (p[1] >= '1' && p[1] <= '9')
            return "has a back-reference, which would cost too much";
    if (!pattern_is_modest(text) || regcomp(&compiled, text, REG_EXTENDED | REG_ICASE) != 0)
        return "is no POSIX extended regular expression";
    regfree(&compiled);
    return NULL;
}

static const char *wrong_lock_rule(const char *text)
{
    struct lock_rule rule;

    return lock_rule_parse(str_from(text), &rule) ? NULL : "is not class:count/period, such as spam:5/10m";
}

static const char *wrong_source(const char *text)
{
    static const char *const known[] = {"ldap://", "ldaps://", "smtp://", "smtps://", "imap://", "imaps://"};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_starts_case(str_from(text), str_from(known[i])) && strlen(text) > strlen(known[i]) && !strpbrk(text + strlen(known[i]), "/ @?#"))
            return NULL;
    return *text ? "is not ldap://host[:port], or the like with ldaps, smtp, smtps, imap, imaps" : NULL;
}

/* Its finer grammar is mail's to judge. */
static const char *wrong_address(const char *text)
{
    struct str s = str_from(text);
    ptrdiff_t at = str_find_last(s, '@');
    bool fine = at > 0 && at <= 64 && s.len - (size_t)at - 1 > 2 && s.len < 255 && str_find(str_from_index(s, (size_t)at), '.') > 0;

    for (size_t i = 0; i < s.len; i++)
        fine = fine && (unsigned char)s.at[i] > ' ' && s.at[i] != 127 && !strchr("<>\"(),;:\\", s.at[i]);
    return fine ? NULL : "is not an address such as archive@example.net";
}

const char *setting_outgoing_is_wrong(enum setting s, const struct setting_value *v, const char **which)
{
    const char *(*of_entry)(const char *) = s == SETTING_auth_mechanisms ? wrong_mechanism : s == SETTING_lock_rules ? wrong_lock_rule
                                         : s == SETTING_archive_to || s == SETTING_blind_copy_to ? wrong_address : NULL;

    for (size_t i = 0; of_entry && i < v->list.count; i++) {
        const char *why = of_entry(v->list.at[i]);
        *which = v->list.at[i];
        if (why)
            return why;
    }
    *which = v->text;
    if (s == SETTING_auth_source)
        return wrong_source(v->text);
    return s == SETTING_identity ? wrong_identity(v->text) : s == SETTING_identity_pattern ? wrong_pattern(v->text) : NULL;
}
