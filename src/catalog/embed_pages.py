#!/usr/bin/python3
"""embed_pages.py REASONS_DEF PAGES_DIRECTORY OUTPUT: docs/reasons/*.md as a C table for the public pages and `postern explain`.

The build fails where a row has no page, a page has no row, or a page lacks one of its sections. The pages use a small part of
Markdown: #, ##, paragraphs, lists with - and 1., `code`, fenced blocks, and bare https addresses.
"""
import html
import os
import re
import sys
import textwrap

SECTIONS = ["What happened", "Who can fix it", "What to do", "For the postmaster"]


def inline(text):
    text = html.escape(text, quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"(https://[\w./#-]*[\w/])", r'<a href="\1" rel="noopener noreferrer">\1</a>', text)


def blocks(text):
    """(kind, content) of a page: h1, h2, p, ul, ol, pre."""
    lines, out = text.splitlines(), []
    i = 0
    while i < len(lines):
        line = lines[i]
        if not line.strip():
            i += 1
        elif line.startswith("```"):
            end = next(k for k in range(i + 1, len(lines) + 1) if k == len(lines) or lines[k].startswith("```"))
            out.append(("pre", lines[i + 1:end]))
            i = end + 1
        elif line.startswith("## "):
            out.append(("h2", line[3:].strip()))
            i += 1
        elif line.startswith("# "):
            out.append(("h1", line[2:].strip()))
            i += 1
        elif re.match(r"(-|\d+\.) ", line):
            kind, items = ("ul" if line.startswith("- ") else "ol"), []
            while i < len(lines) and lines[i].strip() and (re.match(r"(-|\d+\.) ", lines[i]) or lines[i].startswith(" ")):
                found = re.match(r"(?:-|\d+\.) (.*)", lines[i])
                if found:
                    items.append(found.group(1))
                else:
                    items[-1] += " " + lines[i].strip()
                i += 1
            out.append((kind, items))
        else:
            paragraph = []
            while i < len(lines) and lines[i].strip() and not re.match(r"#|```|(-|\d+\.) ", lines[i]):
                paragraph.append(lines[i].strip())
                i += 1
            out.append(("p", " ".join(paragraph)))
    return out


def to_html(page):
    out = []
    for kind, content in page:
        if kind == "h2":
            out.append("<h2>%s</h2>" % inline(content))
        elif kind == "p":
            out.append("<p>%s</p>" % inline(content))
        elif kind in ("ul", "ol"):
            out.append("<%s>%s</%s>" % (kind, "".join("<li>%s</li>" % inline(x) for x in content), kind))
        elif kind == "pre":
            out.append("<pre>%s</pre>" % html.escape("\n".join(content), quote=False))
    return "\n".join(out)


def to_text(page):
    out = []
    for kind, content in page:
        if kind == "h1":
            out.append(content)
        elif kind == "h2":
            out.append(content.upper())
        elif kind == "p":
            out.append(textwrap.fill(content.replace("`", ""), 78, initial_indent="  ", subsequent_indent="  "))
        elif kind in ("ul", "ol"):
            out.append("\n".join(textwrap.fill(x.replace("`", ""), 78, initial_indent="  - " if kind == "ul" else "  %d. " % (n + 1),
                                               subsequent_indent="    " if kind == "ul" else "     ") for n, x in enumerate(content)))
        elif kind == "pre":
            out.append("\n".join("    " + x for x in content))
    return "\n\n".join(out) + "\n"


def c_string(text):
    return '"' + "".join('\\n"\n    "' if c == "\n" else "\\" + c if c in '"\\' else c if " " <= c <= "~" else
                         "".join("\\%03o" % b for b in c.encode()) for c in text) + '"'


def main():
    definition, directory, output = sys.argv[1:]
    with open(definition) as f:
        rows = re.findall(r"^REASON\((\w+), ([a-z0-9-]+),", f.read(), re.M)
    wanted, there = {slug for _, slug in rows}, {name[:-3] for name in os.listdir(directory) if name.endswith(".md")}
    problems = ["docs/reasons/%s.md is missing" % s for s in sorted(wanted - there)]
    problems += ["docs/reasons/%s.md belongs to no row of reasons.def" % s for s in sorted(there - wanted)]
    table = []
    for name, slug in rows:
        if slug not in there:
            continue
        with open(os.path.join(directory, slug + ".md")) as f:
            page = blocks(f.read())
        titles = [c for kind, c in page if kind == "h1"]
        missing = [s for s in SECTIONS if s not in [c for kind, c in page if kind == "h2"]]
        if len(titles) != 1 or missing:
            problems.append("docs/reasons/%s.md: one title and the sections %s are wanted" % (slug, ", ".join(SECTIONS)))
            continue
        table.append("    [REASON_%s] = {%s,\n    %s,\n    %s,\n    %s}," % (
            name, c_string(slug), c_string(titles[0]), c_string(to_html(page)), c_string(to_text(page))))
    if problems:
        sys.exit("\n".join(problems))
    text = ("/* Written by embed_pages.py. */\n#include \"catalog/reason_page.h\"\n\n#include \"base/bug.h\"\n\n"
            "static const struct reason_page pages[REASON_COUNT] = {\n%s\n};\n\n"
                "const struct reason_page *reason_page(enum reason r)\n{\n"
                "    bug_unless(r > REASON_NONE && r < REASON_COUNT);\n    return &pages[r];\n}\n" % "\n".join(table))
    if not os.path.exists(output) or open(output).read() != text:
        with open(output, "w") as f:
            f.write(text)


main()
