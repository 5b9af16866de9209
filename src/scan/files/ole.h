/* scan/files/ole.h: what lies in the streams of a compound file, each kind with its own reader. */
#ifndef SCAN_FILES_OLE_H
#define SCAN_FILES_OLE_H

#include "scan/files/reading.h"

struct cfb;
/* An Excel workbook's records (MS-XLS §2.1.4): password, macro sheets, names that run by themselves, DDE. */
void biff_look(struct reading *r, struct thing *t, struct str workbook);
/* PowerPoint's records (MS-PPT §2.3.1): storages packed into them, of which the VBA project is one. */
void powerpoint_look(struct reading *r, struct thing *t, struct str document);
/* An Outlook message (MS-OXMSG): body and attachments as entries. */
void msg_look(struct reading *r, struct thing *t, struct cfb *c);

/* Compressed RTF (MS-OXRTFCP) into OUT; false when damaged. */
bool rtf_decompress(struct str packed, struct buf *out);
/* What a reader sees of RTF; HTML where the RTF was made of HTML (\fromhtml, MS-OXRTFEX). IS_HTML may be NULL. */
void rtf_text(struct str rtf, struct buf *out, bool *is_html);
/* Compressed RTF as an entry of T: "body.html" or "body.txt". */
void rtf_body(struct reading *r, struct thing *t, struct str packed);

#endif
