/* random.c: see random.h. Each thread keeps a small pool, so a reference costs no system call. */
#include "base/random.h"

#include "base/bug.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static void fill(void *to, size_t len)
{
    char *at = to;

    while (len) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            bug("getrandom: %s", strerror(errno));
        at += n;
        len -= (size_t)n;
    }
}

void random_bytes(void *to, size_t len)
{
    static _Thread_local unsigned char pool[256];
    static _Thread_local size_t left;

    if (len > sizeof pool) {
        fill(to, len);
        return;
    }
    if (len > left) {
        fill(pool, sizeof pool);
        left = sizeof pool;
    }
    left -= len;
    memcpy(to, pool + left, len);
    memset(pool + left, 0, len); /* what was handed out is not kept */
}

uint64_t random_u64(void)
{
    uint64_t value;
    random_bytes(&value, sizeof value);
    return value;
}

uint32_t random_below(uint32_t limit)
{
    bug_unless(limit > 0);
    return (uint32_t)(((random_u64() >> 32) * limit) >> 32);
}

void random_reference(char to[REFERENCE_LEN + 1])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint64_t bits = random_u64();

    for (int i = 0; i < REFERENCE_LEN; i++, bits >>= 5)
        to[i] = digits[bits & 31];
    to[REFERENCE_LEN] = '\0';
}
