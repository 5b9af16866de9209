"""AUTH as real clients do it: swaks, gsasl (a second opinion on SCRAM and its channel binding), Postfix as a smarthost's client; wrong passwords until it is
denied, and back; what a change in the store does to a session that has logged in."""
import contextlib
import shutil
import sqlite3
import subprocess

import pytest

import peers
import postern_testing as pt

PASSWORD = "correct horse b\u00e4ttery"


@pytest.fixture(scope="module")
def gateway():
    g = pt.Gateway(settings={"auth_failures": "5", "max_connections_per_minute": "0"}, domains={"acme.test": {}})
    g.certificate = pt.make_certificate(g.directory, "localhost", "local")  # gsasl checks it
    g.account("add", "ann@acme.test", password=PASSWORD)
    g.account("add", "acme.test", password="of the smarthost")
    g.account("add", "office@acme.test", "127.0.0.40/32", password="only from the office")
    with g:
        yield g


def swaks(g, *options, source="127.0.0.9", login="ann@acme.test", password=PASSWORD, port=None):
    return subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(port or g.submission), "--local-interface", source, "--helo", "laptop.test",
                           "--from", login if "@" in login else "x@" + login, "--to", "ann@acme.test", "--auth-user", login, "--auth-password", password, *options],
                          capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(not shutil.which("swaks"), reason="swaks is not installed (script/setup --test)")
class TestSwaks:
    @pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
    @pytest.mark.parametrize("tls", ["--tls", "--tlsc"])
    def test_a_mechanism_with_a_password(self, gateway, mechanism, tls):
        before = len(gateway.events(event="accepted", account="ann@acme.test"))
        done = swaks(gateway, tls, "--auth", mechanism, port=gateway.submissions if tls == "--tlsc" else None)
        assert done.returncode == 0, done.stdout
        rows = gateway.wait_for_event(before + 1, event="accepted", account="ann@acme.test")
        assert rows[-1]["mechanism"] == mechanism

    def test_a_whole_domain(self, gateway):
        assert swaks(gateway, "--tls", "--auth", "PLAIN", login="acme.test", password="of the smarthost").returncode == 0

    @pytest.mark.parametrize("mechanism", ["CRAM-MD5", "DIGEST-MD5"])
    def test_mechanisms_that_need_the_password_in_clear_are_not_there(self, gateway, mechanism):
        done = swaks(gateway, "--tls", "--auth", mechanism)
        assert done.returncode != 0 and "235" not in done.stdout

    def test_no_password_goes_over_an_open_line(self, gateway):
        done = swaks(gateway, "--auth", "PLAIN")
        assert done.returncode != 0 and "AUTH" not in done.stdout.split("EHLO")[1].split("<-")[0].replace("AUTH not", "")

    def test_an_account_may_be_bound_to_a_network(self, gateway):
        assert swaks(gateway, "--tls", "--auth", "PLAIN", login="office@acme.test", password="only from the office", source="127.0.0.40").returncode == 0
        done = swaks(gateway, "--tls", "--auth", "PLAIN", login="office@acme.test", password="only from the office", source="127.0.0.41")
        assert "535 5.7.8" in done.stdout

    def test_wrong_passwords_are_denied_in_the_end_and_forgiven(self, gateway):
        for _ in range(5):
            assert "535 5.7.8" in swaks(gateway, "--tls", "--auth", "PLAIN", password="wrong", source="127.0.7.7").stdout
        done = swaks(gateway, "--tls", "--auth", "PLAIN", source="127.0.7.7")
        assert "454 4.7.0" in done.stdout and "denied authentication" in done.stdout
        rows = gateway.control(noun="auth", verb="list")["rows"]
        assert {r["denied"] for r in rows} >= {"127.0.7.7", "ann@acme.test from 127.0.7.0/24"}
        assert all(890 < r["seconds"] <= 900 for r in rows)
        assert "127.0.7.7" in gateway.cli("auth", "denied", "list").stdout
        # the account stays open from elsewhere
        assert swaks(gateway, "--tls", "--auth", "PLAIN").returncode == 0
        assert gateway.control(noun="clock", verb="advance", seconds=901)["ok"]
        assert swaks(gateway, "--tls", "--auth", "PLAIN", source="127.0.7.7").returncode == 0
        # once more: twice as long
        for _ in range(5):
            swaks(gateway, "--tls", "--auth", "PLAIN", password="wrong", source="127.0.7.7")
        assert max(r["seconds"] for r in gateway.control(noun="auth", verb="list")["rows"]) > 1700
        assert "cleared: 2" in gateway.cli("auth", "denied", "clear", "127.0.7.").stdout
        assert swaks(gateway, "--tls", "--auth", "PLAIN", source="127.0.7.7").returncode == 0


@pytest.mark.skipif(not shutil.which("gsasl"), reason="gsasl is not installed (script/setup --test)")
class TestGsasl:
    @staticmethod
    def gsasl(g, *options, password=PASSWORD, login="ann@acme.test"):
        """The exchange as GNU SASL does it, over STARTTLS. It trusts the gateway's certificate and checks the gateway's own proof."""
        return subprocess.run(["gsasl", "--smtp", "--authentication-id", login, "--authorization-id", "", "--password", password, "--no-client-first",
                               "--x509-ca-file=" + g.certificate[0], *options, "localhost", str(g.submission)],
                              capture_output=True, text=True, timeout=60, env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}, input="")

    @pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
    def test_a_mechanism(self, gateway, mechanism):
        done = self.gsasl(gateway, "--mechanism", mechanism, *([] if mechanism.endswith("PLUS") else ["--no-cb"]))
        assert "235 2.7.0" in done.stdout and "AUTH " + mechanism in done.stdout, done.stdout + done.stderr

    def test_a_wrong_password(self, gateway):
        done = self.gsasl(gateway, "--mechanism", "SCRAM-SHA-256", "--no-cb", password="correct horse")
        assert "535 5.7.8" in done.stdout and "235" not in done.stdout

    @pytest.mark.parametrize("versions", ["NORMAL:-VERS-ALL:+VERS-TLS1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.3"])
    def test_binding_in_both_versions_of_tls(self, gateway, versions):
        done = self.gsasl(gateway, "--mechanism", "SCRAM-SHA-256-PLUS", "--priority", versions)
        assert "235 2.7.0" in done.stdout, done.stdout + done.stderr


@pytest.mark.skipif(bool(peers.why_not(peers.POSTFIX)), reason=peers.why_not(peers.POSTFIX) or "-")
def test_postfix_as_a_smarthosts_client(gateway):
    extra = ("relayhost = [127.0.0.1]:%d\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = inline:{{[127.0.0.1]:%d=acme.test:of the smarthost}}\n"
             "smtp_sasl_security_options = noanonymous\nsmtp_tls_security_level = encrypt\nsmtp_tls_loglevel = 1\nsmtpd_relay_restrictions = permit_mynetworks, reject\n"
             % (gateway.submission, gateway.submission))
    with peers.Postfix("smarthost.test", extra) as postfix:
        client = pt.Client(("127.0.0.1", postfix.port))
        assert client.transact("ann@acme.test", sender="someone@acme.test").startswith("250")
        row = gateway.wait_for_event(event="accepted", account="acme.test", sender="someone@acme.test")[0]
        assert row["mechanism"] in ("PLAIN", "LOGIN", "SCRAM-SHA-256")


def test_a_new_password_counts_at_once(gateway):
    gateway.account("add", "eve@acme.test", password="first password")
    client = gateway.client(port=gateway.submission)
    assert client.log_in("eve@acme.test", "first password").startswith("235")
    assert client.ask("MAIL FROM:<eve@acme.test>")[-1].startswith("250")
    gateway.account("password", "eve@acme.test", password="second password")
    assert client.ask("RSET")[-1].startswith("250")
    assert client.ask("MAIL FROM:<eve@acme.test>")[-1].startswith("530 5.7.0")
    assert gateway.client(port=gateway.submission).log_in("eve@acme.test", "first password").startswith("535")
    assert gateway.client(port=gateway.submission).log_in("eve@acme.test", "second password").startswith("235")
    gateway.account("delete", "eve@acme.test")
    assert gateway.client(port=gateway.submission).log_in("eve@acme.test", "second password").startswith("535")


def test_the_log_never_holds_a_password(gateway):
    secret = "s3cret-that-nobody-may-see"
    gateway.client(port=gateway.submission).log_in("ann@acme.test", secret)
    gateway.wait_for_event(event="auth-refused", reason="AUTH_FAILED")
    gateway.control(noun="log", verb="flush")
    for name in ("log/messages.jsonl", "log/mail.log", "stderr"):
        with open(gateway.path(*name.split("/")), errors="replace") as f:
            assert secret not in f.read()
    with open(gateway.path("log", "mail.log")) as f:
        assert "warning: unknown[127.0.0.9]: SASL PLAIN authentication failed: " in f.read()


def test_a_store_that_does_not_answer_is_no_verdict_on_a_password():
    """AUTH_UNAVAILABLE; and MAIL of who has logged in already gets 451."""
    g = pt.Gateway()
    g.account("add", "ann@acme.test", password=PASSWORD)
    with g:
        client = g.client(port=g.submission)
        assert client.log_in("ann@acme.test", PASSWORD).startswith("235")
        with contextlib.closing(sqlite3.connect(g.path("state", "store.db"))) as store:
            store.execute("ALTER TABLE account RENAME TO gone")
            store.commit()
        assert client.ask("MAIL FROM:<ann@acme.test>")[-1].startswith("451 4.3.0")
        other = g.client(port=g.submission)
        assert other.log_in("ann@acme.test", PASSWORD).startswith("454 4.7.0")
        assert other.ask("AUTH SCRAM-SHA-256 biwsbj1hbm5AYWNtZS50ZXN0LHI9YWJjZGVm")[-1].startswith("454 4.7.0")
        assert g.control(noun="auth", verb="list")["rows"] == []
