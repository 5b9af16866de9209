"""Mailboxes from a file: what the file says holds for the rows that came from a file, nothing else is touched, and a file that is wrong anywhere changes nothing."""
import re
import sqlite3
import subprocess

import pytest

import postern_testing as pt


@pytest.fixture(scope="module")
def gateway():
    with pt.Gateway(domains={"file.test": {}}, settings={"max_connections_per_minute": "0", "max_invalid_recipients_per_hour": "0"}) as g:
        yield g


class Domain:
    def __init__(self, gateway, name):
        self.gateway, self.name = gateway, name
        gateway.cli("domain", "add", name, "routes=127.0.0.1:%d" % gateway.sink.port)
        self.id = self.ask("SELECT id FROM domain WHERE name = ?", name)[0][0]

    def ask(self, sql, *values):
        db = sqlite3.connect(self.gateway.path("state", "store.db"), timeout=20)
        db.execute("PRAGMA foreign_keys=ON")
        found = db.execute(sql, values).fetchall()
        db.commit()
        db.close()
        return found

    def load(self, text, *words, code=0):
        done = subprocess.run([pt.binary(), "mailbox", "import", self.name, "-", *words, "--config", self.gateway.config],
                              input=text if isinstance(text, bytes) else text.encode(), capture_output=True, timeout=60)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stderr.decode() if code else [int(n) for n in re.findall(r": (\d+)$", done.stdout.decode(), re.M)]

    def rows(self):
        return self.ask("SELECT local_part, source FROM mailbox WHERE domain = ? ORDER BY local_part", self.id)

    def aliases(self):
        return self.ask("SELECT a.local_part, m.local_part, a.source FROM mailbox_alias a JOIN mailbox m ON m.id = a.mailbox WHERE a.domain = ? ORDER BY 1", self.id)

    def rcpt(self, local):
        client = self.gateway.client()
        for line in ("EHLO client.example.test", "MAIL FROM:<ann@sender.test>"):
            client.ask(line)
        reply = client.ask("RCPT TO:<%s@%s>" % (local, self.name))[-1]
        client.close()
        return reply


def test_the_store_follows_the_file_and_leaves_others_alone(gateway):
    d = Domain(gateway, "follow.test")
    d.ask("INSERT INTO domain_alias(name, domain) VALUES('other-follow.test', ?)", d.id)
    gateway.cli("mailbox", "add", d.name, "hand", "aliases=by-hand")
    d.ask("INSERT INTO mailbox(id, domain, local_part, source, created_ms) VALUES(77, ?, 'dir', 'ldap', 1)", d.id)
    gateway.cli("setting", "set", "only_known_recipients", "yes", "--domain", d.name)
    assert d.load("\ufefflocal_part,aliases\r\nAnn,annie a.nn\r\nbob@follow.test\r\n\"carl\",\"c@OTHER-follow.test\"\r\nhand,extra\r\n") == [3, 0, 1, 4, 0, 0]
    assert d.rows() == [("ann", "csv"), ("bob", "csv"), ("carl", "csv"), ("dir", "ldap"), ("hand", "hand")]
    assert ("extra", "hand", "csv") in d.aliases() and ("c", "carl", "csv") in d.aliases()
    pt.poll(lambda: d.rcpt("annie").startswith("250"))
    pt.poll(lambda: d.rcpt("eve").startswith("550 5.1.1"))
    gateway.cli("setting", "set", "greylist", "no", "--mailbox", "bob@follow.test")
    assert d.load("ann,annie\nhand\ndir\n") == [0, 2, 3, 0, 3, 1]
    assert d.rows() == [("ann", "csv"), ("dir", "ldap"), ("hand", "hand")]
    assert d.aliases() == [("annie", "ann", "csv"), ("by-hand", "hand", "hand")]
    assert d.ask("SELECT count(*) FROM setting WHERE level = 'm'") == [(0,)], "nothing stays behind of who is gone"
    pt.poll(lambda: d.rcpt("bob").startswith("550 5.1.1"))
    assert d.load("ann,annie\nhand\ndir\n") == [0, 0, 3, 0, 0, 1]


def test_names_change_hands_in_one_file(gateway):
    d = Domain(gateway, "swap.test")
    d.load("ann,desk\nbob,info\ncarl\n")
    number = d.ask("SELECT id FROM mailbox WHERE local_part = 'carl' AND domain = ?", d.id)[0][0]
    d.ask("INSERT INTO mailbox_alias(domain, local_part, mailbox, source) VALUES(?, 'zoe', ?, 'hand')", d.id, number)
    d.load("ann,info\nbob,desk\nzoe,carl\n")
    assert d.rows() == [("ann", "csv"), ("bob", "csv"), ("zoe", "csv")]
    assert d.aliases() == [("carl", "zoe", "csv"), ("desk", "bob", "csv"), ("info", "ann", "csv")]
    d.load("info,ann\ndesk,bob\n")
    assert d.rows() == [("desk", "csv"), ("info", "csv")]
    assert d.aliases() == [("ann", "info", "csv"), ("bob", "desk", "csv")]


def test_what_is_wrong_is_said_by_line_and_changes_nothing(gateway):
    d = Domain(gateway, "wrong.test")
    gateway.cli("mailbox", "add", d.name, "hand", "aliases=by-hand")
    d.load("ann\nbob,robert\n")
    before = d.rows(), d.aliases()
    said = d.load("ann\nnew\nx@else.test\nann\nby-hand\n.x\nbob,hand r.obert ann.\ncarl,robert\n\"two\nlines\",x\nann annie\n", code=65)
    for line in ("line 3: x@else.test is no local part", "line 4: ann stands there twice", "line 5: by-hand is another name of a mailbox already", "line 6: .x is no local part",
                 "line 7: hand is a mailbox already", "line 7: ann. is no local part", "line 9: two", "line 11: ann annie is no"):
        assert line in said, (line, said)
    assert (d.rows(), d.aliases()) == before
    assert "line 2: the file is no CSV from here on" in d.load('ann\n"bob\n', code=65)
    for empty in ("local_part,aliases\n", "\n\n"):
        assert "No mailbox" in d.load(empty, code=65)
    assert d.load(b"ann\n\xff\xfe\n", code=65)
    assert d.load("ann\n" + "x" * 5000 + "\n", code=65)
    assert len(d.load("\n".join("a..%d" % n for n in range(500)), code=65).splitlines()) == 100
    assert (d.rows(), d.aliases()) == before
    assert d.load("ann\nnew\n", "--dry-run") == [1, 1, 1, 0, 1, 0]
    assert (d.rows(), d.aliases()) == before


def test_a_file_that_was_written_is_read_back(gateway):
    d = Domain(gateway, "back.test")
    d.load("ann,a.nn annie\n\"\"\"bob b\"\"\"\n\"\"\"carl, c\"\"\"\nzoë\n")
    text = gateway.cli("mailbox", "export", d.name).stdout
    assert d.load(text) == [0, 0, 4, 0, 0, 2]


def test_a_hundred_thousand_come_and_go(gateway):
    d = Domain(gateway, "many.test")
    assert d.load("".join("user%d,u%d\n" % (n, n) for n in range(100000)))[0] == 100000
    counts = d.load("".join("user%d,u%d\n" % (n, n + 1) for n in range(0, 100000, 2)))
    assert counts == [0, 50000, 50000, 50000, 100000, 0]
