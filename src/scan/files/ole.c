/*
 * ole.c: OLE compound files (MS-CFB), as old Office documents and encrypted new ones are: what they are, and whether they hold macros or a password's
 * work, by the names in their directory. Directory entries are 128 octets on 128-octet borders wherever the directory's sectors lie, so all such places
 * are looked at: no chain of sectors is followed, and none can lead astray.
 */
#include "scan/files/reading.h"

enum { ENTRY = 128, NAME_UNITS = 32, MOST_ENTRIES = 1 << 20 };

enum { SEES_WORD = 1, SEES_EXCEL = 2, SEES_POWERPOINT = 4, SEES_MESSAGE = 8, SEES_VBA = 16, SEES_ENCRYPTED = 32, SEES_OBJECT = 64 };

static const struct {
    const char *name;
    unsigned sees;
} names[] = {
    {"WordDocument", SEES_WORD}, {"Workbook", SEES_EXCEL}, {"Book", SEES_EXCEL}, {"PowerPoint Document", SEES_POWERPOINT},
    {"__properties_version1.0", SEES_MESSAGE}, {"VBA", SEES_VBA}, {"_VBA_PROJECT", SEES_VBA}, {"_VBA_PROJECT_CUR", SEES_VBA}, {"Macros", SEES_VBA},
    {"EncryptedPackage", SEES_ENCRYPTED}, {"EncryptionInfo", SEES_ENCRYPTED}, {"\001Ole10Native", SEES_OBJECT}, {"ObjectPool", SEES_OBJECT}};

/* The name at AT is NAME: UTF-16, its length in octets with the ending NUL stands at 64. */
static bool is_named(struct str s, size_t at, const char *name)
{
    size_t i = 0;

    for (; name[i] && i < NAME_UNITS; i++)
        if (ascii_lower((unsigned char)s.at[at + 2 * i]) != ascii_lower((unsigned char)name[i]) || s.at[at + 2 * i + 1] != '\0')
            return false;
    return le16(s, at + 64) == 2 * (i + 1);
}

static bool is_entry(struct str s, size_t at)
{
    unsigned type = (unsigned char)s.at[at + 66], length = le16(s, at + 64);

    return (type == 1 || type == 2 || type == 5) && length >= 2 && length <= 2 * NAME_UNITS && length % 2 == 0;
}

static unsigned look(struct str bytes)
{
    unsigned sees = 0;
    size_t entries = 0;

    for (size_t at = 512; at + ENTRY <= bytes.len && entries < MOST_ENTRIES; at += ENTRY) {
        if (!is_entry(bytes, at))
            continue;
        entries++;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (is_named(bytes, at, names[i].name))
                sees |= names[i].sees;
    }
    return sees;
}

enum file_type ole_kind(struct str bytes)
{
    unsigned sees = look(bytes);

    return sees & SEES_WORD ? FILE_DOC : sees & SEES_EXCEL ? FILE_XLS : sees & SEES_POWERPOINT ? FILE_PPT : sees & SEES_MESSAGE ? FILE_MSG : FILE_OLE;
}

/* MS-DOC §2.5.2: fEncrypted in the FIB, whose place only the chain of sectors tells; it begins a sector with its magic. */
static bool word_is_encrypted(struct str s)
{
    for (size_t at = 512; at + 32 <= s.len && at < (size_t)1 << 24; at += 512)
        if (le16(s, at) == 0xA5EC)
            return (le16(s, at + 10) & 0x0100) != 0;
    return false;
}

void ole_look(struct reading *r, struct thing *t)
{
    unsigned sees = look(t->bytes);

    if (sees & SEES_VBA) {
        t->facts |= FACT_MACRO;
        detail_add(r, "VBA macros");
    }
    if (sees & SEES_ENCRYPTED || (sees & SEES_WORD && word_is_encrypted(t->bytes))) {
        t->facts |= FACT_ENCRYPTED;
        detail_add(r, "encrypted document");
    }
    if (sees & SEES_OBJECT)
        t->facts |= FACT_OLE_OBJECT;
}
