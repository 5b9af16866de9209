/* names.c: what a file's name claims, read as Windows reads it; see file.h. */
#include "scan/files/reading.h"

#include <string.h>

enum { EXTENSION_MAX = 16, FIT_MAX = 7 };

struct claim { const char *extension; enum file_type fits[FIT_MAX]; };

/* FILE_TEXT as the only one stands for all that is read as text. */
static const struct claim claims[] = {
    {"pdf", {FILE_PDF}},
    {"doc", {FILE_DOC, FILE_OLE, FILE_RTF, FILE_DOCX, FILE_HTML, FILE_XML}}, {"dot", {FILE_DOC, FILE_OLE, FILE_RTF, FILE_DOCX}},
    {"xls", {FILE_XLS, FILE_OLE, FILE_XLSX, FILE_HTML, FILE_XML, FILE_TEXT}}, {"xlt", {FILE_XLS, FILE_OLE, FILE_XLSX}},
    {"ppt", {FILE_PPT, FILE_OLE, FILE_PPTX}}, {"pps", {FILE_PPT, FILE_OLE, FILE_PPTX}},
    {"docx", {FILE_DOCX, FILE_OLE}}, {"docm", {FILE_DOCX, FILE_OLE}}, {"dotx", {FILE_DOCX, FILE_OLE}}, {"dotm", {FILE_DOCX, FILE_OLE}},
    {"xlsx", {FILE_XLSX, FILE_OLE}}, {"xlsm", {FILE_XLSX, FILE_OLE}}, {"xlsb", {FILE_XLSX, FILE_OLE}}, {"xltx", {FILE_XLSX, FILE_OLE}},
    {"xltm", {FILE_XLSX, FILE_OLE}}, {"xlam", {FILE_XLSX, FILE_OLE}}, {"pptx", {FILE_PPTX, FILE_OLE}}, {"pptm", {FILE_PPTX, FILE_OLE}},
    {"ppsx", {FILE_PPTX, FILE_OLE}}, {"ppsm", {FILE_PPTX, FILE_OLE}}, {"potx", {FILE_PPTX, FILE_OLE}},
    {"odt", {FILE_ODF}}, {"ods", {FILE_ODF}}, {"odp", {FILE_ODF}}, {"odg", {FILE_ODF}}, {"ott", {FILE_ODF}},
    {"rtf", {FILE_RTF}}, {"one", {FILE_ONENOTE}}, {"msg", {FILE_MSG, FILE_OLE}}, {"msi", {FILE_MSI, FILE_OLE}},
    {"zip", {FILE_ZIP, FILE_DOCX, FILE_XLSX, FILE_PPTX, FILE_ODF, FILE_JAR, FILE_APK}}, {"jar", {FILE_JAR, FILE_ZIP}}, {"apk", {FILE_APK, FILE_JAR, FILE_ZIP}},
    {"7z", {FILE_7Z}}, {"rar", {FILE_RAR}}, {"tar", {FILE_TAR}}, {"gz", {FILE_GZIP}}, {"tgz", {FILE_GZIP}}, {"bz2", {FILE_BZIP2}}, {"tbz", {FILE_BZIP2}},
    {"xz", {FILE_XZ}}, {"txz", {FILE_XZ}}, {"zst", {FILE_ZSTD}}, {"lz4", {FILE_LZ4}}, {"z", {FILE_COMPRESS, FILE_ZIP, FILE_RAR, FILE_ACE}}, {"cab", {FILE_CAB}},
    {"arj", {FILE_ARJ}}, {"ace", {FILE_ACE}}, {"lzh", {FILE_LZH}}, {"lha", {FILE_LZH}}, {"iso", {FILE_ISO}},
    {"wim", {FILE_WIM}}, {"esd", {FILE_WIM}}, {"swm", {FILE_WIM}}, {"lz", {FILE_LZIP}}, {"img", {FILE_ISO, FILE_DISK, FILE_DMG}}, {"url", {FILE_SHORTCUT}}, {"vhd", {FILE_VHD}}, {"vhdx", {FILE_VHD}},
    {"dmg", {FILE_DMG, FILE_ZIP, FILE_BZIP2}}, {"deb", {FILE_AR}},
    {"exe", {FILE_PE}}, {"dll", {FILE_PE}}, {"scr", {FILE_PE}}, {"sys", {FILE_PE}}, {"ocx", {FILE_PE}}, {"cpl", {FILE_PE}}, {"pif", {FILE_PE}},
    {"com", {FILE_PE, FILE_TEXT, FILE_HTML}}, {"lnk", {FILE_LNK}}, {"chm", {FILE_CHM}}, {"hlp", {FILE_HLP}},
    {"jpg", {FILE_JPEG}}, {"jpeg", {FILE_JPEG}}, {"jpe", {FILE_JPEG}}, {"png", {FILE_PNG}}, {"gif", {FILE_GIF}}, {"bmp", {FILE_BMP}}, {"tif", {FILE_TIFF}},
    {"tiff", {FILE_TIFF}}, {"webp", {FILE_WEBP}}, {"heic", {FILE_HEIC}}, {"ico", {FILE_ICO, FILE_PNG}},
    {"mp3", {FILE_AUDIO}}, {"wav", {FILE_AUDIO}}, {"ogg", {FILE_AUDIO, FILE_VIDEO}}, {"m4a", {FILE_AUDIO, FILE_VIDEO}}, {"flac", {FILE_AUDIO}},
    {"mp4", {FILE_VIDEO}}, {"mov", {FILE_VIDEO}}, {"avi", {FILE_VIDEO}}, {"mkv", {FILE_VIDEO}}, {"webm", {FILE_VIDEO}}, {"wmv", {FILE_VIDEO}},
    {"ttf", {FILE_FONT}}, {"otf", {FILE_FONT}}, {"woff", {FILE_FONT}}, {"woff2", {FILE_FONT}},
    {"txt", {FILE_TEXT}}, {"csv", {FILE_TEXT}}, {"log", {FILE_TEXT}}, {"md", {FILE_TEXT}}, {"json", {FILE_TEXT}}, {"js", {FILE_TEXT}}, {"jse", {FILE_TEXT}},
    {"vbs", {FILE_TEXT}}, {"vbe", {FILE_TEXT}}, {"wsf", {FILE_TEXT}}, {"hta", {FILE_TEXT}}, {"ps1", {FILE_TEXT}}, {"bat", {FILE_TEXT}}, {"cmd", {FILE_TEXT}},
    {"py", {FILE_TEXT}}, {"sh", {FILE_TEXT}}, {"htm", {FILE_TEXT}}, {"html", {FILE_TEXT}}, {"shtml", {FILE_TEXT}}, {"xml", {FILE_TEXT}}, {"svg", {FILE_TEXT}},
    {"eml", {FILE_TEXT}}, {"ics", {FILE_TEXT}}, {"vcf", {FILE_TEXT}}, {"asc", {FILE_TEXT}}, {"css", {FILE_TEXT}}, {"ini", {FILE_TEXT}}, {"reg", {FILE_TEXT}},
};

/* What a double click runs or opens in a browser. */
static const char *const dangerous[] = {"exe", "scr", "com", "pif", "bat", "cmd", "js", "jse", "vbs", "vbe", "wsf", "wsh", "hta", "lnk", "ps1", "msi", "msix", "jar", "cpl",
                                        "dll", "reg", "iso", "img", "vhd", "chm", "htm", "html", "shtml", "svg", "url", "appx", "application", "xll", "wll", "sct", "ws"};

/* Octets of a mark that shows nothing but turns or hides: U+200B..U+200F, U+202A..U+202E, U+2060..U+2069, U+FEFF; 0 when there is none at I. */
static size_t mark_len(struct str s, size_t i)
{
    if (i + 3 > s.len)
        return 0;
    unsigned char a = (unsigned char)s.at[i], b = (unsigned char)s.at[i + 1], c = (unsigned char)s.at[i + 2];
    if (a == 0xE2 && b == 0x80 && ((c >= 0x8B && c <= 0x8F) || (c >= 0xAA && c <= 0xAE)))
        return 3;
    if (a == 0xE2 && b == 0x81 && c >= 0xA0 && c <= 0xA9)
        return 3;
    return a == 0xEF && b == 0xBB && c == 0xBF ? 3 : 0;
}

static bool turns_direction(struct str s, size_t i)
{
    unsigned char c = (unsigned char)s.at[i + 2];
    return (unsigned char)s.at[i] == 0xE2 && ((c >= 0xAA && c <= 0xAE && (unsigned char)s.at[i + 1] == 0x80) || (c >= 0xA6 && c <= 0xA9 && (unsigned char)s.at[i + 1] == 0x81));
}

static bool ends_ignored(struct str s)
{
    char c = s.at[s.len - 1];
    return c == '.' || c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0;
}

static struct str last_component(struct str name)
{
    ptrdiff_t slash = str_find_last(name, '/'), back = str_find_last(name, '\\');
    return str_from_index(name, (size_t)((slash > back ? slash : back) + 1));
}

/* What stands behind the last dot of *NAME, lower case and without marks; *NAME becomes what stands before the dot. 0 when there is none or it is too long. */
static size_t cut_extension(struct str *name, char *to)
{
    struct str s = *name;
    size_t n = 0;

    for (;;) {
        if (s.len && ends_ignored(s))
            s.len--;
        else if (s.len >= 3 && mark_len(s, s.len - 3))
            s.len -= 3;
        else if (s.len >= 2 && (unsigned char)s.at[s.len - 2] == 0xC2 && (unsigned char)s.at[s.len - 1] == 0xA0)
            s.len -= 2; /* no-break space */
        else
            break;
    }
    ptrdiff_t dot = str_find_last(s, '.');
    *name = str_n(NULL, 0);
    if (dot < 0)
        return 0;
    for (size_t i = (size_t)dot + 1; i < s.len;) {
        size_t mark = mark_len(s, i);
        if (!mark && n == EXTENSION_MAX)
            return 0;
        if (!mark)
            to[n++] = (char)ascii_lower((unsigned char)s.at[i]);
        i += mark ? mark : 1;
    }
    *name = str_sub(s, 0, (size_t)dot);
    return n;
}

static const struct claim *claim_of(struct str extension)
{
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++)
        if (str_is(extension, claims[i].extension))
            return &claims[i];
    return NULL;
}

bool file_name_fits(struct str name, enum file_type t)
{
    char extension[EXTENSION_MAX];
    struct str rest = last_component(name);
    size_t n = cut_extension(&rest, extension);
    const struct claim *claim = n ? claim_of(str_n(extension, n)) : NULL;

    if (!claim || t == FILE_UNKNOWN || t == FILE_EMPTY)
        return true;
    if (claim->fits[0] == FILE_TEXT)
        return file_type_is_text(t);
    for (size_t i = 0; i < FIT_MAX && claim->fits[i] != FILE_UNKNOWN; i++)
        if (claim->fits[i] == t)
            return true;
    return false;
}

struct str file_extension(struct arena *arena, struct str name)
{
    char extension[EXTENSION_MAX];
    struct str rest = last_component(name);
    size_t n = cut_extension(&rest, extension);
    return arena_str(arena, str_n(extension, n));
}

bool file_extension_is_double(struct str name)
{
    char last[EXTENSION_MAX], before[EXTENSION_MAX];
    struct str rest = last_component(name);
    size_t n = cut_extension(&rest, last), m = cut_extension(&rest, before);

    if (n == 0 || m == 0 || !claim_of(str_n(before, m)) || str_eq(str_n(last, n), str_n(before, m)))
        return false;
    for (size_t i = 0; i < sizeof dangerous / sizeof *dangerous; i++)
        if (str_is(str_n(last, n), dangerous[i]))
            return true;
    return false;
}

static bool leaves_folder(struct str path)
{
    while (path.len) {
        size_t n = 0;
        while (n < path.len && path.at[n] != '/' && path.at[n] != '\\')
            n++;
        if (str_is(str_sub(path, 0, n), ".."))
            return true;
        path = str_from_index(path, n + 1);
    }
    return false;
}

bool file_name_has_trick(struct str name, bool path_allowed)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.at[i];
        if (c < 0x20 || c == 0x7F || (mark_len(name, i) && turns_direction(name, i)))
            return true;
    }
    if (!path_allowed)
        return str_find(name, '/') >= 0 || str_find(name, '\\') >= 0;
    bool from_root = name.len && (name.at[0] == '/' || name.at[0] == '\\' || (name.len > 1 && ascii_is_alpha((unsigned char)name.at[0]) && name.at[1] == ':'));
    return from_root || leaves_folder(name);
}
