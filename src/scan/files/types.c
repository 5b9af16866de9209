/* types.c: names and classes of file types and facts; see file.h. */
#include "scan/files/file.h"

enum { EXECUTABLE = 1, ARCHIVE = 2, IMAGE = 4, OFFICE = 8, TEXT = 16 };

static const struct { const char *name; unsigned is; } types[FILE_TYPE_COUNT] = {
    [FILE_UNKNOWN] = {"unknown", 0},        [FILE_EMPTY] = {"empty", 0},           [FILE_TEXT] = {"text", TEXT},
    [FILE_HTML] = {"html", TEXT},           [FILE_SVG] = {"svg", TEXT},            [FILE_XML] = {"xml", TEXT},
    [FILE_RTF] = {"rtf", OFFICE | TEXT},    [FILE_PDF] = {"pdf", 0},               [FILE_OLE] = {"ole", OFFICE},
    [FILE_DOC] = {"doc", OFFICE},           [FILE_XLS] = {"xls", OFFICE},          [FILE_PPT] = {"ppt", OFFICE},
    [FILE_MSG] = {"msg", 0},                [FILE_MSI] = {"msi", EXECUTABLE},      [FILE_DOCX] = {"docx", OFFICE},
    [FILE_XLSX] = {"xlsx", OFFICE},         [FILE_PPTX] = {"pptx", OFFICE},        [FILE_ODF] = {"odf", OFFICE},
    [FILE_ONENOTE] = {"onenote", OFFICE},   [FILE_ZIP] = {"zip", ARCHIVE},         [FILE_JAR] = {"jar", ARCHIVE | EXECUTABLE},
    [FILE_APK] = {"apk", ARCHIVE | EXECUTABLE}, [FILE_7Z] = {"7z", ARCHIVE},       [FILE_RAR] = {"rar", ARCHIVE},
    [FILE_TAR] = {"tar", ARCHIVE},          [FILE_GZIP] = {"gzip", ARCHIVE},       [FILE_BZIP2] = {"bzip2", ARCHIVE},
    [FILE_XZ] = {"xz", ARCHIVE},            [FILE_ZSTD] = {"zstd", ARCHIVE},       [FILE_LZ4] = {"lz4", ARCHIVE},
    [FILE_COMPRESS] = {"compress", ARCHIVE}, [FILE_CPIO] = {"cpio", ARCHIVE},      [FILE_AR] = {"ar", ARCHIVE},
    [FILE_ISO] = {"iso", ARCHIVE},          [FILE_CAB] = {"cab", ARCHIVE},         [FILE_ARJ] = {"arj", ARCHIVE},
    [FILE_ACE] = {"ace", ARCHIVE},          [FILE_LZH] = {"lzh", ARCHIVE},         [FILE_VHD] = {"vhd", ARCHIVE},
    [FILE_DMG] = {"dmg", ARCHIVE},          [FILE_PE] = {"pe", EXECUTABLE},        [FILE_ELF] = {"elf", EXECUTABLE},
    [FILE_MACHO] = {"macho", EXECUTABLE},   [FILE_LNK] = {"lnk", EXECUTABLE},      [FILE_CHM] = {"chm", EXECUTABLE},
    [FILE_HLP] = {"hlp", EXECUTABLE},       [FILE_SCRIPT] = {"script", EXECUTABLE | TEXT}, [FILE_JPEG] = {"jpeg", IMAGE},
    [FILE_PNG] = {"png", IMAGE},            [FILE_GIF] = {"gif", IMAGE},           [FILE_BMP] = {"bmp", IMAGE},
    [FILE_TIFF] = {"tiff", IMAGE},          [FILE_WEBP] = {"webp", IMAGE},         [FILE_HEIC] = {"heic", IMAGE},
    [FILE_ICO] = {"ico", IMAGE},            [FILE_AUDIO] = {"audio", 0},           [FILE_VIDEO] = {"video", 0},
    [FILE_FONT] = {"font", 0},              [FILE_TNEF] = {"tnef", ARCHIVE},       [FILE_EMAIL] = {"email", TEXT},
    [FILE_CALENDAR] = {"calendar", TEXT},   [FILE_VCARD] = {"vcard", TEXT},        [FILE_PGP] = {"pgp", TEXT},
    [FILE_SHORTCUT] = {"shortcut", TEXT},  [FILE_DISK] = {"disk", ARCHIVE},
    [FILE_WIM] = {"wim", ARCHIVE},         [FILE_LZIP] = {"lzip", ARCHIVE},
};

static const char *const facts[FILE_FACT_COUNT] = {
    "encrypted",     "macro",        "auto-macro",  "pdf-javascript",   "pdf-launch",      "pdf-embedded", "pdf-open-action", "external-template",
    "ole-object",    "dde",          "damaged",     "bomb",             "too-deep",        "too-many",          "type-differs",    "double-extension",
    "name-trick",    "prepended",    "qr",     "conflicting-entries", "script",       "header-encrypted",  "xlm-macro",       "html-smuggling",
    "picture-unseen", "unread",
};

const char *file_type_name(enum file_type t)
{
    return (unsigned)t < FILE_TYPE_COUNT ? types[t].name : "unknown";
}

static bool is(enum file_type t, unsigned class)
{
    return (unsigned)t < FILE_TYPE_COUNT && (types[t].is & class) != 0;
}

bool file_type_is_executable(enum file_type t) { return is(t, EXECUTABLE); }
bool file_type_is_archive(enum file_type t)    { return is(t, ARCHIVE); }
bool file_type_is_image(enum file_type t)      { return is(t, IMAGE); }
bool file_type_is_office(enum file_type t)     { return is(t, OFFICE); }
bool file_type_is_text(enum file_type t)       { return is(t, TEXT); }

const char *file_fact_name(unsigned one_fact)
{
    for (unsigned i = 0; i < FILE_FACT_COUNT; i++)
        if (one_fact == 1U << i)
            return facts[i];
    return "";
}
