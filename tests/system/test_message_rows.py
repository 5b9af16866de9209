"""The message log in the store: what is in table message is what happened, whatever becomes of the process that writes it."""
import json
import os
import signal
import sqlite3
import time

import pytest

import postern_testing as pt

QUIET = {"max_connections_per_minute": "0", "max_concurrent_connections": "0"}


@pytest.fixture
def gateway():
    with pt.Gateway(domains={"acme.test": {}}, settings=QUIET) as g:
        yield g


def rows(gateway, where="1", *values):
    db = sqlite3.connect("file:%s?mode=ro" % gateway.path("state", "store.db"), uri=True, timeout=10)
    db.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in db.execute("SELECT * FROM message WHERE %s ORDER BY id" % where, values)]
    finally:
        db.close()


def soon(gateway, where, *values):
    return pt.poll(lambda: rows(gateway, where, *values))


def send(gateway, recipients, message=None, final="250"):
    c = gateway.client()
    for line in ["EHLO client.example.test", "MAIL FROM:<Ann@Sender.test>"] + ["RCPT TO:<%s>" % r for r in recipients]:
        assert c.ask(line)[-1].startswith("250")
    assert c.ask("DATA")[-1].startswith("354")
    c.raw((message or pt.sample()).encode() + b"\r\n.\r\n")
    reply = c.reply()[-1]
    assert reply.startswith(final)
    c.close()
    return reply


def test_each_recipient_of_a_message_has_a_row_that_ends_as_delivered(gateway):
    reference = send(gateway, ["Bob@acme.test", "eve@acme.test"]).split()[-1].rstrip(".")
    found = pt.poll(lambda: len(rows(gateway, "status = 'delivered'")) == 2 and rows(gateway))
    assert {r["recipient"] for r in found} == {"bob@acme.test", "eve@acme.test"}
    for r in found:
        assert r["reference"] == reference and r["sender"] == "ann@sender.test" and r["sender_domain"] == "sender.test"
        assert r["direction"] == "in" and r["client_ip"] == "127.0.0.9" and r["helo"] == "client.example.test"
        assert r["host"].endswith(":%d" % gateway.sink.port) and r["remote_reply"].startswith("250") and r["attempts"] == 1
        assert r["reason"] == "DELIVERED" and r["size"] > 0 and r["node"] == "mx.postern.test" and r["subject"] and r["message_id"]
        assert "@" in r["header_from"] and r["domain"] is None


def test_header_and_attachments_are_in_the_row(gateway):
    send(gateway, ["bob@acme.test"], "\r\n".join((
        "From: Ann Example <ann@sender.test>", "To: Bob <bob@acme.test>, carl@acme.test", "Cc: dora@acme.test", "Subject: =?utf-8?q?Gr=C3=B6=C3=9Fe?= of things",
        "Date: " + time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()), "Message-ID: <1@sender.test>", "MIME-Version: 1.0",
        "Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: text/plain", "", "Hello", "--b",
        'Content-Type: application/pdf; name="report 1.pdf"', 'Content-Disposition: attachment; filename="report 1.pdf"', "", "%PDF-1.4", "--b--", "")))
    row = soon(gateway, "subject <> ''")[0]
    assert row["subject"] == "Größe of things" and row["header_to"] == "bob@acme.test, carl@acme.test" and row["header_cc"] == "dora@acme.test"
    assert row["attachments"] == "report 1.pdf" and row["message_id"] == "<1@sender.test>"


def test_refused_attempts_are_rows_with_their_reason(gateway):
    c = gateway.client()
    c.ask("EHLO client.example.test")
    c.ask("MAIL FROM:<ann@sender.test>")
    first = c.ask("RCPT TO:<x@elsewhere.test>")[-1]
    c.ask("RCPT TO:<y@elsewhere.test>")
    c.close()
    found = pt.poll(lambda: len(rows(gateway)) == 2 and rows(gateway))
    assert [r["recipient"] for r in found] == ["x@elsewhere.test", "y@elsewhere.test"]
    for r in found:
        assert r["status"] == "rejected" and r["reason"] == "RELAY_DENIED" and r["sub_class"] == "relay-denied"
    assert found[0]["reference"] in first and found[0]["reply"] in first.replace("\r\n", "")


def test_a_refused_message_is_a_row_for_each_recipient(gateway):
    send(gateway, ["bob@acme.test", "eve@acme.test"], "Subject: no From\r\n\r\nHello", "550")
    found = pt.poll(lambda: len(rows(gateway)) == 2 and rows(gateway))
    assert {r["reason"] for r in found} == {"BAD_HEADER_COUNT"}
    assert {r["status"] for r in found} == {"quarantined"} and all(r["reply"].startswith("550") for r in found), "refused, with a copy kept"


def test_deferred_and_bounced_mail_says_so():
    with pt.Gateway(domains={"slow.test": {"routes": ["127.0.0.1:1"]}}, settings=QUIET, sink=False) as gateway:
        send(gateway, ["bob@slow.test"])
        row = soon(gateway, "status = 'queued' AND recipient = 'bob@slow.test'")[0]
        assert row["next_try_ms"] > time.time() * 1000 and row["attempts"] == 1 and row["reason"].startswith("DELIVERY_") and row["subject"]
        gateway.cli("queue", "bounce", "recipient:bob@slow.test", "--reason", "enough")
        bounced = soon(gateway, "status = 'bounced'")[0]
        assert bounced["id"] == row["id"] and bounced["remote_reply"] == "enough"
        report = soon(gateway, "sender = ''")[0]
        assert report["direction"] == "own" and report["recipient"] == "ann@sender.test"


def test_a_locked_store_delays_rows_but_no_mail_and_a_kill_loses_none(gateway):
    db = sqlite3.connect(gateway.path("state", "store.db"), timeout=10, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    for n in range(30):
        send(gateway, ["bob%d@acme.test" % n])
    pt.poll(lambda: len(gateway.sink.messages()) == 30)
    waiting = pt.poll(lambda: gateway.control(noun="relay", verb="stats")["message_log"]["waiting_bytes"])
    pt.poll(lambda: settled(gateway))
    assert waiting and rows(gateway) == []
    os.kill(gateway.children()["relay"][0], signal.SIGKILL)
    db.execute("ROLLBACK")
    db.close()
    found = pt.poll(lambda: len(rows(gateway, "status = 'delivered'")) == 30 and rows(gateway))
    assert {r["recipient"] for r in found} == {"bob%d@acme.test" % n for n in range(30)}


def settled(gateway, seen={}):
    """a journal that grows no more"""
    before, seen["bytes"] = seen.get("bytes"), gateway.control(noun="relay", verb="stats")["message_log"]["waiting_bytes"]
    return before == seen["bytes"]


def test_old_rows_go_after_log_retention_each_domain_by_its_own():
    with pt.Gateway(domains={"acme.test": {}, "long.test": {}}, settings=dict(QUIET, log_retention="10d")) as gateway:
        db = sqlite3.connect(gateway.path("state", "store.db"), timeout=10, isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        for number, name, kept in ((11, "short.test", "2d"), (12, "keeps.test", "30d")):
            db.execute("INSERT INTO domain(id, name, created_ms) VALUES(?, ?, 1)", (number, name))
            db.execute("INSERT INTO setting(level, owner, name, value, changed_ms) VALUES('d', ?, 'log_retention', ?, 1)", (number, '"%s"' % kept))
            db.execute("INSERT INTO setting(level, owner, name, value, changed_ms) VALUES('d', ?, 'routes', ?, 1)", (number, '["127.0.0.1:%d"]' % gateway.sink.port))
        db.execute("INSERT INTO meta(name, value) VALUES('revision', '1') ON CONFLICT(name) DO UPDATE SET value = CAST(value AS INTEGER) + 1")
        db.execute("COMMIT")
        db.close()

        def both():
            c = gateway.client()
            c.ask("EHLO client.example.test"), c.ask("MAIL FROM:<>")
            replies = [c.ask("RCPT TO:<a@%s>" % name)[-1][:3] for name in ("short.test",)]
            c.close()
            return replies == ["250"]
        pt.poll(both)
        for name in ("acme.test", "short.test", "keeps.test"):
            send(gateway, ["bob@" + name])
        pt.poll(lambda: len(rows(gateway, "status = 'delivered'")) == 3)
        assert {r["domain"] for r in rows(gateway, "status = 'delivered'")} == {None, 11, 12}
        left = lambda: {r["recipient_domain"] for r in rows(gateway, "status = 'delivered'")}
        gateway.cli("clock", "advance", str(3 * 86400))
        pt.poll(lambda: left() == {"acme.test", "keeps.test"})
        gateway.cli("clock", "advance", str(8 * 86400))
        pt.poll(lambda: left() == {"keeps.test"})
        db = sqlite3.connect("file:%s?mode=ro" % gateway.path("state", "store.db"), uri=True, timeout=10)
        orphans = db.execute("SELECT count(*) FROM message_word WHERE message NOT IN (SELECT id FROM message)").fetchone()[0]
        db.close()
        assert orphans == 0


def test_without_log_store_there_are_no_rows():
    with pt.Gateway(settings=dict(QUIET, log_store=False)) as gateway:
        send(gateway, ["bob@acme.test"])
        pt.poll(lambda: gateway.sink.messages())
        assert gateway.control(noun="log", verb="flush")["ok"]
        assert rows(gateway) == []


def test_the_command_line_finds_messages(gateway):
    reference = send(gateway, ["bob@acme.test", "eve@acme.test"]).split()[-1].rstrip(".")
    pt.poll(lambda: len(rows(gateway, "status = 'delivered'")) == 2)
    found = json.loads(gateway.cli("message", "list", "from:ann@sender.test to:bob* status:delivered since:1h", "--json").stdout)
    assert [r["recipient"] for r in found] == ["bob@acme.test"] and found[0]["reference"] == reference and found[0]["time"].startswith("20")
    assert len(gateway.cli("message", "list", "to:*@acme.test").stdout.splitlines()) == 3, "a head and two rows"
    shown = json.loads(gateway.cli("message", "show", reference.lower(), "--json").stdout)
    assert {r["recipient"] for r in shown} == {"bob@acme.test", "eve@acme.test"} and isinstance(shown[0]["findings"], list)
    assert gateway.cli("message", "show", "NOSUCHREFX", check=False).returncode == 1
    bad = gateway.cli("message", "list", "status:lost", check=False)
    assert bad.returncode == 64 and "at character 8" in bad.stderr
    assert "header-from:" in gateway.cli("message", "fields").stdout
