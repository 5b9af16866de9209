/* directory.c: see directory.h. libldap speaks; it reads none of its own configuration here but the system's defaults, which are all overruled below. */
#include "net/directory.h"

#include "base/clock.h"

#include <ldap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { CONNECT_S = 10, STEP_S = 1, PAGE_MS = 60 * 1000, SEARCH_MS = 600 * 1000, PAGE_ENTRIES = 500 };

struct asking {
    const struct directory_search *search;
    struct buf *error;
    LDAP *ldap;
    struct berval cookie; /* owned by libldap; of the next page */
    size_t entries;
    int64_t until_ms;
};

static bool failed(struct asking *a, const char *what, int code)
{
    char *detail = NULL;

    if (a->ldap)
        ldap_get_option(a->ldap, LDAP_OPT_DIAGNOSTIC_MESSAGE, &detail);
    buf_addf(a->error, "%s: %s%s%.300s", what, ldap_err2string(code), detail && *detail ? ": " : "", detail ? detail : "");
    ldap_memfree(detail);
    return false;
}

bool directory_url_is_fine(struct str url)
{
    bool is_tls = str_starts_case(url, STR("ldaps://"));

    if (!is_tls && !str_starts_case(url, STR("ldap://")))
        return false;
    struct str host = str_from_index(url, is_tls ? strlen("ldaps://") : strlen("ldap://"));
    for (size_t i = 0; i < host.len; i++)
        if (!ascii_is_alnum((unsigned char)host.at[i]) && !strchr(".-_:[]", host.at[i]))
            return false;
    return host.len > 0;
}

static bool set_options(struct asking *a)
{
    const struct timeval connect = {.tv_sec = CONNECT_S};
    const int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND, minimum = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, client = 0;
    int code = ldap_set_option(a->ldap, LDAP_OPT_PROTOCOL_VERSION, &version);

    if (code == LDAP_SUCCESS)
        code = ldap_set_option(a->ldap, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    if (code == LDAP_SUCCESS)
        code = ldap_set_option(a->ldap, LDAP_OPT_NETWORK_TIMEOUT, &connect);
    if (code == LDAP_SUCCESS)
        code = ldap_set_option(a->ldap, LDAP_OPT_TIMEOUT, &connect);
    if (code == LDAP_SUCCESS)
        code = ldap_set_option(a->ldap, LDAP_OPT_X_TLS_CACERTFILE, a->search->roots);
    if (code == LDAP_SUCCESS)
        code = ldap_set_option(a->ldap, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
    if (code == LDAP_SUCCESS)
        code = ldap_set_option(a->ldap, LDAP_OPT_X_TLS_PROTOCOL_MIN, &minimum);
    if (code == LDAP_SUCCESS)
        code = ldap_set_option(a->ldap, LDAP_OPT_X_TLS_NEWCTX, &client);
    return code == LDAP_SUCCESS || failed(a, "TLS cannot be set up", code);
}

static bool sign_in(struct asking *a)
{
    const struct directory_search *s = a->search;
    struct berval password = {.bv_len = s->password.len, .bv_val = (char *)(uintptr_t)(s->password.at ? s->password.at : "")};
    bool needs_start = s->tls && str_starts_case(str_from(s->url), STR("ldap://"));
    int code = needs_start ? ldap_start_tls_s(a->ldap, NULL, NULL) : LDAP_SUCCESS;

    if (code != LDAP_SUCCESS)
        return failed(a, "no TLS", code);
    if (*s->bind_dn && !s->password.len) { /* RFC 4513 §5.1.2: the server would take it for anonymous */
        buf_add_text(a->error, "there is no password for ldap_bind_dn");
        return false;
    }
    code = ldap_sasl_bind_s(a->ldap, s->bind_dn, LDAP_SASL_SIMPLE, &password, NULL, NULL, NULL);
    return code == LDAP_SUCCESS || failed(a, "it does not let us in", code);
}

/* Values of one attribute behind those of the ones before; what is too long, or one too many, is none that mail could go to. */
static void add_values(struct berval **values, struct str *to, size_t *count)
{
    for (size_t i = 0; values && values[i]; i++)
        if (values[i]->bv_len <= DIRECTORY_VALUE_MAX && *count < DIRECTORY_VALUES_MAX)
            to[(*count)++] = str_n(values[i]->bv_val, values[i]->bv_len);
}

static bool take_entry(struct asking *a, LDAPMessage *entry)
{
    const struct directory_search *s = a->search;
    struct berval **values[DIRECTORY_ATTRIBUTES_MAX];
    struct str *all = calloc(DIRECTORY_VALUES_MAX, sizeof *all);
    size_t count = 0;

    if (++a->entries > s->most || !all) {
        buf_add_text(a->error, all ? "it has more entries than are possible" : "out of memory");
        free(all);
        return false;
    }
    for (size_t i = 0; i < s->attribute_count; i++) {
        values[i] = ldap_get_values_len(a->ldap, entry, s->attributes[i]);
        add_values(values[i], all, &count);
    }
    bool goes_on = s->entry(s->arg, all, count);
    for (size_t i = 0; i < s->attribute_count; i++)
        ldap_value_free_len(values[i]);
    free(all);
    return goes_on;
}

/* The end of a page: is there another? */
static bool take_end(struct asking *a, LDAPMessage *result)
{
    LDAPControl **controls = NULL, *paged;
    ber_int_t estimate;
    int code = LDAP_SUCCESS, parsed = ldap_parse_result(a->ldap, result, &code, NULL, NULL, NULL, &controls, 0);

    ber_memfree(a->cookie.bv_val);
    a->cookie = (struct berval){0};
    if (parsed == LDAP_SUCCESS && code == LDAP_SUCCESS) {
        paged = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
        if (paged)
            parsed = ldap_parse_pageresponse_control(a->ldap, paged, &estimate, &a->cookie);
    }
    ldap_controls_free(controls);
    if (parsed == LDAP_SUCCESS && code == LDAP_SUCCESS)
        return true;
    return failed(a, "the search failed", parsed != LDAP_SUCCESS ? parsed : code);
}

static bool is_over(struct asking *a, int64_t page_until_ms)
{
    int64_t now_ms = clock_mono_ms();

    if (a->search->is_over(a->search->arg))
        buf_add_text(a->error, "it was given up");
    else if (now_ms >= page_until_ms || now_ms >= a->until_ms)
        buf_add_text(a->error, "it takes too long");
    else
        return false;
    return true;
}

static bool read_page(struct asking *a, int id)
{
    int64_t page_until_ms = clock_mono_ms() + PAGE_MS;

    for (;;) {
        struct timeval step = {.tv_sec = STEP_S};
        LDAPMessage *message = NULL;
        int type = ldap_result(a->ldap, id, LDAP_MSG_ONE, &step, &message), code = LDAP_OTHER;
        if (type < 0) {
            ldap_get_option(a->ldap, LDAP_OPT_RESULT_CODE, &code);
            return failed(a, "the connection was lost", code);
        }
        bool goes_on = !is_over(a, page_until_ms);
        if (goes_on && type == LDAP_RES_SEARCH_ENTRY)
            goes_on = take_entry(a, message);
        else if (goes_on && type == LDAP_RES_SEARCH_RESULT)
            goes_on = take_end(a, message);
        ldap_msgfree(message);
        if (!goes_on || type == LDAP_RES_SEARCH_RESULT)
            return goes_on;
    }
}

static bool ask_page(struct asking *a)
{
    const struct directory_search *s = a->search;
    char *attributes[DIRECTORY_ATTRIBUTES_MAX + 1] = {0};
    struct timeval limit = {.tv_sec = PAGE_MS / 1000};
    LDAPControl *paged = NULL;
    int id = 0, code = ldap_create_page_control(a->ldap, PAGE_ENTRIES, &a->cookie, 0, &paged);

    for (size_t i = 0; i < s->attribute_count; i++)
        attributes[i] = (char *)(uintptr_t)s->attributes[i];
    if (code == LDAP_SUCCESS) {
        LDAPControl *controls[] = {paged, NULL};
        code = ldap_search_ext(a->ldap, s->base, LDAP_SCOPE_SUBTREE, s->filter, attributes, 0, controls, NULL, &limit, LDAP_NO_LIMIT, &id);
    }
    if (paged)
        ldap_control_free(paged);
    if (code != LDAP_SUCCESS)
        return failed(a, "the search cannot be sent", code);
    bool fine = read_page(a, id);
    if (!fine)
        ldap_abandon_ext(a->ldap, id, NULL, NULL);
    return fine;
}

bool directory_ask(const struct directory_search *s, struct buf *error)
{
    struct asking a = {.search = s, .error = error, .until_ms = clock_mono_ms() + SEARCH_MS};
    int code = s->attribute_count <= DIRECTORY_ATTRIBUTES_MAX && directory_url_is_fine(str_from(s->url)) ? ldap_initialize(&a.ldap, s->url) : LDAP_PARAM_ERROR;

    if (code != LDAP_SUCCESS)
        return failed(&a, "no directory can be reached that way", code);
    bool fine = set_options(&a) && sign_in(&a);
    do
        fine = fine && ask_page(&a);
    while (fine && a.cookie.bv_len);
    ber_memfree(a.cookie.bv_val);
    ldap_unbind_ext(a.ldap, NULL, NULL);
    return fine;
}
