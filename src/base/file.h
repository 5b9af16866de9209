/* file.h: small helpers around descriptors. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Writes all LEN bytes, however often write() has to be called. False with errno. */
bool file_write_all(int fd, const char *at, size_t len) __attribute__((warn_unused_result));

/* Makes a rename in the folder of PATH last. False with errno. */
bool file_sync_folder_of(const char *path) __attribute__((warn_unused_result));

#endif
