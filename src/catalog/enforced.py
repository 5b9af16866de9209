#!/usr/bin/python3
"""enforced.py SOURCE_ROOT OUTPUT: which rows of the catalogue this build really uses, found in the sources themselves.

A reason is enforced when some process of the gateway names REASON_<id>, a setting is used when one names SETTING_<id>. The
catalogue and the commands only talk about them, so they do not count. Written only when something changed.
"""
import os
import re
import sys

TALKERS = {"catalog", "cli"}


def rows(path, macro):
    with open(path) as f:
        return re.findall(r"^%s\((\w+)" % macro, f.read(), re.M)


def named(root):
    found = set()
    for base, _, files in os.walk(root):
        if os.path.relpath(base, root).split(os.sep)[0] in TALKERS:
            continue
        for name in files:
            if name.endswith(".c"):
                with open(os.path.join(base, name)) as f:
                    # a case label or a comparison only knows a reason that somebody else gives
                    text = re.sub(r"case REASON_\w+|[=!]= REASON_\w+", "", f.read())
                    found.update(re.findall(r"\b(?:REASON|SETTING)_\w+", text))
                    # a setting may have an accessor of its own: settings_host_name() reads SETTING_host_name
                    found.update("SETTING_" + name for name in re.findall(r"\bsettings_(\w+)\(", text))
    return found


def main():
    root, output = sys.argv[1:]
    found = named(root)
    lines = ["/* Written by enforced.py. */"]
    for macro, prefix, name in (("REASON", "REASON_", "REASON_IS_ENFORCED_"), ("SETTING", "SETTING_", "SETTING_IS_USED_")):
        path = os.path.join(root, "catalog", "reasons.def" if macro == "REASON" else "settings.def")
        lines += ["#define %s%s %d" % (name, row, prefix + row in found) for row in rows(path, macro)]
    text = "\n".join(lines) + "\n"
    if not os.path.exists(output) or open(output).read() != text:
        with open(output, "w") as f:
            f.write(text)


main()
