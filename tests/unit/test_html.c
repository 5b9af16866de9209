/* test_html.c: what of HTML a person sees, what not and why, and where it leads. */
#include "base/buf.h"
#include "check.h"
#include "mail/html.h"


static const struct html_limits limits = {.visible_bytes = 1 << 20, .hidden_bytes = 1 << 20, .links = 1000, .depth = 64};

static struct html_result read_html(struct arena *arena, struct str html)
{
    struct html_result out;

    *arena = arena_make(64 << 20);
    html_read(arena, html, &limits, NULL, NULL, &out);
    assert_false(arena->failed);
    return out;
}

static void check_text(struct str got, const char *wanted)
{
    char text[4096];

    str_copy(text, sizeof text, got);
    assert_string_equal(text, wanted);
}

static void visible_text(void **state)
{
    static const struct {
        const char *html, *visible;
    } rows[] = {
        {"plain", "plain"},
        {"<p>one<p>two", "one\ntwo"},
        {"a<br>b", "a\nb"},
        {"<b>b</b>old", "bold"},
        {"<table><tr><td>1<td>2<tr><td>3</table>", "1 2\n3"},
        {"a  \r\n\t b", "a b"},
        {"<pre>a\nb</pre>", "a\nb"},
        {"&lt;p&gt; &amp;amp; &copy &notit; &#65;&#x42; &#0; &bogus;", "<p> &amp; \xC2\xA9 \xC2\xACit; AB \xEF\xBF\xBD &bogus;"},
        {"a&nbsp;b&nbsp;", "a b"},
        {"V<!-- x -->iagra", "Viagra"},
        {"a < b > c <3", "a < b > c <3"},
        {"<script>var a = '<p>no</p>';</script>yes", "yes"},
        {"<script><!--<script></script>no</script>--></script>yes", "-->yes"},
        {"<style>p {color: red}</style>yes", "yes"},
        {"<title>no</title>yes", "yes"},
        {"<textarea><b>x</b></textarea>", "<b>x</b>"},
        {"<textarea>never ends", "never ends"},
        {"<xmp><b>never ends", "<b>never ends"},
        {"<noscript>seen</noscript>", "seen"},
        {"<input type=submit value='Log in'><input type=hidden value=no>", "Log in"},
        {"<!doctype html><?php x ?></ bogus><![if !mso]>x<![endif]>", "x"},
        {"<!--[if !mso]><!-->seen<!--<![endif]-->", "seen"},
        {"<svg><text>in svg</text></svg>", "in svg"},
        {"<svg/><textarea><b>x</b></textarea>", "<b>x</b>"},
        {"<svg><p><style><!--</style>x-->", "x-->"},
        {"<svg><foreignObject><style><!--</style>x-->", "x-->"},
        {"<svg><style><!--</style>x--></style></svg>y", "y"},
        {"<math><mi><style><!--</style>x-->", "x-->"},
        {"<math><style><!--</style>x--></style></math>y", "y"},
        {"<svg><![CDATA[<b>]]></p>y<![CDATA[no]]>", "<b>\ny"},
        {"<xml>x</xml>", "x"},
        {"<template>no</template>yes", "yes"},
        {"<iframe srcdoc='<p>in</div>side&lt;br&gt;it'>no</iframe>yes", "in\nside\nit\nyes"},
        {"<img alt='not seen'>x", "x"},
        {"a<span>b</span>c<wbr>d", "abcd"},
        {"<DIV STYLE='COLOR:RED'>x</DIV>", "x"},
    };
    struct arena arena;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct html_result out = read_html(&arena, str_from(rows[i].html));
        check_text(out.visible, rows[i].visible);
        arena_free(&arena);
    }
}

static void hidden_text(void **state)
{
    static const struct {
        const char *html, *visible, *hidden;
        unsigned why;
    } rows[] = {
        {"<div style='display:none'>x</div>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<div style='DISPLAY : NONE !important'>x</div>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<div style='dis/**/play:none'>x</div>", "x", "", 0},
        {"<div style='d\\69splay:none'>x</div>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<div style='display:n&#111;ne'>x</div>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<style>.h{display:none}</style><p class='a h b'>x<p>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<style>#i, b {display:none}</style><p id=i>x</p><b>z</b>y", "y", "x\nz", HIDDEN_DISPLAY_NONE},
        {"<style>@media print{p{display:none}}</style><p>y", "y", "", 0},
        {"<style>@media PRINT, Only Screen and (min-width:1px) and (color){p{display:none}}</style><p>x", "", "x", HIDDEN_DISPLAY_NONE},
        {"<style>@media screen and (max-width:480px){p{display:none}} p{color:red}</style><p>y", "y", "", 0},
        {"<style>@media (max-width:90em){p{display:none}}</style><p>x", "", "x", HIDDEN_DISPLAY_NONE},
        {"<style>@media (prefers-color-scheme:dark){p{color:white}}</style><p>y", "y", "", 0},
        {"<style>@media not print{p{display:none}}</style><p>x", "", "x", HIDDEN_DISPLAY_NONE},
        {"<style>@media not all{p{display:none}}</style><p>y", "y", "", 0},
        {"<style>@media (unknown:1px){p{display:none}}</style><p>y", "y", "", 0},
        {"<style>@supports (display:grid){p{display:none}}</style><p>x", "", "x", HIDDEN_DISPLAY_NONE},
        {"<style>@supports not (display:grid){p{display:none}}</style><p>y", "y", "", 0},
        {"<style media='only screen and (max-width:480px)'>p{display:none}</style><p>y", "y", "", 0},
        {"<style type=text/x>p{display:none}</style><p>y", "y", "", 0},
        {"<p class=h>x</p>y<style>.h{display:none}</style>", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<svg><style>.h{display:none}</style></svg><p class=h>x", "", "x", HIDDEN_DISPLAY_NONE},
        {"<template><style>p{display:none}</style></template><p>y", "y", "", 0},
        {"<!--[if mso]><style>p{display:none}</style><![endif]--><p>y", "y", "", 0},
        {"<!--[if mso]><body style='display:none'><![endif]--><p>y", "y", "", 0},
        {"<style>.h{display:none}</style><p class=h style='display:block'>y", "y", "", 0},
        {"<div style='visibility:hidden'>x<b style='visibility:visible'>y</b></div>", "y", "x", HIDDEN_VISIBILITY},
        {"<p style='font-size:0'>x</p><p style='font-size:2px'>z</p><p style='font-size:9px'>y", "y", "x\nz", HIDDEN_FONT_SIZE},
        {"<p style='font:0/0 a'>x", "", "x", HIDDEN_FONT_SIZE},
        {"<font color=#ffffff>x</font>y", "y", "x", HIDDEN_COLOUR},
        {"<body bgcolor=black text=white>y<font color='#000001'>x</font>", "y", "x", HIDDEN_COLOUR},
        {"<body bgcolor=white>y<body bgcolor=black><p>z", "y\nz", "", 0},
        {"<body>y<body style='display:none'>x", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<body hidden>x", "", "x", HIDDEN_ATTRIBUTE},
        {"<b><p hidden>x</b>z</p>y", "y", "xz", HIDDEN_ATTRIBUTE},
        {"<p hidden style='display:block'>y", "y", "", 0},
        {"<div bgcolor=black><font color=white>x</font></div>", "", "x", HIDDEN_COLOUR},
        {"<body bgcolor=#0000ee text=white><a href=/ style='color:inherit'>y</a><a href=/>x</a>", "y", "x", HIDDEN_COLOUR},
        {"<p style='clip-path:circle(0)'>x", "", "x", HIDDEN_SIZE},
        {"<table><td bgcolor=navy><font color=white>y</font></td>", "y", "", 0},
        {"<td bgcolor=navy><font color=white>x</font></td>", "", "x", HIDDEN_COLOUR},
        {"<table style='display:none'>y<tr><td>x</table>z", "y\nz", "x", HIDDEN_DISPLAY_NONE},
        {"<table style='display:none'><b>y</b><tr><td>x", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<table style='display:none'><b><tr><td>x", "", "x", HIDDEN_DISPLAY_NONE},
        {"<table><form style='display:none'>z<tr><td>y</table>", "z\ny", "", 0},
        {"<table style='display:none'><table><tr><td>y", "y", "", 0},
        {"<table><tr><td style='display:none'>x<table><tr><td>z</table></table>y", "y", "x\nz", HIDDEN_DISPLAY_NONE},
        {"<table><thead style='display:none'><tr><td>x<tbody><tr><td>y</table>", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<tr style='display:none'>y", "y", "", 0},
        {"<head style='display:none'><p>y", "y", "", 0},
        {"<h1 style='display:none'>x</h2>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<h1 style='display:none'>x<h2>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<form style='display:none'>x<form></form>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<button style='display:none'>x<button>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<ol><li style='display:none'>x<ul><li>z</ul></ol>y", "y", "x\nz", HIDDEN_DISPLAY_NONE},
        {"<li style='display:none'><ul></li>x</ul>z</li>y", "y", "x\nz", HIDDEN_DISPLAY_NONE},
        {"<dl><dt style='display:none'>x<dd>y</dl>", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<b style='display:none'>x<p><p><p><div><div><div><div><div><div><div><div><div><div><div><div><div><div><div><div><div></b>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<i><span style='display:none'>x</i>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<b>y<h2><span style='display:none'>x</b>z", "y\nz", "x", HIDDEN_DISPLAY_NONE},
        {"<form style='display:none'>x<b></form>z</b>y", "y", "x\nz", HIDDEN_DISPLAY_NONE},
        {"<table><tbody style='display:none'><tr><td>x<caption>y</table>", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<table><div style='display:none'>x<table><tr><td>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<table><b style='display:none'></table>x", "", "x", HIDDEN_DISPLAY_NONE},
        {"<table><tr><td><b style='display:none'></table>y", "y", "", 0},
        {"<b style='display:none'><p><table><tr><td>x</table></p>z</b>y", "y", "x\nz", HIDDEN_DISPLAY_NONE},
        {"<b><svg><g style='display:none'>x</b>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<svg><math style='display:none'>x<mtext><span>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<svg><a style='display:none'>x</svg>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<a style='display:none'>x<div><a>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<!--[if mso]><xml>x</xml><p>z<![endif]-->y", "y", "z", HIDDEN_MSO},
        {"<div style='color:rgb(250,250,250)'>x</div>", "", "x", HIDDEN_COLOUR},
        {"<div style='color:transparent'>x</div>", "", "x", HIDDEN_COLOUR},
        {"<div style='background:url(a.png);color:white'>y</div>", "y", "", 0},
        {"<div style='color:#999'>y</div>", "y", "", 0},
        {"<div style='opacity:0.01'>x</div>", "", "x", HIDDEN_OPACITY},
        {"<div style='position:absolute;left:-9999px'>x</div>", "", "x", HIDDEN_OFF_SCREEN},
        {"<div style='text-indent:-9999px'>x</div>", "", "x", HIDDEN_OFF_SCREEN},
        {"<div style='max-height:0;overflow:hidden'>x</div>", "", "x", HIDDEN_SIZE},
        {"<div style='height:0'>y</div>", "y", "", 0},
        {"<p hidden>x</p>y", "y", "x", HIDDEN_ATTRIBUTE},
        {"y<!-- never ends", "y", "never ends", HIDDEN_COMMENT},
        {"y<a href='never ends", "y", "<a href='never ends", HIDDEN_COMMENT},
        {"<!--[if mso]><p>x</p><![endif]-->y", "y", "x", HIDDEN_MSO},
        {"<div style='display:none'><p>x</div>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<span style='display:none'>x</p>z</span>y", "y", "x\nz", HIDDEN_DISPLAY_NONE},
        {"<p style='display:none'>x<div>y</div>", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<b style='display:none'>x<p>z</b>y", "y", "x\nz", HIDDEN_DISPLAY_NONE},
        {"<dialog>x</dialog>y", "y", "x", HIDDEN_DISPLAY_NONE},
        {"<iframe style='display:none' srcdoc='<p>x</div>z'></iframe>y", "y", "x\nz", HIDDEN_DISPLAY_NONE},
    };
    struct arena arena;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct html_result out = read_html(&arena, str_from(rows[i].html));
        print_message("%s\n", rows[i].html);
        check_text(out.visible, rows[i].visible);
        check_text(out.hidden, rows[i].hidden);
        if (out.hidden_why != rows[i].why)
            fail_msg("%s: hidden because of %u, not %u", rows[i].html, out.hidden_why, rows[i].why);
        arena_free(&arena);
    }
}

static void links(void **state)
{
    static const struct {
        const char *html;
        enum html_link_kind kind;
        const char *target, *shown;
        bool hidden;
    } rows[] = {
        {"<a href=http://a.test/>Click <b>here</b></a>", LINK_ANCHOR, "http://a.test/", "Click here", false},
        {"<a href=' \thttp://a\n.test/&amp;x=1 '>x</a>", LINK_ANCHOR, "http://a.test/&x=1", "x", false},
        {"<a href=/x></a>", LINK_ANCHOR, "/x", "", true},
        {"<a href=x><img src=b.png alt='Pay now'></a>", LINK_ANCHOR, "x", "Pay now", false},
        {"<a href=x><span style='display:none'>no</span></a>", LINK_ANCHOR, "x", "", true},
        {"<a href=x>one<a href=y>two</a>", LINK_ANCHOR, "x", "one", false},
        {"<a href=x>never closed", LINK_ANCHOR, "x", "never closed", false},
        {"<base href='https://h.test/d/f.html'><a href=g>x</a>", LINK_ANCHOR, "https://h.test/d/g", "x", false},
        {"<base href=https://h.test><a href=g>x</a>", LINK_ANCHOR, "https://h.test/g", "x", false},
        {"<base href=https://h.test/d/><a href=/g>x</a>", LINK_ANCHOR, "https://h.test/g", "x", false},
        {"<base href=https://h.test/d/><a href=//o.test>x</a>", LINK_ANCHOR, "https://o.test", "x", false},
        {"<base href=https://h.test/d?q><a href=?r>x</a>", LINK_ANCHOR, "https://h.test/d?r", "x", false},
        {"<img src=cid:1>", LINK_IMAGE, "cid:1", "", false},
        {"<td background=http://i.test/b.gif>", LINK_IMAGE, "http://i.test/b.gif", "", false},
        {"<form action=http://f.test>", LINK_FORM, "http://f.test", "", false},
        {"<iframe src=http://f.test></iframe>", LINK_FRAME, "http://f.test", "", false},
        {"<meta http-equiv=REFRESH content='0; URL=\"http://r.test/\"'>", LINK_META, "http://r.test/", "", false},
        {"<meta http-equiv=refresh content='0,http://r.test/'>", LINK_META, "http://r.test/", "", false},
        {"<map><area href=http://m.test></map>", LINK_AREA, "http://m.test", "", false},
        {"<style>@import 'http://s.test/a.css'; </style>", LINK_STYLE, "http://s.test/a.css", "", false},
        {"<p style='background:url( \"http://s.test/b.png\" )'>", LINK_STYLE, "http://s.test/b.png", "", false},
        {"<link rel=stylesheet href=http://s.test/>", LINK_STYLE, "http://s.test/", "", false},
        {"<svg><a xlink:href=http://x.test>t</a></svg>", LINK_OTHER, "http://x.test", "", false},
        {"<object data=http://o.test></object>", LINK_OTHER, "http://o.test", "", false},
        {"<button formaction=http://f.test>", LINK_FORM, "http://f.test", "", false},
        {"<!--[if mso]><a href=http://o.test>Outlook</a><![endif]-->", LINK_ANCHOR, "http://o.test", "Outlook", false},
        {"<a href=http://first.test href=http://second.test>x</a>", LINK_ANCHOR, "http://first.test", "x", false},
        {"<a a1 a2 a3 a4 a5 a6 a7 a8 a9 b1 b2 b3 b4 b5 b6 b7 b8 b9 c1 c2 c3 c4 c5 c6 c7 c8 c9 d1 d2 d3 d4 d5 d6 d7 d8 d9 e1 e2 e3 e4 e5 e6 href=http://a.test>x</a>",
         LINK_ANCHOR, "http://a.test", "x", false},
        {"<a href=' '>x</a><a href=y>z</a>", LINK_ANCHOR, "y", "z", false},
        {"<iframe srcdoc='&lt;a href=http://a.test>x&lt;/a>'></iframe>", LINK_ANCHOR, "http://a.test", "x", false},
        {"<!--[if mso]><base href=http://o.test/><![endif]--><a href=y>x</a>", LINK_ANCHOR, "y", "x", false},
        {"<img srcset=' , data:image/png;base64,AAAA 1x'>", LINK_IMAGE, "data:image/png;base64,AAAA", "", false},
        {"<a/href=http://a.test>x</a>", LINK_ANCHOR, "http://a.test", "x", false},
    };
    struct arena arena;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct html_result out = read_html(&arena, str_from(rows[i].html));
        if (!out.links || out.links->kind != rows[i].kind || out.links->hidden != rows[i].hidden)
            fail_msg("%s: another link", rows[i].html);
        check_text(out.links->target, rows[i].target);
        check_text(out.links->shown, rows[i].shown);
        arena_free(&arena);
    }
}

static void features(void **state)
{
    static const struct {
        const char *html;
        unsigned wanted, unwanted;
    } rows[] = {
        {"<script>x</script>", HTML_SCRIPT, HTML_OBFUSCATED},
        {"<script>document.write(unescape('%41'))</script>", HTML_SCRIPT | HTML_OBFUSCATED, 0},
        {"<img onerror=x>", HTML_EVENT_HANDLER, HTML_TINY_IMAGE},
        {"<form><input type=PassWord></form>", HTML_FORM | HTML_PASSWORD_FIELD, 0},
        {"<img src=http://a.test/p.gif width=1 height=1>", HTML_TINY_IMAGE | HTML_REMOTE_IMAGE, HTML_CID_IMAGE},
        {"<img src=cid:x>", HTML_CID_IMAGE, HTML_REMOTE_IMAGE},
        {"<a href='java\nscript:x()'>", HTML_JAVASCRIPT_URL, 0},
        {"<a href='data:text/html,x'>", HTML_DATA_URL, 0},
        {"a\0b", HTML_NUL, 0},
        {"<p title='x", HTML_UNTERMINATED, 0},
        {"&#86;&#105;&#97;&#103;&#114;&#97;&#86;&#105;&#97;&#103;&#114;&#97;&#86;&#105;&#97;&#103;", HTML_OBFUSCATED, 0},
        {"<object></object><svg></svg><table></table><style></style>", HTML_OBJECT | HTML_SVG | HTML_TABLE | HTML_STYLE_BLOCK, HTML_SCRIPT},
        {"V<x>i<x>a<x>g<x>r<x>a<x>o<x>r<x>e", HTML_OBFUSCATED, 0},
        {"<p>An honest <b>l</b>etter</p>", 0, ~0U},
        {"<p only once>", 0, HTML_EVENT_HANDLER},
        {"<a href='&#109;&#97;&#105;&#108;&#116;&#111;&#58;&#97;&#110;&#110;&#64;&#97;&#99;&#109;&#101;&#46;&#116;&#101;&#115;&#116;'>"
         "&#97;&#110;&#110;&#64;&#97;&#99;&#109;&#101;&#46;&#116;&#101;&#115;&#116;</a>", 0, HTML_OBFUSCATED},
        {"<a href=mailto:a@b.test>&#86;&#105;&#97;&#103;&#114;&#97; &#86;&#105;&#97;&#103;&#114;&#97; &#86;&#105;&#97;&#103;&#114;&#97;@</a>", HTML_OBFUSCATED, 0},
        {"<a href='&#104;&#116;&#116;&#112;&#58;&#47;&#47;&#97;&#46;&#116;&#101;&#115;&#116;&#47;&#97;&#97;&#97;&#97;&#97;&#97;&#97;'>x</a>", HTML_OBFUSCATED, 0},
    };
    struct arena arena;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct html_result out = read_html(&arena, rows[i].wanted == HTML_NUL ? STR("a\0b") : str_from(rows[i].html));
        if ((out.features & rows[i].wanted) != rows[i].wanted || out.features & rows[i].unwanted)
            fail_msg("%s: features %x", rows[i].html, out.features);
        arena_free(&arena);
    }
}

static void sources_of_an_image(void **state)
{
    struct arena arena;
    struct html_result out = read_html(&arena, STR("<img srcset='a,b 1x,c 2x\t, d, e'>"));
    static const char *const wanted[] = {"a,b", "c", "d", "e"};
    const struct html_link *link = out.links;

    (void)state;
    for (size_t i = 0; i < 4; i++, link = link->next) {
        assert_non_null(link);
        check_text(link->target, wanted[i]);
    }
    assert_null(link);
    arena_free(&arena);
}

/* A ceiling inside a character of two octets. */
static void what_is_cut_is_still_utf8(void **state)
{
    struct buf html = buf_make(1 << 20);
    struct arena arena;

    (void)state;
    for (int i = 0; i < 2; i++) {
        buf_add_text(&html, i ? "<a href='x" : "<a href='");
        for (int n = 0; n < 3000; n++)
            buf_add_text(&html, "\xC3\xA4");
        buf_add_text(&html, i ? "'><img alt='x" : "'><img alt='");
        for (int n = 0; n < 300; n++)
            buf_add_text(&html, "\xC3\xA4");
        buf_add_text(&html, i ? "'></a><input value='&amp;x" : "'></a><input value='&amp;");
        for (int n = 0; n < 40000; n++)
            buf_add_text(&html, "\xC3\xA4");
        buf_add_text(&html, "'>");
        struct html_result out = read_html(&arena, buf_str(&html));
        assert_non_null(out.links);
        assert_true(utf8_is_valid(out.links->target) && out.links->target.len > HTML_TARGET_MAX - 2 && out.links->target.len <= HTML_TARGET_MAX);
        assert_true(utf8_is_valid(out.links->shown) && out.links->shown.len > HTML_SHOWN_MAX - 2 && out.links->shown.len <= HTML_SHOWN_MAX);
        assert_true(utf8_is_valid(out.visible) && out.visible.len > 60000);
        assert_true(out.features & HTML_CEILING);
        arena_free(&arena);
        buf_clear(&html);
    }
    buf_free(&html);
}

/* Values that are nothing but NUL, before any other was decoded: nothing is left of them, and nothing is computed from no address. */
static void values_of_nul(void **state)
{
    struct arena arena;
    struct html_result out;

    (void)state;
    out = read_html(&arena, STR("<p style='\0'><img srcset='\0' alt='\0'><a href='\0'>x</a><iframe srcdoc='\0'></iframe>"));
    check_text(out.visible, "x");
    assert_int_equal(out.link_count, 0);
    arena_free(&arena);
}

/* Past the ceiling of links, too, it is told what kinds there were. */
static void kinds_of_dropped_links_are_told(void **state)
{
    static const struct html_limits none = {.visible_bytes = 100, .hidden_bytes = 100, .links = 0, .depth = 8};
    struct arena arena = arena_make(1 << 20);
    struct html_result out;

    (void)state;
    html_read(&arena, STR("<a href=javascript:x()>a</a><a href=data:text/html,x>b</a>"), &none, NULL, NULL, &out);
    assert_int_equal(out.link_count, 0);
    assert_int_equal(out.links_dropped, 2);
    assert_int_equal(out.features, HTML_JAVASCRIPT_URL | HTML_DATA_URL | HTML_CEILING);
    arena_free(&arena);
}

static void charset_of_meta(void **state)
{
    (void)state;
    check_text(html_meta_charset(STR("<html><meta charset=koi8-r>")), "koi8-r");
    check_text(html_meta_charset(STR("<meta http-equiv=Content-Type content=\"text/html; charset = 'utf-7' \">")), "utf-7");
    check_text(html_meta_charset(STR("<meta charset=utf-16le>")), "utf-8");
    check_text(html_meta_charset(STR("<!-- <meta charset=koi8-r> --><p>")), "");
    check_text(html_meta_charset(STR("<meta content='text/html; charset=x'>")), "");
}

static void note_visit(void *arg, struct str tag, struct str attribute, struct str value)
{
    struct buf *out = arg;

    buf_addf(out, STR_FMT "," STR_FMT "," STR_FMT ";", STR_ARG(tag), STR_ARG(attribute), STR_ARG(value));
}

static void every_tag_is_told(void **state)
{
    struct arena arena = arena_make(1 << 20);
    struct buf seen = buf_make(1024);
    struct html_result out;

    (void)state;
    html_read(&arena, STR("<P Class=\"a&amp;b\"><x-y z>"), &limits, note_visit, &seen, &out);
    check_text(buf_str(&seen), "p,,;p,class,a&b;x-y,,;x-y,z,;");
    buf_free(&seen);
    arena_free(&arena);
}

/* COUNT times TEXT. */
static struct str many(struct buf *b, const char *text, size_t count)
{
    *b = buf_make(64 << 20);
    for (size_t i = 0; i < count; i++)
        buf_add_text(b, text);
    return buf_str(b);
}

/* Each of these once cost the square of its length somewhere; a test that takes minutes is a failed one. */
static void nothing_is_quadratic(void **state)
{
    static const struct {
        const char *text;
        size_t count;
    } rows[] = {{"<div>", 400000}, {"<b>", 400000}, {"<b></p>", 300000}, {"<", 2000000}, {"<!--", 500000}, {"<![CDATA[", 200000}, {"&", 2000000},
                {"<a href=x>", 200000}, {"</x>", 500000}, {"<x>", 500000}, {"<table><td>", 200000}, {"<svg><style>", 200000}, {"<p>", 500000},
                {"<li><ol>", 200000}, {"<style>.a{color:red}", 100000}, {"<p style='background:url('>", 100000}, {"<style>url(", 200000},
                {"<style>@media (", 100000}, {"<b><i><u><p>", 100000}, {"<b></i>", 200000}, {"<option>", 300000}, {"<!--[if mso]>", 200000},
                {"<img srcset=a,b,c,d>", 100000}, {"<title>", 200000}, {"<script><!--<script>", 100000}, {"&#00", 500000}, {"<dl><dt><dd>", 100000}};
    struct arena arena;
    struct buf text;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct html_result out = read_html(&arena, many(&text, rows[i].text, rows[i].count));
        assert_true(out.link_count <= limits.links);
        assert_true(out.visible.len <= limits.visible_bytes && out.hidden.len <= limits.hidden_bytes);
        arena_free(&arena);
        buf_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(visible_text), cmocka_unit_test(hidden_text),       cmocka_unit_test(links),
        cmocka_unit_test(features),     cmocka_unit_test(charset_of_meta),   cmocka_unit_test(every_tag_is_told),
        cmocka_unit_test(sources_of_an_image), cmocka_unit_test(what_is_cut_is_still_utf8),
        cmocka_unit_test(values_of_nul), cmocka_unit_test(kinds_of_dropped_links_are_told), cmocka_unit_test(nothing_is_quadratic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
