"""Tenants, domains, mailboxes, settings and lists of the store: they hold within a second, without a restart, each at its level."""
import json
import sqlite3
import time

import pytest

import postern_testing as pt

NOW = 1700000000000


class Store:
    """The store as another program sees it that changes it the way the administration does: with its revision."""

    def __init__(self, gateway):
        self.db = sqlite3.connect(gateway.path("state", "store.db"), timeout=10, isolation_level=None)
        self.db.execute("PRAGMA foreign_keys=ON")
        self.next = 1000

    def change(self, *statements):
        self.db.execute("BEGIN IMMEDIATE")
        for sql, *values in statements:
            self.db.execute(sql, values)
        self.db.execute("INSERT INTO meta(name, value) VALUES('revision', '1') ON CONFLICT(name) DO UPDATE SET value = CAST(value AS INTEGER) + 1")
        self.db.execute("COMMIT")

    def id(self):
        self.next += 1
        return self.next

    def tenant(self, name, parent=None):
        number = self.id()
        self.change(("INSERT INTO tenant(id, parent, name, created_ms) VALUES(?, ?, ?, ?)", number, parent, name, NOW))
        return number

    def domain(self, name, tenant=None, **settings):
        number = self.id()
        self.change(("INSERT INTO domain(id, tenant, name, created_ms) VALUES(?, ?, ?, ?)", number, tenant, name, NOW),
                    *self.rows("d", number, settings))
        return number

    def mailbox(self, domain, local_part, **settings):
        number = self.id()
        self.change(("INSERT INTO mailbox(id, domain, local_part, created_ms) VALUES(?, ?, ?, ?)", number, domain, local_part, NOW),
                    *self.rows("m", number, settings))
        return number

    def rows(self, level, owner, settings):
        return [("INSERT INTO setting(level, owner, name, value, changed_ms) VALUES(?, ?, ?, ?, ?) "
                 "ON CONFLICT(level, owner, name) DO UPDATE SET value = excluded.value", level, owner, name, json.dumps(value), NOW)
                for name, value in settings.items()]

    def set(self, level, owner, **settings):
        self.change(*self.rows(level, owner, settings))

    def entry(self, level, owner, kind, pattern, match="envelope", authenticated=0, skip="", expires=0):
        self.change(("INSERT INTO list_entry(id, level, owner, list, pattern, match, is_authenticated, skip, created_ms, expires_ms) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                     self.id(), level, owner, kind, pattern, match, authenticated, skip, NOW, expires))


@pytest.fixture
def gateway():
    with pt.Gateway(domains={"file.test": {}}, settings={"max_connections_per_minute": "0", "max_concurrent_connections": "0"}) as g:
        yield g


def answer(gateway, recipient, sender="ann@sender.test"):
    c = gateway.client()
    c.ask("EHLO client.example.test")
    c.ask("MAIL FROM:<%s>" % sender)
    reply = c.ask("RCPT TO:<%s>" % recipient)[-1]
    c.close()
    return reply


def send(gateway, recipient):
    c = gateway.client()
    for line in ("EHLO client.example.test", "MAIL FROM:<ann@sender.test>", "RCPT TO:<%s>" % recipient):
        assert c.ask(line)[-1].startswith("250")
    assert c.ask("DATA")[-1].startswith("354")
    c.raw(pt.sample().encode() + b"\r\n.\r\n")
    assert c.reply()[-1].startswith("250")
    c.close()


def soon(gateway, start, recipient, sender="ann@sender.test"):
    """What RCPT is answered, as soon as it begins with START."""
    def look():
        reply = answer(gateway, recipient, sender)
        return reply if reply.startswith(start) else None
    return pt.poll(look, seconds=10)


def test_a_domain_is_added_configured_and_removed_while_mail_flows(gateway):
    store = Store(gateway)
    assert answer(gateway, "bob@new.test").startswith("550 5.7.1")
    domain = store.domain("new.test", routes=["127.0.0.1:%d" % gateway.sink.port])
    soon(gateway, "250", "bob@new.test")
    send(gateway, "bob@new.test")
    pt.poll(lambda: gateway.sink.messages_for("bob@new.test"))
    assert answer(gateway, "bob@file.test").startswith("250"), "the domain of the file is there as before"
    store.set("d", domain, only_known_recipients="yes")
    soon(gateway, "550 5.1.1", "bob@new.test")
    mailbox = store.mailbox(domain, "bob")
    soon(gateway, "250", "bob@new.test")
    assert answer(gateway, "BOB+news@New.test").startswith("250")
    assert answer(gateway, "eve@new.test").startswith("550 5.1.1")
    store.change(("INSERT INTO mailbox_alias(domain, local_part, mailbox) VALUES(?, 'robert', ?)", domain, mailbox))
    soon(gateway, "250", "robert@new.test")
    store.change(("DELETE FROM setting WHERE owner = ?", domain), ("DELETE FROM domain WHERE id = ?", domain))
    soon(gateway, "550 5.7.1", "bob@new.test")


def test_settings_are_inherited_down_the_levels(gateway):
    store = Store(gateway)
    reseller = store.tenant("reseller")
    customer = store.tenant("customer", reseller)
    domain = store.domain("shop.test", customer, routes=["127.0.0.1:%d" % gateway.sink.port])
    soon(gateway, "250", "ann@shop.test")
    store.set("t", reseller, require_tls="yes")
    assert soon(gateway, "530", "ann@shop.test")
    assert answer(gateway, "ann@file.test").startswith("250")
    store.set("t", customer, require_tls="no")
    soon(gateway, "250", "ann@shop.test")
    store.set("d", domain, require_tls="yes")
    soon(gateway, "530", "ann@shop.test")
    store.change(("DELETE FROM setting WHERE level IN ('t', 'd')",))
    store.set("d", domain, routes=["127.0.0.1:%d" % gateway.sink.port])
    soon(gateway, "250", "ann@shop.test")
    store.set("s", 0, restricted_local_part="^ann$")
    soon(gateway, "550 5.1.3", "ann@file.test")
    assert answer(gateway, "ann@shop.test").startswith("550 5.1.3")
    store.set("t", customer, restricted_local_part="")
    soon(gateway, "250", "ann@shop.test")
    assert answer(gateway, "ann@file.test").startswith("550 5.1.3")


def test_a_mailbox_has_settings_of_its_own():
    with pt.Gateway(settings={"greylist": "yes", "max_connections_per_minute": "0"}, domains={"file.test": {}}) as gateway:
        store = Store(gateway)
        domain = store.domain("box.test")
        soon(gateway, "451 4.7.1", "bob@box.test")
        store.mailbox(domain, "ann", greylist="no")
        soon(gateway, "250", "Ann@box.test")
        mailbox = store.db.execute("SELECT id FROM mailbox").fetchone()[0]
        store.change(("INSERT INTO mailbox_alias(domain, local_part, mailbox) VALUES(?, 'anna', ?)", domain, mailbox))
        soon(gateway, "250", "anna@box.test")
        assert answer(gateway, "bob@box.test").startswith("451 4.7.1")


def test_lists_belong_to_levels_and_expire(gateway):
    store = Store(gateway)
    domain = store.domain("shop.test")
    mailbox = store.mailbox(domain, "ann")
    soon(gateway, "250", "ann@shop.test")
    store.entry("m", mailbox, "sender-block", "ann@sender.test")
    reply = soon(gateway, "550 5.7.1", "ann@shop.test")
    assert "sender" in reply.lower()
    assert answer(gateway, "bob@shop.test").startswith("250")
    store.entry("d", domain, "sender-block", "*.else.test")
    soon(gateway, "550 5.7.1", "bob@shop.test", "x@some.else.test")
    assert answer(gateway, "bob@file.test", "x@some.else.test").startswith("250")
    store.entry("s", 0, "sender-block", "gone.test", expires=int(time.time() * 1000) + 3600 * 1000)
    soon(gateway, "550 5.7.1", "bob@file.test", "x@gone.test")
    gateway.cli("clock", "advance", "3601")
    soon(gateway, "250", "bob@file.test", "x@gone.test")


def test_an_alias_leads_to_the_domain_itself(gateway):
    store = Store(gateway)
    domain = store.domain("main.test", routes=["127.0.0.1:%d" % gateway.sink.port])
    store.change(("INSERT INTO domain_alias(name, domain) VALUES('alias.test', ?)", domain))
    soon(gateway, "250", "ann+x@alias.test")
    send(gateway, "ann+x@alias.test")
    pt.poll(lambda: gateway.sink.messages_for("ann+x@main.test"))
    message = gateway.sink.messages_for("ann+x@main.test")[0].decode()
    assert "ORCPT=rfc822;ann+2Bx@alias.test" in message
    store.set("d", domain, alias_rewrite="no")
    pt.poll(lambda: send(gateway, "bob@alias.test") or gateway.sink.messages_for("bob@alias.test"))


def test_a_bad_row_keeps_no_other_from_holding(gateway):
    store = Store(gateway)
    domain = store.domain("shop.test", max_line="-5", nonsense="x", host_name="other.test", require_tls="yes",
                          retry_schedule=["whenever"], restricted_local_part="(", routes=["::::"], srs_domain="not.ours", source_addresses=["nowhere"])
    store.entry("d", domain, "sender-block", "*bad.test")
    store.entry("d", domain, "sender-block", "good.test")
    soon(gateway, "530", "ann@shop.test")
    with open(gateway.path("stderr")) as f:
        log = f.read()
    for word in ("max_line", "nonsense", "host_name", "*bad.test", "retry_schedule", "restricted_local_part", "routes", "srs_domain", "source_addresses"):
        assert word in log
    store.set("d", domain, require_tls="no")
    soon(gateway, "250", "ann@shop.test")
    assert answer(gateway, "ann@shop.test", "x@good.test").startswith("550 5.7.1")


def test_a_newer_store_is_not_touched(gateway):
    store = Store(gateway)
    gateway.stop()
    store.db.execute("UPDATE meta SET value = '999' WHERE name = 'format'")
    gateway.start(wait=False)
    pt.poll(lambda: "newer than this program" in open(gateway.path("stderr")).read())
