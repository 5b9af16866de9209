"""The public material that others wrote, said to the running gateway: addresses, dialogues, and sessions that fuzzers start from."""
import os
import re
import xml.etree.ElementTree

import pytest

import postern_testing as pt

ROOMY = {"max_syntax_errors": "1000", "max_unknown_commands": "1000", "max_invalid_recipients": "0", "max_connections_per_minute": "0",
         "max_concurrent_connections": "0", "check_greeting": "off", "check_header_count": "off"}


def material(*path):
    found = pt.conformance(*path)
    if not found:
        pytest.skip("the public material is not at hand: %s" % "/".join(path))
    return found


@pytest.fixture(scope="module")
def gateway():
    with pt.Gateway(settings=ROOMY, domains={"mydomain.tld": {}}) as g:
        yield g


class Speaker:
    """Says one command after the other, on a new connection where the last was closed."""

    def __init__(self, gateway):
        self.gateway, self.client = gateway, None

    def ask(self, raw):
        if not self.client:
            self.client = self.gateway.client()
            self.client.ask("EHLO client.example.test")
        self.client.raw(raw + b"\r\n")
        reply = self.client.reply()
        assert reply, "a reply to %r" % raw
        if reply[-1].startswith("550 5.5.2") or b"\n" in raw:  # closed, or more than one command: out of step
            self.client.close()
            self.client = None
        elif reply[-1].startswith("250"):
            self.client.ask("RSET")
        return reply[-1]


def test_addresses(gateway):
    """is_email: what is valid in SMTP is taken, what is wrong never, also where it was written with character references."""
    speaker, told = Speaker(gateway), []
    for case in xml.etree.ElementTree.parse(material("address", "tests.xml")).getroot().iter("test"):
        # U+2400 and on stand for the control characters, which XML cannot hold
        address = "".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) <= 0x2421 else c for c in case.findtext("address") or "")
        category = case.findtext("category")
        if not address:  # as a path it is the null sender
            continue
        taken = speaker.ask(b"MAIL FROM:<" + address.encode() + b">").startswith("250")
        if taken != (category in ("ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN", "ISEMAIL_RFC5321")):
            told.append((category, case.findtext("diagnosis"), address))
    assert [t for t in told if t[0] == "ISEMAIL_ERR"] == []
    # a source route's or a quoted string's deprecated forms may be taken; nothing that is valid may be refused
    assert [t for t in told if t[0] in ("ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN", "ISEMAIL_RFC5321")] == []


# the reply to the last thing said, by code: ours are stricter where a Subject field stands without a blank line, and there is no AUTH here
LAST = {"authplain.test": "500", "data_starts_with_starttls.test": "250", "data_with_starttls.test": "250", "helo.test": "250",
        "rcpt_with_starttls.test": "250", "starttls.test": "220", "starttls_session_fixation.test": "220", "starttls_with_injection.test": "554"}


@pytest.mark.parametrize("name", LAST)
def test_james_dialogue(gateway, name):
    client, last = gateway.client(), None
    with open(material("smtp", "james-mpt", name), encoding="utf-8") as f:
        lines = [line.rstrip("\n")[2:].lstrip(" ") for line in f if line.startswith("C:")]
    for line in lines:
        client.raw(line.encode().decode("unicode_escape").encode("latin-1") + b"\r\n")
        in_data = last is not None and last.startswith("354") and line != "."
        if not in_data:
            last = client.reply()[-1]
    assert last.startswith(LAST[name]), last
    if name == "starttls_with_injection.test":
        assert client.is_closed()
    if last.startswith("220"):  # behind STARTTLS nothing of before is remembered
        client.start_tls()
        assert client.ask("MAIL FROM:<bob@mydomain.tld>")[-1].startswith("503")


@pytest.mark.parametrize("name", ["smtp_requests_full.raw", "smtp_requests_full_bdat.raw"])
def test_fuzz_seed(gateway, name):
    with open(material("smtp", "fuzz-seeds", "in-smtp", name), "rb") as f:
        session = f.read()
    for piece in (len(session), 1, 7):
        client, replies = gateway.client(), []
        for at in range(0, len(session), piece):
            client.raw(session[at:at + piece])
        while True:
            reply = client.reply()
            if not reply:
                break
            replies.append(reply[-1])
        assert replies and all(re.match(r"[2345]\d\d ", r) for r in replies), replies
        assert replies[-1].startswith(("221", "550 5.5.2")), replies
    assert gateway.events(event="accepted", recipient="ubuntu@*") == []
    assert os.path.exists(gateway.path("run", "control")) and gateway.process.poll() is None
