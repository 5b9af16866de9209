/* random.h: unguessable bytes from the kernel (getrandom), and names made of them. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

enum { REFERENCE_LEN = 10 }; /* characters; 50 bits */

void random_bytes(void *to, size_t len); /* never fails: a kernel without getrandom is a bug() */
uint64_t random_u64(void);
uint32_t random_below(uint32_t limit);   /* 0 … limit-1, limit > 0 */
/* A reference like 7K3F9QXD2M (Crockford base 32: no I L O U) into TO, NUL-terminated. */
void random_reference(char to[REFERENCE_LEN + 1]);

#endif
