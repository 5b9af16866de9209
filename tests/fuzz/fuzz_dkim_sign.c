/*
 * fuzz_dkim_sign.c: a message of any bytes: where we sign it, our own verifier takes it as it was, and no longer with a second From above it; where we
 * seal it (ARC), the chain holds as it held before.
 */
#include "auth/arc.h"
#include "auth/dkim_key.h"
#include "auth/dkim_sign.h"
#include "base/bug.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct dkim_signer *signer;
static struct dns *dns;
static struct signature_context *context;

static void set_up(void)
{
    struct buf pem = buf_make(SIGNING_KEY_BYTES_MAX), record = buf_make(4096), pems = buf_make(65536), error = buf_make(1024);
    char path[] = "/tmp/fuzz-dkim-sign-XXXXXX";
    int fd = mkstemp(path);
    FILE *zone = fdopen(fd, "w");

    bug_unless(zone && dkim_key_make("ed25519", &pem) && dkim_key_record(buf_str(&pem), &record, &error));
    fprintf(zone, "s._domainkey.a.test TXT \"%s\"\n", buf_text(&record));
    fclose(zone);
    struct process_pem one = {.name = STR("a.test/s"), .chain = STR(""), .key = buf_str(&pem)};
    bug_unless(process_pems_write(&pems, &one, 1));
    signer = dkim_signer_new(dkim_keys_new(buf_str(&pems), &error));
    dns = dns_new_zone_file(path, &error);
    context = signature_context_new();
    unlink(path);
    bug_unless(signer && dns && context && error.len == 0);
    buf_free(&pem);
    buf_free(&record);
    buf_free(&pems);
    buf_free(&error);
}

/* Does the first signature of MESSAGE, ours, hold? */
static bool holds(struct str message)
{
    static struct signature list[SIGNATURES_MAX];
    struct dkim_verdict v;

    bug_unless(signatures_read(context, message, list, SIGNATURES_MAX) > 0);
    dkim_verify(dns, NULL, &list[0], 1000, &v);
    return v.result == DKIM_PASS;
}

static enum chain_value chain_of(struct str message)
{
    static struct signature list[SIGNATURES_MAX];
    struct arc_verdict v;

    arc_verify(dns, NULL, list, signatures_read(context, message, list, SIGNATURES_MAX), 1000, &v);
    return v.chain;
}

/* And once more, so that chains that hold are continued, too. */
static void seal(struct str text, int more)
{
    struct buf out = buf_make(8 << 20);
    const struct arc_sealing how = {.domain = STR("a.test"), .chain = chain_of(text), .results = STR("a.test; none"), .now_s = 1000};

    bug_unless(arc_seal(signer, &how, text, &out));
    bool is_sealed = out.len > 0;
    buf_add_str(&out, text);
    if (text.len && text.at[text.len - 1] != '\n')
        buf_add_text(&out, "\r\n"); /* as the courier ends it */
    if (is_sealed)
        bug_unless(chain_of(buf_str(&out)) == (how.chain == CHAIN_FAIL ? CHAIN_FAIL : CHAIN_PASS));
    if (is_sealed && more)
        seal(buf_str(&out), more - 1);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    struct buf out = buf_make(8 << 20), evil = buf_make(8 << 20);

    if (!signer)
        set_up();
    bug_unless(dkim_sign(signer, STR("a.test"), text, 1000, &out));
    if (out.len) {
        buf_add_str(&out, text);
        if (size && data[size - 1] != '\n')
            buf_add_text(&out, "\r\n"); /* as the courier ends it */
        bug_unless(holds(buf_str(&out)));
        buf_add_text(&evil, "From: eve@b.test\r\n");
        buf_add_str(&evil, buf_str(&out));
        bug_unless(evil.failed || !holds(buf_str(&evil)));
    }
    seal(text, 1);
    buf_free(&out);
    buf_free(&evil);
    return 0;
}
