/*
 * check.c: `postern check`: what is wrong with a configuration, before a start or a reload meets it: the file itself, and what it names
 * that must be readable, which is certificates with their keys, keys that sign, and lists.
 */
#include "auth/dkim_sign.h"
#include "cli/command.h"
#include "net/tls.h"
#include "policy/large_senders.h"
#include "policy/lists.h"
#include "store/settings_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum { TEXT_MAX = 256 * 1024, PEM_MAX = 1024 * 1024, PATH_BYTES = 4096 };

static void say(struct buf *error, struct str what)
{
    buf_addf(error, "%s" STR_FMT, error->len ? "\n" : "", STR_ARG(what));
}

static bool read_pem(struct str path, struct buf *out, struct buf *error)
{
    char name[PATH_BYTES], piece[16384];
    FILE *f = str_copy(name, sizeof name, path) ? fopen(name, "re") : NULL;
    size_t n;

    while (f && (n = fread(piece, 1, sizeof piece, f)) > 0)
        if (!buf_add(out, piece, n))
            break;
    bool fine = f && !ferror(f) && !out->failed;
    if (!fine)
        buf_addf(error, "%stls_certificates: " STR_FMT ": %s", error->len ? "\n" : "", STR_ARG(path), out->failed ? "too large" : strerror(errno));
    if (f)
        fclose(f);
    return fine;
}

static void check_certificate(const char *entry, const char *minimum, struct buf *error)
{
    struct buf chain = buf_make(PEM_MAX), key = buf_make(PEM_MAX), why = buf_make(4096);
    struct str key_path = str_from(entry), chain_path = str_cut(&key_path, ':');

    if (read_pem(chain_path, &chain, error) && read_pem(key_path, &key, error)) {
        struct tls_pem pem = {.chain = buf_str(&chain), .key = buf_str(&key), .name = entry};
        struct tls_server *tls = tls_server_new(&pem, 1, minimum, &why);
        if (tls)
            tls_server_unref(tls);
        else
            say(error, buf_str(&why));
    }
    if (key.at)
        explicit_bzero(key.at, key.cap);
    buf_free(&chain);
    buf_free(&key);
    buf_free(&why);
}

static void check_signing_keys(const struct policy *p, struct buf *error)
{
    struct buf bytes = buf_make(SIGNING_KEYS_BYTES_MAX), why = buf_make(TEXT_MAX);

    if (dkim_folder_read(setting_text(p, SETTING_dkim_directory), &bytes, &why))
        dkim_keys_unref(dkim_keys_new(buf_str(&bytes), &why));
    if (why.len)
        say(error, str_trim(buf_str(&why)));
    if (bytes.at)
        explicit_bzero(bytes.at, bytes.cap);
    buf_free(&bytes);
    buf_free(&why);
}

static void check_files(const struct policy *p, struct buf *error)
{
    const struct setting_list *certificates = setting_list(p, SETTING_tls_certificates);
    struct buf why = buf_make(TEXT_MAX);

    for (size_t i = 0; i < certificates->count; i++)
        check_certificate(certificates->at[i], setting_text(p, SETTING_tls_minimum), error);
    check_signing_keys(p, error);
    struct lists *lists = lists_load(setting_text(p, SETTING_lists_directory), &why);
    if (!lists)
        say(error, str_trim(buf_str(&why)));
    lists_free(&lists);
    buf_clear(&why);
    struct large_senders *large = large_senders_load(setting_text(p, SETTING_large_senders), &why);
    if (!large)
        say(error, str_trim(buf_str(&why)));
    large_senders_free(&large);
    buf_free(&why);
}

int check_main(const struct command_line *line)
{
    struct buf error = buf_make(TEXT_MAX), warnings = buf_make(TEXT_MAX);
    struct settings *settings = settings_file_load(line->words ? line->word[0] : line->config, &error, &warnings);

    if (settings)
        check_files(settings_system(settings), &error);
    bool fine = settings && error.len == 0;
    if (warnings.len)
        fprintf(stderr, STR_FMT "\n", STR_ARG(str_trim(buf_str(&warnings))));
    if (!fine)
        fprintf(stderr, STR_FMT "\n", STR_ARG(str_trim(buf_str(&error))));
    else
        printf("fine: %zu domains\n", settings_domain_count(settings));
    settings_unref(settings);
    buf_free(&error);
    buf_free(&warnings);
    return fine ? EX_OK : EX_CONFIG;
}
