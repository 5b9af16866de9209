#!/usr/bin/python3
"""check_catalogue.py: the catalogue against everything that should follow from it. Prints what is missing and fails.

Each reason has its page and each page its reason; each reason that the build gives on the wire is named by a dialogue or a system
test; no reply text stands outside the catalogue.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def rows():
    return re.findall(r"^REASON\((\w+), ([a-z0-9-]+), (\w+), (\w+),", read("src", "catalog", "reasons.def"), re.M)


def enforced():
    with tempfile.TemporaryDirectory() as d:
        output = os.path.join(d, "enforced.inc")
        subprocess.run([sys.executable, os.path.join(ROOT, "src", "catalog", "enforced.py"), os.path.join(ROOT, "src"), output], check=True)
        with open(output) as f:
            return set(re.findall(r"REASON_IS_ENFORCED_(\w+) 1", f.read()))


def main():
    problems, table, given = [], rows(), enforced()
    slugs, pages = {slug for _, slug, _, _ in table}, {os.path.basename(p)[:-3] for p in glob.glob(os.path.join(ROOT, "docs", "reasons", "*.md"))}
    problems += ["no page: docs/reasons/%s.md" % s for s in sorted(slugs - pages)]
    problems += ["no row for docs/reasons/%s.md" % s for s in sorted(pages - slugs)]
    problems += ["docs/reasons/%s.md is a draft" % s for s in sorted(pages) if "DRAFT" in read("docs", "reasons", s + ".md")]
    tests = "".join(read(p) for p in glob.glob(os.path.join(ROOT, "tests", "dialogue", "*.smtp")) +
                    glob.glob(os.path.join(ROOT, "tests", "system", "test_*.py")) + glob.glob(os.path.join(ROOT, "tests", "unit", "test_*.c")))
    problems += ["no dialogue or test names %s" % name for name, _, kind, _ in table
                 if name in given and not re.search(r"\b(REASON_)?%s\b" % name, tests)]
    for path in glob.glob(os.path.join(ROOT, "src", "**", "*.c"), recursive=True):
        place = os.path.relpath(path, ROOT)
        if place.startswith("src/catalog") or place == "src/cli/sink.c":  # the sink plays somebody else's server
            continue
        for number, line in enumerate(read(place).splitlines(), 1):
            if re.search(r'"[245]\d\d[ -][245]\.\d+\.\d+', line):
                problems.append("%s:%d: a reply text outside the catalogue" % (place, number))
    print("\n".join(problems) or "the catalogue is complete: %d reasons, %d of them given by this build" % (len(table), len(given)))
    sys.exit(1 if problems else 0)


main()
