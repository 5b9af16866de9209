"""Archive and blind copies: one more delivery that nobody hears of, that never comes round again, and that is lost to nobody; and what stands behind a plus."""
import os
import re

import pytest

import postern_testing as pt
from test_settings_store import Store

BLOCKED = pt.sample(headers='Content-Type: application/octet-stream; name="run.exe"\r\nContent-Transfer-Encoding: base64\r\n', body="TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAA=")
DOMAINS = {"acme.test": {"archive_to": ["box@archive.test"], "blind_copy_to": ["boss@watch.test", "ann@acme.test"]}, "plain.test": {}, "archive.test": {}, "watch.test": {},
           "other.test": {"archive_to": ["other@archive.test"]}, "strict.test": {"archive_to": ["box@archive.test"], "blocked_attachments": "quarantine"},
           "cut.test": {"archive_to": ["cut@archive.test"], "cut_through": True}}


@pytest.fixture
def gateway():
    with pt.Gateway(domains={k: dict(v) for k, v in DOMAINS.items()}, settings={"max_connections_per_minute": "0", "max_concurrent_connections": "0"}) as g:
        yield g


def arrived(gateway, recipient, count=1):
    return pt.poll(lambda: len(gateway.sink.messages_for(recipient)) >= count and gateway.sink.messages_for(recipient))


def settled(gateway):
    """All that is in the queue has gone: what was not delivered by now never is."""
    pt.poll(lambda: not gateway.queue())


def header(message):
    return message.split(b"\r\n\r\n", 2)[0:2]


def test_copies_go_where_the_domain_says_and_the_recipients_do_not_see_it(gateway):
    text = pt.sample(subject="to be kept", body="the very words")
    assert gateway.client().transact(["bob@acme.test", "Joe@acme.test", "eve@plain.test", "x@other.test"], message=text).startswith("250")
    archived, watched = arrived(gateway, "box@archive.test")[0], arrived(gateway, "boss@watch.test")[0]
    others, ann = arrived(gateway, "other@archive.test")[0], arrived(gateway, "ann@acme.test")[0]
    for name in ("bob@acme.test", "Joe@acme.test", "eve@plain.test", "x@other.test"):
        message = arrived(gateway, name)[0]
        for word in (b"archive", b"watch.test", b"X-Copy-Mark", b"X-Envelope", b"box@", b"boss@"):
            assert word not in message, (name, word)
    for copy in (archived, watched, others, ann):
        assert b"the very words" in copy and b"to be kept" in copy and b"X-Sink-Mail-From: <>" in copy
    assert b"X-Envelope-From: <carol@example.test>\r\nX-Envelope-To: <bob@acme.test>\r\nX-Envelope-To: <Joe@acme.test>\r\n" in archived
    assert b"eve@plain.test" not in archived and b"x@other.test" not in archived, "other domains' recipients are none of its business"
    assert b"X-Envelope-To: <x@other.test>" in others and b"acme.test>" not in re.sub(rb"(?m)^To: .*$", b"", others)
    assert b"X-Envelope" not in watched
    settled(gateway)
    assert len(gateway.sink.messages()) == 7
    row = gateway.wait_for_event(recipient="box@archive.test", status="accepted")[0]
    assert (row["action"], row["domain"]) == ("archive", "acme.test")
    assert gateway.wait_for_event(recipient="boss@watch.test", status="accepted")[0]["action"] == "blind-copy"
    assert gateway.wait_for_event(recipient="box@archive.test", event="delivered")


def test_who_is_a_recipient_gets_it_once(gateway):
    assert gateway.client().transact(["ann@acme.test", "boss@watch.test"]).startswith("250")
    arrived(gateway, "box@archive.test")
    settled(gateway)
    assert len(gateway.sink.messages_for("ann@acme.test")) == len(gateway.sink.messages_for("boss@watch.test")) == 1


def test_a_copy_that_comes_back_is_not_copied_again(gateway):
    assert gateway.client().transact("bob@acme.test").startswith("250")
    copy = arrived(gateway, "box@archive.test")[0]
    back = copy[copy.index(b"X-Copy-Mark"):].decode()
    settled(gateway)
    assert gateway.client().transact("bob@acme.test", message="Received: from archive.test by archive.test; Wed, 25 Nov 2026 10:00:00 +0000\r\n" + back).startswith("250")
    arrived(gateway, "bob@acme.test", 2)
    settled(gateway)
    assert len(gateway.sink.messages_for("box@archive.test")) == 1
    forged = pt.sample(subject="not to be kept", headers="X-Copy-Mark: %s\r\n" % re.search("X-Copy-Mark: ([0-9a-f]+)", back).group(1))
    assert gateway.client().transact("bob@acme.test", message=forged).startswith("250")
    assert len(arrived(gateway, "box@archive.test", 2)) == 2, "a mark of another message spares nothing"


def test_what_is_not_accepted_is_not_copied(gateway):
    assert gateway.client().transact("bob@acme.test", message=BLOCKED).startswith("550")
    assert gateway.client().transact("bob@strict.test", message=BLOCKED).startswith("250")
    assert gateway.client().transact("bob@plain.test").startswith("250")
    arrived(gateway, "bob@plain.test")
    settled(gateway)
    assert gateway.sink.messages_for("box@archive.test") == []


def test_cut_through_does_not_pass_the_archive_by(gateway):
    assert gateway.client().transact("bob@cut.test").startswith("250")
    arrived(gateway, "bob@cut.test")
    arrived(gateway, "cut@archive.test")


def test_a_copy_that_cannot_be_delivered_waits_and_its_sender_hears_nothing(gateway):
    gateway.stop()
    gateway.domains["gone.test"] = {"routes": ["127.0.0.1:%d" % pt.free_port()], "bounce_lifetime": "1s"}
    gateway.domains["acme.test"] = {"archive_to": ["box@gone.test"]}
    gateway.start()
    assert gateway.client().transact("bob@acme.test", sender="carol@plain.test").startswith("250")
    arrived(gateway, "bob@acme.test")
    pt.poll(lambda: gateway.cli("clock", "advance", "3600") and [r for r in gateway.queue() if r["recipient"] == "box@gone.test" and r["state"] == "frozen"])
    assert gateway.sink.messages_for("carol@plain.test") == []
    assert gateway.events(event="bounced") == []


def test_what_accounts_send_is_archived_with_its_signature():
    g = pt.Gateway(domains={k: dict(v) for k, v in DOMAINS.items()}, settings={"submission_require_tls": False})
    g.account("add", "bob@acme.test", password="correct horse battery")
    with g:
        c = g.client(port=g.submission)
        assert c.log_in("bob@acme.test", "correct horse battery").startswith("235")
        assert c.transact("eve@plain.test", sender="bob@acme.test", message=pt.sample(sender="bob@acme.test"), helo=None).startswith("250")
        archived = arrived(g, "box@archive.test")[0]
        assert b"X-Envelope-From: <bob@acme.test>" in archived and b"X-Envelope-To: <eve@plain.test>" in archived
        arrived(g, "eve@plain.test")
        settled(g)
        assert g.sink.messages_for("boss@watch.test") == [], "a blind copy is of what comes in"


def test_what_is_no_address_is_no_setting(gateway):
    for wrong in ("archive", "@archive.test", "a b@archive.test", "box@archive.test>", "box@"):
        assert gateway.cli("setting", "set", "archive_to", wrong, check=False).returncode == 65


def test_what_stands_behind_a_plus_is_the_mailbox_with_its_settings():
    with pt.Gateway(domains={"file.test": {}}, settings={"greylist": "yes", "max_connections_per_minute": "0"}) as g:
        store = Store(g)
        domain = store.domain("box.test", routes=["127.0.0.1:%d" % g.sink.port], only_known_recipients="yes", archive_to=["all@archive.test"])
        store.set("d", domain, routes=["127.0.0.1:%d" % g.sink.port])
        store.mailbox(domain, "ann", greylist="no")
        store.mailbox(domain, "bob")
        pt.poll(lambda: g.client().transact("ann+news@box.test").startswith("250"))
        assert b"ann+news@box.test" in arrived(g, "ann+news@box.test")[0], "it arrives with what stands behind the plus"
        assert g.client().transact("Ann+a+b@box.test").startswith("250")
        assert g.client().transact("bob+news@box.test").startswith("451 4.7.1"), "bob's own setting"
        assert g.client().transact("eve+ann@box.test").startswith("550 5.1.1")
        assert g.client().transact("+ann@box.test").startswith("550 5.1.1")
