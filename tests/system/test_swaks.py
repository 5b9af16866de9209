"""The front door as swaks knocks at it: plain, STARTTLS, TLS at once, pipelining, PROXY headers of both versions, XCLIENT."""
import shutil
import subprocess

import pytest

import postern_testing as pt

pytestmark = pytest.mark.skipif(not shutil.which("swaks"), reason="swaks is not installed (script/setup --test)")


def swaks(g, recipient, *options, port=None, source="127.0.0.9"):
    return subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(port or g.mx), "--local-interface", source, "--helo",
                           "client.example.test", "--from", "carol@example.test", "--to", recipient, *options],
                          capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def gateway():
    with pt.Gateway(settings={"submission_networks": ["127.0.0.8/32"], "proxy_networks": ["127.0.0.20/32"], "xclient_networks": ["127.0.0.30/32"],
                              "max_connections_per_minute": "0"}) as g:
        yield g


@pytest.mark.parametrize("name, options", [("plain", []), ("starttls", ["--tls"]), ("pipeline", ["--pipeline"]), ("both", ["--tls", "--pipeline"]),
                                           ("helo", ["--protocol", "SMTP"])])
def test_incoming(gateway, name, options):
    done = swaks(gateway, "%s@acme.test" % name, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    row = gateway.wait_for_event(event="accepted", recipient="%s@acme.test" % name)[0]
    assert bool(row.get("tls")) == ("--tls" in options)
    assert pt.poll(lambda: gateway.sink.messages_for("%s@acme.test" % name))


def test_submission(gateway):
    assert swaks(gateway, "sub@acme.test", "--tls", port=gateway.submission, source="127.0.0.8").returncode == 0
    assert swaks(gateway, "subs@acme.test", "--tlsc", port=gateway.submissions, source="127.0.0.8").returncode == 0
    refused = swaks(gateway, "sub@acme.test", port=gateway.submission, source="127.0.0.8")
    assert refused.returncode != 0 and "530 5.7.0" in refused.stdout, "submission wants TLS"
    refused = swaks(gateway, "sub@acme.test", "--tls", port=gateway.submission)
    assert refused.returncode != 0 and "530 5.7.0" in refused.stdout, "a stranger may not submit"


@pytest.mark.parametrize("version", ["1", "2"])
def test_proxy(gateway, version):
    name = "proxy%s@acme.test" % version
    done = swaks(gateway, name, "--proxy-version", version, "--proxy-family", "TCP4" if version == "1" else "AF_INET", "--proxy-source", "192.0.2.7",
                 "--proxy-source-port", "4711", "--proxy-dest", "192.0.2.1", "--proxy-dest-port", "25",
                 *([] if version == "1" else ["--proxy-command", "PROXY", "--proxy-protocol", "STREAM"]), source="127.0.0.20")
    assert done.returncode == 0, done.stdout + done.stderr
    row = gateway.wait_for_event(event="accepted", recipient=name)[0]
    assert (row["client_ip"], row["client_port"]) == ("192.0.2.7", 4711)
    assert b"192.0.2.7" in pt.poll(lambda: gateway.sink.messages_for(name))[0]


def test_proxy_from_a_stranger_is_no_header(gateway):
    done = swaks(gateway, "stranger@acme.test", "--proxy-version", "1", "--proxy-family", "TCP4", "--proxy-source", "192.0.2.7",
                 "--proxy-source-port", "4711", "--proxy-dest", "192.0.2.1", "--proxy-dest-port", "25")
    assert done.returncode != 0
    assert gateway.events(client_ip="192.0.2.7", recipient="stranger@acme.test") == []
    assert gateway.events(event="accepted", recipient="stranger@acme.test") == []


def test_proxy_that_is_missing(gateway):
    c = gateway.client(source="127.0.0.20", banner=False)
    c.send("EHLO client.example.test")
    assert c.is_closed()


def test_xclient(gateway):
    done = swaks(gateway, "xclient@acme.test", "--xclient-addr", "192.0.2.99", "--xclient-name", "far.example.test", source="127.0.0.30")
    assert done.returncode == 0, done.stdout + done.stderr
    assert gateway.wait_for_event(event="accepted", recipient="xclient@acme.test")[0]["client_ip"] == "192.0.2.99"


def test_xclient_from_a_stranger(gateway):
    c = gateway.client()
    assert not any("XCLIENT" in line for line in c.ask("EHLO client.example.test"))
    assert c.ask("XCLIENT ADDR=192.0.2.99")[-1].startswith("5")


def test_big_message(gateway, tmp_path):
    body = tmp_path / "body"
    body.write_text("".join("line %d %s\n" % (i, "x" * 60) for i in range(100000)))
    done = swaks(gateway, "big@acme.test", "--body", "@" + str(body))
    assert done.returncode == 0, done.stdout[-2000:]
    assert b"line 99999 " in pt.poll(lambda: gateway.sink.messages_for("big@acme.test"))[0]
