/* records.c: the records of Excel and PowerPoint files; see ole.h. Linear: each is looked at once. */
#include "scan/files/ole.h"

enum { RECORDS_MAX = 4 << 20 };
enum { BIFF_FILEPASS = 0x2F, BIFF_BOUNDSHEET = 0x85, BIFF_NAME = 0x18, BIFF_SUPBOOK = 0x1AE, SHEET_IS_MACRO = 1, NAME_IS_BUILTIN = 0x20 };
enum { PPT_HEAD = 8, PPT_CONTAINER = 0x0F, PPT_STORAGE = 0x1011 };

static bool password(struct reading *r, struct thing *t)
{
    t->facts |= FACT_ENCRYPTED;
    detail_add(r, "Excel file with a password");
    return false;
}

/* A name defined by Excel itself: 1 Auto_Open, 2 Auto_Close. It may also be written out. */
static void look_at_name(struct reading *r, struct thing *t, struct str record)
{
    bool is_builtin = (le16(record, 0) & NAME_IS_BUILTIN) != 0;
    struct str name = str_sub(record, 14, 1U + (record.len > 3 ? (unsigned char)record.at[3] : 0U));
    bool is_auto = is_builtin && name.len > 1 && (name.at[1] == 1 || name.at[1] == 2);

    if (is_auto || (!is_builtin && name.len > 1 && find_case(name, STR("auto_")) >= 0)) {
        t->facts |= FACT_AUTO_MACRO | FACT_MACRO;
        detail_add(r, "Auto_Open");
    }
}

/* False: nothing behind it can be read. */
static bool look_at_record(struct reading *r, struct thing *t, uint16_t type, struct str record)
{
    if (type == BIFF_FILEPASS)
        return password(r, t);
    if (type == BIFF_BOUNDSHEET && record.len > 5 && record.at[5] == SHEET_IS_MACRO) {
        t->facts |= FACT_MACRO | FACT_XLM_MACRO;
        detail_add(r, "Excel 4 macro sheet%s", record.at[4] & 3 ? ", hidden" : "");
    }
    if (type == BIFF_NAME)
        look_at_name(r, t, record);
    /* a link to another program: its name, 3, the topic */
    if (type == BIFF_SUPBOOK && le16(record, 0) == 0 && str_find(str_from_index(record, 4), 3) > 0) {
        t->facts |= FACT_DDE;
        detail_add(r, "DDE link");
    }
    return true;
}

void biff_look(struct reading *r, struct thing *t, struct str workbook)
{
    size_t at = 0;

    for (int i = 0; i < RECORDS_MAX && workbook.len - at >= 4; i++) {
        uint16_t type = le16(workbook, at), len = le16(workbook, at + 2);
        if (workbook.len - at - 4 < len || !look_at_record(r, t, type, str_sub(workbook, at + 4, len)))
            return;
        at += 4U + len;
    }
}

void powerpoint_look(struct reading *r, struct thing *t, struct str document)
{
    struct buf scratch = unpack_buf();
    size_t at = 0;

    for (int i = 0; i < RECORDS_MAX && document.len - at >= PPT_HEAD; i++) {
        uint16_t version = le16(document, at), type = le16(document, at + 2);
        uint32_t len = le32(document, at + 4);
        struct str record = str_sub(document, at + PPT_HEAD, len);
        if ((version & 0x0F) == PPT_CONTAINER) { /* what is inside comes next */
            at += PPT_HEAD;
            continue;
        }
        if (type == PPT_STORAGE) {
            bool is_packed = version >> 4 == 1;
            struct str content = record;
            if (is_packed) {
                unpack_fact(t, inflate_zlib(r, str_from_index(record, 4), &scratch));
                content = buf_str(&scratch);
            }
            struct file_entry *entry = entry_add(r, t, STR("storage"), content.len);
            t->facts |= FACT_OLE_OBJECT;
            if (entry)
                entry_content(r, t, entry, content, false);
        }
        at += PPT_HEAD + record.len;
    }
    buf_free(&scratch);
}
