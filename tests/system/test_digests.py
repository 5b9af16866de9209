"""Digests: who gets one and when, what stands in it, that it comes once, and that its links are what the store knows."""
import email
import email.policy
import hashlib
import re
import urllib.error
import urllib.request

import postern_testing as pt
from test_quarantine import BLOCKED, store



def digests(gateway, address):
    return [email.message_from_bytes(m, policy=email.policy.default) for m in gateway.sink.messages_for(address)]


def gateway_with(**domains):
    return pt.Gateway(domains=domains, settings={"max_connections_per_minute": "0", "max_concurrent_connections": "0", "console_url": "https://mx.postern.test"})


def test_a_mailbox_is_told_once_a_day_of_what_is_new():
    with gateway_with(**{"acme.test": {"digest": "daily", "digest_hour": 0, "digest_from": "quarantine@acme.test"}, "quiet.test": {}}) as g:
        for recipient in ("ann@acme.test", "Ann@acme.test", "bob@quiet.test"):
            assert g.client().transact(recipient, message=BLOCKED.replace("with a program", "a <b>bold</b> p\u0072ogram")).startswith("550")
        g.cli("clock", "advance", "61")
        message = pt.poll(lambda: digests(g, "ann@acme.test"))[0]
        assert message["Subject"] == "2 new messages in quarantine" and "quarantine@acme.test" in message["From"]
        assert message["Auto-Submitted"] == "auto-generated" and message.get_content_type() == "multipart/alternative"
        text, html = (part.get_content() for part in message.get_payload())
        assert text.count("why: attachment blocked") == 2 and "carol@example.test" in text
        assert "<b>bold" not in html and "&lt;b&gt;bold" in html
        links = re.findall(r"https://mx\.postern\.test/digest/([\w-]{43})", text)
        assert len(set(links)) == 4 and set(links) == set(re.findall(r'href="https://mx\.postern\.test/digest/([\w-]{43})"', html))
        rows = {bytes(r["hash"]): r for r in store(g).execute("SELECT * FROM token")}
        for link in links:
            row = rows[hashlib.sha256(link.encode()).digest()]
            assert row["kind"] == "digest" and row["verb"] in ("release", "allow") and row["recipient"] == "ann@acme.test"
        assert all(link.encode() not in open(g.path("state", "store.db"), "rb").read() for link in links), "the store has no secret itself"
        g.cli("clock", "advance", "3600")
        g.cli("clock", "advance", "3600")
        assert g.client().transact("ann@acme.test", message=BLOCKED.replace("with a program", "the next day")).startswith("550")
        g.cli("clock", "advance", str(24 * 3600))
        second = pt.poll(lambda: len(digests(g, "ann@acme.test")) == 2 and digests(g, "ann@acme.test")[1])
        assert second["Subject"] == "1 new message in quarantine"
        assert digests(g, "bob@quiet.test") == []
        g.stop()
        g.start()
        g.cli("clock", "advance", str(48 * 3600))
        g.wait_for_event(event="delivered", count=2, recipient="ann@acme.test")
        assert len(digests(g, "ann@acme.test")) == 2, "nothing new, no digest"


def page(g, link, method="GET"):
    request = urllib.request.Request("http://127.0.0.1:%d/digest/%s" % (g.console, link), method=method, data=b"" if method == "POST" else None)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()


def test_a_link_opens_a_page_whose_button_releases_once():
    with gateway_with(**{"acme.test": {"digest": "daily", "digest_hour": 0}}) as g:
        db = store(g)
        db.execute("INSERT INTO domain(id, name, created_ms) VALUES(5, 'acme.test', 1)")
        db.execute("INSERT INTO meta VALUES('revision', '1') ON CONFLICT(name) DO UPDATE SET value = value + 1")
        pt.poll(lambda: g.client().transact("ann@acme.test", message=BLOCKED).startswith("550") and db.execute("SELECT count(*) FROM quarantine WHERE domain = 5").fetchone()[0])
        kept = db.execute("SELECT count(*) FROM quarantine").fetchone()[0]
        message = pt.poll(lambda: g.cli("clock", "advance", "61") and digests(g, "ann@acme.test"), every=0.3)[0]
        text = message.get_payload()[0].get_content()
        release, allow = re.search(r"release: \S+/digest/(\S+)\n\s+release, and allow this sender: \S+/digest/(\S+)", text).groups()
        status, html = page(g, release)
        assert status == 200 and "<button>Release</button>" in html and "/why/attachment-blocked" in html
        assert "ann@acme.test" not in html and "with a program" not in html, "it names nobody"
        assert db.execute("SELECT count(*) FROM quarantine WHERE state = 'kept'").fetchone()[0] == kept, "looking releases nothing"
        assert page(g, release, "POST")[0] == 200
        pt.poll(lambda: any(b"TVqQAAMAAAAEAAAA" in m for m in g.sink.messages_for("ann@acme.test")))
        assert page(g, release, "POST")[0] == 404 and page(g, release)[0] == 404
        assert page(g, allow)[0] == 410, "the other link of the same message"
        assert page(g, "A" * 43)[0] == 404 and page(g, "x")[0] == 404
        assert sum(b"TVqQAAMAAAAEAAAA" in m for m in g.sink.messages_for("ann@acme.test")) == 1
        assert db.execute("SELECT count(*) FROM audit WHERE action = 'quarantine-release'").fetchone()[0] == 1


def test_allowing_the_sender_is_for_the_recipient_alone():
    with gateway_with(**{"acme.test": {"digest": "daily", "digest_hour": 0}}) as g:
        db = store(g)
        db.execute("INSERT INTO domain(id, name, created_ms) VALUES(5, 'acme.test', 1)")
        db.execute("INSERT INTO meta VALUES('revision', '1') ON CONFLICT(name) DO UPDATE SET value = value + 1")
        pt.poll(lambda: g.client().transact("ann@acme.test", message=BLOCKED).startswith("550") and db.execute("SELECT count(*) FROM quarantine WHERE domain = 5").fetchone()[0])
        message = pt.poll(lambda: g.cli("clock", "advance", "61") and digests(g, "ann@acme.test"), every=0.3)[0]
        allow = re.search(r"allow this sender: \S+/digest/(\S+)", message.get_payload()[0].get_content()).group(1)
        assert "let through from now on" in page(g, allow)[1]
        status, html = page(g, allow, "POST")
        assert status == 200 and "on your allow list now" in html
        entry = db.execute("SELECT e.*, m.local_part FROM list_entry e JOIN mailbox m ON m.id = e.owner").fetchone()
        assert (entry["level"], entry["list"], entry["pattern"], entry["match"], entry["is_authenticated"], entry["local_part"]) == (
            "m", "sender-allow", "carol@example.test", "both", 1, "ann")


def test_malware_has_no_link_and_mailboxes_have_their_own_mind():
    with gateway_with(**{"acme.test": {"digest": "off"}}) as g:
        db = store(g)
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO domain(id, name, created_ms) VALUES(5, 'acme.test', 1)")
        db.execute("INSERT INTO mailbox(id, domain, local_part, created_ms) VALUES(6, 5, 'ann', 1)")
        for name, value in (("digest", "daily"), ):
            db.execute("INSERT INTO setting VALUES('m', 6, ?, ?, 1)", (name, '"%s"' % value))
        db.execute("INSERT INTO setting VALUES('d', 5, 'digest_hour', '\"0\"', 1)")
        db.execute("INSERT INTO meta VALUES('revision', '1') ON CONFLICT(name) DO UPDATE SET value = value + 1")
        db.execute("COMMIT")
        for recipient in ("ann@acme.test", "bob@acme.test"):
            assert g.client().transact(recipient, message=BLOCKED).startswith("550")
        db.execute("UPDATE quarantine SET reason = 'PHISH'")
        message = pt.poll(lambda: g.cli("clock", "advance", "61") and digests(g, "ann@acme.test"), every=0.3)[0] # the settings may not hold yet at the first look
        assert "/digest/" not in message.get_payload()[0].get_content() and "why: phish" in message.get_payload()[0].get_content()
        assert db.execute("SELECT count(*) FROM token").fetchone()[0] == 0
        assert digests(g, "bob@acme.test") == []


def test_the_hour_is_the_domains():
    with gateway_with(**{"acme.test": {"digest": "daily", "digest_hour": 0}}) as g:
        db = store(g)
        assert g.client().transact("ann@acme.test", message=BLOCKED).startswith("550")
        g.cli("clock", "advance", "61")
        pt.poll(lambda: digests(g, "ann@acme.test"))
        sent = db.execute("SELECT sent_ms FROM digest").fetchone()[0]
        assert db.execute("SELECT up_to FROM digest").fetchone()[0] == db.execute("SELECT max(id) FROM quarantine").fetchone()[0] and sent > 0
