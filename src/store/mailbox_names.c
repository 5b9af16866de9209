/* mailbox_names.c: local parts as people, files and directories write them; see mailboxes.h. */
#include "store/mailboxes.h"

#include "base/csv.h"

#include <stdlib.h>
#include <string.h>

static bool take_local(const struct address *a, char to[LOCAL_PART_MAX + 1])
{
    size_t len = address_local_unquoted(a, to);

    to[len] = '\0';
    return len > 0 && !memchr(to, '\0', len);
}

bool mailbox_local_normal(struct str text, char to[LOCAL_PART_MAX + 1])
{
    struct buf whole = buf_make(LOCAL_PART_MAX * 2 + 32);
    struct address a;

    buf_addf(&whole, STR_FMT "@example.test", STR_ARG(text));
    bool fine = !memchr(text.at ? text.at : "", '\0', text.len) && !whole.failed && address_parse(buf_str(&whole), true, &a, NULL) == ADDRESS_OK && take_local(&a, to);
    buf_free(&whole);
    if (fine)
        str_lower(to, strlen(to));
    return fine;
}

bool mailbox_local_write(struct str local, struct buf *out)
{
    char normal[LOCAL_PART_MAX + 1];

    if (mailbox_local_normal(local, normal))
        return buf_add_str(out, local);
    buf_add_char(out, '"');
    for (size_t i = 0; i < local.len; i++) {
        if (local.at[i] == '"' || local.at[i] == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, local.at[i]);
    }
    return buf_add_char(out, '"');
}

bool mailbox_local_of(struct db *d, int64_t domain, struct str text, char to[LOCAL_PART_MAX + 1])
{
    struct address a;

    if (address_parse(text, true, &a, NULL) != ADDRESS_OK)
        return str_find(text, '@') < 0 && mailbox_local_normal(text, to);
    const struct db_value values[] = {DB_N(domain), DB_T(address_domain(&a))};
    if (db_ask_number(d, "SELECT (SELECT count(*) FROM domain WHERE id = $1 AND name = $2) + (SELECT count(*) FROM domain_alias WHERE domain = $1 AND name = $2)", values, 2, 0) == 0 ||
        !take_local(&a, to))
        return false;
    str_lower(to, strlen(to));
    return true;
}

struct reading {
    struct db *db;
    int64_t domain;
    struct mailbox_set *into;
    mailbox_trouble *trouble;
    void *arg;
};

static bool is_head(const struct csv_row *row)
{
    static const char *const heads[] = {"local_part", "address", "mailbox", "email"};

    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (str_is_case(str_from(row->field[0]), heads[i]))
            return true;
    return false;
}

static bool take_aliases(const struct reading *in, const struct csv_row *row)
{
    char local[LOCAL_PART_MAX + 1];
    bool fits = true;

    for (size_t i = 1; i < row->count && fits; i++) {
        struct str rest = str_from(row->field[i]);
        for (struct str one = str_word(&rest); one.len && fits; one = str_word(&rest)) {
            if (mailbox_local_of(in->db, in->domain, one, local)) {
                fits = mailbox_set_add(in->into, local, true, row->line);
                continue;
            }
            char *name = str_dup(str_sub(one, 0, 200));
            in->trouble(in->arg, row->line, name ? name : "", "is no local part or address of the domain");
            free(name);
        }
    }
    return fits;
}

static bool take_row(const struct reading *in, const struct csv_row *row)
{
    char local[LOCAL_PART_MAX + 1];

    if (mailbox_local_of(in->db, in->domain, str_from(row->field[0]), local))
        return mailbox_set_add(in->into, local, false, row->line) && take_aliases(in, row);
    in->trouble(in->arg, row->line, row->field[0], "is no local part or address of the domain");
    return true;
}

bool mailboxes_read_csv(struct db *d, int64_t domain, struct str text, struct mailbox_set *into, mailbox_trouble *trouble, void *arg)
{
    const struct reading in = {d, domain, into, trouble, arg};
    struct csv_row *row = calloc(1, sizeof *row);
    size_t line = 1;
    int got = row ? 1 : -1;
    bool fits = row != NULL;

    if (str_starts(text, STR("\xEF\xBB\xBF"))) /* as spreadsheets begin UTF-8 */
        text = str_from_index(text, 3);
    while (fits && (got = csv_next(&text, &line, row)) > 0)
        fits = (row->line == 1 && is_head(row)) || take_row(&in, row);
    if (fits && got < 0)
        trouble(arg, row->line, "", "the file is no CSV from here on");
    free(row);
    return fits && got == 0;
}
