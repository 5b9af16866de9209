#!/usr/bin/python3
"""man.py PAGE CATALOG_DIRECTORY VERSION OUTPUT: the manual pages from the tables. PAGE is postern.8, postern.conf.5 or postern-reasons.7."""
import os
import re
import sys


def rows(directory, name, macro):
    with open(os.path.join(directory, name), encoding="utf-8") as f:
        text = f.read()
    for line in re.findall(r"^%s\((.*)\)$" % macro, text, re.M):
        cells = [c.strip() for c in re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^,])+', line)]
        yield [c[1:-1].replace('\\"', '"').replace("\\\\", "\\") if c.startswith('"') else c for c in cells]


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("§", "section ")
    return "\\&" + text if text.startswith((".", "'")) else text


def head(name, section, version, what):
    return [".TH %s %s \"\" \"postern %s\"" % (name.upper(), section, version), ".SH NAME", "%s \\- %s" % (name, roff(what))]


def commands(directory, version):
    out = head("postern", "8", version, "email security gateway")
    out += [".SH SYNOPSIS", ".B postern -c", ".I FILE", ".br", ".B postern", ".I NOUN", "[\\fIVERB\\fR] [\\fIARGUMENTS\\fR]", ".SH DESCRIPTION",
            "With \\fB\\-c\\fR the gateway runs in the foreground until SIGTERM or SIGINT. SIGHUP takes the configuration anew, as a whole or not at "
            "all; SIGUSR1 reopens the logs. The other commands steer or explain a gateway.", ".SH COMMANDS"]
    for noun, verb, _, arguments, text in rows(directory, "commands.def", "COMMAND"):
        out += [".TP", "\\fBpostern %s\\fR %s" % (roff((noun + " " + verb).strip()), roff(arguments)), roff(text)]
    out += [".SH OPTIONS", ".TP", "\\fB\\-\\-config\\fR \\fIFILE\\fR", "The configuration; /etc/postern/postern.conf by default.", ".TP",
            "\\fB\\-\\-control\\fR \\fISOCKET\\fR", "The relay's control socket; from the configuration by default.", ".TP", "\\fB\\-\\-json\\fR",
            "Prints JSON.", ".SH FILTERS",
            "key:value with reference, sender, recipient, domain, state (queued, held, frozen, delivering) and older (such as 2h); * is any text.",
            ".SH EXIT STATUS", "As in sysexits.h: 0 fine, 64 usage, 65 no such thing or not possible, 69 the gateway cannot be reached, 75 not now, 77 not allowed, 78 configuration.",
            ".SH SEE ALSO", ".BR postern.conf (5),", ".BR postern-reasons (7)"]
    return out


LEVELS = {"P": "process", "S": "system", "T": "tenant", "D": "domain", "M": "mailbox", "U": "account"}


def settings(directory, version):
    out = head("postern.conf", "5", version, "configuration of the email security gateway")
    out += [".SH DESCRIPTION", "Lines of \\fIname = value\\fR. Lists and networks stand in braces, {\"a\", \"b\"}; everything else is one value. "
            "Settings of level \\fIdomain\\fR may also stand inside \\fBdomain \"acme.test\" { ... }\\fR, and hold there instead. "
            "\\fBinclude(\"file\")\\fR on a line of its own puts another file in. \\fBpostern check\\fR says what is wrong, with file and line.",
            ".SH SETTINGS"]
    for name, kind, default, low, high, levels, unit, text in rows(directory, "settings.def", "SETTING"):
        where = ", ".join(LEVELS[x.strip()] for x in levels.split("|"))
        out += [".TP", "\\fB%s\\fR (%s; %s)" % (roff(name), kind.lower(), where), roff(text)]
        out.append("Default: %s." % (roff(default) if default else "empty"))
        if kind == "CHOICE":
            out.append("One of %s." % roff(unit.replace("|", ", ")))
        elif kind in ("INT", "SIZE"):
            out.append("%s to %s%s." % (low, high, " " + roff(unit) if unit else ""))
    return out + [".SH SEE ALSO", ".BR postern (8),", ".BR postern-reasons (7)"]


def reasons(directory, version):
    out = head("postern-reasons", "7", version, "every answer the gateway gives")
    out += [".SH DESCRIPTION", "One entry per row of the catalogue. \\fBpostern explain\\fR \\fIREASON\\fR prints the page of each.", ".SH ANSWERS"]
    for name, slug, kind, stage, code, enhanced, text, action, setting, allow, keep, fixers, metric in rows(directory, "reasons.def", "REASON"):
        out += [".TP", "\\fB%s\\fR (%s)" % (roff(name), roff((code + " " + enhanced).strip())), roff(text) + ("" if text.endswith((".", "!")) else ".")]
        out.append("Found at %s; %s; setting: %s.%s" % (stage.lower(), kind.lower(), roff(setting.lower() if setting == "NONE" else setting),
                                                          " A sender on the allow list is let through." if allow == "LIFTED" else ""))
    return out + [".SH SEE ALSO", ".BR postern (8),", ".BR postern.conf (5)"]


def main():
    page, directory, version, output = sys.argv[1:]
    lines = {"postern.8": commands, "postern.conf.5": settings, "postern-reasons.7": reasons}[page](directory, version)
    with open(output, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


main()
