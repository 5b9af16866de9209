/* spf_driver.c: ZONE-FILE; reads "ip<TAB>helo<TAB>sender" lines, prints "result<TAB>explanation<TAB>problem": for test_spf.py. */
#include "auth/spf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct buf error = buf_make(1024);
    struct dns *dns = argc == 2 ? dns_new_zone_file(argv[1], &error) : NULL;
    char line[4096];

    if (!dns) {
        fprintf(stderr, STR_FMT "\n", STR_ARG(buf_str(&error)));
        return 1;
    }
    while (fgets(line, sizeof line, stdin)) {
        struct str rest = str_n(line, strcspn(line, "\n")), ip = str_cut(&rest, '\t'), helo = str_cut(&rest, '\t'), sender = rest;
        ptrdiff_t at = str_find_last(sender, '@');
        struct spf_query q = {.helo = helo, .receiver = STR("mx.postern.test"), .now_ms = 1000,
                              .local = at < 0 ? str_n(NULL, 0) : str_sub(sender, 0, (size_t)at),
                              .domain = at < 0 ? helo : str_from_index(sender, (size_t)at + 1)};
        struct spf_verdict v;
        if (!ip_parse(ip, &q.ip))
            return 2;
        spf_check(dns, &q, &v);
        printf("%s\t%s\t%s\n", spf_result_name(v.result), v.explanation, v.problem);
        fflush(stdout);
    }
    dns_free(&dns);
    buf_free(&error);
    return 0;
}
