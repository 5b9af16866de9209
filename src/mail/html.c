/* html.c: the walk over the tokens. See html.h and html_parts.h. */
#include "mail/html_parts.h"

#include <stdlib.h>

enum {
    SCRATCH_MAX = 64 * 1024, /* octets of one decoded attribute */
    META_OCTETS = 1024,      /* that are searched for a charset (HTML standard §13.2.3.2) */
    MANY_ENTITIES = 16, MANY_SPLITS = 8
};

static void tell_visitor(struct reader *r)
{
    if (!r->visit)
        return;
    r->visit(r->visit_arg, r->t.name, str_n("", 0), str_n("", 0));
    for (unsigned i = 0; i < r->t.attribute_count; i++) {
        const struct html_attribute *a = &r->t.attributes[i];
        r->visit(r->visit_arg, r->t.name, str_n(a->name, a->name_len), html_attribute_decode(a->value, &r->scratch, NULL));
    }
}

static void note_features(struct reader *r)
{
    static const struct {
        enum html_tag tag;
        unsigned feature;
    } rows[] = {{TAG_SCRIPT, HTML_SCRIPT}, {TAG_FORM, HTML_FORM},     {TAG_IFRAME, HTML_IFRAME}, {TAG_FRAME, HTML_IFRAME}, {TAG_OBJECT, HTML_OBJECT},
                {TAG_EMBED, HTML_OBJECT},  {TAG_APPLET, HTML_OBJECT}, {TAG_SVG, HTML_SVG},       {TAG_STYLE, HTML_STYLE_BLOCK},
                {TAG_TABLE, HTML_TABLE}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (r->t.tag == rows[i].tag)
            r->out->features |= rows[i].feature;
    for (unsigned i = 0; i < r->t.attribute_count; i++)
        if (r->t.attributes[i].name_len > 2 && r->t.attributes[i].value.len && r->t.attributes[i].name[0] == 'o' && r->t.attributes[i].name[1] == 'n')
            r->out->features |= HTML_EVENT_HANDLER;
    if (r->t.attributes_dropped)
        r->out->features |= HTML_CEILING;
}

/* The label of a button, what a field is filled with. */
static void show_input(struct reader *r, const struct look *look)
{
    struct str type = str_trim(html_value(r, ATTRIBUTE_TYPE));

    if (str_is_case(type, "password"))
        r->out->features |= HTML_PASSWORD_FIELD;
    if (str_is_case(type, "image"))
        r->out->image_count++;
    if (look->mask || str_is_case(type, "hidden") || str_is_case(type, "checkbox") || str_is_case(type, "radio"))
        return;
    text_blank(r);
    text_add(r, html_value(r, ATTRIBUTE_VALUE), false);
    text_blank(r);
}

static void separate(struct reader *r, unsigned flags)
{
    if (flags & TAG_IS_BLOCK)
        text_break(r);
    else if (flags & TAG_IS_CELL)
        text_blank(r);
    if (r->t.tag == TAG_OTHER)
        r->word_is_cut = true;
}

/* An element without content: nothing is opened. */
static void read_void(struct reader *r, const struct css_style *own)
{
    struct look look = look_of(stack_look(r, r->t.tag), own, r->t.tag);

    if (r->t.tag == TAG_IMG || r->t.tag == TAG_IMAGE)
        links_of_image(r, &look, own);
    else if (r->t.tag == TAG_INPUT)
        show_input(r, &look);
    links_of_tag(r, &look);
}

static void walk(struct reader *r, struct html_tokenizer *z);

/* TEXT is read as if it stood here, but closes nothing that is open here. What R->t held is gone. */
static void read_inside(struct reader *r, struct str text)
{
    struct html_tokenizer inner = html_tokenizer(text);
    struct html_tokenizer *outer = r->z;
    struct html_link *anchor = r->anchor;
    size_t floor = r->floor, overflow = r->overflow;

    r->anchor = NULL;
    r->floor = r->level_count;
    r->overflow = 0;
    walk(r, &inner);
    links_end_anchor(r);
    stack_cut(r, r->floor);
    r->floor = floor;
    r->overflow = overflow;
    r->anchor = anchor;
    r->z = outer;
}

/* A page of its own, one level deep. */
static void read_srcdoc(struct reader *r, const struct css_style *own)
{
    struct str text = html_value(r, ATTRIBUTE_SRCDOC);

    if (text.len == 0 || r->in_srcdoc)
        return;
    if (text.at == r->scratch.at)
        text = arena_str(r->arena, text);
    if (!text.at)
        return;
    size_t count = r->level_count, overflow = r->overflow;
    r->in_srcdoc = true;
    text_break(r);
    stack_push(r, TAG_DIV, STR("div"), own);
    read_inside(r, text);
    stack_cut(r, count);
    text_break(r);
    r->overflow = overflow;
    r->in_srcdoc = false;
}

static void read_iframe(struct reader *r, const struct css_style *own)
{
    struct look look = look_of(stack_look(r, TAG_DIV), own, TAG_DIV);

    links_of_tag(r, &look);
    read_srcdoc(r, own);
    stack_push(r, TAG_IFRAME, STR("iframe"), own); /* what stands between its tags is not shown */
}

/* Outlook's own <body> is not everybody's, and a second one adds only what the first does not say (HTML standard §13.2.6.4.7). */
static void read_root(struct reader *r, struct css_style *own)
{
    bool *seen = r->t.tag == TAG_BODY ? &r->has_body : &r->has_html;

    links_of_tag(r, &stack_top(r)->look);
    if (r->in_mso || r->in_srcdoc)
        return;
    if (*seen)
        own->set &= ~r->levels[0].own.set;
    *seen = true;
    stack_restyle_root(r, own);
}

static void read_start(struct reader *r)
{
    unsigned flags = html_tag_flags(r->t.tag);

    r->out->tag_count++;
    tell_visitor(r);
    note_features(r);
    bool is_taken = stack_takes(r, r->t.tag);
    if (is_taken)
        stack_start(r, r->t.tag);
    if (r->t.tag == TAG_A)
        links_end_anchor(r);
    struct css_style own = style_of(r);
    separate(r, flags);
    bool is_foreign = stack_top(r)->foreign || r->t.tag == TAG_SVG || r->t.tag == TAG_MATH;
    if (flags & TAG_IS_VOID || !is_taken || (r->t.is_self_closing && is_foreign)) {
        read_void(r, &own);
        return;
    }
    if (r->t.tag == TAG_BODY || r->t.tag == TAG_HTML) {
        read_root(r, &own);
        return;
    }
    if (r->t.tag == TAG_IFRAME) {
        read_iframe(r, &own);
        return;
    }
    stack_push(r, r->t.tag, r->t.name, &own);
    links_of_tag(r, &stack_top(r)->look);
}

static void read_close(struct reader *r)
{
    separate(r, html_tag_flags(r->t.tag));
    if (r->t.tag == TAG_A)
        links_end_anchor(r);
    if (r->t.tag == TAG_BR || r->t.tag == TAG_P) /* without a start they stand for one: <br>, <p></p> */
        stack_end_foreign(r);
    if (r->t.tag == TAG_BR)
        return;
    stack_close(r, r->t.tag, r->t.name);
}

static void read_script(struct reader *r, struct str script)
{
    static const char *const decoders[] = {"unescape(", "atob(", "fromCharCode", "eval(", "decodeURIComponent(", "msSaveOrOpenBlob", "createObjectURL"};

    for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++)
        if (str_find_str(script, str_from(decoders[i])) >= 0)
            r->out->features |= HTML_OBFUSCATED;
}

static void read_text(struct reader *r, enum html_tag raw)
{
    switch (raw) {
    case TAG_TITLE: text_title(r, r->t.text); break;
    case TAG_STYLE: links_of_style(r, r->t.text); break;
    case TAG_SCRIPT: read_script(r, r->t.text); break;
    default:
        if (!(r->in_mso && r->open[TAG_XML])) /* Word's settings */
            text_add(r, r->t.text, r->t.has_entities);
    }
}

/* <!--[if mso]> … <![endif]-->: Outlook reads what is inside, nobody else does. It may hold no comment, so this goes one level deep. */
static void read_conditional(struct reader *r, struct str comment)
{
    static const struct str end = {"<![endif]", 9};

    comment = str_trim(comment);
    ptrdiff_t open = str_find_str(comment, STR("]>"));
    if (r->in_mso || !str_starts_case(comment, STR("[if")) || open < 0 || comment.len < (size_t)open + 2 + end.len ||
        !str_is_case(str_from_index(comment, comment.len - end.len), "<![endif]"))
        return;
    r->in_mso = true;
    read_inside(r, str_sub(comment, (size_t)open + 2, comment.len - end.len - (size_t)open - 2));
    r->in_mso = false;
}

static void walk(struct reader *r, struct html_tokenizer *z)
{
    for (;;) {
        enum html_tag raw = z->raw_tag;
        r->z = z;
        z->is_foreign = stack_top(r)->foreign != FOREIGN_NOT;
        if (!html_token_next(z, &r->t))
            return;
        switch (r->t.kind) {
        case TOKEN_TEXT: read_text(r, raw); break;
        case TOKEN_START: read_start(r); break;
        case TOKEN_CLOSE: read_close(r); break;
        case TOKEN_COMMENT:
            r->word_is_cut = true;
            read_conditional(r, r->t.text);
            break;
        case TOKEN_BOGUS: r->word_is_cut = true; break;
        case TOKEN_CUT: text_cut(r, r->t.text); break;
        case TOKEN_END: return;
        }
    }
}

static void finish(struct reader *r)
{
    struct html_result *out = r->out;

    links_end_anchor(r);
    out->visible = arena_str(r->arena, buf_str(&r->visible.text));
    out->hidden = arena_str(r->arena, buf_str(&r->hidden.text));
    if (out->plain_letters_as_entities >= MANY_ENTITIES || out->split_words >= MANY_SPLITS)
        out->features |= HTML_OBFUSCATED;
    if (out->links_dropped || r->rules.was_cut || r->visible.text.failed || r->hidden.text.failed)
        out->features |= HTML_CEILING;
}

void html_read(struct arena *arena, struct str text, const struct html_limits *limits, html_visit *visit, void *arg, struct html_result *out)
{
    struct html_tokenizer z = html_tokenizer(text);
    struct reader *r = calloc(1, sizeof *r); /* too large for a small stack */

    *out = (struct html_result){.visible = str_n("", 0), .hidden = str_n("", 0), .title = str_n("", 0), .base = str_n("", 0)};
    if (!r || text.len == 0) {
        out->features = r ? 0 : HTML_CEILING;
        free(r);
        return;
    }
    r->arena = arena;
    r->limits = limits;
    r->visit = visit;
    r->visit_arg = arg;
    r->out = out;
    r->visible.text = buf_make(limits->visible_bytes ? limits->visible_bytes : 1);
    r->hidden.text = buf_make(limits->hidden_bytes ? limits->hidden_bytes : 1);
    r->scratch = buf_make(SCRATCH_MAX);
    r->classes = buf_make(SCRATCH_MAX);
    r->rules.arena = arena;
    r->link_colour = (struct colour){0, 0, 238, 255};
    if (stack_init(r)) {
        style_read_sheets(r, text); /* first: one at the end, too, is for all that stands above it */
        walk(r, &z);
        finish(r);
    } else {
        out->features |= HTML_CEILING;
    }
    css_rules_free(&r->rules);
    buf_free(&r->visible.text);
    buf_free(&r->hidden.text);
    buf_free(&r->scratch);
    buf_free(&r->classes);
    free(r->levels);
    free(r);
}

/* charset=… in a Content-Type; "" where there is none. */
static struct str charset_in(struct str content)
{
    static const struct str word = {"charset", 7};

    for (size_t at = 0; at + word.len < content.len; at++) {
        if (!str_starts_case(str_from_index(content, at), word))
            continue;
        struct str rest = str_trim(str_from_index(content, at + word.len));
        if (rest.len == 0 || rest.at[0] != '=')
            continue;
        rest = str_trim(str_from_index(rest, 1));
        char stop = ';';
        if (rest.len && (rest.at[0] == '"' || rest.at[0] == '\'')) {
            stop = rest.at[0];
            rest = str_from_index(rest, 1);
        }
        rest = str_cut(&rest, stop);
        return str_trim(str_cut(&rest, ' '));
    }
    return str_n("", 0);
}

struct str html_meta_charset(struct str bytes)
{
    struct html_tokenizer z = html_tokenizer(str_sub(bytes, 0, META_OCTETS));
    struct html_token t;

    while (html_token_next(&z, &t)) {
        if (t.kind != TOKEN_START || t.tag != TAG_META)
            continue;
        const struct html_attribute *charset = html_token_attribute(&t, ATTRIBUTE_CHARSET), *content = html_token_attribute(&t, ATTRIBUTE_CONTENT);
        const struct html_attribute *what = html_token_attribute(&t, ATTRIBUTE_HTTP_EQUIV);
        struct str found = charset ? str_trim(charset->value)
                           : content && what && str_is_case(str_trim(what->value), "content-type") ? charset_in(content->value)
                                                                                                   : str_n("", 0);
        if (found.len)
            return str_starts_case(found, STR("utf-16")) ? STR("utf-8") : found;
    }
    return str_n("", 0);
}
