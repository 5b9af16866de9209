/*
 * check_attachments.c: attached files and what is inside of them, by name and by content, measured by a domain's settings. Evidence names the
 * part and the file.
 */
#include "policy/policy.h"

#include "scan/files/file.h"

#include <stdio.h>
#include <string.h>

enum { NAME_SHOWN = 60 };

/* "part 2: invoice.zip/readme.exe" */
static const char *place_of(const struct record_file *f, char to[120])
{
    struct str name = f->name.len > NAME_SHOWN ? str_from_index(f->name, f->name.len - NAME_SHOWN) : f->name;

    snprintf(to, 120, "part " STR_FMT ": " STR_FMT, STR_ARG(f->path.len ? str_sub(f->path, 0, 40) : STR("1")),
             STR_ARG(name.len ? name : STR("without a name")));
    return to;
}

/* Octets of the name as a reader shows it; of a file in an archive that of the file itself. */
struct finding check_file_names(const struct message_facts *m, const struct policy *p)
{
    int64_t limit = setting_number(p, SETTING_max_file_name);
    struct str rest = report_records(m->report);
    struct record r;

    while (limit && report_next(&rest, RECORD_PART, &r)) {
        size_t longest = r.part.name.len;
        for (struct str others = r.part.other_name; others.len;) {
            struct str other = str_trim(str_cut(&others, '/'));
            longest = other.len > longest ? other.len : longest;
        }
        if (longest > (size_t)limit)
            return finding_make(REASON_FILE_NAME_TOO_LONG, "part " STR_FMT " in line %u has a name of %zu bytes, %lld are allowed",
                                STR_ARG(r.part.path), r.part.line, longest, (long long)limit);
    }
    return finding_none();
}

/* "notes.txt.{3050F4D8-98B5-11CF-BB82-00AA00BDCE0B}": Windows hides such an extension and opens the file as that class does. */
static bool is_class_identifier(struct str extension)
{
    return extension.len == 38 && extension.at[0] == '{' && extension.at[37] == '}';
}

static bool extension_is_blocked(const struct setting_list *list, struct str extension)
{
    for (size_t i = 0; i < list->count; i++) {
        struct str one = str_from(list->at[i]);
        if (one.len && one.at[0] == '.')
            one = str_from_index(one, 1);
        if (extension.len && str_eq_case(one, extension))
            return true;
    }
    return list->count && is_class_identifier(extension);
}

/* "logo@example.com", after its Content-ID; "Your order at shop.com", after its subject, as some mailers do. Nothing runs a picture or a message. */
static bool is_named_after_a_domain(const struct record_file *f, struct str extension)
{
    return str_is_case(extension, "com") && (f->type == FILE_PNG || f->type == FILE_JPEG || f->type == FILE_GIF || f->type == FILE_EMAIL);
}

static struct finding blocked_by_name(const struct record_file *f, const struct setting_list *list)
{
    char place[120];
    struct str extension = f->extension, others = f->extensions;

    while (others.len && !extension_is_blocked(list, extension))
        extension = str_cut(&others, '/');
    if (!extension_is_blocked(list, extension) || is_named_after_a_domain(f, extension))
        return finding_none();
    return finding_make(REASON_ATTACHMENT_BLOCKED, "%s has the extension " STR_FMT, place_of(f, place), STR_ARG(str_sub(extension, 0, 40)));
}

/*
 * A program is one whatever it is called; where programs may pass under their own name (the list does not hold them), only a disguise is blocked. A
 * script for Unix without an extension ("configure") has its own name: no mail reader and no double click runs it, and run.py passes as well.
 */
static struct finding blocked_by_content(const struct record_file *f)
{
    char place[120];

    bool is_named = f->extension.len || f->type == FILE_SCRIPT;
    if (!f->is_program || (is_named && !(f->facts & FACT_TYPE_DIFFERS)))
        return finding_none();
    return finding_make(REASON_ATTACHMENT_BLOCKED, "%s is a program by its content (" STR_FMT ")", place_of(f, place), STR_ARG(f->type_name));
}

static struct finding blocked_archive(const struct record_file *f)
{
    char place[120];
    const char *why = f->facts & FACT_BOMB ? "unpacks to far more than it is"
                      : f->facts & FACT_TOO_DEEP ? "holds archives in archives too deep to look into"
                      : f->facts & FACT_TOO_MANY ? "holds more files than can be looked at"
                      : f->facts & FACT_UNREAD ? "is packed by a method that is not known here"
                      : f->facts & FACT_CONFLICTING_ENTRIES ? "shows different content to different programs" : NULL;

    return why ? finding_make(REASON_ATTACHMENT_BLOCKED, "%s %s", place_of(f, place), why) : finding_none();
}

static struct finding blocked(const struct record_file *f, const struct policy *p)
{
    struct finding found = blocked_by_name(f, setting_list(p, SETTING_blocked_extensions));

    if (found.reason == REASON_NONE && setting_flag(p, SETTING_check_attachment_type))
        found = blocked_by_content(f);
    if (found.reason == REASON_NONE && setting_flag(p, SETTING_check_archives))
        found = blocked_archive(f);
    return found;
}

struct finding check_blocked_attachments(const struct message_facts *m, const struct policy *p)
{
    struct str rest = report_records(m->report);
    struct record r;
    struct finding found = finding_none();

    if (setting_action(p, SETTING_blocked_attachments) == ACTION_OFF)
        return found;
    while (found.reason == REASON_NONE && report_next(&rest, RECORD_FILE, &r))
        found = blocked(&r.file, p);
    return found;
}

static struct finding first_with(const struct message_facts *m, uint32_t facts, enum reason reason, const char *what)
{
    struct str rest = report_records(m->report);
    struct record r;
    char place[120];

    while (report_next(&rest, RECORD_FILE, &r))
        if (r.file.facts & facts)
            return finding_make(reason, "%s %s", place_of(&r.file, place), what);
    return finding_none();
}

struct finding check_encrypted_attachments(const struct message_facts *m, const struct policy *p)
{
    if (setting_action(p, SETTING_encrypted_attachments) == ACTION_OFF)
        return finding_none();
    return first_with(m, FACT_ENCRYPTED | FACT_HEADER_ENCRYPTED, REASON_ATTACHMENT_ENCRYPTED, "is protected by a password");
}

struct finding check_macros(const struct message_facts *m, const struct policy *p)
{
    struct finding f;

    if (setting_action(p, SETTING_macro_attachments) == ACTION_OFF)
        return finding_none();
    f = first_with(m, FACT_AUTO_MACRO, REASON_ATTACHMENT_MACRO, "holds macros that run by themselves");
    return f.reason != REASON_NONE ? f : first_with(m, FACT_MACRO | FACT_XLM_MACRO, REASON_ATTACHMENT_MACRO, "holds macros");
}

/* What such a file does is an honest form's work as often as an attack: by itself it only counts. */
struct finding check_active_attachments(const struct message_facts *m, const struct policy *p)
{
    static const struct { unsigned fact; const char *what; } acts[] = {
        {FACT_PDF_LAUNCH, "starts a program"}, {FACT_HTML_SMUGGLING, "builds a file by a script"}, {FACT_PDF_JAVASCRIPT, "runs JavaScript"}};
    struct finding f = finding_none();

    for (size_t i = 0; i < sizeof acts / sizeof *acts && f.reason == REASON_NONE && setting_action(p, SETTING_active_attachments) != ACTION_OFF; i++)
        f = first_with(m, acts[i].fact, REASON_ATTACHMENT_BLOCKED, acts[i].what);
    f.most = setting_action(p, SETTING_active_attachments);
    return f;
}
