/*
 * spool_reserve.c: a file that holds nothing but room. On a disk that somebody else has filled to the last byte not even a deletion could be
 * recorded, so delivered mail would be delivered again after every restart. Then this room is given up, which is enough to carry
 * the log over and to record what makes room. It is taken again when there is plenty.
 */
#include "spool/spool_parts.h"

#include <fcntl.h>
#include <unistd.h>

static const char name[] = "reserve";
static const uint64_t RESERVE_BYTES = 32 * 1024 * 1024, PLENTY = 8 * RESERVE_BYTES;

void spool_reserve_take(struct spool *s)
{
    if (s->has_reserve || s->reserve_failed || atomic_load(&s->free_bytes) < atomic_load(&s->free_floor) || atomic_load(&s->free_bytes) < PLENTY)
        return;
    int fd = openat(s->directory_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    s->has_reserve = fd >= 0 && fallocate(fd, 0, 0, (off_t)RESERVE_BYTES) == 0;
    if (fd >= 0)
        close(fd);
    if (s->has_reserve)
        return;
    s->reserve_failed = true; /* a file system that cannot: not asked again */
    unlinkat(s->directory_fd, name, 0);
}

bool spool_reserve_give_up(struct spool *s)
{
    bool had = s->has_reserve;

    s->has_reserve = false;
    return unlinkat(s->directory_fd, name, 0) == 0 || had;
}
