"""DMARC: the tree walk and policies of RFC 9989, and the public vectors."""
import json
import os
import subprocess
import tempfile

import postern_testing as pt
import pytest

DRIVER = os.path.join(os.path.dirname(os.path.dirname(pt.binary())), "tests", "unit", "dmarc-driver")


def ask(zone, line):
    with tempfile.NamedTemporaryFile("w", suffix=".zone") as f:
        f.write(zone)
        f.flush()
        done = subprocess.run([DRIVER, f.name], input=line.encode() + b"\n", stdout=subprocess.PIPE, check=True, timeout=60)
    words = done.stdout.decode().strip()
    return dict(w.split("=", 1) for w in words.split(" ") if "=" in w) if words != "none" else None


def record(name, text):
    return '%s TXT "%s"\n' % (name, text.replace("\\", "\\\\").replace('"', '\\"'))


def check(zone, author, spf="", *dkim):
    return ask(zone, "\t".join(("check", author, spf) + dkim))


@pytest.mark.parametrize("why, zone, author, spf, dkim, expected", [
    ("the author's own record", {"a.mail.example.com": "v=DMARC1; p=reject"}, "a.mail.example.com", "", [], "result=fail policy=reject domain=a.mail.example.com"),
    ("the shortest name is the organisation", {"mail.example.com": "v=DMARC1; p=none", "example.com": "v=DMARC1; p=reject; sp=quarantine"},
     "a.mail.example.com", "", [], "result=fail policy=quarantine domain=example.com org=example.com sub=1"),
    ("psd=n ends the walk", {"mail.example.com": "v=DMARC1; p=reject; psd=n", "example.com": "v=DMARC1; p=none"}, "a.mail.example.com", "example.com", [],
     "result=fail policy=reject domain=mail.example.com org=mail.example.com spf=0"),
    ("psd=y: one label below", {"com": "v=DMARC1; p=reject; psd=y"}, "a.mail.example.com", "", ["b.example.com"], "result=pass org=example.com domain=com dkim=1"),
    ("psd=y: other organisations below", {"com": "v=DMARC1; p=reject; psd=y"}, "a.example.com", "", ["b.example2.com"], "result=fail policy=reject dkim=0"),
    ("no record of an organisation: that of the suffix is asked, sp counts", {"bank": "v=DMARC1; p=none; sp=reject; psd=y"}, "x.bank", "", [],
     "result=fail policy=reject domain=bank"),
    ("np for names that do not exist", {"example.com": "v=DMARC1; p=none; sp=none; np=reject"}, "missing.example.com", "", [], "policy=reject sub=1"),
    ("sp for names that exist", {"example.com": "v=DMARC1; p=none; sp=quarantine; np=reject", "+there.example.com": ""}, "there.example.com", "", [],
     "policy=quarantine sub=1"),
    ("more than eight labels", {"example.com": "v=DMARC1; p=reject"}, "a.b.c.d.e.f.g.h.i.j.mail.example.com", "", [], "result=fail policy=reject domain=example.com"),
    ("a record between is not asked for", {"j.i.mail.example.com": "v=DMARC1; p=none", "a.b.c.d.e.f.j.i.mail.example.com": "v=DMARC1; p=none",
                                         "b.c.d.e.f.j.i.mail.example.com": "v=DMARC1; p=reject; psd=n"},
     "x.a.b.c.d.e.f.j.i.mail.example.com", "", [], "domain=j.i.mail.example.com"),
    ("strict", {"example.com": "v=DMARC1; p=reject; adkim=s; aspf=s"}, "example.com", "a.example.com", ["a.example.com"], "result=fail spf=0 dkim=0"),
    ("relaxed", {"example.com": "v=DMARC1; p=reject"}, "a.example.com", "b.example.com", [], "result=pass spf=1 dkim=0"),
    ("test mode", {"example.com": "v=DMARC1; p=reject; t=y"}, "example.com", "", [], "result=fail policy=quarantine published=reject"),
    ("two records are none", {"example.com": ["v=DMARC1; p=reject", "v=DMARC1; p=none"]}, "example.com", "", [], "result=none"),
    ("no valid p, nobody to report to", {"example.com": "v=DMARC1; p=bob"}, "example.com", "", [], "result=none"),
    ("no valid p, somebody to report to", {"example.com": "v=DMARC1; p=bob; rua=mailto:a@example.com"}, "example.com", "", [], "result=fail policy=none"),
    ("the DNS fails", {"!example.com": ""}, "example.com", "", [], "result=temperror"),
    ("the DNS fails above the author's own record", {"a.example.com": "v=DMARC1; p=reject", "!example.com": ""}, "a.example.com", "a.example.com", [], "result=pass"),
    ("the DNS fails above it, and relaxed alignment hangs on that", {"a.example.com": "v=DMARC1; p=reject", "!example.com": ""}, "a.example.com", "other.test", [],
     "result=temperror"),
    ("the DNS fails above it, and strict alignment does not care", {"a.example.com": "v=DMARC1; p=reject; adkim=s; aspf=s", "!example.com": ""}, "a.example.com",
     "other.test", [], "result=fail policy=reject"),
    ("whether the name exists is not known, and np says otherwise", {"example.com": "v=DMARC1; p=reject; np=none", "?a.example.com": ""}, "a.example.com", "", [],
     "result=temperror"),
    ("whether the name exists is not known, and np says the same", {"example.com": "v=DMARC1; p=reject; np=reject", "?a.example.com": ""}, "a.example.com", "", [],
     "result=fail policy=reject"),
])
def test_tree_walk(why, zone, author, spf, dkim, expected):
    text = "there.example.com A 192.0.2.1\n" if "+there.example.com" in zone else ""
    for name, value in zone.items():
        if name.startswith("?"):
            text += "%s TIMEOUT\n" % name[1:]
            continue
        if name.startswith("!"):
            text += "_dmarc.%s TIMEOUT\n" % name[1:]
        elif not name.startswith("+"):
            text += "".join(record("_dmarc." + name, v) for v in (value if isinstance(value, list) else [value]))
    got = check(text, author, spf, *dkim)
    for pair in expected.split(" "):
        key, _, value = pair.partition("=")
        assert got[key] == value, "%s: %s, wanted %s" % (why, got, pair)


def domain_of(address):
    return address.rsplit("@", 1)[-1].strip(" <>").lower()


def zone_of(dns):
    text = ""
    for name, kinds in dns.items():
        for kind, value in kinds.items():
            if kind == "TXT" and isinstance(value, list):
                text += "".join(record(name, "".join(one)) for one in value)
            elif kind == "TXT" and isinstance(value, dict) and value.get("error") not in ("ENODATA", "ENOTFOUND"):
                text += "%s TIMEOUT\n" % name
    return text or "nothing.test A 192.0.2.1\n"


# What the vectors ask of another program's own shape, or of RFC 7489 where RFC 9989 says otherwise.
ELSEWHERE = {"result.pct": "pct was removed by RFC 9989 §9.3", "result.ri": "ri was removed", "result.rr": "the record as that program keeps it",
             "result.v": "implied", "result.alignment.dkim.underSized": "l= is evidence of DKIM here", "result.info": "that program's comment",
             "result.status.comment": "that program's comment", "result.error": "that program's words", "undefined": "", '"function"': "",
             "result.false": "", "result.tagonly": "", "result": "", "result#2": "", "result#2.status.result": "", "result#2.alignment.dkim.result": "",
             "result#2.alignment.dkim.underSized": ""}


def expectation(got, path, value):
    """None where it says nothing about us."""
    if path == "result.status.result":
        return got["result"] == value
    if path == "result.policy":
        return got["policy"] == value
    if path in ("result.p", "result.sp", "result.adkim", "result.aspf", "result.rua", "result.ruf", "result.fo"):
        return got[path[7:]] == str(value)
    if path == "result.domain":
        return got["org"] == value or got["domain"] == value
    if path == "result.isOrgRecord":
        return None
    if path == "result.alignment.dkim.strict":
        return got["adkim"] == ("s" if value is True else "r")
    if path == "result.alignment.spf.strict":
        return got["aspf"] == ("s" if value is True else "r")
    if path == "result.alignment.dkim.result":
        return got["dkim"] == ("0" if value is None else "1")
    if path == "result.alignment.spf.result":
        return got["spf"] == "1"
    return None


def test_public_vectors():
    path = pt.conformance("dmarc", "vectors.json")
    if not path:
        pytest.skip("the public DMARC vectors are not here")
    passed, wrong, elsewhere = 0, [], 0
    with open(path, encoding="utf-8") as f:
        vectors = json.load(f)
    for v in vectors:
        call = v["calls"][0]
        author = call.get("headerFrom", call.get("domain"))
        author = author[0] if isinstance(author, list) and len(author) == 1 else author
        if not isinstance(author, str):
            elsewhere += 1
            continue
        spf = [x["domain"] if isinstance(x, dict) else x for x in call.get("spfDomains", [])]
        got = check(zone_of(call["dns"]), domain_of(author), spf[0] if spf else "", *[x["domain"] if isinstance(x, dict) else x for x in call.get("dkimDomains", [])])
        said, fine = 0, True
        for path_, how, *value in v["expect"]:
            wanted = value[0] if value else {"true": True, "false": False}.get(how)
            if path_ == "result" and how == "false":
                answer = got["result"] == "none"
            else:
                answer = expectation(got, path_, None if how == "not.ok" else wanted)
            said += answer is not None
            fine = fine and answer is not False
        if not said:
            elsewhere += 1
        elif fine:
            passed += 1
        else:
            wrong.append("%s: %s, wanted %s" % (v["name"], got, v["expect"]))
    print("DMARC vectors: %d of %d, %d ask only about another program's own shape" % (passed, passed + len(wrong), elsewhere))
    for one in wrong:
        print("  " + one)
    assert len(wrong) <= len(EXPLAINED) and all(any(one.startswith(name) for name in EXPLAINED) for one in wrong)


# Name of the vector: why RFC 9989 wants it otherwise.
EXPLAINED = {}


def test_public_records():
    path = pt.conformance("dmarc", "parsing", "parse.tsv")
    if not path:
        pytest.skip("the public DMARC records are not here")
    same, other = 0, []
    with open(path, encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f][1:]
    for text, expected in rows:
        got = ask("nothing.test A 192.0.2.1\n", "parse\t" + text)
        ours = "OKAY" if got and got["spoiled"] == "0" else "ERROR"
        if ours in expected:
            same += 1
        else:
            other.append((text, expected, ours))
    print("DMARC records: %d of %d as OpenDMARC has them" % (same, len(rows)))
    for text, expected, ours in other:
        print("  %r: %s, ours %s" % (text, expected, ours))
    # RFC 9989 §4.8: what is wrong in a tag is as if the tag were not there; OpenDMARC refuses the record
    assert all("BAD_VALUE" in expected and ours == "OKAY" or "n;" in text for text, expected, ours in other)
