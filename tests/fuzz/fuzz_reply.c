/* fuzz_reply.c: replies of hostile servers, whole and in pieces: the same reading, within the ceilings. */
#include "smtp/reply.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum reply_result read_in_pieces(const uint8_t *data, size_t size, size_t piece, struct smtp_reply *reply)
{
    struct reply_parser p;
    enum reply_result result = REPLY_MORE;
    size_t from = 0, to = 0, used;

    reply_parser_init(&p, reply);
    while (result == REPLY_MORE && to < size) {
        to = to + piece < size ? to + piece : size;
        for (;;) {
            result = reply_parse(&p, str_n((const char *)data + from, to - from), &used, NULL, NULL);
            from += used;
            if (from > to)
                abort();
            if (result != REPLY_MORE || !used || from == to)
                break;
        }
    }
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct smtp_reply whole, pieces;
    enum reply_result a = read_in_pieces(data, size, size ? size : 1, &whole), b = read_in_pieces(data, size, 7, &pieces);

    if (a == REPLY_DONE) {
        if (whole.code < 200 || whole.code > 599 || strlen(whole.text) > REPLY_TEXT_MAX)
            abort();
        if (b != REPLY_DONE || whole.code != pieces.code || strcmp(whole.text, pieces.text) != 0)
            abort();
    }
    return 0;
}
