"""The quarantine: who is kept what, that it is durable before the answer, and that a release happens once, whatever is killed meanwhile."""
import os
import signal
import sqlite3

import pytest

import postern_testing as pt

BLOCKED = pt.sample(subject="with a program", headers='Content-Type: application/octet-stream; name="run.exe"\r\nContent-Transfer-Encoding: base64\r\n',
                    body="TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAA=")
DOMAINS = {"acme.test": {}, "strict.test": {"blocked_attachments": "quarantine"}, "lax.test": {"blocked_attachments": "off"},
           "forget.test": {"keep_refused": False}, "whole.test": {"blocked_attachments": "off", "split_recipients": False}, "short.test": {"quarantine_retention": "1h"}}


def store(gateway):
    db = sqlite3.connect(gateway.path("state", "store.db"), timeout=20, isolation_level=None)
    db.row_factory = sqlite3.Row
    return db


def kept(gateway, **wanted):
    rows = [dict(r) for r in store(gateway).execute("SELECT * FROM quarantine ORDER BY id")]
    return [r for r in rows if all(r[name] == value for name, value in wanted.items())]


def release(gateway, number):
    assert store(gateway).execute("UPDATE quarantine SET state = 'releasing' WHERE id = ? AND state = 'kept'", (number,)).rowcount == 1


@pytest.fixture
def gateway():
    with pt.Gateway(domains=dict(DOMAINS), settings={"max_connections_per_minute": "0", "max_concurrent_connections": "0"}) as g:
        yield g


def test_what_is_refused_for_its_content_is_kept_and_released_once(gateway):
    assert gateway.client().transact("Ann@acme.test", message=BLOCKED).startswith("550 5.7.1")
    row = kept(gateway)[0]
    assert (row["recipient"], row["reason"], row["is_refused"], row["state"], row["subject"]) == ("ann@acme.test", "ATTACHMENT_BLOCKED", 1, "kept", "with a program")
    event = gateway.wait_for_event(recipient="Ann@acme.test", status="quarantined")[0]
    assert event["quarantine"] == str(row["id"]) and event["reply"].startswith("550") and event["reason"] == "ATTACHMENT_BLOCKED"
    assert gateway.sink.messages_for("Ann@acme.test") == []
    release(gateway, row["id"])
    pt.poll(lambda: kept(gateway, state="released"))
    pt.poll(lambda: gateway.sink.messages_for("Ann@acme.test"))
    gateway.wait_for_event(event="quarantine-released", status="released")
    gateway.wait_for_event(event="delivered", recipient="Ann@acme.test")
    message = gateway.sink.messages_for("Ann@acme.test")[0]
    assert b"TVqQAAMAAAAEAAAA" in message and b"Received: from" in message and b"Authentication-Results: mx.postern.test" in message
    gateway.stop()
    gateway.start()
    assert gateway.client().transact("bob@lax.test").startswith("250")
    pt.poll(lambda: gateway.sink.messages_for("bob@lax.test"))
    assert len(gateway.sink.messages_for("Ann@acme.test")) == 1


def test_recipients_with_different_settings_share_a_message(gateway):
    reply = gateway.client().transact(["ann@acme.test", "bob@strict.test", "eve@lax.test", "joe@lax.test"], message=BLOCKED)
    assert reply.startswith("250"), reply
    pt.poll(lambda: gateway.sink.messages_for("eve@lax.test") and gateway.sink.messages_for("joe@lax.test"))
    rows = kept(gateway)
    assert [(r["recipient"], r["is_refused"]) for r in rows] == [("ann@acme.test", 0), ("bob@strict.test", 0)]
    assert len({r["body"] for r in rows}) == 1, "one body for both"
    for name, status in (("ann@acme.test", "quarantined"), ("bob@strict.test", "quarantined"), ("eve@lax.test", "accepted"), ("joe@lax.test", "accepted")):
        assert gateway.wait_for_event(recipient=name, status=status)
    release(gateway, rows[0]["id"])
    pt.poll(lambda: gateway.sink.messages_for("ann@acme.test"))
    assert gateway.sink.messages_for("bob@strict.test") == [], "released for her only"


def test_the_action_quarantine_takes_the_message(gateway):
    assert gateway.client().transact("bob@strict.test", message=BLOCKED).startswith("250")
    assert kept(gateway, recipient="bob@strict.test", is_refused=0)
    log = pt.poll(lambda: [line for line in open(gateway.path("log", "mail.log")) if "hold: message" in line])
    assert "to=<bob@strict.test>" in log[0]


def test_nothing_is_kept_where_nobody_wants_it(gateway):
    assert gateway.client().transact("ann@forget.test", message=BLOCKED).startswith("550")
    assert gateway.client().transact("postmaster@acme.test", message=BLOCKED).startswith("250"), "role addresses get it"
    assert kept(gateway) == []


def test_without_splitting_the_sender_comes_again(gateway):
    client = gateway.client()
    client.ask("EHLO client.example.test")
    client.ask("MAIL FROM:<carol@example.test>")
    assert client.ask("RCPT TO:<ann@acme.test>")[-1].startswith("250")
    assert client.ask("RCPT TO:<eve@lax.test>")[-1].startswith("250")
    assert client.ask("RCPT TO:<joe@whole.test>")[-1].startswith("451 4.5.3")


def test_a_large_message_comes_back_as_it_was(gateway):
    body = "".join("%08d the quick brown fox jumps over the lazy dog, once more and again\r\n" % i for i in range(60000))
    message = pt.sample(subject="large", headers='Content-Type: multipart/mixed; boundary="b"\r\n',
                        body="--b\r\n\r\n" + body + '--b\r\nContent-Type: application/octet-stream; name="a.exe"\r\n\r\nMZ\r\n--b--')
    assert gateway.client().transact("ann@acme.test", message=message).startswith("550")
    row = kept(gateway)[0]
    assert store(gateway).execute("SELECT length(data) FROM body").fetchone()[0] < len(message) / 3, "it is packed"
    release(gateway, row["id"])
    pt.poll(lambda: gateway.sink.messages_for("ann@acme.test"))
    assert body.replace("\r\n", "\n").encode() in gateway.sink.messages_for("ann@acme.test")[0].replace(b"\r\n", b"\n")


def test_what_is_old_goes_with_its_body(gateway):
    assert gateway.client().transact(["ann@short.test", "bob@short.test"], message=BLOCKED).startswith("550")
    assert gateway.client().transact("ann@acme.test", message=BLOCKED).startswith("550")
    gateway.cli("clock", "advance", "3700")
    pt.poll(lambda: len(kept(gateway, state="expired")) == 2)
    sizes = pt.poll(lambda: (rows := [r[0] for r in store(gateway).execute("SELECT length(data) FROM body ORDER BY id")]) and rows[0] == 0 and rows)
    assert sizes[1] > 0
    assert [r["recipient"] for r in kept(gateway, state="kept")] == ["ann@acme.test"]
    logged = {r[0]: r[1] for r in store(gateway).execute("SELECT recipient, status FROM message")}
    assert logged == {"ann@short.test": "quarantine-expired", "bob@short.test": "quarantine-expired", "ann@acme.test": "quarantined"}


def test_a_quarantine_that_cannot_be_written_is_a_451(gateway):
    db = store(gateway)
    db.execute("CREATE TRIGGER no BEFORE INSERT ON quarantine BEGIN SELECT RAISE(FAIL, 'no'); END")
    assert gateway.client().transact(["bob@strict.test", "eve@lax.test"], message=BLOCKED).startswith("451")
    assert gateway.client().transact("ann@acme.test", message=BLOCKED).startswith("550"), "a refusal promises nothing"
    db.execute("DROP TRIGGER no")
    assert gateway.client().transact(["bob@strict.test", "eve@lax.test"], message=BLOCKED).startswith("250")
    pt.poll(lambda: gateway.sink.messages_for("eve@lax.test"))
    assert len(kept(gateway)) == 1 and len(gateway.sink.messages_for("eve@lax.test")) == 1


def test_releases_survive_kills_without_loss_and_without_a_second_copy():
    with pt.Gateway(domains=dict(DOMAINS), settings={"max_connections_per_minute": "0", "max_concurrent_connections": "0", "max_messages_per_connection": "0", "deliver": False}) as g:
        client = g.client()
        for i in range(40):
            assert client.transact("n%d@acme.test" % i, message=BLOCKED, helo="client.example.test" if i == 0 else None).startswith("550")
        assert len(kept(g)) == 40
        store(g).execute("UPDATE quarantine SET state = 'releasing'")
        for _ in range(8):
            pt.poll(lambda: "relay" in g.children())
            before = len(kept(g, state="released"))
            pt.poll(lambda: len(kept(g, state="released")) > before or before == 40, every=0.001)
            old = g.children().get("relay", [])
            for pid in old:
                os.kill(pid, signal.SIGKILL)
            pt.poll(lambda: set(g.children().get("relay", [])) - set(old))
        pt.poll(lambda: len(kept(g, state="released")) == 40)
        g.stop()
        g.settings["deliver"] = True
        g.start()
        pt.poll(lambda: all(g.sink.messages_for("n%d@acme.test" % i) for i in range(40)))
        pt.poll(lambda: g.queue() == [])
        assert all(len(g.sink.messages_for("n%d@acme.test" % i)) == 1 for i in range(40))
