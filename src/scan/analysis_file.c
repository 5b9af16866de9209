/* analysis_file.c: attached files and what is inside of them. Text, HTML and messages found there are read like the others. */
#include "scan/analysis_parts.h"

#include <string.h>

static void note_one(struct analysis *a, struct place at, const struct record_file *f)
{
    struct record r = {.kind = RECORD_FILE, .file = *f};

    r.file.path = at.path;
    r.file.type_name = str_from(file_type_name((enum file_type)f->type));
    r.file.is_program = file_type_is_executable((enum file_type)f->type);
    r.file.is_archive = file_type_is_archive((enum file_type)f->type);
    note(a, &r);
}

static void note_entry(struct analysis *a, struct place at, const struct file_entry *e)
{
    struct record_file f = {.level = e->level, .type = (uint16_t)e->type, .facts = e->facts, .size = e->size, .has_sha256 = e->has_sha256,
                            .name = e->path, .extension = file_extension(a->arena, e->name), .extensions = analyze_extensions(a, e->name, str_n(NULL, 0))};

    memcpy(f.sha256, e->sha256, sizeof f.sha256);
    note_one(a, at, &f);
}

static void read_entry_content(struct analysis *a, struct place at, const struct file_entry *e)
{
    char charset[32];

    if (!e->content.len)
        return;
    if (e->type == FILE_HTML || e->type == FILE_SVG)
        analyze_html(a, at, str_n(NULL, 0), e->content, charset);
    else if (e->type == FILE_EMAIL)
        analyze_mail_in_file(a, at, e->content);
    else if (e->type == FILE_TEXT)
        analyze_file_text(a, at, e->content);
}

static void read_entries(struct analysis *a, struct place at, const struct file_report *f)
{
    struct place inside = {.path = at.path};

    for (const struct file_entry *e = f->entries; e; e = e->next) {
        note_entry(a, at, e);
        read_entry_content(a, inside, e);
    }
    for (const struct file_url *u = f->urls; u; u = u->next) {
        if (str_is(str_from(u->from), "qr")) /* a text, in which links may be */
            analyze_links(a, inside, u->from, u->url);
        else
            analyze_link(a, inside, u->from, LINK_OTHER, u->url, str_n(NULL, 0), false);
    }
    a->links_cut |= f->urls_dropped > 0;
}

struct str analyze_extension_by_type(const struct mime_part *part)
{
    static const struct { const char *type, *subtype, *extension; } rows[] = {
        {"application", "x-msdownload", "exe"}, {"application", "x-msdos-program", "exe"}, {"application", "x-dosexec", "exe"},
        {"application", "vnd.microsoft.portable-executable", "exe"}, {"application", "hta", "hta"}, {"application", "x-ms-shortcut", "lnk"},
        {"application", "x-bat", "bat"}, {"application", "bat", "bat"}, {"application", "x-msi", "msi"}, {"application", "x-ms-installer", "msi"},
        {"application", "java-archive", "jar"}, {"application", "x-java-archive", "jar"}, {"application", "javascript", "js"},
        {"application", "x-javascript", "js"}, {"text", "javascript", "js"}, {"text", "vbscript", "vbs"}, {"text", "x-vbscript", "vbs"},
        {"application", "x-vbs", "vbs"}, {"application", "x-powershell", "ps1"}, {"text", "x-powershell", "ps1"}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (content_type_is(&part->type, rows[i].type, rows[i].subtype))
            return str_from(rows[i].extension);
    return str_n(NULL, 0);
}

static struct str extension_of(struct analysis *a, const struct mime_part *part, struct str name)
{
    struct str extension = file_extension(a->arena, name);

    return part && !extension.len ? analyze_extension_by_type(part) : extension;
}

static void note_whole(struct analysis *a, struct place at, const struct mime_part *part, struct str name, struct str content,
                       const struct file_report *report)
{
    struct record_file f = {.type = (uint16_t)report->type, .facts = report->facts, .size = content.len, .has_sha256 = true, .name = name,
                            .other_name = part ? part->other_name : str_n(NULL, 0), .extension = extension_of(a, part, name),
                            .extensions = analyze_extensions(a, name, part ? part->other_name : str_n(NULL, 0)),
                            .detail = report->detail};

    if (report->entries_dropped)
        f.facts |= FACT_TOO_MANY;
    memcpy(f.sha256, report->sha256, sizeof f.sha256);
    note_one(a, at, &f);
}

void analyze_file_name(struct analysis *a, struct place at, const struct mime_part *part)
{
    struct record_file f = {.type = FILE_EMAIL, .name = part->name, .other_name = part->other_name, .extension = file_extension(a->arena, part->name),
                            .extensions = analyze_extensions(a, part->name, part->other_name)};

    note_one(a, at, &f);
}

void analyze_file(struct analysis *a, struct place at, const struct mime_part *part, struct str name, struct str content)
{
    struct file_report report;

    file_read(a->tools->files, a->arena, content, name, &a->files, &report);
    note_whole(a, at, part, name, content, &report);
    read_entries(a, at, &report);
    if (report.type == FILE_EMAIL && part)
        analyze_mail_in_file(a, (struct place){.path = at.path}, content);
}

void analyze_files_in_html(struct analysis *a, struct place at, const struct mime_part *part, struct str content)
{
    enum { UNSEEN = FACT_BOMB | FACT_TOO_DEEP | FACT_TOO_MANY };
    struct file_report report;

    file_read(a->tools->files, a->arena, content, str_n(NULL, 0), &a->files, &report);
    if ((report.facts & UNSEEN) || report.entries_dropped)
        note_whole(a, at, part, str_n(NULL, 0), content, &report);
    read_entries(a, at, &report);
}
