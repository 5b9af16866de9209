/* vba.c: see vba.h. */
#include "scan/files/vba.h"

#include "scan/files/reading.h"

#include <string.h>

enum { CHUNK_BYTES = 4096, CONTAINER_MARK = 1 };

/* A copy token (§2.4.1.3.19): how many bits are the offset depends on how far the chunk has come. */
static bool copy(struct buf *out, size_t chunk_begin, uint16_t token)
{
    size_t done = out->len - chunk_begin;
    unsigned bits = 4;

    while (bits < 12 && (1UL << bits) < done)
        bits++;
    size_t len = (token & (0xFFFFU >> bits)) + 3U, offset = (size_t)(token >> (16 - bits)) + 1;
    if (offset > done || done + len > CHUNK_BYTES)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!buf_add_char(out, out->at[out->len - offset]))
            return false;
    return true;
}

static bool decompress_chunk(struct str chunk, struct buf *out)
{
    const size_t begin = out->len;
    size_t at = 0;

    while (at < chunk.len) {
        unsigned flags = (unsigned char)chunk.at[at++];
        for (int i = 0; i < 8 && at < chunk.len; i++, flags >>= 1) {
            if (!(flags & 1)) {
                if (out->len - begin >= CHUNK_BYTES || !buf_add_char(out, chunk.at[at++]))
                    return false;
                continue;
            }
            if (chunk.len - at < 2 || !copy(out, begin, le16(chunk, at)))
                return false;
            at += 2;
        }
    }
    return true;
}

bool vba_decompress(struct str bytes, struct buf *out)
{
    size_t at = 1;

    buf_clear(out);
    if (bytes.len < 3 || bytes.at[0] != CONTAINER_MARK)
        return false;
    while (bytes.len - at >= 2) {
        uint16_t head = le16(bytes, at);
        size_t len = (head & 0x0FFFU) + 1U; /* behind the head: size − 3 of header and data */
        if ((head >> 12 & 7) != 3)
            return false;
        at += 2;
        struct str chunk = str_sub(bytes, at, len);
        bool ok = head & 0x8000 ? decompress_chunk(chunk, out) : buf_add_str(out, chunk);
        if (!ok)
            return false;
        at += chunk.len;
    }
    return true;
}

bool vba_module_source(struct str module, struct buf *out)
{
    /* a module's source begins with "Attribute VB_Name", of which the first eight letters are never compressed */
    ptrdiff_t at = find_from(module, 0, STR("\0Attribut"));
    if (at < 3 || module.at[at - 3] != CONTAINER_MARK)
        return false;
    vba_decompress(str_from_index(module, (size_t)at - 3), out); /* what is behind the source ends it with an error */
    return out->len > 0;
}

static bool is_word_part(char c)
{
    return ascii_is_alnum((unsigned char)c) || c == '_';
}

/* NAME as a word of its own, or as the end of one where it begins with '_'. */
static bool has_word(struct str source, struct str name)
{
    for (;;) {
        ptrdiff_t at = find_case(source, name);
        if (at < 0)
            return false;
        size_t end = (size_t)at + name.len;
        bool begins = name.at[0] == '_' || at == 0 || !is_word_part(source.at[at - 1]);
        if (begins && (end == source.len || !is_word_part(source.at[end])))
            return true;
        source = str_from_index(source, end);
    }
}

const char *vba_auto_name(struct str source)
{
    static const char *const names[] = {"autoexec", "autoopen", "autoclose", "autoexit", "autonew", "auto_open", "auto_close", "auto_activate", "document_open",
        "document_close", "document_new", "document_beforeclose", "document_contentcontrolonenter", "workbook_open", "workbook_activate", "workbook_beforeclose",
        "workbook_close", "workbook_beforesave", "worksheet_activate", "worksheet_change", "worksheet_calculate", "presentation_open", "slideshow_begin",
        "onslideshowpagechange", "application_startup", "_layout", "_painted", "_painting", "_mousemove", "_gotfocus", "_resize", "_onconnecting",
        "_statechange", "_progresschange"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (has_word(source, str_from(names[i])))
            return names[i];
    return NULL;
}
