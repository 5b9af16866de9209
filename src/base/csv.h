/* csv.h: comma-separated values as spreadsheets write them: RFC 4180, with LF as well. No allocation. */
#ifndef BASE_CSV_H
#define BASE_CSV_H

#include "base/buf.h"

enum { CSV_FIELDS = 8, CSV_FIELD_MAX = 4096 };
struct csv_row {
    char field[CSV_FIELDS][CSV_FIELD_MAX + 1];
    size_t count;
    size_t line; /* that it begins in, from 1 */
};
/* The next row of *REST; 0 at the end, -1 where it is malformed or too large. Empty lines are skipped. LINE counts on; 1 at first. */
int csv_next(struct str *rest, size_t *line, struct csv_row *row);
void csv_field(struct buf *out, struct str text, bool last);

#endif
