/* secrets.c: see secrets.h. */
#include "auth/secrets.h"

#include "base/bug.h"
#include "base/file.h"
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 16 * 1024, TEXT_MAX = 512 };

static int digit(char c)
{
    int lower = ascii_lower((unsigned char)c);

    return ascii_is_digit(lower) ? lower - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool parse_line(struct str line, unsigned char to[SECRET_BYTES])
{
    if (line.len != 2 * SECRET_BYTES)
        return false;
    for (size_t i = 0; i < SECRET_BYTES; i++) {
        int high = digit(line.at[2 * i]), low = digit(line.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        to[i] = (unsigned char)(high * 16 + low);
    }
    return true;
}

static bool parse(struct str text, const char *path, struct secrets *out, struct buf *error)
{
    out->count = 0;
    for (unsigned number = 1; text.len; number++) {
        struct str line = str_trim(str_cut(&text, '\n'));
        if (!line.len || line.at[0] == '#')
            continue;
        if (out->count == SECRETS_MAX || !parse_line(line, out->at[out->count])) {
            buf_addf(error, "%s:%u: at most %d lines of %d hexadecimal digits are wanted", path, number, SECRETS_MAX, 2 * SECRET_BYTES);
            return false;
        }
        out->count++;
    }
    if (out->count)
        return true;
    buf_addf(error, "%s holds no secret", path);
    return false;
}

static bool read_file(const char *path, char *to, size_t size, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = 1;

    *len = 0;
    while (fd >= 0 && n != 0 && *len < size) {
        n = read(fd, to + *len, size - *len);
        if (n < 0 && errno != EINTR)
            break;
        *len += n > 0 ? (size_t)n : 0;
    }
    int why = errno;
    if (fd >= 0)
        close(fd);
    errno = why;
    return fd >= 0 && n == 0;
}

/* Complete or not at all: written aside, then linked. Somebody else's that came meanwhile stands. */
static bool make_file(const char *path)
{
    char aside[TEXT_MAX], text[2 * SECRET_BYTES + 2];
    unsigned char secret[SECRET_BYTES];

    random_bytes(secret, sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++)
        snprintf(text + 2 * i, 3, "%02x", secret[i]);
    text[2 * SECRET_BYTES] = '\n';
    snprintf(aside, sizeof aside, "%s.%ld", path, (long)getpid());
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool fine = fd >= 0 && file_write_all(fd, text, 2 * SECRET_BYTES + 1) && fsync(fd) == 0 && (link(aside, path) == 0 || errno == EEXIST);
    int why = errno;
    if (fd >= 0) {
        close(fd);
        unlink(aside);
    }
    explicit_bzero(text, sizeof text);
    explicit_bzero(secret, sizeof secret);
    errno = why;
    return fine;
}

bool secrets_load(const char *path, struct secrets *out, struct buf *error)
{
    char text[FILE_MAX];
    size_t len;
    bool read = read_file(path, text, sizeof text, &len);

    if (!read && errno == ENOENT)
        read = make_file(path) && read_file(path, text, sizeof text, &len);
    if (!read) {
        buf_addf(error, "%s: %s", path, len == sizeof text ? "is too large" : strerror(errno));
        return false;
    }
    bool fine = parse(str_n(text, len), path, out, error);
    explicit_bzero(text, sizeof text);
    return fine;
}

void secrets_hmac(const struct secrets *s, size_t i, const char *purpose, struct str text, unsigned char to[SECRET_BYTES])
{
    struct buf all = buf_make(4096);
    unsigned len = SECRET_BYTES;

    buf_add(&all, purpose, strlen(purpose) + 1);
    buf_add_str(&all, text);
    bug_unless(!all.failed && HMAC(EVP_sha256(), s->at[i], SECRET_BYTES, (const unsigned char *)all.at, all.len, to, &len) != NULL);
    buf_free(&all);
}
