"""Mailboxes from an LDAP directory, a real slapd: pages, TLS, passwords, and that a directory that fails or was emptied removes nobody."""
import os
import shutil
import socket
import sqlite3
import subprocess
import threading

import pytest

import postern_testing as pt

SLAPD = next((path for path in ("/usr/sbin/slapd", "/usr/lib/openldap/slapd") if os.path.exists(path)), None)
pytestmark = pytest.mark.skipif(not SLAPD, reason="slapd is not installed")
ADMIN, READER, PASSWORD = "cn=admin,dc=test", "cn=reader,dc=test", "s3cret reader"


class Slapd:
    """A directory of its own, on loopback, with TLS, that lets only those in who have a password."""

    def __init__(self, folder):
        self.folder, self.port, self.process = str(folder), pt.free_port(), None
        self.cert, key = self.path("cert.pem"), self.path("key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=directory.test", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", self.cert], check=True, stderr=subprocess.DEVNULL)
        os.mkdir(self.path("data"))
        with open(self.path("slapd.conf"), "w") as f:
            f.write("".join("include /etc/ldap/schema/%s.schema\n" % s for s in ("core", "cosine", "inetorgperson")))
            f.write("modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile %s\n" % self.path("pid"))
            f.write("TLSCertificateFile %s\nTLSCertificateKeyFile %s\nsizelimit size.soft=700 size.hard=700 size.prtotal=unlimited\n" % (self.cert, key))
            f.write('disallow bind_anon\ndatabase mdb\nsuffix "dc=test"\nrootdn "%s"\nrootpw admin\ndirectory %s\nmaxsize 268435456\ndbnosync\n' % (ADMIN, self.path("data")))
            f.write('access to attrs=userPassword by anonymous auth by * none\naccess to * by dn.exact="%s" read by anonymous auth by * none\n' % READER)
        with open(self.path("base.ldif"), "w") as f:
            f.write("dn: dc=test\nobjectClass: dcObject\nobjectClass: organization\ndc: test\no: test\n\n"
                    "dn: %s\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\nuserPassword: %s\n\n"
                    "dn: ou=people,dc=test\nobjectClass: organizationalUnit\nou: people\n\n" % (READER, PASSWORD))
        subprocess.run(["/usr/sbin/slapadd", "-f", self.path("slapd.conf"), "-l", self.path("base.ldif")], check=True, capture_output=True)
        self.start()

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self):
        self.log = open(self.path("log"), "ab")
        self.process = subprocess.Popen([SLAPD, "-f", self.path("slapd.conf"), "-h", "ldap://127.0.0.1:%d ldap://127.0.0.2:%d" % (self.port, self.port), "-d", "0"], stderr=self.log)
        pt.poll(self.answers)

    def answers(self):
        """slapd's port"""
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            assert self.process.poll() is None, open(self.path("log")).read()[-2000:]
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()

    def tool(self, name, text):
        subprocess.run(["/usr/bin/" + name, "-x", "-H", "ldap://127.0.0.1:%d" % self.port, "-D", ADMIN, "-w", "admin"], input=text, text=True, check=True, capture_output=True)

    def add(self, *people):
        self.tool("ldapadd", "".join("dn: uid=%s,ou=people,dc=test\nobjectClass: inetOrgPerson\nuid: %s\ncn: %s\nsn: x\n%s\n" % (
            uid, uid, uid, "".join("mail: %s\n" % m for m in mails)) for uid, *mails in people))

    def remove(self, *uids):
        self.tool("ldapdelete", "".join("uid=%s,ou=people,dc=test\n" % uid for uid in uids))


@pytest.fixture
def slapd(tmp_path):
    found = Slapd(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def gateway(slapd):
    g = pt.Gateway(domains={"file.test": {}}, settings={"max_connections_per_minute": "0", "max_invalid_recipients_per_hour": "0"})
    os.mkdir(g.path("ldap"))
    g.settings["ldap_directory"] = g.path("ldap")
    with open(g.path("ldap", "acme.test.password"), "w") as f:
        f.write(PASSWORD + "\n")
    shutil.copy(slapd.cert, g.path("ldap", "acme.test.pem"))
    with g:
        g.cli("domain", "add", "acme.test", "routes=127.0.0.1:%d" % g.sink.port)
        change(g, "only_known_recipients", "yes")
        yield g


def change(gateway, name, *value):
    gateway.cli("setting", "set", name, *value, "--domain", "acme.test")


def connect(gateway, slapd, host="127.0.0.1"):
    for name, value in (("ldap_bind_dn", READER), ("ldap_base", "ou=people,dc=test"), ("ldap_url", "ldap://%s:%d" % (host, slapd.port))):
        change(gateway, name, value)


def ask(gateway, sql):
    db = sqlite3.connect(gateway.path("state", "store.db"), timeout=20)
    found = db.execute(sql).fetchall()
    db.close()
    return found


def mailboxes(gateway):
    return ask(gateway, "SELECT m.local_part, m.source FROM mailbox m ORDER BY 1")


def state(gateway):
    rows = ask(gateway, "SELECT found, added, removed, error, succeeded_ms, tried_ms FROM directory_sync")
    return dict(zip(("found", "added", "removed", "error", "succeeded", "tried"), rows[0])) if rows else None


def sync(gateway, *words, code=0):
    done = gateway.cli("mailbox", "sync", "acme.test", *words, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def later(gateway, seconds=3601):
    """The relay asks again, and this time's outcome."""
    before = state(gateway)["tried"]
    gateway.cli("clock", "advance", str(seconds))
    pt.poll(lambda: state(gateway)["tried"] > before + seconds * 900)
    return state(gateway)


def rcpt(gateway, local):
    client = gateway.client()
    for line in ("EHLO client.example.test", "MAIL FROM:<ann@sender.test>"):
        client.ask(line)
    reply = client.ask("RCPT TO:<%s@acme.test>" % local)[-1]
    client.close()
    return reply


def test_the_relay_follows_the_directory_and_an_empty_one_removes_nobody(gateway, slapd):
    gateway.cli("mailbox", "add", "acme.test", "hand")
    slapd.add(("ann", "Ann@acme.test", "a.nn@acme.test", "ann@elsewhere.test"), ("bob", "bob@acme.test"), ("carl", "carl@acme.test"), ("dora", "dora@acme.test"),
              ("hand", "hand@acme.test"), ("guest", "guest@elsewhere.test"), ("none",))
    connect(gateway, slapd)
    pt.poll(lambda: "a.nn" in dict(ask(gateway, "SELECT local_part, source FROM mailbox_alias")))
    pt.poll(lambda: rcpt(gateway, "a.nn").startswith("250"))
    assert rcpt(gateway, "guest").startswith("550 5.1.1")
    assert mailboxes(gateway) == [("ann", "ldap"), ("bob", "ldap"), ("carl", "ldap"), ("dora", "ldap"), ("hand", "hand")]
    assert (state(gateway)["found"], state(gateway)["added"], state(gateway)["error"]) == (5, 4, "")
    assert "directory-sync" in gateway.cli("audit", "list", "action=directory-sync", "--json").stdout

    slapd.remove("bob", "hand")
    slapd.add(("emma", "emma@acme.test"))
    now = later(gateway)
    assert (now["found"], now["added"], now["removed"], now["error"]) == (4, 1, 1, "")
    pt.poll(lambda: rcpt(gateway, "bob").startswith("550 5.1.1"))
    assert ("hand", "hand") in mailboxes(gateway), "what was made by hand stays"

    before = mailboxes(gateway)
    slapd.remove("ann", "carl", "dora")
    slapd.add(("fred", "fred@acme.test"))
    slapd.remove("emma")
    now = later(gateway)
    assert (now["found"], now["added"], now["removed"]) == (1, 1, 0) and "fewer than half" in now["error"]
    assert mailboxes(gateway) == sorted(before + [("fred", "ldap")])
    slapd.remove("fred")
    assert "fewer than half" in sync(gateway, code=65)
    slapd.add(("fred", "fred@acme.test"))
    slapd.stop()
    now = later(gateway)
    assert now["error"] and now["removed"] == 0 and now["found"] == 0
    assert mailboxes(gateway) == sorted(before + [("fred", "ldap")])
    slapd.start()
    assert "removed: 4" in sync(gateway, "--force", "--dry-run")
    assert "removed: 4" in sync(gateway, "--force", "--reason", "they left")
    assert mailboxes(gateway) == [("fred", "ldap"), ("hand", "hand")]
    assert state(gateway)["error"] == ""


def test_many_come_in_pages(gateway, slapd):
    slapd.add(*[("u%d" % n, "u%d@acme.test" % n, "alias%d@acme.test" % n) for n in range(2300)])
    connect(gateway, slapd)
    pt.poll(lambda: state(gateway) and state(gateway)["added"])
    assert len(mailboxes(gateway)) == 2300 and state(gateway)["error"] == ""
    assert rcpt(gateway, "nobody").startswith("550")
    pt.poll(lambda: rcpt(gateway, "alias2299").startswith("250"))
    change(gateway, "ldap_filter", "(uid=u1*)")
    slapd.stop()
    with open(slapd.path("slapd.conf")) as f:
        text = f.read().replace("size.prtotal=unlimited", "size.prtotal=600")
    with open(slapd.path("slapd.conf"), "w") as f:
        f.write(text)
    slapd.start()
    assert "Sizelimit" in sync(gateway, "--force", code=69) or "Size limit" in sync(gateway, "--force", code=69)
    assert len(mailboxes(gateway)) == 2300, "what is not complete removes nobody"


def test_only_tls_that_is_proven_carries_a_password(gateway, slapd):
    slapd.add(("ann", "ann@acme.test"))
    connect(gateway, slapd, host="127.0.0.2")
    assert "no TLS" in sync(gateway, code=69), "the certificate is of another name"
    connect(gateway, slapd)
    os.rename(gateway.path("ldap", "acme.test.pem"), gateway.path("ldap", "kept.pem"))
    assert "no TLS" in sync(gateway, code=69), "of an authority that nobody knows"
    os.rename(gateway.path("ldap", "kept.pem"), gateway.path("ldap", "acme.test.pem"))
    sync(gateway)
    assert mailboxes(gateway) == [("ann", "ldap")]
    with open(gateway.path("ldap", "acme.test.password"), "w") as f:
        f.write("wrong")
    assert "Invalid credentials" in sync(gateway, code=69)
    os.remove(gateway.path("ldap", "acme.test.password"))
    assert "no password" in sync(gateway, code=69)
    for name, value in (("ldap_url", "http://127.0.0.1:%d" % slapd.port), ("ldap_filter", "(mail=")):
        change(gateway, name, value)
        assert sync(gateway, code=69)
    assert mailboxes(gateway) == [("ann", "ldap")] and state(gateway)["error"]


def test_a_server_that_says_nothing_holds_up_nobody(gateway, slapd):
    """It takes the connection and is silent: the gateway stops in time all the same."""
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen(5)
    taken = threading.Event()
    threading.Thread(target=lambda: (silent.accept(), taken.set()), daemon=True).start()
    change(gateway, "ldap_tls", "no")
    change(gateway, "ldap_base", "dc=test")
    change(gateway, "ldap_url", "ldap://127.0.0.1:%d" % silent.getsockname()[1])
    assert taken.wait(30)
    assert gateway.client().transact("bob@file.test").startswith("250")
    assert gateway.stop() == 0
    silent.close()
