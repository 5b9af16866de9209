"""A tenant as a file: out of one gateway and into another with all that belongs to it, or, where anything is in the way, nothing of it."""
import json
import sqlite3
import subprocess

import pytest

import postern_testing as pt
from test_backup import tables

ROWS = """
INSERT INTO tenant(id, name, note, created_ms) VALUES(1, 'reseller', 'since "2001"', 5);
INSERT INTO tenant(id, parent, name, created_ms) VALUES(2, 1, 'customer', 6);
INSERT INTO tenant(id, parent, name, is_suspended, created_ms) VALUES(3, 2, 'department', 1, 7);
INSERT INTO tenant(id, name, created_ms) VALUES(9, 'other', 5);
INSERT INTO domain(id, tenant, name, contact, language, time_zone, created_ms) VALUES(10, 2, 'shop.test', 'o@shop.test', 'de', 'Europe/Berlin', 8);
INSERT INTO domain(id, tenant, name, created_ms) VALUES(11, 3, 'xn--bcher-kva.test', 8);
INSERT INTO domain(id, tenant, name, created_ms) VALUES(19, 9, 'other.test', 8);
INSERT INTO domain_alias(name, domain) VALUES('shop-alias.test', 10);
INSERT INTO mailbox(id, domain, local_part, source, created_ms) VALUES(20, 10, 'ann', 'hand', 9), (21, 10, 'ann b', 'csv', 9), (22, 11, 'zoë', 'ldap', 9);
INSERT INTO mailbox_alias(domain, local_part, mailbox, source) VALUES(10, 'a.nn', 20, 'csv');
INSERT INTO setting VALUES('t', 1, 'require_tls', '"no"', 4), ('d', 10, 'only_known_recipients', '"yes"', 4), ('d', 10, 'spf_exempt_domains', '["a.test","b.test"]', 4),
    ('m', 20, 'greylist', '"no"', 4), ('u', 30, 'outgoing_per_hour', '"7"', 4), ('s', 0, 'observe', '"no"', 4), ('d', 19, 'observe', '"no"', 4);
INSERT INTO list_entry(id, level, owner, list, pattern, created_ms, note, expires_ms) VALUES(40, 't', 2, 'sender-block', 'bad.test', 3, 'why', 99999999999999),
    (41, 'm', 20, 'sender-allow', '*.good.test', 3, '', 0), (42, 'd', 10, 'ip-block', '192.0.2.0/24', 3, '', 0);
INSERT INTO rule VALUES(50, 'd', 10, 10, 'first', 1, '{"what":"tag"}', 1, 2);
INSERT INTO person(id, tenant, login, name, role, password, totp, totp_last, created_ms) VALUES(60, 1, 'boss', 'The Boss', 'reseller', '$argon2id$x', x'00ff10', 77, 1);
INSERT INTO person(id, domain, login, role, created_ms) VALUES(61, 10, 'owner', 'domain-owner', 1);
INSERT INTO person(id, mailbox, login, role, is_locked, created_ms) VALUES(62, 20, 'ann@shop.test', 'mailbox', 1, 1);
INSERT INTO session(hash, id, person, csrf, client, agent, created_ms, seen_ms, expires_ms) VALUES(x'aa', 1, 60, 'c', '127.0.0.1', 'x', 1, 1, 99999999999999);
"""


def fill(gateway):
    db = sqlite3.connect(gateway.path("state", "store.db"), timeout=20)
    db.execute("PRAGMA foreign_keys=ON")
    db.executescript("BEGIN;" + ROWS + "COMMIT;")
    db.close()
    gateway.account("add", "ann@shop.test", "127.0.0.0/8", password="correct horse battery")
    db = sqlite3.connect(gateway.path("state", "store.db"), timeout=20)
    account = db.execute("SELECT id FROM account").fetchone()[0]
    db.execute("UPDATE setting SET owner = ? WHERE level = 'u'", (account,))
    db.execute("UPDATE account SET networks = '127.0.0.0/8'")
    db.execute("INSERT INTO identity_lock(account, identity, reason, locked_ms) VALUES(?, 'bob', 'spam', 1)", (account,))
    db.commit()
    db.close()


def export(gateway, name="reseller"):
    file = json.loads(gateway.cli("tenant", "export", name).stdout)
    assert file.pop("exported").startswith("20")
    return file


def imported(gateway, file, *words):
    text = file if isinstance(file, str) else json.dumps(file)
    return subprocess.run([pt.binary(), "tenant", "import", "-", *words, "--config", gateway.config], input=text, capture_output=True, text=True, timeout=60)


def rows(gateway):
    return tables(gateway.path("state", "store.db"))


@pytest.fixture(scope="module")
def source():
    with pt.Gateway() as g:
        fill(g)
        yield g


@pytest.fixture
def target():
    with pt.Gateway(settings={"max_connections_per_minute": "0"}) as g:
        yield g


def test_all_that_belongs_to_a_tenant_moves_and_nothing_else(source, target):
    file = export(source)
    text = json.dumps(file)
    assert "other.test" not in text and "correct horse" not in text and "csrf" not in text
    said = imported(target, file, "--json", "--reason", "moving")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == {"tenants": 3, "domains": 2, "aliases": 2, "mailboxes": 3, "accounts": 1, "identity_locks": 1, "persons": 3, "settings": 5, "lists": 3, "rules": 1}
    assert export(target) == file, "it comes out as it went in"
    trail = rows(target)["audit"]
    assert len(trail) == 1 and "tenant-import" in trail[0] and "reseller" in trail[0] and "moving" in trail[0]
    assert rows(target)["session"] == []
    pt.poll(lambda: target.client().transact("eve@shop.test").startswith("550 5.1.1"))
    target.cli("account", "list", "--json")
    client = target.client(port=target.submission)
    assert client.log_in("ann@shop.test", "correct horse battery").startswith("235")
    pt.poll(lambda: target.client().transact("ann@shop.test", sender="x@bad.test").startswith("550 5.7.1"))


def test_what_is_there_already_is_named_and_nothing_changes(source, target):
    file = export(source)
    assert imported(target, file).returncode == 0
    before = rows(target)
    said = imported(target, file)
    assert said.returncode == 65 and "tenant reseller: is there already" in said.stderr
    file["tenant"]["name"] = "again"
    for name in ("customer", "department"):
        text = json.dumps(file).replace('"%s"' % name, '"%s2"' % name)
        file = json.loads(text)
    said = imported(target, file)
    assert said.returncode == 65
    for line in ("tenant again, person boss: is there already", "tenant again, tenant customer2, domain shop.test: is there already",
                 "tenant again, tenant customer2, tenant department2, domain xn--bcher-kva.test: is there already"):
        assert line in said.stderr.splitlines()[0] or line in said.stderr
    domain = file["tenant"]["tenants"][0]["domains"][0]
    domain["name"] = "shop-alias.test"
    assert "domain shop-alias.test: is there already" in imported(target, file).stderr
    domain["name"] = "third.test"
    domain["aliases"] = [{"name": "shop.test"}]
    assert "domain third.test, alias shop.test: is there already" in imported(target, file).stderr
    assert "account ann@shop.test: is there already" in imported(target, file).stderr
    assert rows(target) == before


def test_what_cannot_hold_is_said_with_its_place(source, target):
    before = rows(target)

    def wrong(change, *words):
        file = export(source)
        change(file["tenant"]["tenants"][0]["domains"][0])
        said = imported(target, file)
        assert said.returncode == 65
        for word in words:
            assert word in said.stderr, said.stderr
    wrong(lambda d: d["settings"].append({"name": "nonsense", "value": "1"}), "domain shop.test, setting nonsense", "no setting")
    wrong(lambda d: d["settings"].append({"name": "listen_mx", "value": ["x"]}), "of this level")
    wrong(lambda d: d["settings"].append({"name": "observe", "value": "perhaps"}), "setting observe", "yes or no")
    wrong(lambda d: d["settings"].append({"name": "observe", "value": 1}), "neither a text")
    wrong(lambda d: d["mailboxes"].append({"local_part": "a\tb"}), "mailbox a", "is not what it says")
    wrong(lambda d: d["mailboxes"].append({"local_part": "ANN"}), "mailbox ANN: is there already")
    wrong(lambda d: d["mailboxes"].append({"local_part": "a.nn"}), "mailbox a.nn: is there already")
    wrong(lambda d: d["mailboxes"].append({"local_part": "x", "sorce": "csv"}), "sorce is no field")
    wrong(lambda d: d["mailboxes"].append({"local_part": "x", "created_ms": "now"}), "created_ms is no number")
    wrong(lambda d: d["mailboxes"].append({"local_part": "x", "aliases": {}}), "aliases is no list")
    wrong(lambda d: d["lists"].append({"list": "nonsense", "pattern": "x.test"}), "none of the lists")
    wrong(lambda d: d["lists"].append({"list": "ip-block", "pattern": "x.test"}), "pattern is none")
    wrong(lambda d: d["accounts"][0].update(kind="root"), "account ann@shop.test: kind is none")
    wrong(lambda d: d["persons"][0].pop("role"), "person owner: role is missing")
    wrong(lambda d: d["rules"][0].update(definition="x"), "rule first: definition is no object")
    wrong(lambda d: d.update(name="-"), "domain -: name is not")
    for text in ("{", "[]", "{}", '{"format": "postern-tenant-2", "tenant": {}}', '{"format": "postern-tenant-1"}', "[" * 5000, ""):
        assert imported(target, text).returncode == 65
    file = export(source, "customer")
    assert file["parent"] == "reseller"
    assert "its parent reseller is not there" in imported(target, file).stderr
    assert rows(target) == before
    file["parent"] = None
    said = imported(target, file, "--dry-run", "--json")
    assert said.returncode == 0 and json.loads(said.stdout)["domains"] == 2
    assert rows(target) == before
    assert imported(target, file).returncode == 0
    assert source.cli("tenant", "export", "nobody", check=False).returncode == 65


def test_many_troubles_do_not_end_the_world(source, target):
    file = export(source)
    file["tenant"]["tenants"][0]["domains"][0]["mailboxes"] = [{"local_part": "a\tb%d" % n} for n in range(5000)]
    said = imported(target, file)
    assert said.returncode == 65 and said.stderr.rstrip().endswith("and more") and len(said.stderr.splitlines()) <= 102
    nested = {"name": "t0"}
    for n in range(1, 60):
        nested = {"name": "t%d" % n, "tenants": [nested]}
    said = imported(target, {"format": "postern-tenant-1", "parent": None, "tenant": nested})
    assert said.returncode == 65 and "lies too deep" in said.stderr
