/* magic.c: a file's type by its bytes, whatever it is called; see file.h. */
#include "scan/files/reading.h"

#include <string.h>

enum { WINDOW = 64 << 10, TEXT_LOOK = 4096, PDF_LOOK = 1024 };

struct magic { uint32_t at; struct str bytes; enum file_type type; };
#define M(at, text, type) {at, {text, sizeof(text) - 1}, type}

static const struct magic magics[] = {
    M(0, "{\\rt", FILE_RTF),
    M(0, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", FILE_OLE),
    M(0, "PK\x03\x04", FILE_ZIP), M(0, "PK\x05\x06", FILE_ZIP), M(0, "PK00PK\x03\x04", FILE_ZIP), M(0, "PK\x07\x08PK\x03\x04", FILE_ZIP),
    M(0, "7z\xBC\xAF\x27\x1C", FILE_7Z),
    M(0, "Rar!\x1A\x07", FILE_RAR), M(0, "RE~^", FILE_RAR),
    M(257, "ustar", FILE_TAR),
    M(0, "\x1F\x8B", FILE_GZIP), M(4, "1AY&SY", FILE_BZIP2), M(4, "\x17\x72\x45\x38\x50\x90", FILE_BZIP2), M(0, "\xFD" "7zXZ\0", FILE_XZ), M(0, "\x28\xB5\x2F\xFD", FILE_ZSTD),
    M(0, "\x04\x22\x4D\x18", FILE_LZ4), M(0, "\x1F\x9D", FILE_COMPRESS), M(0, "\x1F\xA0", FILE_COMPRESS),
    M(0, "070701", FILE_CPIO), M(0, "070702", FILE_CPIO), M(0, "070707", FILE_CPIO), M(0, "\xC7\x71", FILE_CPIO), M(0, "!<arch>\n", FILE_AR),
    M(0, "MSCF\0\0\0\0", FILE_CAB), M(0, "\x60\xEA", FILE_ARJ), M(7, "**ACE**", FILE_ACE),
    M(0, "MSWIM\0\0\0", FILE_WIM), M(0, "WLPWM\0\0\0", FILE_WIM), M(0, "LZIP\1", FILE_LZIP), M(2, "-lh", FILE_LZH), M(2, "-lz", FILE_LZH),
    M(0, "conectix", FILE_VHD), M(0, "vhdxfile", FILE_VHD),
    M(0, "MZ", FILE_PE), M(0, "\x7F" "ELF", FILE_ELF),
    M(0, "\xFE\xED\xFA\xCE", FILE_MACHO), M(0, "\xFE\xED\xFA\xCF", FILE_MACHO), M(0, "\xCE\xFA\xED\xFE", FILE_MACHO), M(0, "\xCF\xFA\xED\xFE", FILE_MACHO),
    M(0, "L\0\0\0\x01\x14\x02\0\0\0\0\0\xC0\0\0\0\0\0\0\x46", FILE_LNK),
    M(0, "ITSF\x03\0\0\0", FILE_CHM), M(0, "?_\x03\0", FILE_HLP),
    M(0, "\xE4\x52\x5C\x7B\x8C\xD8\xA7\x4D\xAE\xB1\x53\x78\xD0\x29\x96\xD3", FILE_ONENOTE),
    M(0, "#!/", FILE_SCRIPT), M(0, "#! /", FILE_SCRIPT),
    M(0, "\xFF\xD8\xFF", FILE_JPEG), M(0, "\x89PNG\r\n\x1A\n", FILE_PNG), M(0, "GIF87a", FILE_GIF), M(0, "GIF89a", FILE_GIF),
    M(0, "II*\0", FILE_TIFF), M(0, "MM\0*", FILE_TIFF), M(0, "\0\0\x01\0", FILE_ICO),
    M(8, "WEBP", FILE_WEBP), M(8, "WAVE", FILE_AUDIO), M(8, "AVI ", FILE_VIDEO),
    M(4, "ftypheic", FILE_HEIC), M(4, "ftypheix", FILE_HEIC), M(4, "ftypmif1", FILE_HEIC), M(4, "ftypavif", FILE_HEIC),
    M(4, "ftypM4A", FILE_AUDIO), M(4, "ftyp", FILE_VIDEO),
    M(0, "ID3", FILE_AUDIO), M(0, "OggS", FILE_AUDIO), M(0, "fLaC", FILE_AUDIO), M(0, "MThd", FILE_AUDIO), M(0, "#!AMR", FILE_AUDIO),
    M(0, "\xFF\xFB", FILE_AUDIO), M(0, "\xFF\xF3", FILE_AUDIO), M(0, "\xFF\xF1", FILE_AUDIO), M(0, "\xFF\xF9", FILE_AUDIO),
    M(0, "\x1A\x45\xDF\xA3", FILE_VIDEO), M(0, "\0\0\x01\xBA", FILE_VIDEO), M(0, "\0\0\x01\xB3", FILE_VIDEO), M(0, "FLV\x01", FILE_VIDEO),
    M(0, "\x30\x26\xB2\x75\x8E\x66\xCF\x11", FILE_VIDEO),
    M(0, "\0\x01\0\0\0", FILE_FONT), M(0, "OTTO", FILE_FONT), M(0, "wOFF", FILE_FONT), M(0, "wOF2", FILE_FONT), M(0, "ttcf", FILE_FONT),
    M(0, "\x78\x9F\x3E\x22", FILE_TNEF),
    M(0, "-----BEGIN PGP ", FILE_PGP),
};

static bool is_fat_macho(struct str b)
{
    /* Java classes begin in the same way; their version, which stands where the number of architectures does, is above 40 */
    return has_at(b, 0, STR("\xCA\xFE\xBA\xBE")) && b.len >= 8 && (unsigned char)b.at[7] < 40;
}

static bool is_text(struct str b)
{
    size_t odd = 0;

    for (size_t i = 0; i < b.len; i++) {
        unsigned char c = (unsigned char)b.at[i];
        if (c == 0)
            return false;
        odd += (c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1B) || c == 0x7F;
    }
    return odd * 50 <= b.len;
}

/* A word that begins so is none yet: the head of a program has numbers in it, and what follows "BZh" says at once whether it is a bzip2 file. */
static bool is_only_a_word(struct str bytes, enum file_type t)
{
    enum { PROGRAM_HEAD = 64 };

    if (t == FILE_ELF) /* 32 or 64 bits, and which end comes first */
        return bytes.len < 6 || bytes.at[4] < 1 || bytes.at[4] > 2 || bytes.at[5] < 1 || bytes.at[5] > 2;
    if (t == FILE_LZH)
        return !has_at(bytes, 6, STR("-"));
    if (t == FILE_ARJ) /* its first header has at most 2,600 octets */
        return bytes.len < 4 || bytes.at[3] > 0x0A || bytes.at[3] < 0;
    if (t == FILE_ACE || t == FILE_VHD)
        return is_text(str_sub(bytes, 0, PROGRAM_HEAD));
    if (t == FILE_PE)
        return bytes.len >= PROGRAM_HEAD / 4 && is_text(str_sub(bytes, 0, PROGRAM_HEAD));
    return t == FILE_BZIP2 && !has_at(bytes, 0, STR("BZh"));
}

static enum file_type by_table(struct str bytes)
{
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if (has_at(bytes, magics[i].at, magics[i].bytes) && !is_only_a_word(bytes, magics[i].type))
            return magics[i].type;
    if (has_at(bytes, 0, STR("BM")) && bytes.len > 26 && le32(bytes, 6) == 0 && le32(bytes, 14) <= 124)
        return FILE_BMP;
    if (is_fat_macho(bytes))
        return FILE_MACHO;
    if (has_at(bytes, 0, STR("\xCA\xFE\xBA\xBE")))
        return FILE_JAR; /* a class file: code all the same */
    return FILE_UNKNOWN;
}

/* Marks that stand far behind the beginning. */
static enum file_type by_far_mark(struct str bytes)
{
    for (size_t at = 0x8001; at <= 0x9001; at += 0x800)
        if (has_at(bytes, at, STR("CD001")) || has_at(bytes, at, STR("BEA01")))
            return FILE_ISO;
    /* the first sector of a disk or of a file system on it */
    if (has_at(bytes, 510, STR("\x55\xAA")) && (has_at(bytes, 54, STR("FAT")) || has_at(bytes, 82, STR("FAT32")) || has_at(bytes, 3, STR("NTFS    ")) ||
                                                has_at(bytes, 3, STR("EXFAT   ")) || has_at(bytes, 512, STR("EFI PART"))))
        return FILE_DISK;
    if (bytes.len > 512 && has_at(bytes, bytes.len - 512, STR("koly")))
        return FILE_DMG;
    if (bytes.len > 512 && has_at(bytes, bytes.len - 512, STR("conectix")))
        return FILE_VHD;
    return FILE_UNKNOWN;
}

/* An old tar has no magic; its header has a checksum. */
static bool is_old_tar(struct str b)
{
    unsigned long said = 0, sum = 0;

    if (b.len < 512 || b.at[0] == 0)
        return false;
    for (size_t i = 148; i < 156; i++)
        if (b.at[i] >= '0' && b.at[i] <= '7')
            said = said * 8 + (unsigned long)(b.at[i] - '0');
    for (size_t i = 0; i < 512; i++)
        sum += i >= 148 && i < 156 ? ' ' : (unsigned char)b.at[i];
    return said == sum;
}

/* The fields that a message's header opens with. Two different ones at line beginnings make it one. */
static bool is_message(struct str text)
{
    static const char *const fields[] = {"received:", "return-path:", "delivered-to:", "message-id:", "mime-version:", "from:", "to:", "subject:", "date:",
                                         "content-type:", "dkim-signature:", "reply-to:", "x-mailer:", "content-transfer-encoding:", "arc-seal:", "x-"};
    unsigned seen = 0, lines = 0;

    while (text.len && lines++ < 60) {
        struct str line = str_cut(&text, '\n');
        if (str_trim(line).len == 0 || (lines == 1 && str_starts(line, STR("From "))))
            continue;
        if (line.at[0] == ' ' || line.at[0] == '\t')
            continue;
        size_t i = 0, count = sizeof fields / sizeof *fields;
        while (i < count && !str_starts_case(line, str_from(fields[i])))
            i++;
        if (i == count && lines == 1)
            return false;
        if (i < count)
            seen |= 1U << i;
    }
    return (seen & ~(1U << 15)) && (seen & (seen - 1));
}

static struct str skip_blank(struct str b)
{
    if (has_at(b, 0, STR("\xEF\xBB\xBF")))
        b = str_from_index(b, 3);
    while (b.len && (b.at[0] == ' ' || b.at[0] == '\t' || b.at[0] == '\r' || b.at[0] == '\n' || b.at[0] == '\f'))
        b = str_from_index(b, 1);
    return b;
}

static enum file_type markup_kind(struct str b)
{
    static const char *const html[] = {"<!doctype html", "<html", "<head", "<body", "<script", "<iframe", "<table", "<div", "<meta", "<title", "<a ", "<img", "<p>",
                                       "<style", "<form", "<center", "<span", "<h1", "<br", "<font", "<input", "<link", "<base", "<b>", "<object", "<embed", "<hta:"};
    struct str head = str_sub(b, 0, TEXT_LOOK);

    if (head.len == 0 || head.at[0] != '<')
        return find_case(head, STR("<html")) >= 0 || find_case(head, STR("<!doctype html")) >= 0 || find_case(head, STR("<script")) >= 0 ? FILE_HTML : FILE_UNKNOWN;
    for (size_t i = 0; i < sizeof html / sizeof *html; i++)
        if (str_starts_case(head, str_from(html[i])))
            return FILE_HTML;
    if (find_case(head, STR("<svg")) >= 0)
        return find_case(head, STR("<html")) >= 0 ? FILE_HTML : FILE_SVG;
    if (find_case(head, STR("<html")) >= 0 || find_case(head, STR("<!doctype html")) >= 0)
        return FILE_HTML;
    if (str_starts_case(head, STR("<?xml")) || str_starts_case(head, STR("<!doctype")))
        return FILE_XML;
    return find_case(head, STR("<script")) >= 0 || find_case(head, STR("<body")) >= 0 ? FILE_HTML : FILE_UNKNOWN;
}

static enum file_type text_kind(struct str b)
{
    struct str start = skip_blank(b), mark = str_sub(b, 0, 2);
    bool wide = str_is(mark, "\xFF\xFE") || str_is(mark, "\xFE\xFF");

    if (wide) { /* every other octet of the beginning is enough to know markup */
        char narrow[TEXT_LOOK / 2];
        size_t n = 0, first = mark.at[0] == '\xFF' ? 2 : 3;
        for (size_t i = first; i < b.len && n < sizeof narrow; i += 2)
            narrow[n++] = b.at[i];
        enum file_type t = markup_kind(skip_blank(str_n(narrow, n)));
        return t != FILE_UNKNOWN ? t : FILE_TEXT;
    }
    if (str_starts_case(start, STR("BEGIN:VCALENDAR")))
        return FILE_CALENDAR;
    if (str_starts_case(start, STR("BEGIN:VCARD")))
        return FILE_VCARD;
    if (str_starts_case(start, STR("[InternetShortcut")) || str_starts_case(start, STR("[{000214A0-0000-0000-C000-000000000046}")))
        return FILE_SHORTCUT;
    enum file_type markup = markup_kind(start);
    if (markup != FILE_UNKNOWN && (start.at[0] == '<' || !is_message(str_sub(start, 0, TEXT_LOOK))))
        return markup;
    if (!is_text(str_sub(b, 0, TEXT_LOOK)))
        return FILE_UNKNOWN;
    return is_message(str_sub(start, 0, TEXT_LOOK)) ? FILE_EMAIL : FILE_TEXT;
}

/* .lzma has no mark but its usual settings, a power of two for its dictionary, a size that is sane or not given, and a first octet that is 0. */
static bool is_lzma(struct str b)
{
    if (b.len < 14 || !has_at(b, 0, STR("\x5D\0\0")) || b.at[13] != 0)
        return false;
    uint64_t size = 0;
    for (int i = 12; i >= 5; i--)
        size = size << 8 | (unsigned char)b.at[i];
    return size == UINT64_MAX || size >> 40 == 0;
}

enum file_type file_type_by_magic(struct str bytes)
{
    if (bytes.len == 0)
        return FILE_EMPTY;
    enum file_type t = by_table(bytes);
    if (t == FILE_ZIP)
        return zip_kind(bytes);
    if (t == FILE_OLE)
        return ole_kind(bytes);
    if (t != FILE_UNKNOWN && t != FILE_FONT && t != FILE_ICO && t != FILE_CPIO && t != FILE_ARJ)
        return t;
    /* readers look for a PDF's mark in the first kilobyte */
    if (find_from(str_sub(bytes, 0, PDF_LOOK), 0, STR("%PDF-")) >= 0)
        return FILE_PDF;
    if (t != FILE_UNKNOWN)
        return t;
    t = by_far_mark(bytes);
    if (t != FILE_UNKNOWN)
        return t;
    if (is_old_tar(bytes))
        return FILE_TAR;
    if (is_lzma(bytes))
        return FILE_XZ;
    t = text_kind(str_sub(bytes, 0, WINDOW));
    if (t == FILE_UNKNOWN && has_at(skip_blank(str_sub(bytes, 0, PDF_LOOK)), 0, STR("{\\rt")))
        return FILE_RTF;
    if (t == FILE_TEXT && has_at(skip_blank(bytes), 0, STR("{\\rt")))
        return FILE_RTF;
    return t;
}

bool file_is_text(struct str bytes)
{
    return is_text(str_sub(bytes, 0, TEXT_LOOK));
}
