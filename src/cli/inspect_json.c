/* inspect_json.c: a report as one JSON object. Names stay as they are: programs build upon them. */
#include "cli/inspect.h"

#include "auth/dkim_signature.h"
#include "base/clock.h"
#include "mail/html.h"
#include "mail/link.h"
#include "scan/files/file.h"

#include <string.h>

static json_t *text(struct str s)
{
    return json_stringn(s.at ? s.at : "", s.len);
}

static json_t *hash(const unsigned char octets[32])
{
    static const char digits[] = "0123456789abcdef";
    char hex[64];

    for (size_t i = 0; i < 32; i++) {
        hex[2 * i] = digits[octets[i] >> 4];
        hex[2 * i + 1] = digits[octets[i] & 15];
    }
    return json_stringn(hex, sizeof hex);
}

static json_t *defect(const struct record *r)
{
    return json_pack("{s:o, s:b, s:o, s:i, s:o}", "name", text(r->defect.name), "ambiguous", r->defect.is_ambiguous, "part", text(r->defect.path),
                     "line", (int)r->defect.line, "text", text(r->defect.text));
}

static json_t *part(const struct record *r)
{
    const struct record_part *p = &r->part;
    json_t *o = json_pack("{s:i, s:o, s:o, s:i, s:o, s:o, s:o, s:b, s:b, s:b}", "number", (int)p->number, "path", text(p->path), "type", text(p->type),
                          "line", (int)p->line, "charset", text(p->charset), "encoding", text(p->encoding), "disposition", text(p->disposition),
                          "leaf", p->is_leaf, "attachment", p->is_attachment, "second_reading", p->is_second_reading);

    json_object_set_new(o, "name", text(p->name));
    if (p->other_name.len)
        json_object_set_new(o, "other_name", text(p->other_name));
    if (p->content_id.len)
        json_object_set_new(o, "content_id", text(p->content_id));
    if (p->is_leaf) {
        json_object_set_new(o, "size", json_integer((json_int_t)p->size));
        json_object_set_new(o, "sha256", hash(p->sha256));
    }
    return o;
}

static json_t *flag_names(uint32_t flags, const char *const *names, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        if (flags & 1U << i)
            json_array_append_new(list, json_string(names[i]));
    return list;
}

static const char *const fact_names[] = {
    "encrypted", "macro", "auto-macro", "pdf-javascript", "pdf-launch", "pdf-embedded", "pdf-open-action", "external-template", "ole-object", "dde",
    "damaged", "bomb", "too-deep", "too-many", "type-differs", "double-extension", "name-trick", "prepended", "qr", "conflicting-entries", "script",
    "header-encrypted", "xlm-macro", "html-smuggling", "picture-unseen", "unread"};
#define NAMES(flags, names) flag_names(flags, names, sizeof(names) / sizeof *(names))

static json_t *file(const struct record *r)
{
    const struct record_file *f = &r->file;
    json_t *o = json_pack("{s:o, s:o, s:i, s:o, s:I, s:o, s:o}", "part", text(f->path), "name", text(f->name), "level", (int)f->level, "type",
                          text(f->type_name), "size", (json_int_t)f->size, "facts", NAMES(f->facts, fact_names), "detail", text(f->detail));

    if (f->other_name.len)
        json_object_set_new(o, "other_name", text(f->other_name));
    if (f->has_sha256)
        json_object_set_new(o, "sha256", hash(f->sha256));
    return o;
}

static json_t *mailbox(const struct record *r)
{
    const struct record_mailbox *m = &r->mailbox;

    return json_pack("{s:o, s:o, s:o, s:o}", "field", text(m->field), "display", text(m->display), "address", text(m->address), "domain",
                     text(m->domain));
}

static json_t *hop(const struct record *r)
{
    const struct record_hop *h = &r->hop;
    char date[32] = "";

    if (h->date_ms > 0)
        clock_format_iso(h->date_ms, date);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "helo", text(h->helo), "host", text(h->host), "ip", text(h->ip), "by", text(h->by),
                     "with", text(h->with), "id", text(h->id), "date", date);
}

static json_t *link_object(const struct record *r)
{
    const struct record_link *l = &r->link;
    json_t *tricks = json_array();

    for (unsigned bit = 0; bit < LINK_TRICKS; bit++)
        if (l->tricks & 1U << bit)
            json_array_append_new(tricks, json_string(link_trick_name(bit)));
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "part", text(l->path), "source", text(l->source), "kind",
                     html_link_kind_name(l->kind), "url", text(l->url), "host", text(l->host), "domain", text(l->domain), "skeleton",
                     text(l->skeleton), "shown", text(l->shown), "hidden", l->is_hidden, "tricks", tricks);
}

static json_t *signature(const struct record *r)
{
    const struct record_signature *s = &r->signature;
    json_t *o = json_pack("{s:s, s:i, s:i, s:s, s:o, s:o, s:b, s:b, s:b, s:o, s:o}", "kind", signature_kind_name(s->kind), "line", (int)s->line,
                          "instance", (int)s->instance, "algorithm", signature_algorithm_name(s->algorithm), "domain", text(s->domain), "selector",
                          text(s->selector), "header_relaxed", s->header_relaxed, "body_relaxed", s->body_relaxed, "body_matches", s->body_matches,
                          "header_hash", hash(s->header_hash), "body_hash", hash(s->body_hash));

    if (s->fault)
        json_object_set_new(o, "fault", json_string(signature_fault_text((enum signature_fault)s->fault)));
    if (s->has_length) {
        json_object_set_new(o, "length", json_integer((json_int_t)s->length));
        json_object_set_new(o, "body_length", json_integer((json_int_t)s->body_length));
    }
    return o;
}

static json_t *long_text(const struct record *r)
{
    return json_pack("{s:o, s:o, s:o}", "part", text(r->text.path), "kind", text(r->text.kind), "text", text(r->text.text));
}

static void add_list(json_t *o, const char *name, const struct scan_report *report, enum record_kind kind, json_t *(*make)(const struct record *))
{
    struct str rest = report_records(report);
    struct record r;
    json_t *list = json_array();

    while (report_next(&rest, kind, &r))
        json_array_append_new(list, make(&r));
    json_object_set_new(o, name, list);
}

static json_t *findings(const struct findings *found, const struct policy *p)
{
    json_t *list = json_array();

    for (size_t i = 0; i < found->count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "reason", reason_row(found->at[i].reason)->id, "evidence", found->at[i].evidence,
                                              "action", action_name(action_for(found->at[i].reason, p))));
    return list;
}

json_t *inspect_json(const struct scan_report *r, const struct findings *found, const struct policy *p)
{
    json_t *o = json_pack("{s:I, s:i, s:i, s:i, s:i, s:s, s:s, s:s, s:i, s:i}", "size", (json_int_t)r->size, "header_fields", (int)r->header_fields,
                          "header_bytes", (int)r->header_bytes, "longest_line", (int)r->longest_line, "part_count", (int)r->part_count, "subject",
                          r->subject, "from", r->from, "message_id", r->message_id, "received", (int)r->received_count, "records_dropped",
                          (int)r->records_dropped);

    if (!o)
        return NULL;
    json_object_set_new(o, "findings", findings(found, p));
    add_list(o, "parts", r, RECORD_PART, part);
    add_list(o, "files", r, RECORD_FILE, file);
    add_list(o, "defects", r, RECORD_DEFECT, defect);
    add_list(o, "mailboxes", r, RECORD_MAILBOX, mailbox);
    add_list(o, "hops", r, RECORD_HOP, hop);
    add_list(o, "links", r, RECORD_LINK, link_object);
    add_list(o, "signatures", r, RECORD_SIGNATURE, signature);
    add_list(o, "texts", r, RECORD_TEXT, long_text);
    return o;
}
