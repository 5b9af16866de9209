/*
 * blob.h: the bytes of one message, written once, then read by many. Small ones live in memory, large ones in an unlinked
 * temporary file in the spool's file system (which the spool links into place instead of copying).
 * Reference counted; after blob_seal() immutable and readable from all threads.
 */
#ifndef BASE_BLOB_H
#define BASE_BLOB_H

#include "base/str.h"

enum { BLOB_MEMORY_MAX = 256 * 1024 };

struct blob;

/* DIRECTORY (may be NULL: memory only) is where a large blob's file is made. NULL out of memory. */
struct blob *blob_new(uint64_t ceiling, const char *directory);
struct blob *blob_from(struct str bytes);       /* a sealed copy */
/* A sealed blob over a file (FD is taken); NULL with errno. */
struct blob *blob_open(int fd);
enum blob_result { BLOB_OK, BLOB_TOO_LARGE, BLOB_FAILED /* errno says: ENOSPC, ENOMEM, EIO */ };
enum blob_result blob_append(struct blob *b, const char *at, size_t len) __attribute__((warn_unused_result));
bool blob_seal(struct blob *b) __attribute__((warn_unused_result)); /* false with errno */
uint64_t blob_size(const struct blob *b);
struct str blob_bytes(const struct blob *b);    /* sealed: all of it, contiguous (memory or mapping) */
int blob_file(const struct blob *b);            /* the file's descriptor (owned by the blob), or -1 when in memory */
/* A descriptor that can only be read, for another process; owner: the caller. -1 with errno. */
int blob_readable_fd(const struct blob *b);
struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b);                /* NULL is fine */

#endif
