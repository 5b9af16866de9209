/* fuzz_proxy_protocol.c: PROXY headers, both versions: used octets lie within the input, addresses have a family. */
#include "net/proxy_protocol.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header h;
    size_t used;

    if (proxy_parse(str_n((const char *)data, size), &h, &used) != PROXY_OK)
        return 0;
    if (used == 0 || used > size || (!h.is_local && (!h.source.ip.family || !h.destination.ip.family)))
        abort();
    return 0;
}
