/* large_senders.c: see large_senders.h. Names are looked up by hash, label by label. */
#include "policy/large_senders.h"

#include "base/hash.h"
#include "base/list.h"
#include "mail/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 4 * 1024 * 1024 };

struct large_sender {
    struct hash_node node;
    char name[];
};

struct large_senders {
    struct hash_table names;
    struct networks networks;
};

static bool add_name(struct large_senders *l, struct str name)
{
    struct large_sender *s = malloc(sizeof *s + name.len + 1);

    if (!s)
        return false;
    str_copy(s->name, name.len + 1, name);
    str_lower(s->name, name.len);
    if (hash_insert(&l->names, &s->node, hash_str_case(name)))
        return true;
    free(s);
    return false;
}

static bool take_line(struct large_senders *l, struct str line)
{
    struct network network;

    if (network_parse(line, &network))
        return networks_add(&l->networks, &network);
    return domain_is_full(line) && add_name(l, line);
}

static bool take_text(struct large_senders *l, const char *name, struct str text, struct buf *error)
{
    size_t number = 0;

    while (text.at) {
        struct str rest = str_cut(&text, '\n'), line = str_trim(str_cut(&rest, '#'));
        number++;
        if (!line.len || take_line(l, line))
            continue;
        buf_addf(error, "%s:%zu: \"" STR_FMT "\" is neither a full host name nor a network", name, number, STR_ARG(str_sub(line, 0, 100)));
        return false;
    }
    return true;
}

static bool read_file(const char *path, struct buf *text, struct buf *error)
{
    char piece[16384];
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        buf_addf(error, "%s: %s", path, strerror(errno));
        return false;
    }
    while ((n = read(fd, piece, sizeof piece)) > 0 && buf_add(text, piece, (size_t)n))
        continue;
    bool ok = n == 0;
    if (!ok)
        buf_addf(error, "%s: %s", path, text->failed ? "is too large" : strerror(errno));
    close(fd);
    return ok;
}

struct large_senders *large_senders_load(const char *path, struct buf *error)
{
    struct large_senders *l = calloc(1, sizeof *l);
    struct buf text = buf_make(FILE_MAX_BYTES);

    if (!l) {
        buf_add_text(error, "out of memory");
        return NULL;
    }
    bool ok = *path ? read_file(path, &text, error) && take_text(l, path, buf_str(&text), error)
                    : take_text(l, "large-senders", str_from(large_senders_shipped), error);
    buf_free(&text);
    if (!ok)
        large_senders_free(&l);
    return l;
}

static void free_name(struct hash_node *node, void *arg)
{
    (void)arg;
    free(container_of(node, struct large_sender, node));
}

void large_senders_free(struct large_senders **l)
{
    if (!*l)
        return;
    hash_each(&(*l)->names, free_name, NULL);
    hash_table_free(&(*l)->names);
    networks_free(&(*l)->networks);
    free(*l);
    *l = NULL;
}

bool large_senders_have_client(const struct large_senders *l, const struct ip *client)
{
    return networks_have(&l->networks, client);
}

const char *large_senders_name(const struct large_senders *l, struct str name)
{
    while (name.len) {
        for (struct hash_node *n = hash_first(&l->names, hash_str_case(name)); n; n = hash_next(n)) {
            const struct large_sender *s = container_of(n, struct large_sender, node);
            if (str_eq_case(str_from(s->name), name))
                return s->name;
        }
        str_cut(&name, '.');
    }
    return NULL;
}
