/*
 * scan/files/cfb.h: compound files (MS-CFB): a small file system of sectors and chains. Bounded: no chain is followed longer than there are sectors,
 * and all streams together may give twice the file's length.
 */
#ifndef SCAN_FILES_CFB_H
#define SCAN_FILES_CFB_H

#include "base/arena.h"
#include "base/buf.h"

enum { CFB_NAME_MAX = 96, CFB_ENTRIES_MAX = 16384 };
enum cfb_kind { CFB_STORAGE = 1, CFB_STREAM = 2, CFB_ROOT = 5 };

struct cfb_entry { char name[CFB_NAME_MAX]; uint8_t kind; uint32_t parent /* index; 0 the root */; uint32_t left, right, child, start; uint64_t size; };

struct cfb {
    struct str bytes;
    struct arena *arena;
    uint32_t sector_bytes, sector_count, small_cutoff, small_start;
    uint32_t *fat_sectors, fat_count; /* where the allocation table lies */
    uint32_t *small_fat, small_count; /* the mini FAT's entries */
    struct str small_data;            /* the mini stream */
    struct cfb_entry *entries;
    uint32_t count;
    uint64_t may_read;                /* bytes of streams; counts down */
    bool is_damaged, is_cut;          /* chains that end or turn in circles; ceilings reached */
    unsigned char class_id[16];       /* of the root */
};

/* False when BYTES are no compound file, or the arena is used up. MOST entries are read. */
bool cfb_open(struct arena *arena, struct str bytes, uint32_t most, struct cfb *out);
/* The stream's bytes into OUT (emptied first), at most MOST. False when damaged or cut; what came before is in OUT. */
bool cfb_read(struct cfb *c, const struct cfb_entry *entry, size_t most, struct buf *out);

#endif
