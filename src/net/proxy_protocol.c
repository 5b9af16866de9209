/* proxy_protocol.c: see proxy_protocol.h. Section numbers are those of the specification. */
#include "net/proxy_protocol.h"

#include <string.h>

enum { V1_MAX = 107, V2_HEAD = 16, V2_MOST = 2048 };

static const char v2_signature[12] = {'\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

static bool take_port(struct str text, uint16_t *out)
{
    uint64_t port;

    if (!str_to_u64(text, 65535, &port) || (text.len > 1 && text.at[0] == '0'))
        return false;
    *out = (uint16_t)port;
    return true;
}

/* §2.1: "PROXY TCP4 source destination sport dport CR LF", one blank between the words. */
static bool take_v1(struct str line, struct proxy_header *out)
{
    struct str rest = line;

    str_cut(&rest, ' ');
    struct str family = str_cut(&rest, ' ');
    if (str_is(family, "UNKNOWN")) {
        out->is_local = true;
        return true;
    }
    struct str source = str_cut(&rest, ' '), destination = str_cut(&rest, ' ');
    struct str source_port = str_cut(&rest, ' '), destination_port = rest;
    uint8_t wanted = str_is(family, "TCP4") ? 4 : str_is(family, "TCP6") ? 6 : 0;
    bool is_v6_text = str_find(source, ':') >= 0 && str_find(destination, ':') >= 0;

    return wanted && is_v6_text == (wanted == 6) && ip_parse(source, &out->source.ip) && ip_parse(destination, &out->destination.ip) &&
           take_port(source_port, &out->source.port) && take_port(destination_port, &out->destination.port);
}

static enum proxy_result parse_v1(struct str bytes, struct proxy_header *out, size_t *used)
{
    struct str start = STR("PROXY ");
    size_t common = bytes.len < start.len ? bytes.len : start.len;
    ptrdiff_t end = str_find_str(str_sub(bytes, 0, V1_MAX), STR("\r\n"));

    if (!str_eq(str_sub(bytes, 0, common), str_sub(start, 0, common)))
        return PROXY_MALFORMED;
    if (end < 0)
        return bytes.len >= V1_MAX ? PROXY_MALFORMED : PROXY_MORE;
    *used = (size_t)end + 2;
    return take_v1(str_sub(bytes, 0, (size_t)end), out) ? PROXY_OK : PROXY_MALFORMED;
}

static struct endpoint take_endpoint(const uint8_t *ip, size_t len, const uint8_t *port)
{
    struct endpoint e = {.ip.family = len == 4 ? 4 : 6, .port = (uint16_t)(port[0] << 8 | port[1])};
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};

    if (len == 16 && memcmp(ip, mapped, sizeof mapped) == 0) {
        e.ip.family = 4;
        ip += 12;
        len = 4;
    }
    memcpy(e.ip.bytes, ip, len);
    return e;
}

/* §2.2. Additional TLVs are skipped. */
static enum proxy_result parse_v2(struct str bytes, struct proxy_header *out, size_t *used)
{
    const uint8_t *at = (const uint8_t *)bytes.at;
    size_t common = bytes.len < sizeof v2_signature ? bytes.len : sizeof v2_signature;

    if (memcmp(at, v2_signature, common) != 0)
        return PROXY_MALFORMED;
    if (bytes.len < V2_HEAD)
        return PROXY_MORE;
    size_t len = (size_t)at[14] << 8 | at[15];
    unsigned command = at[12], family = at[13] >> 4, transport = at[13] & 15;
    if (command >> 4 != 2 || (command & 15) > 1 || len > V2_MOST)
        return PROXY_MALFORMED;
    if (bytes.len < V2_HEAD + len)
        return PROXY_MORE;
    *used = V2_HEAD + len;
    size_t width = family == 1 ? 4 : 16;
    if ((command & 15) == 0 || transport != 1 || (family != 1 && family != 2)) {
        out->is_local = true; /* LOCAL, UNSPEC or UNIX: the connection's own addresses stand */
        return PROXY_OK;
    }
    if (len < 2 * width + 4)
        return PROXY_MALFORMED;
    at += V2_HEAD;
    out->source = take_endpoint(at, width, at + 2 * width);
    out->destination = take_endpoint(at + width, width, at + 2 * width + 2);
    return PROXY_OK;
}

enum proxy_result proxy_parse(struct str bytes, struct proxy_header *out, size_t *used)
{
    *out = (struct proxy_header){0};
    *used = 0;
    if (!bytes.len)
        return PROXY_MORE;
    return bytes.at[0] == '\r' ? parse_v2(bytes, out, used) : parse_v1(bytes, out, used);
}
