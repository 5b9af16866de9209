/*
 * mime_tree.c: prints how messages are read, one line of JSON each, for tests that compare with what others made of them.
 *   mime-tree [--content | --time] FILE…
 * A leading "From " line, as mbox has it, is left out. --content: with the decoded octets in base64; --time: only nanoseconds per message.
 */
#include "mail/charset.h"
#include "mail/mime.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FILE_BYTES_MAX = 64 << 20, ARENA_BYTES = 512 << 20, TIMED_RUNS = 20 };

static const struct mime_limits limits = {.parts = 10000, .depth = 100, .header_bytes = 1 << 20, .header_fields = 10000,
                                          .decoded_bytes = 64 << 20, .findings = 1000};

static bool read_file(const char *name, struct buf *out)
{
    FILE *f = fopen(name, "re");
    char block[65536];
    size_t n;

    if (!f)
        return false;
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        if (!buf_add(out, block, n))
            break;
    fclose(f);
    return !out->failed;
}

static json_t *text(struct str s)
{
    json_t *value = json_stringn(s.at ? s.at : "", s.len);
    return value ? value : json_string("(not UTF-8)");
}

static void add_octets(struct arena *arena, json_t *object, struct str bytes)
{
    char *text64 = arena_bytes(arena, bytes.len / 3 * 4 + 5);
    int len = text64 && bytes.len ? EVP_EncodeBlock((unsigned char *)text64, (const unsigned char *)bytes.at, (int)bytes.len) : 0;

    json_object_set_new(object, "content", json_stringn(text64 ? text64 : "", (size_t)len));
}

static void add_content(struct arena *arena, json_t *object, const struct mime_part *part, bool with_octets)
{
    struct decoded d;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];

    mime_part_decode(arena, part, FILE_BYTES_MAX, &d);
    SHA256((const unsigned char *)(d.bytes.at ? d.bytes.at : ""), d.bytes.len, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    json_object_set_new(object, "size", json_integer((json_int_t)d.bytes.len));
    json_object_set_new(object, "sha256", json_string(hex));
    json_object_set_new(object, "decode_defects", json_integer(d.defects));
    json_object_set_new(object, "stop", json_integer((json_int_t)d.stop));
    if (with_octets)
        add_octets(arena, object, d.bytes);
}

static json_t *describe_part(struct arena *arena, const struct mime_part *p, bool with_octets)
{
    json_t *o = json_object();
    char type[256];

    snprintf(type, sizeof type, STR_FMT "/" STR_FMT, STR_ARG(p->type.type), STR_ARG(p->type.subtype));
    json_object_set_new(o, "path", json_string(p->path));
    json_object_set_new(o, "parent", p->parent ? json_integer(p->parent->number) : json_null());
    json_object_set_new(o, "line", json_integer(p->line));
    json_object_set_new(o, "type", text(str_from(type)));
    json_object_set_new(o, "encoding", json_string(transfer_encoding_name(p->encoding)));
    const struct parameter *charset = parameter_find(p->type.parameters, "charset");
    json_object_set_new(o, "charset", text(charset ? charset->value : STR("")));
    json_object_set_new(o, "name", text(p->name));
    json_object_set_new(o, "other_name", text(p->other_name));
    json_object_set_new(o, "leaf", json_boolean(p->is_leaf));
    json_object_set_new(o, "attachment", json_boolean(p->is_attachment));
    json_object_set_new(o, "second", json_boolean(p->by_second_reading));
    json_object_set_new(o, "preamble", json_integer((json_int_t)p->preamble.len));
    json_object_set_new(o, "epilogue", json_integer((json_int_t)p->epilogue.len));
    if (p->is_leaf)
        add_content(arena, o, p, with_octets);
    return o;
}

static json_t *describe(struct arena *arena, const char *name, const struct mime_message *m, bool with_octets)
{
    json_t *o = json_object(), *parts = json_array(), *findings = json_array();

    for (const struct mime_part *p = m->root; p; p = mime_next(p))
        json_array_append_new(parts, describe_part(arena, p, with_octets));
    for (uint32_t i = 0; i < m->finding_count; i++) {
        const struct mime_finding *f = &m->findings[i];
        const struct mime_defect_row *row = mime_defect_row(f->defect);
        json_t *finding = json_pack("{s:s, s:b, s:i, s:i}", "defect", row->name, "ambiguous", row->ambiguous, "part", (int)f->part,
                                    "line", (int)f->line);
        json_object_set_new(finding, "detail", text(f->detail));
        json_array_append_new(findings, finding);
    }
    json_object_set_new(o, "file", json_string(name));
    json_object_set_new(o, "count", json_integer(m->part_count));
    json_object_set_new(o, "parts", parts);
    json_object_set_new(o, "findings", findings);
    return o;
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void measure(struct charset_context *charsets, struct str message, const char *name)
{
    int64_t best = INT64_MAX;
    uint32_t parts = 0;

    for (int i = 0; i < TIMED_RUNS; i++) {
        struct arena arena = arena_make(ARENA_BYTES);
        int64_t start = now_ns();
        struct mime_message *m = mime_read(&arena, charsets, message, &limits);
        int64_t took = now_ns() - start;
        best = took < best ? took : best;
        parts = m ? m->part_count : 0;
        arena_free(&arena);
    }
    printf("%lld ns, %zu octets, %u parts: %s\n", (long long)best, message.len, parts, name);
}

int main(int argc, char **argv)
{
    struct charset_context *charsets = charset_context_new();
    bool timed = argc > 1 && strcmp(argv[1], "--time") == 0, with_octets = argc > 1 && strcmp(argv[1], "--content") == 0;

    for (int i = timed || with_octets ? 2 : 1; charsets && i < argc; i++) {
        struct arena arena = arena_make(ARENA_BYTES);
        struct buf file = buf_make(FILE_BYTES_MAX);
        if (!read_file(argv[i], &file))
            return fprintf(stderr, "cannot read %s\n", argv[i]), 1;
        struct str message = buf_str(&file), rest = message;
        if (str_starts(message, STR("From "))) {
            str_cut(&rest, '\n');
            message = rest;
        }
        if (timed) {
            measure(charsets, message, argv[i]);
        } else {
            struct mime_message *m = mime_read(&arena, charsets, message, &limits);
            json_t *o = m ? describe(&arena, argv[i], m, with_octets) : json_null();
            json_dumpf(o, stdout, JSON_COMPACT);
            putchar('\n');
            json_decref(o);
        }
        buf_free(&file);
        arena_free(&arena);
    }
    charset_context_free(&charsets);
    return 0;
}
