"""ARC seals: what we add to a chain dkimpy and our own verifier accept, what dkimpy adds to ours too; when the gate seals, and what it says."""
import base64
import json
import os
import re
import subprocess

import postern_testing as pt
import pytest
from test_dkim import DRIVER, crlf, need, read, verify, zone_text

dkim = pytest.importorskip("dkim")
yaml = pytest.importorskip("yaml")
SIGNED = [b"from", b"to", b"subject", b"date", b"message-id"]


class Keys:
    """Key files as `postern dkim new` makes them, and their records."""

    def __init__(self, directory):
        self.directory, self.records = str(directory), {}
        os.chmod(self.directory, 0o755)

    def new(self, domain, kind="rsa", selector="s1"):
        with open(os.path.join(self.directory, "keys.conf"), "w") as f:
            f.write('host_name = "mx.test"\ndkim_directory = "%s"\n' % self.directory)
        made = json.loads(subprocess.run([pt.binary(), "dkim", "new", domain, "--type", kind, "--selector", selector, "--json", "--config", f.name],
                                         check=True, capture_output=True).stdout)
        self.records[made["name"]] = made["text"]

    def pem(self, domain, selector="s1"):
        """As dkimpy wants an RSA key."""
        path = os.path.join(self.directory, domain, selector + ".pem")
        return subprocess.run(["openssl", "rsa", "-in", path, "-traditional"], check=True, capture_output=True).stdout

    def seal(self, message, domain, records=None, now=1700000000):
        path = os.path.join(self.directory, "zone")
        with open(path, "w") as f:
            f.write(zone_text(dict(self.records, **(records or {}))))
        return subprocess.run([DRIVER, "seal", self.directory, domain, path, str(now)], input=message, stdout=subprocess.PIPE, check=True, timeout=60).stdout

    def ours(self, message, records=None, now=1700000000):
        return verify(message, dict(self.records, **(records or {})), now)[1]

    def dkimpy(self, message, records=None):
        known = dict(self.records, **(records or {}))

        def text(name, timeout=5):
            found = known.get(name.decode().rstrip(".").lower())
            return found.encode() if found else None
        return (dkim.arc_verify(message, dnsfunc=text)[0] or b"ended").decode()

    def seal_by_dkimpy(self, message, domain, says):
        own = b"Authentication-Results: %s; " % domain.encode()
        raw = own + says.encode() + b"\r\n" + re.sub(rb"(?m)^" + own + rb".*\r\n", b"", message)
        lines = dkim.arc_sign(raw, b"s1", domain.encode(), self.pem(domain), domain.encode(), include_headers=SIGNED)
        assert lines
        return b"".join(lines) + raw


MAIL = crlf(b"DKIM-Signature: v=1; a=rsa-sha256; d=author.test; s=x; h=from; bh=AAAA; b=AAAA\nFrom: Ann <ann@author.test>\nTo: bob@example.test\n"
            b"Subject:  two   blanks\n\tand a fold\nDate: Tue, 24 Nov 2026 14:11:00 +0000\nMessage-ID: <1@author.test>\n\na  line \n\n with blanks\t\n\n\n")


def instances(message, name=b"ARC-Seal"):
    header = message.split(b"\r\n\r\n")[0]
    return [int(i) for i in re.findall(rb"^%s: i=(\d+);" % name, header, re.M)]


@pytest.fixture
def keys(tmp_path):
    k = Keys(tmp_path)
    k.new("one.test")
    k.new("two.test")
    return k


def test_a_first_seal_holds_and_covers_what_is_read(keys):
    sealed = keys.seal(MAIL, "one.test")
    assert sealed.endswith(MAIL) and sealed.startswith(b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=one.test;")
    assert keys.ours(sealed) == "pass" and keys.dkimpy(sealed) == "pass"
    for before, after in ((b"two", b"too"), (b"with", b"without"), (b"dmarc=pass", b"dmarc=fail"), (b"d=author.test", b"d=auther.test"), (b"cv=none", b"cv=pass")):
        assert before in sealed
        assert keys.ours(sealed.replace(before, after)) == "fail" and keys.dkimpy(sealed.replace(before, after)) == "fail"
    assert keys.ours(b"From: eve@example.test\r\n" + sealed) == "fail", "another From must not slip in"
    assert keys.ours(b"Authentication-Results: x.test; none\r\nReceived: by x.test; now\r\n" + sealed) == "pass"


def test_chains_go_on_from_hand_to_hand(keys):
    message = MAIL
    for step in range(1, 9):
        if step % 2:
            message = keys.seal_by_dkimpy(message, "two.test", "arc=pass; spf=pass" if step > 1 else "spf=pass smtp.mailfrom=author.test")
        else:
            message = keys.seal(message, "one.test")
        assert keys.ours(message) == "pass" and keys.dkimpy(message) == "pass", step
        assert max(instances(message) + [int(i) for i in re.findall(rb"ARC-Seal: i=(\d+)", message)]) == step


def test_ours_first_then_dkimpy(keys):
    message = keys.seal_by_dkimpy(keys.seal(MAIL, "one.test"), "two.test", "arc=pass; spf=pass")
    assert keys.ours(message) == "pass" and keys.dkimpy(message) == "pass"
    message = keys.seal(message, "one.test")
    assert keys.ours(message) == "pass" and keys.dkimpy(message) == "pass"


def test_ed25519_seals_where_there_is_no_rsa(keys):
    keys.new("three.test", "ed25519")
    keys.new("both.test", "ed25519", "e")
    keys.new("both.test", "rsa", "r")
    assert b"a=ed25519-sha256" in keys.seal(MAIL, "three.test")
    assert keys.ours(keys.seal(MAIL, "three.test")) == "pass"
    assert b"s=r;" in keys.seal(MAIL, "sub.both.test") and b"ed25519" not in keys.seal(MAIL, "sub.both.test")


def test_a_broken_chain_is_sealed_as_broken_and_ends(keys):
    broken = keys.seal(keys.seal(MAIL, "one.test"), "one.test").replace(b"two  ", b"too  ")
    ended = keys.seal(broken, "two.test")
    assert ended.startswith(b"ARC-Seal: i=3; a=rsa-sha256; cv=fail; d=two.test;")
    assert keys.ours(ended) == "fail" and keys.dkimpy(ended) in ("fail", "ended")
    seals = verify(ended, keys.records, 1700000000)[0]
    # its own seal covers its own set only (RFC 8617 §5.1.2), and so it can be verified by who wants to
    alone = re.sub(rb"ARC-Seal: i=[12];.*?ARC-Authentication-Results: i=[12];.*?(?=\r\n[A-Z])\r\n", b"", ended, flags=re.S)
    assert instances(alone) == [3] and [s[1] for s in verify(alone, keys.records, 1700000000)[0]][:2] == ["pass", "pass"], seals
    assert keys.seal(ended, "one.test") == ended


def test_fifty_are_the_most(keys):
    message = MAIL
    for _ in range(50):
        message = keys.seal(message, "one.test")
    assert sorted(instances(message)) == list(range(1, 51)) and keys.ours(message) == "pass" and keys.dkimpy(message) == "pass"
    assert keys.seal(message, "one.test") == message


def test_nothing_is_sealed_without_a_key_or_what_changes_on_the_way(keys):
    for domain, message in (("none.test", MAIL), ("one.test", MAIL.replace(b"with blanks", b"with\nblanks")), ("one.test", MAIL.replace(b"From:", b"X-From:")),
                            ("one.test", b" folded: first\r\n" + MAIL)):
        assert keys.seal(message, domain) == message


def test_the_public_suite_is_sealed_and_holds(keys):
    """All messages of the validation suite, and the inputs of its signing cases (whose fixed h= and layout are another signer's): sealed by us, judged by dkimpy."""
    need("arc", "tests")
    right, wrong = 0, []
    for name in ("arc-draft-validation-tests.yml", "unused_tests.yml"):
        for scenario in yaml.safe_load_all(read("arc", "tests", name).decode("utf-8")):
            records = {n.lower(): " ".join(text.split("\n")) for n, text in (scenario.get("txt-records") or {}).items()}
            for case, test in scenario["tests"].items():
                message = crlf(test["message"].encode("utf-8"))
                before, sealed = keys.ours(message, records), keys.seal(message, "one.test", records)
                new = re.match(rb"ARC-Seal: i=(\d+); a=rsa-sha256; cv=(\w+); d=one.test", sealed)
                after, theirs = keys.ours(sealed, records), keys.dkimpy(sealed, records)
                if not re.search(rb"(?im)^From:", message.split(b"\r\n\r\n")[0]):
                    fine = sealed == message
                elif before == "fail":
                    fine = sealed == message or (new and new.group(2) == b"fail" and after == "fail" and theirs in ("fail", "ended"))
                else:
                    fine = new and new.group(2).decode() == before and after == "pass" and theirs == "pass"
                right += bool(fine)
                if not fine:
                    wrong.append((case, before, new and new.group(0), after, theirs))
    print("ARC suite, sealed: %d of %d" % (right, right + len(wrong)))
    for one in wrong:
        print("  %s" % (one,))
    assert not wrong


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    k = Keys(tmp_path_factory.mktemp("keys"))
    for domain in ("postern.test", "always.test", "list.test"):
        k.new(domain)
    zone = zone_text(k.records) + "\n".join(['author.test. TXT "v=spf1 ip4:127.0.0.0/8 -all"', "author.test. A 127.0.3.1", "1.3.0.127.in-addr.arpa. PTR mta.author.test.",
                                             "mta.author.test. A 127.0.3.1", "2.3.0.127.in-addr.arpa. PTR mta.author.test.", "3.3.0.127.in-addr.arpa. TIMEOUT",
                                             "slow._domainkey.list.test. TIMEOUT"]) + "\n"
    domains = {"acme.test": {}, "always.test": {"arc_seal": "always"}, "named.test": {"arc_seal": "always", "arc_domain": "list.test"}, "off.test": {"arc_seal": "off", "srs": True},
               "forwarded.test": {"srs": True}, "keyless.test": {"arc_seal": "always", "arc_domain": "keyless.test"}}
    settings = {"dkim_directory": k.directory, "check_ptr": "score", "max_connections_per_minute": "0", "normalize_line_endings_from": ["127.0.3.2/32"],
                "submission_networks": ["127.0.3.1/32"], "submission_require_tls": False}
    if os.geteuid() == 0:
        subprocess.run(["chmod", "-R", "a+rX", k.directory], check=True)
        subprocess.run("chmod 600 %s/*/*.pem" % k.directory, shell=True, check=True)
    with pt.Gateway(settings=settings, domains=domains, zone=zone) as g:
        g.keys = k
        yield g


def passed_on(gateway, message, to, source="127.0.3.1", port=None):
    """The message as the next hop got it, without what the sink put before it."""
    mark = b"X-Mark: %s\r\n" % base64.b16encode(os.urandom(6))
    message = mark + message
    client = gateway.client(source=source, port=port)
    try:
        for line in ("EHLO client.author.test", "MAIL FROM:<ann@author.test>", *("RCPT TO:<%s>" % t for t in to.split()), "DATA"):
            reply = client.ask(line)
            assert reply[-1][0] in "23", reply
        client.raw(message + b".\r\n")
        reply = client.reply()
        assert reply[-1].startswith("250"), reply
    finally:
        client.close()
    found = pt.poll(lambda: next((m for m in gateway.sink.messages() if mark in m), None))
    return re.sub(rb"^(X-Sink[^\r\n]*\r\n|Return-Path[^\r\n]*\r\n)+", b"", found)


def results(message, name=b"ARC-Authentication-Results"):
    found = re.search(rb"^%s: (.*?)\r\n(?![ \t])" % name, message, re.S | re.M)
    return b" ".join(found.group(1).split()).decode()


def test_what_is_forwarded_is_sealed(gateway):
    got = passed_on(gateway, MAIL, "ann@forwarded.test")
    assert instances(got) == [1] and b"d=postern.test" in got, "the host's keys seal where the domain has none"
    assert gateway.keys.ours(got, now=0) == "pass" and gateway.keys.dkimpy(got) == "pass"
    said = results(got)
    assert said.startswith('i=1; mx.postern.test; iprev=pass (mta.author.test) policy.iprev=127.0.3.1; spf=pass smtp.mailfrom=author.test; dkim=permerror')
    assert said.endswith("arc=none") and " arc=" not in results(got, b"Authentication-Results")


@pytest.mark.parametrize("to,domain", [("a@acme.test", None), ("a@off.test", None), ("a@keyless.test", None), ("a@always.test", b"always.test"),
                                       ("a@named.test", b"list.test"), ("a@off.test a@always.test", b"always.test")])
def test_settings_of_the_domain_decide(gateway, to, domain):
    got = passed_on(gateway, MAIL, to)
    assert re.findall(rb"ARC-Seal: i=1;.*?d=([a-z.]+);", got) == ([domain] if domain else [])


def test_what_is_changed_is_sealed(gateway):
    forged = passed_on(gateway, b"Authentication-Results: mx.postern.test; dmarc=pass\r\n" + MAIL, "a@acme.test")
    assert instances(forged) == [1] and gateway.keys.dkimpy(forged) == "pass" and b"iprev=pass" in forged
    normalised = passed_on(gateway, MAIL.replace(b"a  line", b"a\nline"), "a@acme.test", source="127.0.3.2")
    assert instances(normalised) == [1] and gateway.keys.dkimpy(normalised) == "pass" and b"a\r\nline" in normalised


def test_a_chain_that_arrives_is_continued(gateway):
    once = gateway.keys.seal_by_dkimpy(MAIL, "list.test", "dmarc=pass header.from=author.test")
    got = passed_on(gateway, once, "a@forwarded.test")
    assert gateway.keys.dkimpy(got) == "pass" and gateway.keys.ours(got, now=0) == "pass"
    assert "arc=pass smtp.remote-ip=127.0.3.1 header.oldest-pass=0" in results(got)
    again = gateway.keys.seal_by_dkimpy(got, "always.test", "arc=pass; spf=none")
    assert gateway.keys.dkimpy(again) == "pass" and gateway.keys.ours(again, now=0) == "pass"


def test_a_broken_chain_is_said_to_be_broken(gateway):
    once = gateway.keys.seal_by_dkimpy(MAIL, "list.test", "dmarc=pass header.from=author.test").replace(b"blanks", b"blinks")
    got = passed_on(gateway, once, "a@forwarded.test")
    assert re.search(rb"ARC-Seal: i=2; a=rsa-sha256; cv=fail; d=postern.test", got) and "arc=fail" in results(got)
    assert instances(passed_on(gateway, got, "a@forwarded.test")) == instances(got), "and nothing is sealed behind it"


def test_a_chain_that_the_dns_hides_is_not_called_broken(gateway):
    once = gateway.keys.seal_by_dkimpy(MAIL, "list.test", "dmarc=pass header.from=author.test").replace(b"s=s1;", b"s=slow;")
    assert b"d=postern.test" not in passed_on(gateway, once, "a@forwarded.test")


def test_our_own_mail_is_not_sealed(gateway):
    assert instances(passed_on(gateway, MAIL, "a@always.test", port=gateway.submission)) == []


@pytest.mark.parametrize("source,said", [("127.0.3.1", "iprev=pass (mta.author.test) policy.iprev=127.0.3.1;"), ("127.0.3.2", "iprev=fail (mta.author.test) policy.iprev=127.0.3.2;"),
                                         ("127.0.3.3", "iprev=temperror policy.iprev=127.0.3.3;"), ("127.0.3.4", "iprev=permerror policy.iprev=127.0.3.4;")])
def test_the_clients_name_is_among_the_results(gateway, source, said):
    assert results(passed_on(gateway, MAIL, "a@acme.test", source=source), b"Authentication-Results").startswith("mx.postern.test; " + said)
