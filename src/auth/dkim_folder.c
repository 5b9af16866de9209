/* dkim_folder.c: dkim_folder_read(): the key files below a folder. Who may not read them never calls it. */
#include "auth/dkim_sign.h"

#include "mail/address.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, NAME_BYTES = DKIM_NAME_MAX + 64 };

struct found {
    char name[NAME_BYTES];  /* domain/selector */
    struct buf key;         /* secret */
};

struct folder {
    const char *path;
    struct found *list;     /* owned */
    size_t count, room;
    struct buf *error;
    bool fine;
};

static void complain(struct folder *f, const char *path, const char *what)
{
    buf_addf(f->error, "dkim_directory: %s: %s\n", path, what);
    f->fine = false;
}

static void wipe(struct buf *b)
{
    if (b->at)
        explicit_bzero(b->at, b->cap);
    buf_free(b);
}

static struct found *another(struct folder *f)
{
    if (f->count == SIGNING_KEYS_MAX)
        return NULL;
    if (f->count == f->room) {
        size_t room = f->room ? f->room * 2 : 16;
        struct found *list = realloc(f->list, room * sizeof *list);
        if (!list)
            return NULL;
        f->list = list;
        f->room = room;
    }
    return &f->list[f->count];
}

static void read_key(struct folder *f, const char *path, const char *name)
{
    struct found *one = another(f);
    struct stat st;

    if (!one) {
        complain(f, path, "there are too many keys");
        return;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    one->key = buf_make(SIGNING_KEY_BYTES_MAX);
    if (fd < 0 || fstat(fd, &st) < 0)
        complain(f, path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        complain(f, path, "is no file");
    else if (st.st_mode & S_IRWXO)
        complain(f, path, "everybody on this host may read or change the key: it is not used (chmod 600)");
    else if (!process_read_fd(fd, &one->key))
        complain(f, path, strerror(errno));
    else if (str_copy(one->name, sizeof one->name, str_from(name)))
        f->count++;
    if (f->count == 0 || one != &f->list[f->count - 1])
        wipe(&one->key);
    if (fd >= 0)
        close(fd);
}

/* The entries of PATH in order, "." and hidden ones left out. Returns their number; LIST is malloc'ed. */
static int entries(struct folder *f, const char *path, struct dirent ***list)
{
    int count = scandir(path, list, NULL, alphasort);

    if (count < 0 && errno != ENOENT && errno != ENOTDIR)
        complain(f, path, strerror(errno));
    return count;
}

static void read_domain(struct folder *f, const char *domain)
{
    char path[PATH_BYTES], file[PATH_BYTES + 256], name[NAME_BYTES];
    struct dirent **list = NULL;

    snprintf(path, sizeof path, "%s/%s", f->path, domain);
    int count = entries(f, path, &list);
    for (int i = 0; i < count; i++) {
        struct str selector = str_from(list[i]->d_name);
        if (list[i]->d_name[0] != '.' && str_ends_case(selector, STR(".pem"))) {
            selector.len -= 4;
            snprintf(file, sizeof file, "%s/%s", path, list[i]->d_name);
            snprintf(name, sizeof name, "%s/" STR_FMT, domain, STR_ARG(selector));
            if (dkim_selector_is_valid(selector))
                read_key(f, file, name);
            else
                complain(f, file, "the name is no selector");
        }
        free(list[i]);
    }
    free(list);
}

static bool write_out(const struct folder *f, struct buf *out)
{
    struct process_pem *pems = calloc(f->count ? f->count : 1, sizeof *pems);

    for (size_t i = 0; pems && i < f->count; i++)
        pems[i] = (struct process_pem){.name = str_from(f->list[i].name), .chain = STR(""), .key = buf_str(&f->list[i].key)};
    bool fine = pems && process_pems_write(out, pems, f->count);
    free(pems);
    return fine;
}

bool dkim_folder_read(const char *directory, struct buf *out, struct buf *error)
{
    struct folder f = {.path = directory, .error = error, .fine = true};
    struct dirent **list = NULL;
    char domain[DKIM_NAME_MAX];
    int count = *directory ? entries(&f, directory, &list) : 0;

    for (int i = 0; i < count; i++) {
        if (list[i]->d_name[0] != '.' && domain_to_ascii(str_from(list[i]->d_name), domain, sizeof domain) &&
            strcmp(domain, list[i]->d_name) == 0)
            read_domain(&f, domain);
        free(list[i]);
    }
    free(list);
    if (!write_out(&f, out))
        complain(&f, directory, "the keys are too many");
    for (size_t i = 0; i < f.count; i++)
        wipe(&f.list[i].key);
    free(f.list);
    return f.fine;
}
