"""Passwords that are kept elsewhere: a real slapd, a real Dovecot (IMAP), and another gateway (SMTP); what happens when they do not answer; and what is remembered."""
import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile

import pytest

import postern_testing as pt

SLAPD = "/usr/sbin/slapd"
PASSWORD = "of the directory"


class Slapd:
    """A directory of its own, on loopback, with TLS."""

    def __init__(self):
        self.directory, self.port, self.tls_port = tempfile.mkdtemp(prefix="ldap-", dir="/tmp"), pt.free_port(), pt.free_port()
        cert, key = pt.make_certificate(self.directory, "localhost")
        os.mkdir(self.path("db"))
        with open(self.path("slapd.conf"), "w") as f:
            f.write("include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/inetorgperson.schema\n"
                    "pidfile %s\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\nTLSCertificateFile %s\nTLSCertificateKeyFile %s\ndatabase mdb\nsuffix \"dc=acme,dc=test\"\n"
                    "rootdn \"cn=admin,dc=acme,dc=test\"\nrootpw admin\ndirectory %s\n" % (self.path("pid"), cert, key, self.path("db")))
        with open(self.path("data.ldif"), "w") as f:
            f.write("dn: dc=acme,dc=test\nobjectClass: dcObject\nobjectClass: organization\no: Acme\ndc: acme\n\ndn: ou=people,dc=acme,dc=test\nobjectClass: organizationalUnit\nou: people\n\n")
            for uid in ("ann", "o'hara, jr"):
                f.write("dn: uid=%s,ou=people,dc=acme,dc=test\nobjectClass: inetOrgPerson\nuid: %s\ncn: x\nsn: x\nuserPassword: %s\n\n" % (uid.replace(",", "\\,"), uid, PASSWORD))
        subprocess.run(["/usr/sbin/slapadd", "-f", self.path("slapd.conf"), "-l", self.path("data.ldif")], check=True, capture_output=True)
        self.certificate, self.process = cert, None
        self.start()

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def start(self):
        self.process = subprocess.Popen([SLAPD, "-f", self.path("slapd.conf"), "-h", "ldap://127.0.0.1:%d ldaps://127.0.0.1:%d" % (self.port, self.tls_port), "-d", "0"],
                                        stderr=subprocess.DEVNULL)
        pt.poll(self.answers)

    def answers(self):
        """slapd's port"""
        with contextlib.suppress(OSError):
            pt.socket.create_connection(("127.0.0.1", self.port), 2).close()
            return True

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *trouble):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def gateway(source, zone="", **domain):
    own = dict({"auth_source": source, "auth_source_verify": "no", "auth_ldap_dn": "uid=%u,ou=people,dc=acme,dc=test"}, **domain)
    return pt.Gateway(settings={"auth_mechanisms": ["PLAIN", "LOGIN"], "auth_source_timeout": "3s", "max_connections_per_minute": "0", "auth_failures": "50"},
                      domains={"acme.test": own, "here.test": {}}, zone=zone)


def log_in(g, login="ann@acme.test", password=PASSWORD):
    return g.client(port=g.submission).log_in(login, password)


slapd = pytest.mark.skipif(not os.path.exists(SLAPD), reason="slapd is not installed (script/setup --test)")


@slapd
def test_a_directory():
    with Slapd() as directory, gateway("ldap://127.0.0.1:%d" % directory.port) as g:
        assert log_in(g).startswith("235")
        assert log_in(g, "ANN@Acme.test").startswith("235")
        for login, password in (("ann@acme.test", "wrong"), ("nobody@acme.test", PASSWORD), ("*@acme.test", PASSWORD), ("ann,ou=people@acme.test", PASSWORD),
                                ("ann@here.test", PASSWORD), ("ann", PASSWORD)):
            assert log_in(g, login, password).startswith("535 5.7.8"), login
        assert log_in(g, '"o\'hara, jr"@acme.test'.replace('"', ""), PASSWORD)[:3] in ("235", "535")
        client = g.client(port=g.submission)
        assert client.log_in("ann@acme.test", PASSWORD).startswith("235")
        assert client.transact(["bob@acme.test"], sender="ann@acme.test", helo=None, message=pt.sample()).startswith("250")
        assert g.wait_for_event(event="accepted", account="ann@acme.test")
        with contextlib.closing(sqlite3.connect(g.path("state", "store.db"))) as store:
            assert store.execute("SELECT count(*), max(password), max(scram) FROM account WHERE login = 'ann@acme.test'").fetchone() == (1, "", "")
        # what was right is remembered for a while; what was not is not
        directory.stop()
        assert log_in(g).startswith("235")
        assert log_in(g, password="another one").startswith("454 4.7.0")
        assert g.control(noun="clock", verb="advance", seconds=301)["ok"]
        assert log_in(g).startswith("454 4.7.0")
        directory.start()
        assert log_in(g).startswith("235")
        # the account is like any other
        g.account("lock", "ann@acme.test")
        client = g.client(port=g.submission)
        assert client.log_in("ann@acme.test", PASSWORD).startswith("235")
        assert client.ask("MAIL FROM:<ann@acme.test>")[-1].startswith("550 5.7.1")


@slapd
def test_a_directory_over_tls():
    with Slapd() as directory:
        with gateway("ldaps://127.0.0.1:%d" % directory.tls_port) as g:
            assert log_in(g).startswith("235") and log_in(g, password="wrong").startswith("535")
        # a certificate that nobody vouches for is not believed, unless told so
        with gateway("ldaps://127.0.0.1:%d" % directory.tls_port, auth_source_verify="yes") as g:
            assert log_in(g).startswith("454 4.7.0")
            assert "TLS" in g.said()
        g = gateway("ldaps://localhost:%d" % directory.tls_port, zone="localhost. A 127.0.0.1\n", auth_source_verify="yes")
        shutil.copy(directory.certificate, g.path("roots.pem"))
        g.settings["tls_roots"] = g.path("roots.pem")
        with g:
            assert log_in(g).startswith("235")


def test_another_smtp_server():
    with pt.Gateway() as other:
        other.account("add", "ann@acme.test", password=PASSWORD)
        for scheme, port in (("smtp", other.submission), ("smtps", other.submissions)):
            with gateway("%s://127.0.0.1:%d" % (scheme, port)) as g:
                g.account("add", "own@acme.test", password="kept right here")
                assert log_in(g).startswith("235") and log_in(g, password="wrong").startswith("535")
                assert log_in(g, "nobody@acme.test").startswith("535")
                assert log_in(g, "own@acme.test", "kept right here").startswith("235") and log_in(g, "own@acme.test").startswith("535")
                assert "own@acme.test" not in {e.get("account") for e in other.events(event="auth-refused")}, "who has a password here is not asked for elsewhere"


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/usr/lib/dovecot/imap-login"), reason="needs root and dovecot-imapd (script/setup --test)")
def test_an_imap_server():
    directory, port, tls_port = tempfile.mkdtemp(prefix="imap-", dir="/tmp"), pt.free_port(), pt.free_port()
    os.chmod(directory, 0o755)
    cert, key = pt.make_certificate(directory, "localhost")
    with open(os.path.join(directory, "users"), "w") as f:
        f.write("ann@acme.test:{PLAIN}%s:65534:65534::/tmp\n" % PASSWORD)
    with open(os.path.join(directory, "dovecot.conf"), "w") as f:
        f.write("protocols = imap\nbase_dir = {d}/run\nstate_dir = {d}/state\nlog_path = {d}/log\nlisten = 127.0.0.1\nssl = yes\nssl_cert = <{c}\nssl_key = <{k}\n"
                "auth_mechanisms = plain\nauth_failure_delay = 0\nservice anvil {{\n unix_listener anvil-auth-penalty {{\n mode = 0\n }}\n}}\ndisable_plaintext_auth = yes\nmail_location = maildir:/tmp/none\nfirst_valid_uid = 1\n"
                "passdb {{\n driver = passwd-file\n args = {d}/users\n}}\nuserdb {{\n driver = passwd-file\n args = {d}/users\n}}\n"
                "service imap-login {{\n inet_listener imap {{\n port = {p}\n }}\n inet_listener imaps {{\n port = {t}\n ssl = yes\n }}\n}}\n".format(
                    d=directory, c=cert, k=key, p=port, t=tls_port))
    process = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", os.path.join(directory, "dovecot.conf")])
    try:
        def answers():
            """Dovecot's banner"""
            with contextlib.suppress(OSError), pt.socket.create_connection(("127.0.0.1", port), 2) as s:
                return s.recv(4) == b"* OK"
        pt.poll(answers)
        for scheme, where in (("imap", port), ("imaps", tls_port)):
            with gateway("%s://127.0.0.1:%d" % (scheme, where)) as g:
                assert log_in(g).startswith("235"), g.said()
                assert log_in(g, password="wrong").startswith("535") and log_in(g, "nobody@acme.test").startswith("535")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)


def test_a_server_that_never_answers_costs_the_timeout_and_no_verdict():
    with contextlib.closing(pt.socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        for scheme in ("ldap", "smtp", "imap", "ldaps"):
            with gateway("%s://127.0.0.1:%d" % (scheme, silent.getsockname()[1])) as g:
                assert log_in(g).startswith("454 4.7.0")
                assert g.control(noun="auth", verb="list")["rows"] == []


def test_wrong_sources_are_said_at_once():
    for wrong in ("http://127.0.0.1", "ldap://", "ldap://host/path", "smtp://user@host"):
        g = gateway("")
        g.domains["acme.test"]["auth_source"] = wrong
        g.write_config()
        done = g.cli("check", check=False)
        assert done.returncode != 0 and "auth_source" in done.stdout + done.stderr, wrong
        g.sink.stop()
