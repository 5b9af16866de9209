/*
 * dkim_driver.c: for test_dkim.py. "canonical header|body simple|relaxed" writes the canonical bytes of the message on standard input; "verify ZONE NOW"
 * prints a line for each signature and one for the ARC chain; "seal KEYS DOMAIN ZONE NOW" puts our ARC set before the message.
 */
#include "auth/arc.h"
#include "auth/dkim_canonical.h"
#include "auth/dkim_sign.h"
#include "mail/header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_out(void *arg, const char *at, size_t len)
{
    (void)arg;
    fwrite(at, 1, len, stdout);
}

static void canonical(struct str message, bool header, bool relaxed)
{
    struct header_walk walk = header_walk(message);
    struct header_field f;

    while (header_next(&walk, &f))
        if (header)
            dkim_canonical_field(f.raw, relaxed, true, write_out, NULL);
    if (!header)
        dkim_canonical_body(str_from_index(message, walk.body), relaxed, write_out, NULL);
}

static void verify(struct str message, const char *zone, int64_t now_s)
{
    static const char *const kinds[] = {"dkim", "ams", "as", "aar"};
    static struct signature list[SIGNATURES_MAX];
    struct buf error = buf_make(1024);
    struct dns *dns = dns_new_zone_file(zone, &error);
    struct signature_context *context = signature_context_new();
    struct key_cache *keys = key_cache_new(8);
    struct arc_verdict arc;

    if (!dns || !context || !keys) {
        fprintf(stderr, STR_FMT "\n", STR_ARG(buf_str(&error)));
        exit(1);
    }
    size_t count = signatures_read(context, message, list, SIGNATURES_MAX);
    for (size_t i = 0; i < count; i++) {
        struct dkim_verdict v;
        dkim_verify(dns, keys, &list[i], now_s, &v);
        printf("%s %s d=%s bits=%u body=%d problem=%s\n", kinds[list[i].kind], dkim_result_name(v.result), list[i].domain, v.key_bits, list[i].body_matches,
               v.problem);
    }
    arc_verify(dns, keys, list, count, now_s, &arc);
    printf("chain %s sets=%u problem=%s\n", chain_value_name(arc.chain), arc.sets, arc.problem);
    key_cache_free(&keys);
    signature_context_free(&context);
    dns_free(&dns);
    buf_free(&error);
}

static void seal(struct str message, const char *folder, const char *domain, const char *zone, int64_t now_s)
{
    static struct signature list[SIGNATURES_MAX];
    struct buf error = buf_make(4096), keys = buf_make(SIGNING_KEYS_BYTES_MAX), out = buf_make(1 << 20);
    struct dns *dns = dns_new_zone_file(zone, &error);
    struct signature_context *context = signature_context_new();
    struct arc_verdict arc;

    if (!dns || !context || !dkim_folder_read(folder, &keys, &error)) {
        fprintf(stderr, STR_FMT "\n", STR_ARG(buf_str(&error)));
        exit(1);
    }
    struct dkim_signer *signer = dkim_signer_new(dkim_keys_new(buf_str(&keys), &error));
    arc_verify(dns, NULL, list, signatures_read(context, message, list, SIGNATURES_MAX), now_s, &arc);
    const struct arc_sealing how = {.domain = str_from(domain), .chain = arc.chain, .now_s = now_s, .results = STR("mx.test; dmarc=pass;\r\n\tspf=none")};
    if (!arc_seal(signer, &how, message, &out))
        exit(2);
    fwrite(out.at, 1, out.len, stdout);
    fwrite(message.at, 1, message.len, stdout);
    dkim_signer_free(&signer);
    signature_context_free(&context);
    dns_free(&dns);
    buf_free(&keys);
    buf_free(&out);
    buf_free(&error);
}

int main(int argc, char **argv)
{
    struct buf in = buf_make(64 << 20);
    size_t n = 1;

    while (n && buf_reserve(&in, 65536)) {
        n = fread(in.at + in.len, 1, 65536, stdin);
        in.len += n;
    }
    if (argc == 4 && strcmp(argv[1], "canonical") == 0)
        canonical(buf_str(&in), strcmp(argv[2], "header") == 0, strcmp(argv[3], "relaxed") == 0);
    else if (argc == 4 && strcmp(argv[1], "verify") == 0)
        verify(buf_str(&in), argv[2], atoll(argv[3]));
    else if (argc == 6 && strcmp(argv[1], "seal") == 0)
        seal(buf_str(&in), argv[2], argv[3], argv[4], atoll(argv[5]));
    else
        return 64;
    buf_free(&in);
    return 0;
}
