/* config.c: reads the configuration and the keys. The only process that opens these files. */
#include "master/parts.h"

#include "auth/dkim_sign.h"
#include "base/log.h"
#include "store/settings_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONFIG_MAX = 16 * 1024 * 1024, PEMS_MAX = 4 * 1024 * 1024, PEM_MAX = 1024 * 1024, MOST_PEMS = 256, WARNINGS_MAX = 64 * 1024 };

void log_lines(const struct buf *text, bool as_errors)
{
    struct str rest = buf_str(text);

    while (rest.len) {
        struct str line = str_cut(&rest, '\n');
        if (line.len)
            log_at(as_errors ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, STR_FMT, STR_ARG(line));
    }
}

static bool read_pem(const char *path, bool is_secret, struct buf *out, struct buf *error)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0 || fstat(fd, &st) < 0 || !process_read_fd(fd, out)) {
        buf_addf(error, "tls_certificates: %s: %s\n", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (is_secret && st.st_mode & S_IRWXO)
        log_warning("%s: everybody on this host may read the key", path);
    close(fd);
    return true;
}

static void forget(struct buf *secret)
{
    if (secret->at)
        explicit_bzero(secret->at, secret->cap);
    buf_free(secret);
}

/* ENTRY is "certificate-file:key-file", or one file with both. */
static bool add_pem(const char *entry, struct process_pem *pem, struct buf *chain, struct buf *key, struct buf *error)
{
    struct str rest = str_from(entry), first = str_cut(&rest, ':');
    char chain_path[4096], key_path[4096];

    if (!str_copy(chain_path, sizeof chain_path, first) || !str_copy(key_path, sizeof key_path, rest.len ? rest : first))
        return false;
    if (!read_pem(chain_path, false, chain, error) || !read_pem(key_path, true, key, error))
        return false;
    *pem = (struct process_pem){.name = str_from(entry), .chain = buf_str(chain), .key = buf_str(key)};
    return true;
}

/* Those that can be read go into the buffer. False when one could not. */
static bool load_pems(struct buf *out, const struct policy *p, struct buf *error)
{
    const struct setting_list *list = setting_list(p, SETTING_tls_certificates);
    struct process_pem pems[MOST_PEMS];
    struct buf chains[MOST_PEMS], keys[MOST_PEMS];
    size_t count = 0, tried = 0;

    for (; tried < list->count && tried < MOST_PEMS; tried++) {
        chains[tried] = buf_make(PEM_MAX);
        keys[tried] = buf_make(PEM_MAX);
        count += add_pem(list->at[tried], &pems[count], &chains[tried], &keys[tried], error);
    }
    bool written = process_pems_write(out, pems, count);
    if (!written)
        buf_addf(error, "tls_certificates: more than %d bytes in all\n", (int)PEMS_MAX);
    for (size_t i = 0; i < tried; i++) {
        buf_free(&chains[i]);
        forget(&keys[i]);
    }
    return written && count == list->count;
}

/* Keys that cannot be read, or are none: each is said, the others sign. */
static bool load_signing_keys(struct buf *out, const struct policy *p, struct buf *error)
{
    size_t before = error->len;
    bool read = dkim_folder_read(setting_text(p, SETTING_dkim_directory), out, error);
    struct dkim_keys *keys = dkim_keys_new(buf_str(out), error);

    dkim_keys_unref(keys);
    return read && keys && error->len == before;
}

bool config_load(struct config *c, const char *path, bool keys_must_load, struct buf *error)
{
    struct buf warnings = buf_make(WARNINGS_MAX);

    *c = (struct config){.text = buf_make(CONFIG_MAX), .pems = buf_make(PEMS_MAX), .signing_keys = buf_make(SIGNING_KEYS_BYTES_MAX)};
    if (settings_file_read(path, &c->text, error) && buf_text(&c->text))
        c->settings = settings_file_parse(buf_text(&c->text), path, error, &warnings);
    log_lines(&warnings, false);
    buf_free(&warnings);
    if (!c->settings) {
        if (!error->len)
            buf_addf(error, "%s: out of memory\n", path);
        config_free(c);
        return false;
    }
    struct buf trouble = buf_make(WARNINGS_MAX);
    bool loaded = load_pems(&c->pems, settings_system(c->settings), &trouble);
    loaded = load_signing_keys(&c->signing_keys, settings_system(c->settings), &trouble) && loaded;
    if (!loaded && keys_must_load)
        buf_add_str(error, buf_str(&trouble));
    else if (!loaded)
        log_lines(&trouble, true);
    buf_free(&trouble);
    if (loaded || !keys_must_load)
        return true;
    config_free(c);
    return false;
}

void config_free(struct config *c)
{
    if (c->settings)
        settings_unref(c->settings);
    if (c->text.ceiling)
        buf_free(&c->text);
    if (c->pems.ceiling)
        forget(&c->pems);
    if (c->signing_keys.ceiling)
        forget(&c->signing_keys);
    *c = (struct config){.settings = NULL};
}

static bool lists_are_equal(const struct setting_list *a, const struct setting_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->at[i], b->at[i]) != 0)
            return false;
    return true;
}

static bool values_are_equal(enum setting s, const struct policy *a, const struct policy *b)
{
    switch (setting_row(s)->type) {
    case SETTING_TEXT:
    case SETTING_CHOICE:
        return strcmp(setting_text(a, s), setting_text(b, s)) == 0;
    case SETTING_LIST:
    case SETTING_NETWORKS:
        return lists_are_equal(&setting_value(a, s)->list, &setting_value(b, s)->list);
    default:
        return setting_value(a, s)->number == setting_value(b, s)->number;
    }
}

/* The help of a process setting that a reload does take over says "reload". */
void config_say_what_needs_restart(const struct config *old, const struct config *new)
{
    const struct policy *a = settings_system(old->settings), *b = settings_system(new->settings);

    for (int s = 0; s < SETTING_COUNT; s++) {
        const struct setting_row *row = setting_row((enum setting)s);
        if (row->levels != LEVEL_P || strstr(row->help, "reload") || values_are_equal((enum setting)s, a, b))
            continue;
        log_warning("%s has changed: the new value needs a restart, the old one holds until then", row->name);
    }
}

uint64_t config_scan_limit(const struct config *c)
{
    int64_t largest = setting_number(settings_system(c->settings), SETTING_max_message_size);

    for (size_t i = 0; i < settings_domain_count(c->settings); i++) {
        int64_t size = setting_number(&settings_domain_at(c->settings, i)->policy, SETTING_max_message_size);
        largest = size > largest ? size : largest;
    }
    return (uint64_t)(setting_number(settings_system(c->settings), SETTING_scan_memory) + largest);
}
