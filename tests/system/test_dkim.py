"""Signatures: the public material for canonical forms, DKIM and ARC, and dkimpy's opinion on what it signs itself."""
import os
import re
import subprocess
import tempfile

import postern_testing as pt
import pytest

yaml = pytest.importorskip("yaml")
DRIVER = os.path.join(os.path.dirname(os.path.dirname(pt.binary())), "tests", "unit", "dkim-driver")


def crlf(data):
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def drive(message, *words):
    return subprocess.run([DRIVER] + list(words), input=message, stdout=subprocess.PIPE, check=True, timeout=60).stdout


def zone_text(records):
    """RECORDS: name to text, None (the DNS fails)."""
    lines = []
    for name, text in records.items():
        if text is None:
            lines.append("%s TIMEOUT" % name)
        elif text:
            lines.append("%s TXT %s" % (name, " ".join('"%s"' % re.sub(r"[^A-Za-z0-9 =:.+/-]", lambda m: "\\%03d" % ord(m.group()), text[i:i + 200])
                                                        for i in range(0, len(text), 200))))
    return "\n".join(lines or ["nothing.test A 192.0.2.1"]) + "\n"


def verify(message, records, now=0):
    with tempfile.NamedTemporaryFile("w", suffix=".zone") as f:
        f.write(zone_text(records))
        f.flush()
        lines = drive(message, "verify", f.name, str(now)).decode("utf-8", "replace").splitlines()
    return [line.split(" ") for line in lines[:-1]], lines[-1].split(" ")[1], "\n".join(lines)


def read(*path):
    with open(pt.conformance(*path), "rb") as f:
        return f.read()


def need(*path):
    if not pt.conformance(*path):
        pytest.skip("the public material %s is not here" % "/".join(path))


def test_canonical_forms():
    need("dkim", "canonicalization")
    folder = pt.conformance("dkim", "canonicalization")
    numbers = sorted(n[6:] for n in os.listdir(folder) if n.startswith("email."))
    wrong = []
    for number in numbers:
        mail = crlf(read("dkim", "canonicalization", "email." + number))
        for kind in ("simple", "relaxed"):
            wanted = crlf(read("dkim", "canonicalization", "%s.expected.%s" % (kind, number)))
            got = drive(mail, "canonical", "header", kind) + b"\r\n" + drive(mail, "canonical", "body", kind)
            if got != wanted:
                wrong.append((number, kind, got, wanted))
    print("canonical forms: %d of %d" % (2 * len(numbers) - len(wrong), 2 * len(numbers)))
    assert not wrong, wrong[:2]


def test_rfc_examples():
    need("dkim", "rfc-examples")
    records = dict(line.split("\t", 1) for line in read("dkim", "rfc-examples", "DNS.tsv").decode().splitlines())
    rows = [line.split("\t") for line in read("dkim", "rfc-examples", "EXPECTED.tsv").decode().splitlines()][1:]
    wrong = []
    for name, *expected in rows:
        signatures, _, text = verify(crlf(read("dkim", "rfc-examples", name)), records)
        wanted = "pass" if name.startswith("verified") else "none" if name.startswith("unsigned") else "many"
        results = [s[1] for s in signatures]
        # with the Ed25519 example the DNS of the material serves another RSA key than the mail was signed with
        fine = {"pass": "pass" in results and ("fail" not in results or "Ed25519" in name), "none": not results, "many": len(results) <= 16}[wanted]
        if not fine:
            wrong.append((name, expected, text))
    print("RFC examples: %d of %d" % (len(rows) - len(wrong), len(rows)))
    assert not wrong


def test_classic_corpus():
    need("dkim", "classic-corpus")
    records = {}
    for line in read("dkim", "classic-corpus", "FAKE_DNS.dat").decode("latin-1").splitlines():
        found = re.match(r"(\S+)\s+(.*)", line)
        if found and not line.startswith("#"):
            text = found.group(2).strip()
            records[found.group(1)] = "" if text == "NXDOMAIN" else None if text.startswith("~~") else text
    rows = [line.split("\t") for line in read("dkim", "classic-corpus", "EXPECTED.tsv").decode("latin-1").splitlines()][1:]
    wrong = []
    for row in rows:
        signatures, _, text = verify(crlf(read("dkim", "classic-corpus", "corpus", row[0])), records)
        passes = any(s[0] == "dkim" and s[1] == "pass" for s in signatures)
        if passes != row[-1].startswith("pass"):
            wrong.append((row, text))
    print("classic corpus: %d of %d" % (len(rows) - len(wrong), len(rows)))
    for one in wrong:
        print("  %s" % (one,))
    assert not wrong


# The points of draft 18 that RFC 8617 does not have, as other verifiers leave them out too.
DRAFT_18 = {"ams_fields_c_na", "as_format_tags_sc", "as_format_tags_key_case", "as_format_tags_dup", "as_format_inv_tag_key", "ams_fields_h_empty_added"}


def test_arc_suite():
    need("arc", "tests")
    right, wrong = 0, []
    for scenario in yaml.safe_load_all(read("arc", "tests", "arc-draft-validation-tests.yml").decode("utf-8")):
        records = {name: " ".join(text.split("\n")) for name, text in (scenario.get("txt-records") or {}).items()}
        for name, test in scenario["tests"].items():
            _, chain, text = verify(crlf(test["message"].encode("utf-8")), records)
            wanted = (test["cv"] or "").lower()
            fine = chain == wanted if wanted else chain != "pass"
            right += fine
            if not fine:
                wrong.append((name, wanted, text))
    print("ARC suite: %d of %d" % (right, right + len(wrong)))
    for one in wrong:
        print("  %s: wanted %s\n%s" % one)
    assert not [one for one in wrong if one[0] not in DRAFT_18]


@pytest.mark.parametrize("canon", [(b"relaxed", b"relaxed"), (b"simple", b"simple"), (b"relaxed", b"simple"), (b"simple", b"relaxed")])
@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_what_dkimpy_signs_we_verify(tmp_path, kind, canon):
    dkim = pytest.importorskip("dkim")
    message = crlf(b"From: Ann <ann@acme.test>\nTo: bob@example.test\nSubject:  two   blanks\n\tand a fold\nDate: Tue, 24 Nov 2026 14:11:00 +0000\n\n"
                   b"a  line \n\n with blanks\t\n\n\n")
    if kind == "rsa":
        subprocess.run(["openssl", "genrsa", "-traditional", "-out", str(tmp_path / "k"), "2048"], check=True, stderr=subprocess.DEVNULL)
        key = (tmp_path / "k").read_bytes()
        public = subprocess.run(["openssl", "rsa", "-in", str(tmp_path / "k"), "-pubout"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
        record = "v=DKIM1; k=rsa; p=" + "".join(public.decode().splitlines()[1:-1])
        algorithm = b"rsa-sha256"
    else:
        nacl = pytest.importorskip("nacl.signing")
        import base64
        signing = nacl.SigningKey.generate()
        key, algorithm = base64.b64encode(bytes(signing)), b"ed25519-sha256"
        record = "v=DKIM1; k=ed25519; p=" + base64.b64encode(bytes(signing.verify_key)).decode()
    signature = dkim.sign(message, b"sel", b"acme.test", key, canonicalize=canon, signature_algorithm=algorithm)
    signed = signature + message
    records = {"sel._domainkey.acme.test": record}
    assert verify(signed, records)[0][0][1] == "pass"
    assert verify(signed.replace(b"with", b"without"), records)[0][0][1] == "fail"
    assert verify(signed.replace(b"two", b"three"), records)[0][0][1] == "fail"
    assert verify(signed, {})[0][0][1] == "permerror"
    assert verify(signed, {"sel._domainkey.acme.test": None})[0][0][1] == "temperror"
