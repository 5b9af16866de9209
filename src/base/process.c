/*
 * process.c: see process.h. A packet travels as its two numbers and its text up to the NUL, not as the whole struct; what
 * comes in is checked here, so that its reader may trust the type, the text's end and the descriptor's presence.
 */
#include "base/process.h"

#include "base/bug.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEND_PATIENCE_MS = 10000 }; /* a process that does not read for so long is stuck, its peer must not be */

static const size_t head_size = offsetof(struct process_packet, text);

static bool carries_descriptor(int32_t type)
{
    return type == PROCESS_CONFIG || type == PROCESS_KEYS || type == PROCESS_SIGNING_KEYS || type == PROCESS_LISTENER || type == PROCESS_SCAN;
}

bool process_send(int channel, enum process_packet_type type, int32_t number, const char *text, int fd)
{
    struct process_packet p = {.type = (int32_t)type, .number = number};
    struct packet_fds fds = {.count = 0};

    bug_unless((fd >= 0) == carries_descriptor(p.type));
    str_copy(p.text, sizeof p.text, str_from(text));
    if (fd >= 0)
        fds.fd[fds.count++] = fd;
    return packet_send(channel, &p, head_size + strlen(p.text) + 1, &fds, SEND_PATIENCE_MS);
}

static bool is_well_formed(const struct process_packet *p, size_t len, const struct packet_fds *fds)
{
    if (len <= head_size || p->type < 0 || p->type > PROCESS_REOPEN)
        return false;
    size_t text = len - head_size;
    return memchr(p->text, '\0', text) == p->text + text - 1 && fds->count == (carries_descriptor(p->type) ? 1U : 0U);
}

int process_receive(int channel, struct process_packet *p, int *fd, int timeout_ms)
{
    struct packet_fds fds;
    ptrdiff_t n = packet_receive(channel, p, sizeof *p, &fds, timeout_ms);

    *fd = -1;
    if (n <= 0)
        return n < 0 && errno == ECONNRESET ? 0 : (int)n; /* it died with something of ours unread */
    if (!is_well_formed(p, (size_t)n, &fds)) {
        for (size_t i = 0; i < fds.count; i++)
            close(fds.fd[i]);
        errno = EPROTO;
        return -1;
    }
    if (fds.count)
        *fd = fds.fd[0];
    return 1;
}

static bool write_all(int fd, struct str bytes)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.at, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes = str_from_index(bytes, (size_t)n);
    }
    return true;
}

int process_memfd(const char *name, struct str bytes)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    if (write_all(fd, bytes) && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
        return fd;
    int trouble = errno;
    close(fd);
    errno = trouble;
    return -1;
}

/* Reads by position: the offset of a descriptor that crossed a socket is shared with whoever sent it. */
bool process_read_fd(int fd, struct buf *out)
{
    enum { PIECE = 64 * 1024 };
    off_t at = 0;

    for (;;) {
        size_t room = out->ceiling - out->len < PIECE ? out->ceiling - out->len : PIECE;
        if (!buf_reserve(out, room)) {
            errno = ENOMEM;
            return false;
        }
        char beyond;
        ssize_t n = room ? pread(fd, out->at + out->len, room, at) : pread(fd, &beyond, 1, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        if (!room) {
            errno = EFBIG;
            return false;
        }
        out->len += (size_t)n;
        at += n;
    }
}

/* Lengths are native: both ends are the same program. */
static bool add_number(struct buf *out, size_t number)
{
    uint32_t n = (uint32_t)number;
    return number <= UINT32_MAX && buf_add(out, &n, sizeof n);
}

bool process_pems_write(struct buf *out, const struct process_pem *pems, size_t count)
{
    if (!add_number(out, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct process_pem *p = &pems[i];
        if (!add_number(out, p->name.len) || !add_number(out, p->chain.len) || !add_number(out, p->key.len) ||
            !buf_add_str(out, p->name) || !buf_add_str(out, p->chain) || !buf_add_str(out, p->key))
            return false;
    }
    return true;
}

static bool take_number(struct str *rest, uint32_t *number)
{
    if (rest->len < sizeof *number)
        return false;
    memcpy(number, rest->at, sizeof *number);
    *rest = str_from_index(*rest, sizeof *number);
    return true;
}

static bool take_bytes(struct str *rest, size_t len, struct str *out)
{
    if (rest->len < len)
        return false;
    *out = str_sub(*rest, 0, len);
    *rest = str_from_index(*rest, len);
    return true;
}

int process_pems_read(struct str bytes, struct process_pem *pems, size_t most)
{
    uint32_t count;

    if (!take_number(&bytes, &count) || count > most)
        return -1;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t name, chain, key;
        if (!take_number(&bytes, &name) || !take_number(&bytes, &chain) || !take_number(&bytes, &key) ||
            !take_bytes(&bytes, name, &pems[i].name) || !take_bytes(&bytes, chain, &pems[i].chain) ||
            !take_bytes(&bytes, key, &pems[i].key))
            return -1;
    }
    return bytes.len == 0 ? (int)count : -1;
}
