/* report_pack.c: see report_pack.h. */
#include "courier/report_pack.h"

#include <openssl/evp.h>
#include <zlib.h>

bool report_gzip(struct str in, struct buf *out)
{
    enum { WINDOW = 15, GZIP_FORMAT = 16, LEVEL_OF_MEMORY = 8 };
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.at, .avail_in = (uInt)in.len};
    unsigned char piece[16384];
    int result;

    if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, WINDOW + GZIP_FORMAT, LEVEL_OF_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    do {
        z.next_out = piece;
        z.avail_out = sizeof piece;
        result = deflate(&z, Z_FINISH);
        buf_add(out, piece, sizeof piece - z.avail_out);
    } while (result == Z_OK);
    deflateEnd(&z);
    return result == Z_STREAM_END && !out->failed;
}

void report_base64(struct str in, struct buf *out)
{
    enum { OCTETS = 54 };
    unsigned char line[2 * OCTETS];

    for (size_t i = 0; i < in.len; i += OCTETS) {
        struct str piece = str_sub(in, i, OCTETS);
        int n = EVP_EncodeBlock(line, (const unsigned char *)piece.at, (int)piece.len);
        buf_add(out, line, (size_t)n);
        buf_add_text(out, "\r\n");
    }
}
