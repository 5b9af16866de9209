/*
 * bench_dkim.c: how many DKIM signatures a second one core verifies, for script/bench policy. A message of 4 KB, signed here; a line of JSON for each
 * algorithm: "key" is the signature against a key that is known (what the relay does), "whole" reads the message, too: header, hashes, signature.
 * CPU time of this thread.
 *
 *     bench-dkim SECONDS [FOLDER]    leaves the messages and the records of the keys in FOLDER, for the peers
 */
#include "auth/dkim_key.h"
#include "auth/dkim_sign.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SECONDS_MAX = 600, BODY_BYTES = 4096, MESSAGE_MAX = 64 * 1024, RECORD_MAX = 2048, TEXT_STRING_MAX = 255 };

struct subject {
    struct buf message; /* with its signature */
    struct dns *dns;
    struct key_cache *keys;
    struct signature_context *context;
    struct signature signature;
};

static void die(const char *what)
{
    fprintf(stderr, "bench-dkim: %s\n", what);
    exit(1);
}

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int64_t now_s(void)
{
    return clock_wall_ms() / 1000;
}

/* A DNS that knows the key of PEM as k._domainkey.bench.test. */
static struct dns *publish(struct str pem)
{
    struct buf record = buf_make(RECORD_MAX), error = buf_make(1024);
    char path[] = "/tmp/bench-dkim-XXXXXX";
    int fd = mkstemp(path);
    FILE *zone = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (!zone || !dkim_key_record(pem, &record, &error))
        die("the key cannot be published");
    fprintf(zone, "k._domainkey.bench.test. TXT");
    for (struct str rest = buf_str(&record); rest.len;) {
        struct str piece = str_sub(rest, 0, TEXT_STRING_MAX);
        fprintf(zone, " \"" STR_FMT "\"", STR_ARG(piece));
        rest = str_from_index(rest, piece.len);
    }
    fputc('\n', zone);
    fclose(zone);
    struct dns *dns = dns_new_zone_file(path, &error);
    unlink(path);
    buf_free(&record);
    buf_free(&error);
    return dns;
}

static void sign(struct str pem, struct buf *signed_message)
{
    struct process_pem one = {.name = STR("bench.test/k"), .chain = STR(""), .key = pem};
    struct buf pems = buf_make(SIGNING_KEYS_BYTES_MAX), trouble = buf_make(1024), text = buf_make(MESSAGE_MAX);

    buf_add_text(&text, "From: Ann <ann@bench.test>\r\nTo: bob@peer.test\r\nSubject: bench\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n"
                        "Message-ID: <1@bench.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n");
    for (size_t start = text.len; !text.failed && text.len - start < BODY_BYTES;)
        buf_add_text(&text, "This is a line of benchmark text, long enough to look like text of a mail.\r\n");
    struct dkim_keys *keys = process_pems_write(&pems, &one, 1) ? dkim_keys_new(buf_str(&pems), &trouble) : NULL;
    struct dkim_signer *signer = keys ? dkim_signer_new(keys) : NULL;
    if (!signer || !dkim_sign(signer, STR("bench.test"), buf_str(&text), now_s(), signed_message) || !signed_message->len)
        die("the message cannot be signed");
    buf_add(signed_message, text.at, text.len);
    if (signed_message->failed)
        die("out of memory");
    dkim_signer_free(&signer);
    buf_free(&pems);
    buf_free(&trouble);
    buf_free(&text);
}

static void leave(const char *folder, const char *name, const char *suffix, struct str what)
{
    char path[4096];

    if (snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix) >= (int)sizeof path)
        die("the path is too long");
    FILE *f = fopen(path, "we");
    if (!f || fwrite(what.at, 1, what.len, f) != what.len || fclose(f) != 0)
        die(path);
}

static void leave_for_peers(const char *folder, const char *name, const struct buf *message, struct str pem)
{
    struct buf record = buf_make(RECORD_MAX), error = buf_make(1024);

    if (!dkim_key_record(pem, &record, &error))
        die("the key cannot be published");
    leave(folder, name, ".eml", buf_str(message));
    leave(folder, name, ".txt", buf_str(&record));
    leave(folder, name, ".pem", pem);
    buf_free(&record);
    buf_free(&error);
}

static void verify(struct subject *s)
{
    struct dkim_verdict v;

    dkim_verify(s->dns, s->keys, &s->signature, now_s(), &v);
    if (v.result != DKIM_PASS)
        die(v.problem);
}

static void read_and_verify(struct subject *s)
{
    if (signatures_read(s->context, buf_str(&s->message), &s->signature, 1) != 1)
        die("the signature is not found");
    verify(s);
}

static double rate(struct subject *s, void (*step)(struct subject *s), double seconds)
{
    double begun = cpu_s(), took = 0;
    size_t done = 0;

    for (; took < seconds; took = cpu_s() - begun, done += 64)
        for (int i = 0; i < 64; i++)
            step(s);
    return (double)done / took;
}

static void measure(const char *type, const char *name, double seconds, const char *folder)
{
    struct buf pem = buf_make(SIGNING_KEY_BYTES_MAX);
    struct subject s = {.message = buf_make(MESSAGE_MAX), .keys = key_cache_new(8), .context = signature_context_new()};

    if (!dkim_key_make(type, &pem) || !(s.dns = publish(buf_str(&pem))) || !s.keys || !s.context)
        die("out of memory");
    sign(buf_str(&pem), &s.message);
    read_and_verify(&s);
    if (folder)
        leave_for_peers(folder, name, &s.message, buf_str(&pem));
    double key = rate(&s, verify, seconds), whole = rate(&s, read_and_verify, seconds);
    printf("{\"dkim\": \"%s\", \"message_bytes\": %zu, \"key_per_s\": %.0f, \"whole_per_s\": %.0f}\n", name, s.message.len, key, whole);
    key_cache_free(&s.keys);
    signature_context_free(&s.context);
    dns_free(&s.dns);
    buf_free(&s.message);
    buf_free(&pem);
}

int main(int argc, char **argv)
{
    long seconds = argc == 2 || argc == 3 ? strtol(argv[1], NULL, 10) : 0;

    if (seconds < 1 || seconds > SECONDS_MAX) {
        fprintf(stderr, "usage: bench-dkim SECONDS [FOLDER]\n");
        return 64;
    }
    measure("rsa", "rsa-2048", (double)seconds, argc == 3 ? argv[2] : NULL);
    measure("ed25519", "ed25519", (double)seconds, argc == 3 ? argv[2] : NULL);
    return 0;
}
