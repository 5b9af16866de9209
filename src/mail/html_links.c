/* html_links.c: where an element leads to or loads from. */
#include "mail/html_parts.h"

#include "mail/utf8.h"

#include <string.h>

const char *html_link_kind_name(unsigned kind)
{
    static const char *const names[] = {"anchor", "image", "form", "frame", "meta", "area", "style", "other"};
    return names[kind < LINK_OTHER ? kind : LINK_OTHER];
}

struct str html_value(struct reader *r, enum html_attribute_id id)
{
    const struct html_attribute *a = html_token_attribute(&r->t, id);
    if (!a)
        return str_n("", 0);
    struct str value = html_attribute_decode(a->value, &r->scratch, &r->out->plain_letters_as_entities);
    if (value.at == r->scratch.at && r->scratch.failed)
        r->out->features |= HTML_CEILING;
    return value;
}

/* As the URL standard (§4.4): outer controls and blanks, and tabs and newlines anywhere, are not there. */
static struct str clean_target(struct str s, char to[HTML_TARGET_MAX + 1])
{
    size_t n = 0;

    while (s.len && (unsigned char)s.at[0] <= ' ')
        s = str_from_index(s, 1);
    while (s.len && (unsigned char)s.at[s.len - 1] <= ' ')
        s.len--;
    for (size_t i = 0; i < s.len && n <= HTML_TARGET_MAX; i++)
        if (s.at[i] != '\t' && s.at[i] != '\n' && s.at[i] != '\r')
            to[n++] = s.at[i];
    return utf8_cut(str_n(to, n), HTML_TARGET_MAX);
}

/* Octets of "scheme:" at its start; 0: it is relative. */
static size_t scheme_len(struct str s)
{
    if (s.len == 0 || !ascii_is_alpha((unsigned char)s.at[0]))
        return 0;
    for (size_t i = 1; i < s.len; i++) {
        if (s.at[i] == ':')
            return i + 1;
        if (!ascii_is_alnum((unsigned char)s.at[i]) && s.at[i] != '+' && s.at[i] != '-' && s.at[i] != '.')
            return 0;
    }
    return 0;
}

/* The octets of BASE that come before a relative TARGET: its scheme, up to its host, or up to its last slash. */
static size_t base_part(struct str base, struct str target)
{
    size_t scheme = scheme_len(base), host = scheme, end, slash;
    bool two_slashes = target.len >= 2 && (target.at[0] == '/' || target.at[0] == '\\') && (target.at[1] == '/' || target.at[1] == '\\');

    if (two_slashes)
        return scheme;
    while (host < base.len && (base.at[host] == '/' || base.at[host] == '\\'))
        host++;
    while (host < base.len && !strchr("/\\?#", base.at[host]))
        host++;
    if (target.at[0] == '/' || target.at[0] == '\\')
        return host;
    for (end = host; end < base.len && base.at[end] != '?' && base.at[end] != '#';)
        end++;
    if (target.at[0] == '?')
        return end;
    for (slash = end; slash > host && base.at[slash - 1] != '/' && base.at[slash - 1] != '\\';)
        slash--;
    return slash;
}

/* A copy in the arena; at == NULL where that is full. */
static struct str resolve(struct reader *r, struct str target)
{
    char to[2 * HTML_TARGET_MAX + 2];
    struct str base = r->out->base;

    if (base.len == 0 || target.at[0] == '#' || scheme_len(target) || !scheme_len(base))
        return arena_str(r->arena, target);
    size_t part = base_part(base, target);
    bool needs_slash = part && base.at[part - 1] != '/' && !strchr("/\\?", target.at[0]);
    memcpy(to, base.at, part);
    if (needs_slash)
        to[part] = '/';
    memcpy(to + part + needs_slash, target.at, target.len);
    return arena_str(r->arena, utf8_cut(str_n(to, part + needs_slash + target.len), HTML_TARGET_MAX));
}

static void note_kind(struct reader *r, struct str target)
{
    if (str_starts_case(target, STR("javascript:")) || str_starts_case(target, STR("vbscript:")))
        r->out->features |= HTML_JAVASCRIPT_URL;
    else if (str_starts_case(target, STR("data:")))
        r->out->features |= HTML_DATA_URL;
}

/* NULL where there is no target, or no room for one more. */
static struct html_link *add_link(struct reader *r, enum html_link_kind kind, struct str value)
{
    char clean[HTML_TARGET_MAX + 1];
    struct str target = clean_target(value, clean);

    if (target.len == 0)
        return NULL;
    note_kind(r, target);
    if (r->out->link_count >= r->limits->links) {
        r->out->links_dropped++;
        return NULL;
    }
    target = resolve(r, target);
    struct html_link *link = target.at ? arena_alloc(r->arena, sizeof *link) : NULL;
    if (!link) {
        r->out->links_dropped++;
        return NULL;
    }
    *link = (struct html_link){.kind = kind, .target = target, .shown = str_n("", 0)};
    if (r->last_link)
        r->last_link->next = link;
    else
        r->out->links = link;
    r->last_link = link;
    r->out->link_count++;
    return link;
}

static void add_attribute(struct reader *r, enum html_link_kind kind, enum html_attribute_id id, const struct look *look)
{
    struct html_link *link = add_link(r, kind, html_value(r, id));

    if (link)
        link->hidden = look->mask != 0;
}

static void add_url(void *arg, struct str url, bool is_import)
{
    struct reader *r = arg;

    (void)is_import;
    if (!str_starts_case(url, STR("data:")) && (url.len == 0 || url.at[0] != '#'))
        add_link(r, LINK_STYLE, url);
}

void links_of_style(struct reader *r, struct str css)
{
    css_urls(css, add_url, r);
}

static void note_image_source(struct reader *r, struct str source)
{
    if (str_starts_case(source, STR("cid:")))
        r->out->features |= HTML_CID_IMAGE;
    else if (str_starts_case(source, STR("http:")) || str_starts_case(source, STR("https:")) || str_starts(source, STR("//")))
        r->out->features |= HTML_REMOTE_IMAGE;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* "a.png 1x, b.png 2x": the addresses, which may hold commas but not end in them (HTML standard §4.8.4.3.7). */
static void add_sources(struct reader *r, struct str set)
{
    const char *at = set.at, *end = set.at + set.len;

    while (at < end) {
        const char *from = at;
        while (at < end && !is_blank(*at))
            at++;
        bool is_last_word = at > from && at[-1] == ','; /* no "1x" behind it */
        const char *to = at;
        while (to > from && to[-1] == ',')
            to--;
        add_link(r, LINK_IMAGE, str_n(from, (size_t)(to - from)));
        while (at < end && !is_last_word && *at != ',')
            at++;
        while (at < end && (is_blank(*at) || *at == ','))
            at++;
    }
}

static bool is_tiny(struct reader *r, const struct css_style *own)
{
    struct str width = str_trim(html_value(r, ATTRIBUTE_WIDTH));
    bool no_width = (own->set & CSS_WIDTH && own->no_width) || str_is(width, "0") || str_is(width, "1") || str_is(width, "1px");
    struct str height = str_trim(html_value(r, ATTRIBUTE_HEIGHT));
    bool no_height = (own->set & CSS_HEIGHT && own->no_height) || str_is(height, "0") || str_is(height, "1") || str_is(height, "1px");

    return no_width && no_height;
}

void links_of_image(struct reader *r, const struct look *look, const struct css_style *own)
{
    struct str source = html_value(r, ATTRIBUTE_SRC);

    r->out->image_count++;
    note_image_source(r, str_trim(source));
    add_attribute(r, LINK_IMAGE, ATTRIBUTE_SRC, look);
    add_attribute(r, LINK_IMAGE, ATTRIBUTE_LOWSRC, look);
    add_attribute(r, LINK_IMAGE, ATTRIBUTE_DYNSRC, look);
    add_sources(r, html_value(r, ATTRIBUTE_SRCSET));
    if (is_tiny(r, own)) {
        r->out->features |= HTML_TINY_IMAGE;
        return;
    }
    if (!r->anchor || look->mask)
        return;
    r->anchor_has_image = true;
    if (r->anchor_alt.len == 0)
        r->anchor_alt = arena_str(r->arena, utf8_cut(html_value(r, ATTRIBUTE_ALT), HTML_SHOWN_MAX));
}

/* content="5; url='http://…'" (HTML standard §4.2.5.3, shared declarative refresh steps). */
static void add_refresh(struct reader *r, const struct look *look)
{
    (void)look;
    if (!str_is_case(str_trim(html_value(r, ATTRIBUTE_HTTP_EQUIV)), "refresh"))
        return;
    struct str rest = html_value(r, ATTRIBUTE_CONTENT);
    r->out->features |= HTML_META_REFRESH;
    while (rest.len && !strchr(";, \t\n", rest.at[0]))
        rest = str_from_index(rest, 1);
    while (rest.len && rest.at[0] && strchr(";, \t\n", rest.at[0]))
        rest = str_from_index(rest, 1);
    if (str_starts_case(rest, STR("url"))) {
        struct str behind = str_trim(str_from_index(rest, 3));
        if (behind.len && behind.at[0] == '=')
            rest = str_trim(str_from_index(behind, 1));
    }
    if (rest.len && (rest.at[0] == '"' || rest.at[0] == '\'')) {
        char quote = rest.at[0];
        rest = str_from_index(rest, 1);
        rest = str_cut(&rest, quote);
    }
    add_link(r, LINK_META, rest);
}

static void begin_anchor(struct reader *r)
{
    size_t letters_before = r->out->plain_letters_as_entities;
    struct html_link *link = add_link(r, LINK_ANCHOR, html_value(r, ATTRIBUTE_HREF));

    if (!link)
        return;
    if (str_starts_case(link->target, STR("mailto:")))
        r->out->plain_letters_as_entities = letters_before;
    r->anchor_letters = r->out->plain_letters_as_entities;
    r->anchor = link;
    r->anchor_sink = r->in_mso ? &r->hidden : &r->visible;
    r->anchor_from = r->anchor_sink->text.len;
    r->anchor_has_image = false;
    r->anchor_alt = str_n("", 0);
}

/* Text on one line. */
static struct str one_line(struct arena *arena, struct str text)
{
    text = utf8_cut(str_trim(text), HTML_SHOWN_MAX);
    char *to = arena_alloc(arena, text.len + 1);
    if (!to)
        return str_n("", 0);
    for (size_t i = 0; i < text.len; i++)
        to[i] = text.at[i] == '\n' ? ' ' : text.at[i];
    return str_trim(str_n(to, text.len));
}

/* An address written as character references, as Markdown does it, hides from those who collect addresses: no trick on the reader. */
static bool shows_address(const struct html_link *link)
{
    return str_starts_case(link->target, STR("mailto:")) && str_find(link->shown, '@') > 0 && str_find(link->shown, ' ') < 0;
}

void links_end_anchor(struct reader *r)
{
    if (!r->anchor)
        return;
    r->anchor->shown = one_line(r->arena, str_from_index(buf_str(&r->anchor_sink->text), r->anchor_from));
    if (r->anchor_sink == &r->visible) {
        r->anchor->seen_from = r->anchor_from;
        r->anchor->seen_to = r->visible.text.len;
    }
    if (shows_address(r->anchor) && r->out->plain_letters_as_entities > r->anchor_letters)
        r->out->plain_letters_as_entities = r->anchor_letters;
    r->anchor->hidden = r->anchor->shown.len == 0 && !r->anchor_has_image;
    if (r->anchor->shown.len == 0)
        r->anchor->shown = r->anchor_alt;
    r->anchor = NULL;
}

static void set_base(struct reader *r)
{
    char clean[HTML_TARGET_MAX + 1];
    struct str base = clean_target(html_value(r, ATTRIBUTE_HREF), clean);

    if (base.len == 0 || r->in_mso)
        return;
    r->out->features |= HTML_BASE;
    if (r->out->base.len == 0)
        r->out->base = arena_str(r->arena, base);
}

void links_of_tag(struct reader *r, const struct look *look)
{
    switch (r->t.tag) {
    case TAG_A: begin_anchor(r); break;
    case TAG_AREA: add_attribute(r, LINK_AREA, ATTRIBUTE_HREF, look); break;
    case TAG_BASE: set_base(r); break;
    case TAG_FORM: add_attribute(r, LINK_FORM, ATTRIBUTE_ACTION, look); break;
    case TAG_FRAME:
    case TAG_IFRAME: add_attribute(r, LINK_FRAME, ATTRIBUTE_SRC, look); break;
    case TAG_META: add_refresh(r, look); break;
    case TAG_LINK: add_attribute(r, LINK_STYLE, ATTRIBUTE_HREF, look); break;
    case TAG_IMG:
    case TAG_IMAGE: break; /* links_of_image() */
    default:
        add_attribute(r, LINK_OTHER, ATTRIBUTE_SRC, look);
        add_attribute(r, LINK_OTHER, ATTRIBUTE_HREF, look);
        add_attribute(r, LINK_OTHER, ATTRIBUTE_DATA, look);
        add_attribute(r, LINK_OTHER, ATTRIBUTE_POSTER, look);
        add_sources(r, html_value(r, ATTRIBUTE_SRCSET));
    }
    add_attribute(r, LINK_FORM, ATTRIBUTE_FORMACTION, look);
    add_attribute(r, LINK_OTHER, ATTRIBUTE_XLINK_HREF, look);
    add_attribute(r, LINK_OTHER, ATTRIBUTE_PING, look);
    add_attribute(r, LINK_IMAGE, ATTRIBUTE_BACKGROUND, look);
}
