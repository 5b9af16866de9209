/* inspect_print.c: a report for people. */
#include "cli/inspect.h"

#include "auth/dkim_signature.h"
#include "mail/html.h"
#include "mail/link.h"
#include "scan/files/file.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_SHOWN = 4000 };

static unsigned depth_of(struct str path)
{
    unsigned dots = 0;

    for (size_t i = 0; i < path.len; i++)
        dots += path.at[i] == '.';
    return path.len ? dots + 1 : 0;
}

static void print_findings(const struct findings *found, const struct policy *p)
{
    if (found->count == 0)
        puts("Nothing found that a rule speaks of.");
    for (size_t i = 0; i < found->count; i++)
        printf("%s (%s): %s\n", reason_row(found->at[i].reason)->id, action_name(action_for(found->at[i].reason, p)), found->at[i].evidence);
}

static void print_part(const struct record *r)
{
    const struct record_part *p = &r->part;

    printf("  %*s" STR_FMT " " STR_FMT, (int)(2 * depth_of(p->path)), "", STR_ARG(p->path.len ? p->path : STR("-")), STR_ARG(p->type));
    if (p->is_leaf)
        printf(", %llu bytes, " STR_FMT, (unsigned long long)p->size, STR_ARG(p->encoding));
    if (p->charset.len)
        printf(", " STR_FMT, STR_ARG(p->charset));
    if (p->name.len)
        printf(", \"" STR_FMT "\"", STR_ARG(p->name));
    if (p->other_name.len)
        printf(" (elsewhere \"" STR_FMT "\")", STR_ARG(p->other_name));
    if (p->line)
        printf(", line %u", p->line);
    puts(p->is_second_reading ? ", seen by a second reading" : "");
}

static void print_file(const struct record *r)
{
    const struct record_file *f = &r->file;

    printf("  %*s\"" STR_FMT "\" " STR_FMT ", %llu bytes%s%s%s%s", (int)(2 * f->level), "", STR_ARG(f->name), STR_ARG(f->type_name),
           (unsigned long long)f->size, f->facts & (FACT_ENCRYPTED | FACT_HEADER_ENCRYPTED) ? ", password" : "",
           f->facts & (FACT_MACRO | FACT_XLM_MACRO) ? ", macros" : "", f->facts & FACT_TYPE_DIFFERS ? ", name and content differ" : "",
           f->facts & FACT_BOMB ? ", unpacks to too much" : "");
    if (f->detail.len)
        printf(", " STR_FMT, STR_ARG(f->detail));
    putchar('\n');
}

static void print_defect(const struct record *r)
{
    const struct record_defect *d = &r->defect;

    printf("  %s" STR_FMT, d->is_ambiguous ? "! " : "  ", STR_ARG(d->name));
    if (d->path.len)
        printf(", part " STR_FMT, STR_ARG(d->path));
    if (d->line)
        printf(", line %u", d->line);
    printf(": " STR_FMT "\n", STR_ARG(d->text));
}

static void print_mailbox(const struct record *r)
{
    const struct record_mailbox *m = &r->mailbox;

    printf("  " STR_FMT ": " STR_FMT "%s<" STR_FMT ">\n", STR_ARG(m->field), STR_ARG(m->display), m->display.len ? " " : "", STR_ARG(m->address));
}

static void print_hop(const struct record *r)
{
    const struct record_hop *h = &r->hop;

    printf("  from " STR_FMT " (" STR_FMT " [" STR_FMT "]) by " STR_FMT " with " STR_FMT "\n", STR_ARG(h->helo), STR_ARG(h->host), STR_ARG(h->ip),
           STR_ARG(h->by), STR_ARG(h->with));
}

static void print_link(const struct record *r)
{
    const struct record_link *l = &r->link;

    printf("  " STR_FMT ", %s in " STR_FMT, STR_ARG(l->url), html_link_kind_name(l->kind), STR_ARG(l->source));
    if (l->path.len)
        printf(" of part " STR_FMT, STR_ARG(l->path));
    if (l->shown.len)
        printf(", shown as \"" STR_FMT "\"", STR_ARG(l->shown));
    if (l->is_hidden)
        printf(", not to be seen");
    for (unsigned bit = 0; bit < LINK_TRICKS; bit++)
        if (l->tricks & 1U << bit)
            printf(", %s", link_trick_name(bit));
    putchar('\n');
}

static void print_signature(const struct record *r)
{
    const struct record_signature *s = &r->signature;

    printf("  %s, line %u", signature_kind_name(s->kind), s->line);
    if (s->instance)
        printf(", i=%u", s->instance);
    if (s->domain.len)
        printf(": " STR_FMT " by " STR_FMT ", %s, %s/%s", STR_ARG(s->selector), STR_ARG(s->domain), signature_algorithm_name(s->algorithm),
               s->header_relaxed ? "relaxed" : "simple", s->body_relaxed ? "relaxed" : "simple");
    if (s->fault)
        printf(", no good: %s", signature_fault_text((enum signature_fault)s->fault));
    else if (s->kind == SIGNATURE_DKIM || s->kind == SIGNATURE_ARC_MESSAGE)
        printf(", the body is %s", s->body_matches ? "as it was signed" : "another");
    if (s->has_length && s->length < s->body_length)
        printf(", only %llu of %llu bytes are signed", (unsigned long long)s->length, (unsigned long long)s->body_length);
    putchar('\n');
}

static void print_text(const struct record *r)
{
    const struct record_text *t = &r->text;

    printf("  --- part " STR_FMT ", " STR_FMT "\n" STR_FMT "\n", STR_ARG(t->path.len ? t->path : STR("-")), STR_ARG(t->kind),
           STR_ARG(str_sub(t->text, 0, TEXT_SHOWN)));
    if (t->text.len > TEXT_SHOWN)
        printf("  --- %zu bytes more\n", t->text.len - TEXT_SHOWN);
}

static void print_list(const char *title, const struct scan_report *report, enum record_kind kind, void (*print)(const struct record *))
{
    struct str rest = report_records(report);
    struct record r;
    bool any = false;

    while (report_next(&rest, kind, &r)) {
        if (!any)
            printf("\n%s\n", title);
        any = true;
        print(&r);
    }
}

void inspect_print(const struct scan_report *r, const struct findings *found, const struct policy *p)
{
    printf("Subject: %s\nFrom: %s\nMessage-ID: %s\n", r->subject, r->from, r->message_id);
    printf("%llu bytes, %u header fields, %u parts, longest line %u bytes\n\n", (unsigned long long)r->size, r->header_fields, r->part_count,
           r->longest_line);
    print_findings(found, p);
    print_list("Parts", r, RECORD_PART, print_part);
    print_list("Files", r, RECORD_FILE, print_file);
    print_list("What stands out (! two readers could see different things)", r, RECORD_DEFECT, print_defect);
    print_list("Addresses", r, RECORD_MAILBOX, print_mailbox);
    print_list("Way", r, RECORD_HOP, print_hop);
    print_list("Links", r, RECORD_LINK, print_link);
    print_list("Signatures (keys are not looked up)", r, RECORD_SIGNATURE, print_signature);
    print_list("Text", r, RECORD_TEXT, print_text);
    if (r->records_dropped)
        printf("\n%u things more were found than a report can hold.\n", r->records_dropped);
}
