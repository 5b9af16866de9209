"""Mail that leaves is signed: dkimpy and our own verifier read what a next hop got, octet by octet; keys are made, checked and taken over while all runs."""
import json
import os
import stat
import subprocess

import postern_testing as pt
import pytest
from scripted_hop import Hop
from test_dkim import verify

dkim = pytest.importorskip("dkim")
CLIENT = "127.0.0.8"


class Signing(pt.Gateway):
    """A gateway whose submission port is open to CLIENT, and a hop that keeps what it is given."""

    def __init__(self, hop, settings=None, **more):
        self.hop = hop
        super().__init__(settings=dict({"submission_networks": [CLIENT + "/32"], "submission_require_tls": False, "max_line": "0", "check_subject": "off",
                                        "postmaster": "postmaster@acme.test"}, **(settings or {})),
                         domains={"out.test": {"routes": ["127.0.0.1:%d" % hop.port]}, "acme.test": {}}, tls=False, **more)
        self.settings["dkim_directory"] = self.path("dkim")
        self.records = {}

    def new_key(self, domain, *words):
        self.write_config()
        made = json.loads(self.cli("dkim", "new", domain, *words, "--json").stdout)
        self.records[made["name"]] = made["text"]
        return made

    def submit(self, message, sender="ann@acme.test", recipient="bob@out.test", port=None, parameters=""):
        count = len(self.hop.bodies)
        with_client = self.client(CLIENT, port or self.submission)
        for line in ("EHLO client.example.test", "MAIL FROM:<%s>%s" % (sender, parameters), "RCPT TO:<%s>" % recipient, "DATA"):
            assert with_client.ask(line)[-1][0] in "23"
        with_client.raw(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        assert with_client.reply()[-1].startswith("250")
        pt.poll(lambda: len(self.hop.bodies) > count)
        got = self.hop.bodies[count]
        return (got[1:] if got.startswith(b"..") else got).replace(b"\r\n..", b"\r\n.")

    def dkimpy(self, message):
        """dkimpy's word on each signature."""
        def text(name, timeout=5):
            found = self.records.get(name.decode().rstrip("."))
            return found.encode() if found else None
        count = message.split(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
        return [dkim.DKIM(message).verify(idx=i, dnsfunc=text) for i in range(count)]

    def ours(self, message):
        return [s[1] for s in verify(message, self.records)[0]]


def mail(body=b"hello\r\n", more=b"", author=b"Ann <ann@acme.test>"):
    return b"From: " + author + b"\r\nTo: bob@out.test\r\nSubject:  two   blanks\r\n\tand a fold\r\nMessage-ID: <1@acme.test>\r\n" + more + b"\r\n" + body


MESSAGES = {
    "plain": mail(),
    "empty": mail(b""),
    "dots, blanks, empty lines": mail(b".\r\n..\r\n a  b\t \r\n\r\n. \r\n\r\n\r\n"),
    "8 bit": mail("Grüße, \xff\r\n".encode("latin-1"), b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n"),
    "8 bit in the header": mail("Grüße\r\n".encode(), "X-Name: Jürgen\r\nSubject2: ö\r\n".encode()),
    "a long line": mail(b"x" * 60000 + b"\r\n" + b"y " * 9000 + b"\r\n"),
    "many fields": mail(more=b"".join(b"List-X: %d\r\n" % i for i in range(50)) + b"References:" + b"".join(b"\r\n <%d@acme.test>" % i for i in range(300)) + b"\r\n"),
    "a large body": mail(b"a line of the body, and another one  with blanks \r\n" * 40000),
    "comments and groups": mail(author=b'"Ann, of <eve@example.test>" (c) <ann@ACME.test>'),
    "below the domain": mail(author=b"<robot@shop.acme.test>"),
}


@pytest.fixture(scope="module", params=["with 8BITMIME", "seven bits only"])
def gateway(request):
    hop = Hop(**({} if request.param.startswith("with") else {"EHLO": b"250 hop.test\r\n"}))
    g = Signing(hop)
    made = [g.new_key("acme.test", "--selector", "r1"), g.new_key("acme.test", "--type", "ed25519", "--selector", "e1")]
    assert all(stat.S_IMODE(os.stat(m["file"]).st_mode) == 0o600 for m in made)
    with g:
        yield g


@pytest.mark.parametrize("name", MESSAGES)
def test_what_leaves_is_signed_with_every_key(gateway, name):
    got = gateway.submit(MESSAGES[name])
    assert gateway.ours(got) == ["pass", "pass"]
    assert gateway.dkimpy(got) == [True, True]
    assert gateway.ours(got.replace(b"two", b"too")) == ["fail", "fail"]
    assert gateway.ours(b"From: eve@example.test\r\n" + got) == ["fail", "fail"], "another From must not slip in"
    assert b"X-Sink" not in got and got.split(b"\r\n")[0].startswith(b"Received:")


def test_other_mail_is_not_signed(gateway):
    assert gateway.ours(gateway.submit(mail(author=b"eve@example.test"), sender="eve@example.test")) == []
    assert gateway.ours(gateway.submit(mail(), port=gateway.mx)) == [], "what only passes through is its author's to sign"


def test_our_reports_are_signed(gateway):
    with pt.Gateway.client(gateway, CLIENT, gateway.submission).socket as s:
        s.settimeout(pt.PATIENCE)
        lines = s.makefile("rwb", buffering=0)
        for line in (b"EHLO c.test", b"MAIL FROM:<ann@acme.test>", b"RCPT TO:<x@nowhere.invalid>", b"DATA"):
            lines.write(line + b"\r\n")
            while lines.readline()[3:4] == b"-":
                pass
        lines.write(mail() + b".\r\n")
        assert lines.readline().startswith(b"250")
    report = pt.poll(lambda: [m for m in gateway.sink.messages() if b"report-type=delivery-status" in m])[-1]
    assert gateway.ours(report) == ["pass", "pass"]
    assert gateway.dkimpy(report) == [True, True]


def test_keys_come_and_go_with_a_reload():
    hop = Hop()
    with Signing(hop) as g:
        assert g.ours(g.submit(mail())) == []
        g.new_key("acme.test", "--selector", "first")
        g.cli("reload")
        pt.poll(lambda: "the configuration is reloaded" in g.said())
        assert g.ours(g.submit(mail())) == ["pass"]
        second = g.new_key("acme.test", "--selector", "second")
        os.remove(os.path.join(os.path.dirname(second["file"]), "first.pem"))
        g.cli("reload")
        pt.poll(lambda: g.said().count("the configuration is reloaded") == 2)
        got = g.submit(mail())
        assert g.ours(got) == ["pass"] and b"s=second;" in got
        with open(os.path.join(os.path.dirname(second["file"]), "junk.pem"), "w") as f:
            f.write("no key\n")
        os.chmod(f.name, 0o600)
        assert "acme.test/junk is no private key" in g.cli("check", check=False).stderr
        g.cli("reload")
        pt.poll(lambda: "acme.test/junk is no private key" in g.said())
        assert g.ours(g.submit(mail())) == ["pass"], "a reload that fails leaves the old keys"


def test_the_command_makes_and_compares_keys():
    g = Signing(Hop(), sink=False)
    made = g.new_key("Acme.TEST", "--selector", "s1")
    assert made["name"] == "s1._domainkey.acme.test" and made["text"].startswith("v=DKIM1; k=rsa; p=")
    strings = made["zone"].split('"')[1::2]
    assert "".join(strings) == made["text"] and len(strings) == 2 and max(map(len, strings)) <= 255
    before = open(made["file"], "rb").read()
    again = g.cli("dkim", "new", "acme.test", "--selector", "s1", check=False)
    assert again.returncode == 73 and "File exists" in again.stderr and open(made["file"], "rb").read() == before
    assert g.cli("dkim", "new", "acme.test", "--selector", "../x", check=False).returncode == 64
    assert g.cli("dkim", "new", "acme.test", "--type", "dsa", check=False).returncode == 64
    assert g.cli("dkim", "new", "no domain", check=False).returncode == 64
    text = g.cli("dkim", "new", "acme.test", "--type", "ed25519").stdout
    assert "_domainkey.acme.test. IN TXT (" in text

    def states(zone, code):
        g.zone = zone
        g.write_config()
        done = g.cli("dkim", "check", "acme.test", "--json", check=False)
        assert done.returncode == code
        return {r["selector"]: r["state"] for r in json.loads(done.stdout)}
    first = states("nothing.test A 192.0.2.1\n", 1)
    assert len(first) == 2 and set(first.values()) == {"missing"}
    other = next(s for s in first if s != "s1")
    rows = json.loads(g.cli("dkim", "check", "acme.test", "--json", check=False).stdout)
    zone = "".join(r["zone"].replace(". IN TXT (", " TXT").replace(" )", "").replace("_domainkey.acme.test.", "_domainkey.acme.test") + "\n" for r in rows)
    assert states(zone, 0) == {"s1": "published", other: "published"}
    assert states(zone.replace("%s._domain" % other, "x._domain") + '%s._domainkey.acme.test TXT "v=DKIM1; k=ed25519; p=AAAA"\n' % other, 1)[other] == "another key"
    assert states(zone.replace("%s._domain" % other, "x._domain") + "%s._domainkey.acme.test TIMEOUT\n" % other, 1)[other] == "the DNS does not answer"
    assert g.cli("dkim", "check", "example.test", check=False).returncode == 1
    subprocess.run(["rm", "-rf", g.directory], check=True)
