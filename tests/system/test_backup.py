"""Backup while mail comes in and settings change, and restore: the store comes back table by table as it was at one moment, or not at all."""
import os
import sqlite3
import stat
import subprocess
import threading

import pytest

import postern_testing as pt

BLOCKED = pt.sample(subject="with a program", headers='Content-Type: application/octet-stream; name="run.exe"\r\nContent-Transfer-Encoding: base64\r\n',
                    body="TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAA=")


@pytest.fixture
def gateway():
    with pt.Gateway(settings={"max_connections_per_minute": "0", "max_concurrent_connections": "0", "max_messages_per_connection": "0"}) as g:
        yield g


def live(gateway):
    db = sqlite3.connect(gateway.path("state", "store.db"), timeout=20, isolation_level=None)
    db.execute("PRAGMA foreign_keys=ON")
    return db


def change(gateway, sql):
    """The number of rows that SQL changed; the connection is closed, so that the store is nobody's."""
    db = live(gateway)
    count = db.execute(sql).rowcount
    db.close()
    return count


def ask(gateway, sql):
    db = live(gateway)
    value = db.execute(sql).fetchone()[0]
    db.close()
    return value


def tables(path):
    """All rows of all tables, by table."""
    db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
    names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    found = {name: sorted(map(repr, db.execute("SELECT * FROM " + name))) for name in names}
    db.close()
    return found


class Load:
    """Mail that is quarantined, and a program that writes a tenant, a domain and two settings in each transaction."""

    def __init__(self, gateway):
        self.gateway, self.stopping, self.written, self.mails, self.trouble = gateway, threading.Event(), 0, 0, []
        self.threads = [threading.Thread(target=self.guard, args=(work,)) for work in (self.write, self.mail, self.mail)]
        for t in self.threads:
            t.start()

    def guard(self, work):
        try:
            work()
        except Exception as e:  # shown by stop()
            self.trouble.append(e)

    def write(self):
        db = live(self.gateway)
        while not self.stopping.is_set():
            n = self.written + 1
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO tenant(id, name, created_ms) VALUES(?, ?, 1)", (n, "tenant%d" % n))
            db.execute("INSERT INTO domain(id, tenant, name, created_ms) VALUES(?, ?, ?, 1)", (n, n, "d%d.test" % n))
            for name in ("greylist", "observe"):
                db.execute("INSERT INTO setting(level, owner, name, value, changed_ms) VALUES('d', ?, ?, '\"yes\"', 1)", (n, name))
            db.execute("COMMIT")
            self.written = n
        db.close()

    def mail(self):
        client = self.gateway.client()
        client.ask("EHLO client.example.test")
        while not self.stopping.is_set():
            assert client.transact("ann@acme.test", message=BLOCKED, helo=None).startswith("550")
            self.mails += 1

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(60)
        assert not self.trouble, self.trouble


def backup(gateway, name, check=True):
    return gateway.cli("backup", gateway.path(name), check=check)


def restore(gateway, path, *words):
    return gateway.cli("restore", path, *words, check=False)


def test_a_backup_under_load_is_one_moment_and_comes_back_table_by_table(gateway):
    load = Load(gateway)
    pt.poll(lambda: load.written > 30 and load.mails > 10)
    copies = []
    for name in ("first.db", "second.db", "third.db"):
        before = load.written
        backup(gateway, name)
        copies.append(tables(gateway.path(name)))
        pt.poll(lambda: load.written > before + 5)
    load.stop()
    for copy in copies:
        n = len(copy["tenant"])
        assert n > 30 and len(copy["domain"]) == n and len(copy["setting"]) == 2 * n, "transactions are in it whole"
        assert len(copy["body"]) == len(copy["quarantine"]) > 0
    assert len(copies[0]["tenant"]) < len(copies[2]["tenant"]) < load.written
    end = tables(gateway.path("state", "store.db"))
    for name in ("tenant", "domain", "setting", "quarantine", "body"):
        assert set(copies[1][name]) < set(end[name]), name

    assert gateway.stop() == 0
    path = gateway.path("state", "store.db")
    end = tables(path)  # with the rows of the log that came at the stop
    said = restore(gateway, gateway.path("second.db"), "--reason", "a test")
    assert said.returncode == 0, said.stderr
    kept = said.stdout.split()[-1]
    assert tables(kept) == end, "the store before is kept as it was"
    now = tables(path)
    trail = [row for row in now["audit"] if row not in copies[1]["audit"]]
    assert len(trail) == 1 and "store-restore" in trail[0] and "a test" in trail[0] and "second.db" in trail[0]
    assert sorted(now) == sorted(copies[1])
    for name, rows in copies[1].items():
        if name not in ("audit", "meta"):
            assert now[name] == rows, name
    assert os.stat(path).st_uid == os.stat(gateway.path("state")).st_uid
    gateway.start()
    assert gateway.client().transact("ann@d1.test").startswith("250")
    assert gateway.client().transact("ann@d%d.test" % load.written).startswith("550 5.7.1")


def test_what_is_released_after_the_backup_is_not_delivered_twice(gateway):
    assert gateway.client().transact("ann@acme.test", message=BLOCKED).startswith("550")
    backup(gateway, "copy.db")
    change(gateway, "UPDATE quarantine SET state = 'releasing'")
    pt.poll(lambda: gateway.sink.messages_for("ann@acme.test"))
    gateway.stop()
    assert restore(gateway, gateway.path("copy.db")).returncode == 0
    gateway.start()
    assert change(gateway, "UPDATE quarantine SET state = 'releasing' WHERE state = 'kept'") == 1
    pt.poll(lambda: ask(gateway, "SELECT count(*) FROM quarantine WHERE state = 'released'"))
    assert gateway.client().transact("bob@acme.test").startswith("250")
    pt.poll(lambda: gateway.sink.messages_for("bob@acme.test"))
    assert len(gateway.sink.messages_for("ann@acme.test")) == 1


def test_a_backup_replaces_the_one_before_and_is_the_owners_alone(gateway):
    backup(gateway, "copy.db")
    change(gateway, "INSERT INTO tenant(id, name, created_ms) VALUES(1, 'late', 1)")
    backup(gateway, "copy.db")
    assert len(tables(gateway.path("copy.db"))["tenant"]) == 1
    assert stat.S_IMODE(os.stat(gateway.path("copy.db")).st_mode) == 0o600
    assert not [name for name in os.listdir(gateway.directory) if name.startswith("copy.db") and name != "copy.db"]
    os.mkdir(gateway.path("folder"))
    for wrong in ("folder", "missing/copy.db", os.path.join("state", "store.db")):
        assert backup(gateway, wrong, check=False).returncode != 0
    assert gateway.client().transact("ann@acme.test").startswith("250")


def test_nothing_is_restored_over_a_store_in_use(gateway):
    backup(gateway, "copy.db")
    said = restore(gateway, gateway.path("copy.db"))
    assert said.returncode == 75 and "stop it first" in said.stderr
    gateway.stop()
    other = live(gateway)
    other.execute("SELECT count(*) FROM tenant").fetchall()
    said = restore(gateway, gateway.path("copy.db"))
    assert said.returncode == 69 and "has the store open" in said.stderr
    other.close()
    assert restore(gateway, gateway.path("copy.db")).returncode == 0


def test_what_is_no_whole_store_is_not_restored(gateway):
    load = Load(gateway)
    pt.poll(lambda: load.written > 200)
    load.stop()
    backup(gateway, "copy.db")
    gateway.stop()
    before = tables(gateway.path("state", "store.db"))
    with open(gateway.path("copy.db"), "rb") as f:
        good = f.read()
    bad = {"text.db": b"no database " * 1000, "empty.db": b"", "cut.db": good[:len(good) // 2],
           "torn.db": good[:20480] + b"\xff" * 4096 + good[24576:]}
    for name, content in bad.items():
        with open(gateway.path(name), "wb") as f:
            f.write(content)
    subprocess.run(["cp", gateway.path("copy.db"), gateway.path("newer.db")], check=True)
    newer = sqlite3.connect(gateway.path("newer.db"))
    newer.execute("UPDATE meta SET value = '999' WHERE name = 'format'")
    newer.commit()
    newer.close()
    other = sqlite3.connect(gateway.path("other.db"))
    other.execute("CREATE TABLE t(x)")
    other.commit()
    other.close()
    for name in [*bad, "newer.db", "other.db", "missing.db", "state"]:
        said = restore(gateway, gateway.path(name))
        assert said.returncode == 69 and said.stderr.strip(), name
    assert "newer" in restore(gateway, gateway.path("newer.db")).stderr
    assert tables(gateway.path("state", "store.db")) == before
    assert [n for n in os.listdir(gateway.path("state")) if "restoring" in n or "before" in n] == []
    gateway.start()


def test_a_broken_store_is_replaced_and_kept(gateway):
    backup(gateway, "copy.db")
    gateway.stop()
    with open(gateway.path("state", "store.db"), "r+b") as f:
        f.write(b"broken" * 100)
    said = restore(gateway, gateway.path("copy.db"))
    assert said.returncode == 0, said.stderr
    with open(said.stdout.split()[-1], "rb") as f:
        assert f.read(6) == b"broken"
    gateway.start()
    assert gateway.client().transact("ann@acme.test").startswith("250")
