/* dkim.c: `postern dkim …`: keys that sign outgoing mail (auth/dkim_sign.h): made here, and compared with what stands in the DNS. */
#include "cli/command.h"

#include "auth/dkim_sign.h"
#include "auth/tag_list.h"
#include "base/clock.h"
#include "base/file.h"
#include "mail/address.h"
#include "net/dns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 640, RECORD_MAX = 2048, TEXT_STRING_MAX = 255 /* octets of one string in a TXT record, RFC 1035 §3.3.14 */, ERROR_MAX = 64 * 1024,
       NOT_PUBLISHED = 1 };

static void wipe(struct buf *b)
{
    if (b->at)
        explicit_bzero(b->at, b->cap);
    buf_free(b);
}

/* The line for a zone file; a text longer than one string may be is split, and read joined. */
static void zone_line(const char *selector, const char *domain, struct str record, struct buf *out)
{
    buf_addf(out, "%s._domainkey.%s. IN TXT (", selector, domain);
    while (record.len) {
        struct str piece = str_sub(record, 0, TEXT_STRING_MAX);
        buf_addf(out, " \"" STR_FMT "\"", STR_ARG(piece));
        record = str_from_index(record, piece.len);
    }
    buf_add_text(out, " )");
}

/* The folder of the domain, made where it is missing; the keys' owner and root look into it. */
static bool make_folder(const char *directory, const char *domain, char path[PATH_BYTES])
{
    struct stat st;

    if ((mkdir(directory, 0750) < 0 && errno != EEXIST) || stat(directory, &st) < 0)
        return false;
    snprintf(path, PATH_BYTES, "%s/%s", directory, domain);
    return mkdir(path, 0750) == 0 || errno == EEXIST;
}

/* Never over a key that is there: what it has signed could not be verified any more. */
static bool write_key(const char *path, struct str pem)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool fine = fd >= 0 && fchmod(fd, 0600) == 0 && file_write_all(fd, pem.at, pem.len) && fsync(fd) == 0;
    int why = errno;

    if (fd >= 0)
        close(fd);
    if (fd >= 0 && !fine)
        unlink(path);
    errno = why;
    return fine;
}

static void print_new(const struct command_line *line, const char *file, const char *name, struct str record, const struct buf *zone)
{
    if (line->json) {
        json_t *result = json_pack("{s:s, s:s, s:s%, s:s%}", "file", file, "name", name, "text", record.at, record.len, "zone", zone->at, zone->len);
        print_json(result);
        json_decref(result);
        return;
    }
    printf("The key is in %s.\nPublish this record (a web form wants the name and the text, without quotes and as one):\n\n" STR_FMT "\n\n"
           "When `postern dkim check` finds it, `postern reload` lets the key sign.\n", file, STR_ARG(buf_str(zone)));
}

static int key_new(const struct command_line *line, const char *directory, const char *domain)
{
    const char *type = line->type ? line->type : "rsa";
    char selector[64], folder[PATH_BYTES], path[PATH_BYTES + 80], name[PATH_BYTES];
    struct buf pem = buf_make(SIGNING_KEY_BYTES_MAX), record = buf_make(RECORD_MAX), zone = buf_make(2 * RECORD_MAX), error = buf_make(200);
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm tm;
    int code = EX_OK;

    strftime(selector, sizeof selector, *type == 'e' ? "ed%Y%m%d" : "rsa%Y%m%d", gmtime_r(&now, &tm));
    if (line->selector)
        str_copy(selector, sizeof selector, str_from(line->selector));
    if (!dkim_selector_is_valid(str_from(line->selector ? line->selector : selector)) || !dkim_key_make(type, &pem) ||
        !dkim_key_record(buf_str(&pem), &record, &error)) {
        fprintf(stderr, "postern: dkim new: --type is rsa or ed25519, --selector letters, digits, hyphens and dots\n");
        code = EX_USAGE;
    } else {
        bool made = make_folder(directory, domain, folder);
        snprintf(path, sizeof path, "%s/%s.pem", folder, selector);
        if (!made || !write_key(path, buf_str(&pem))) {
            fprintf(stderr, "postern: %s: %s\n", made ? path : directory, strerror(errno));
            code = EX_CANTCREAT;
        }
    }
    if (code == EX_OK) {
        snprintf(name, sizeof name, "%s._domainkey.%s", selector, domain);
        zone_line(selector, domain, buf_str(&record), &zone);
        print_new(line, path, name, buf_str(&record), &zone);
    }
    wipe(&pem);
    buf_free(&record);
    buf_free(&zone);
    buf_free(&error);
    return code;
}

/* Do two records hold the same key? Blanks and other tags do not matter. */
static bool same_key(struct str a, struct str b)
{
    unsigned char key_a[RECORD_MAX], key_b[RECORD_MAX];
    struct tag_list tags_a, tags_b;
    size_t len_a, len_b;

    return tag_list_parse(a, &tags_a) && tag_list_parse(b, &tags_b) && tag_base64(tag_find(&tags_a, "p"), key_a, sizeof key_a, &len_a) &&
           tag_base64(tag_find(&tags_b, "p"), key_b, sizeof key_b, &len_b) && len_a == len_b && memcmp(key_a, key_b, len_a) == 0;
}

static const char *state_of(struct dns *dns, const char *name, struct str record)
{
    struct dns_question *q = dns_start(dns, str_from(name), DNS_TXT);
    const struct dns_answer *a = dns_wait(q);
    const char *state = a->status == DNS_FAILED ? "the DNS does not answer" : a->count == 0 ? "missing" : "another key";

    if (a->count > 1)
        state = "several records: verifiers may take any of them";
    else if (a->count == 1 && same_key(a->at[0].data, record))
        state = "published";
    dns_done(&q);
    return state;
}

static bool check_one(struct dns *dns, const char *domain, const struct process_pem *pem, json_t *rows)
{
    struct str selector = pem->name, of = str_cut(&selector, '/');
    struct buf record = buf_make(RECORD_MAX), zone = buf_make(2 * RECORD_MAX), error = buf_make(200);
    char name[PATH_BYTES], label[64];

    if (!str_is(of, domain))
        return true;
    str_copy(label, sizeof label, selector);
    snprintf(name, sizeof name, "%s._domainkey.%s", label, domain);
    bool sound = dkim_key_record(pem->key, &record, &error);
    const char *state = sound ? state_of(dns, name, buf_str(&record)) : buf_text(&error);
    if (sound)
        zone_line(label, domain, buf_str(&record), &zone);
    json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s%}", "selector", label, "name", name, "state", state ? state : "?", "zone",
                                          zone.at ? zone.at : "", zone.len));
    buf_free(&record);
    buf_free(&zone);
    buf_free(&error);
    return sound && strcmp(state, "published") == 0;
}

static void print_check(const json_t *rows)
{
    const json_t *row;
    size_t i;

    json_array_foreach(rows, i, row) {
        const char *state = json_string_value(json_object_get(row, "state"));
        printf("%s: %s\n", json_string_value(json_object_get(row, "name")), state);
        if (strcmp(state, "published") != 0)
            printf("    %s\n", json_string_value(json_object_get(row, "zone")));
    }
}

static int check(const struct command_line *line, struct dns *dns, const char *directory, const char *domain)
{
    struct buf bytes = buf_make(SIGNING_KEYS_BYTES_MAX), error = buf_make(ERROR_MAX);
    struct process_pem *list = calloc(SIGNING_KEYS_MAX, sizeof *list);
    json_t *rows = json_array();
    bool fine = dkim_folder_read(directory, &bytes, &error);
    int count = list ? process_pems_read(buf_str(&bytes), list, SIGNING_KEYS_MAX) : 0;

    if (!fine)
        fprintf(stderr, "postern: " STR_FMT, STR_ARG(buf_str(&error)));
    for (int i = 0; i < count; i++)
        fine = check_one(dns, domain, &list[i], rows) && fine;
    if (json_array_size(rows) == 0) {
        fprintf(stderr, "postern: %s has no keys in %s (postern dkim new %s)\n", domain, directory, domain);
        fine = false;
    }
    if (line->json)
        print_json(rows);
    else
        print_check(rows);
    json_decref(rows);
    free(list);
    wipe(&bytes);
    buf_free(&error);
    return fine ? EX_OK : NOT_PUBLISHED;
}

static int check_in_dns(const struct command_line *line, const struct policy *p, const char *domain)
{
    const char *zone = setting_text(p, SETTING_dns_zone_file);
    const struct setting_list *resolvers = setting_list(p, SETTING_resolver);
    struct buf error = buf_make(1024);
    struct dns *dns = *zone ? dns_new_zone_file(zone, &error)
                            : dns_new_resolver(resolvers->at, resolvers->count, setting_number(p, SETTING_dns_timeout), &error);
    int code = EX_UNAVAILABLE;

    if (dns)
        code = check(line, dns, setting_text(p, SETTING_dkim_directory), domain);
    else
        fprintf(stderr, "postern: " STR_FMT "\n", STR_ARG(buf_str(&error)));
    dns_free(&dns);
    buf_free(&error);
    return code;
}

int dkim_main(const struct command_line *line)
{
    char domain[DKIM_NAME_MAX];

    if (line->words != 1 || !domain_to_ascii(str_from(line->word[0]), domain, sizeof domain)) {
        fprintf(stderr, "postern: dkim %s wants a domain\n", line->verb);
        return EX_USAGE;
    }
    struct settings *settings = command_settings(line);
    if (!settings)
        return EX_CONFIG;
    const struct policy *p = settings_system(settings);
    int code = EX_CONFIG;
    if (!*setting_text(p, SETTING_dkim_directory))
        fprintf(stderr, "postern: dkim_directory is empty: no mail is signed\n");
    else if (strcmp(line->verb, "new") == 0)
        code = key_new(line, setting_text(p, SETTING_dkim_directory), domain);
    else
        code = check_in_dns(line, p, domain);
    settings_unref(settings);
    return code;
}
