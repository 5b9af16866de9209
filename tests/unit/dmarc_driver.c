/*
 * dmarc_driver.c: for test_dmarc.py. ZONE-FILE; reads "check<TAB>author<TAB>spf domain<TAB>dkim domain…" and "parse<TAB>record" lines and prints what
 * came of it as name=value words.
 */
#include "auth/dmarc.h"

#include <stdio.h>
#include <string.h>

static void print_record(const struct dmarc_record *r)
{
    printf("p=%s has_p=%d sp=%s np=%s adkim=%c aspf=%c t=%d psd=%c fo=%s spoiled=%d rua=%s ruf=%s\n", dmarc_policy_name(r->p), r->has_p,
           r->has_sp ? dmarc_policy_name(r->sp) : "-", r->has_np ? dmarc_policy_name(r->np) : "-", r->strict_dkim ? 's' : 'r',
           r->strict_spf ? 's' : 'r', r->is_test, r->psd, r->fo, r->is_spoiled, *r->rua ? r->rua : "-", *r->ruf ? r->ruf : "-");
}

static void check(struct dns *dns, struct str rest)
{
    struct str dkim[8];
    struct dmarc_identifiers ids = {.author = str_cut(&rest, '\t'), .dkim = dkim};
    struct dmarc_verdict v;

    ids.spf = str_cut(&rest, '\t');
    while (rest.len && ids.dkim_count < 8)
        dkim[ids.dkim_count++] = str_cut(&rest, '\t');
    dmarc_check(dns, &ids, &v);
    printf("result=%s policy=%s published=%s domain=%s org=%s spf=%d dkim=%d d=%s sub=%d ", dmarc_result_name(v.result), dmarc_policy_name(v.policy),
           dmarc_policy_name(v.published), *v.policy_domain ? v.policy_domain : "-", *v.author_organization ? v.author_organization : "-",
           v.spf_aligned, v.dkim_aligned, *v.dkim_domain ? v.dkim_domain : "-", v.is_subdomain_policy);
    print_record(&v.record);
}

int main(int argc, char **argv)
{
    struct buf error = buf_make(1024);
    struct dns *dns = argc == 2 ? dns_new_zone_file(argv[1], &error) : NULL;
    char line[8192];

    if (!dns) {
        fprintf(stderr, STR_FMT "\n", STR_ARG(buf_str(&error)));
        return 1;
    }
    while (fgets(line, sizeof line, stdin)) {
        struct str rest = str_n(line, strcspn(line, "\n")), what = str_cut(&rest, '\t');
        struct dmarc_record r;
        if (str_is(what, "check"))
            check(dns, rest);
        else if (dmarc_record_parse(rest, &r))
            print_record(&r);
        else
            puts("none");
        fflush(stdout);
    }
    dns_free(&dns);
    buf_free(&error);
    return 0;
}
