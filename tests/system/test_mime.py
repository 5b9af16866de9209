"""How messages are read, beside what others made of the same mail: part trees, decoded content, names (public test material)."""
import base64
import collections
import glob
import json
import os
import re
import subprocess

import pytest

import postern_testing as pt

TREE = os.path.join(os.path.dirname(os.path.dirname(pt.binary())), "tests", "unit", "mime-tree")
MIMETOOLS = pt.conformance("mime", "mimetools")
MAIL_PARSER = pt.conformance("mime", "mail-parser", "eml")
TORTURE = pt.conformance("mime", "crispin-torture.eml")
CORPUS = pt.conformance("corpus-spamassassin")
ABSENT = "the public test material (POSTERN_CONFORMANCE) is not at hand"

# What differs from the expectation, and why that is right for a gateway.
KNOWN = {
    "frag.msg": "base64 cut off in a group of three letters: its two octets are given, as Thunderbird and others do; mime4j drops them",
    "multi-frag.msg": "the same",
    "hdr-fakeout.msg": "mime4j skips a line that is no field and finds no body; here the header ends there, as for the rest of the gateway",
    "legacy/017": "x-uuencode is decoded here, mail-parser leaves it",
    "legacy/026": "x-uuencode is decoded here, mail-parser leaves it",
    "legacy/048": "x-uuencode is decoded here, mail-parser leaves it",
    "legacy/016": "a name in raw ISO-8859-1 is read as such, mail-parser gives a replacement character",
    "legacy/023": "a name in raw ISO-8859-1 is read as such, mail-parser gives a replacement character",
    "legacy/049": "the file ends in a lone CR, which stays here",
    "rfc/000": "base64 declared, text inside: mail-parser shows the text; here both are read, the text by a second reading",
}


def read(*paths):
    out = subprocess.run([TREE, "--content", *paths], stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def first_reading(message):
    return [p for p in message["parts"] if not p["second"]]


def octets(part):
    return base64.b64decode(part["content"])


def lf(data):
    return data.replace(b"\r\n", b"\n")


def report(suite, results):
    """RESULTS: name to what differs ("" nothing). All that differ must be known, and what is known must still differ."""
    missed = {name: why for name, why in results.items() if why}
    print("%s: %d of %d" % (suite, len(results) - len(missed), len(results)))
    for name, why in sorted(missed.items()):
        print("  %s: %s (%s)" % (name, why, KNOWN.get(name, "unexplained")))
    assert not [name for name in missed if name not in KNOWN]
    assert not [name for name in results if name in KNOWN and name not in missed]


def mimetools_difference(path):
    stem = path[:-4]
    files = glob.glob(glob.escape(stem) + "_decoded_[0-9]*")
    files.sort(key=lambda f: [int(n) for n in re.search(r"_decoded_([\d_]+)\.", f).group(1).split("_")])
    leaves = [p for p in first_reading(read(path)[0]) if p["leaf"]]
    if len(leaves) != len(files):
        return "%d parts, not %d" % (len(leaves), len(files))
    for part, file in zip(leaves, files):
        with open(file, "rb") as f:
            expected = f.read()
        if octets(part) != expected and lf(octets(part)) != lf(expected):
            return "part %s has %d octets, not %d" % (part["path"], part["size"], len(expected))
    return ""


@pytest.mark.skipif(not MIMETOOLS, reason=ABSENT)
def test_every_part_decodes_as_mime4j_has_it():
    messages = sorted(glob.glob(os.path.join(MIMETOOLS, "*.msg")))
    assert messages
    report("mimetools", {os.path.basename(m): mimetools_difference(m) for m in messages})


def expected_parts(message, index=0):
    """mail-parser's reading as a flat list of (kind, content, name)."""
    part = message["parts"][index]
    kind, value = next(iter(part["body"].items()))
    names = {}
    for header in part["headers"]:
        if isinstance(header["value"], dict) and "ContentType" in header["value"]:
            for attribute in header["value"]["ContentType"]["attributes"] or []:
                names.setdefault((header["name"], attribute["name"]), attribute["value"])
    name = names.get(("content_disposition", "filename")) or names.get(("content_type", "name")) or ""
    found = [(kind, value, name)]
    if kind == "Multipart":
        found = [(kind, None, name)] + [p for child in value for p in expected_parts(message, child)]
    elif kind == "Message":
        found = [(kind, None, name)] + expected_parts(value)
    return found


def same_text(part, expected):
    """Charsets are another module's, tested there: here Python decodes."""
    data = lf(octets(part))
    for charset in (part["charset"], "utf-8", "latin-1", "cp1252"):
        try:
            if data.decode(charset) == expected.replace("\r\n", "\n"):
                return True
        except (LookupError, UnicodeDecodeError):
            pass
    return data.decode("utf-8", "replace") == expected.replace("\r\n", "\n")


def mail_parser_difference(stem):
    with open(stem + ".json", encoding="utf-8") as f:
        expected = expected_parts(json.load(f))
    got = first_reading(read(stem + ".eml")[0])
    if len(got) != len(expected):
        return "%d parts, not %d" % (len(got), len(expected))
    for part, (kind, content, name) in zip(got, expected):
        if kind in ("Multipart", "Message"):
            if part["leaf"]:
                return "part %s is no %s" % (part["path"], kind)
        elif kind in ("Text", "Html"):
            if not same_text(part, content):
                return "part %s reads differently" % part["path"]
        elif lf(octets(part)) != lf(bytes(content)):
            return "part %s has %d octets, not %d" % (part["path"], part["size"], len(content))
        if part["name"] != name:
            return "part %s is named %r, not %r" % (part["path"], part["name"], name)
    return ""


@pytest.mark.skipif(not MAIL_PARSER, reason=ABSENT)
def test_trees_are_those_of_mail_parser():
    stems = sorted(m[:-4] for m in glob.glob(os.path.join(MAIL_PARSER, "*", "*.eml")))
    assert stems
    report("mail-parser", {os.path.relpath(s, MAIL_PARSER): mail_parser_difference(s) for s in stems})


@pytest.mark.skipif(not TORTURE, reason=ABSENT)
def test_the_torture_test_has_52_nodes():
    message = read(TORTURE)[0]
    assert len(message["parts"]) == message["count"] == 52
    assert not [f for f in message["findings"] if f["ambiguous"]]
    audio = [p for p in message["parts"] if p["type"] == "audio/basic" and p["path"].startswith("11.")]
    assert len(audio) == 2 and audio[0]["encoding"] != audio[1]["encoding"] and audio[0]["size"] == audio[1]["size"]


@pytest.mark.skipif(not CORPUS, reason=ABSENT)
def test_ham_is_hardly_ever_called_ambiguous():
    files = sorted(glob.glob(os.path.join(CORPUS, "*ham*", "*")))
    found, ambiguous = collections.Counter(), 0
    for i in range(0, len(files), 500):
        for message in read(*files[i:i + 500]):
            ambiguous += any(f["ambiguous"] for f in message["findings"])
            found.update({f["defect"] for f in message["findings"]})
    print("%d of %d ham messages are ambiguous; findings: %s" % (ambiguous, len(files), dict(found)))
    assert len(files) > 4000
    assert ambiguous * 1000 < len(files)
