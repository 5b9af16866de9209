/*
 * scan/files/zip.h: a zip file as its readers see it: by the central directory at its end, and by the local headers, which a reader that streams
 * goes by. What the central directory does not name but a local header does is an item as well (APPNOTE.TXT 6.3.10).
 */
#ifndef SCAN_FILES_ZIP_H
#define SCAN_FILES_ZIP_H

#include "base/arena.h"

struct zip_item {
    struct str name;       /* bytes of the file; as the central directory has it */
    struct str local_name; /* "" where it is the same */
    struct str data;       /* packed; cut where the file ends */
    uint64_t packed, size; /* bytes, as said */
    size_t begins, ends;   /* its local header and the end of its data, in the file */
    uint32_t crc;
    uint16_t method;       /* 0 stored, 8 deflated */
    bool is_encrypted, is_folder;
    bool is_local_only;    /* found by its local header alone */
    bool is_cut;           /* its data or local header is not there */
    bool conflicts;        /* the two directories disagree about it */
};

struct zip {
    struct zip_item *items;
    uint32_t count;
    uint32_t dropped;      /* items beyond MOST */
    bool has_end;          /* an end record was found */
    bool is_prepended;     /* other data before the first item */
    bool conflicts;        /* something that two readers read differently */
    bool overlaps;         /* items that share bytes, as bombs do */
    bool directory_is_encrypted;
    bool is_damaged;
};

/* False when BYTES have neither an end record with a directory nor a local header at their beginning, or the arena is used up. */
bool zip_open(struct arena *arena, struct str bytes, uint32_t most, struct zip *out);
/* Is there an end record whose directory is there? */
bool zip_is_at_end(struct str bytes);

#endif
