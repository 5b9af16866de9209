/* kinds.c: which kind of zip a zip is, by the names at its beginning and its end; see reading.h. */
#include "scan/files/reading.h"

enum { WINDOW = 64 << 10, NAMES_SEEN = 512 };

struct seen { bool content_types, word, xl, ppt, manifest, android, classes; };

static void note(struct seen *s, struct str name)
{
    s->content_types |= str_is_case(name, "[Content_Types].xml");
    s->word |= str_starts_case(name, STR("word/"));
    s->xl |= str_starts_case(name, STR("xl/"));
    s->ppt |= str_starts_case(name, STR("ppt/"));
    s->manifest |= str_is_case(name, "META-INF/MANIFEST.MF");
    s->android |= str_is_case(name, "AndroidManifest.xml");
    s->classes |= str_ends_case(name, STR(".class"));
}

static void note_all(struct seen *s, struct str window, struct str mark, size_t len_at, size_t name_at)
{
    ptrdiff_t at = find_from(window, 0, mark);

    for (int i = 0; at >= 0 && i < NAMES_SEEN; i++) {
        note(s, str_sub(window, (size_t)at + name_at, le16(window, (size_t)at + len_at)));
        at = find_from(window, (size_t)at + name_at, mark);
    }
}

enum file_type zip_kind(struct str bytes)
{
    struct seen s = {0};

    if (find_from(str_sub(bytes, 0, 256), 0, STR("mimetypeapplication/vnd.oasis.opendocument")) >= 0)
        return FILE_ODF;
    note_all(&s, str_sub(bytes, 0, WINDOW), STR("PK\x03\x04"), 26, 30);
    note_all(&s, str_from_index(bytes, bytes.len > WINDOW ? bytes.len - WINDOW : 0), STR("PK\x01\x02"), 28, 46);
    if (s.content_types && (s.word || s.xl || s.ppt))
        return s.word ? FILE_DOCX : s.xl ? FILE_XLSX : FILE_PPTX;
    if (s.android)
        return FILE_APK;
    return s.manifest || s.classes ? FILE_JAR : FILE_ZIP;
}
