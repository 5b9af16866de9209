"""STARTTLS: the dialogues of the james-mpt suite in our words, injection, plaintext behind it, certificates by name and by reload."""
import os
import shutil
import socket
import ssl

import pytest

import postern_testing as pt
from scripted_hop import Hop


@pytest.fixture(scope="module")
def gateway():
    with pt.Gateway() as g:
        yield g


def hello(c):
    return c.ask("EHLO yopmail.com")


def test_offered_then_not_again(gateway):
    c = gateway.client()
    assert "250-STARTTLS" in [line.replace(" ", "-") for line in hello(c)]
    assert c.ask("STARTTLS")[-1].startswith("220 ")
    c.start_tls()
    assert not any("STARTTLS" in line for line in hello(c))
    assert c.ask("STARTTLS")[-1].startswith("503")
    assert c.transact("ann@acme.test", helo=None).startswith("250")
    row = gateway.wait_for_event(event="accepted", client_ip="127.0.0.9")[-1]
    assert "TLSv1.3" in row["tls"]


@pytest.mark.parametrize("where, recipient, body", [
    ("data starts with it", "bob@acme.test", "starttls content"),
    ("data has it", "bob@acme.test", "content starttls content"),
    ("recipient is called so", "starttls@acme.test", "content content")])
def test_the_word_is_no_command_elsewhere(gateway, where, recipient, body):
    c = gateway.client()
    assert c.transact(recipient, message=pt.sample(body=body)).startswith("250"), where
    pt.poll(lambda: any(body.encode() in m for m in gateway.sink.messages_for(recipient)))


def test_nothing_survives_the_handshake(gateway):
    """Session fixation: a transaction begun in the clear does not go on inside TLS."""
    c = gateway.client()
    hello(c)
    assert c.ask("MAIL FROM:<bob@example.test>")[-1].startswith("250")
    assert c.ask("RCPT TO:<ann@acme.test>")[-1].startswith("250")
    reply = c.ask("STARTTLS")[-1]
    if reply.startswith("220"):
        c.start_tls()
        assert c.ask("RCPT TO:<ann@acme.test>")[-1].startswith("503")
    else:
        assert reply.startswith("503")


def test_injection_is_refused(gateway):
    c = gateway.client()
    hello(c)
    c.raw(b"STARTTLS\r\nMAIL FROM:<matthieu@yopmail.com>\r\n")
    assert c.reply()[-1].startswith("554 5.5.1")
    assert c.is_closed()
    assert gateway.wait_for_event(reason="PIPELINED_TOO_EARLY")


def test_plaintext_behind_it_is_no_session(gateway):
    c = gateway.client()
    hello(c)
    assert c.ask("STARTTLS")[-1].startswith("220")
    c.raw(b"EHLO still.in.the.clear\r\nMAIL FROM:<a@example.test>\r\n")
    rest = b""
    try:
        while piece := c.socket.recv(4096):
            rest += piece
    except ConnectionResetError:
        pass
    assert b"250" not in rest
    assert gateway.client().banner[-1].startswith("220")


def test_parameters_are_refused(gateway):
    c = gateway.client()
    hello(c)
    assert c.ask("STARTTLS now")[-1].startswith("501")


def common_name(port, name):
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(s, server_hostname=name) as tls:
            return tls.getpeercert(binary_form=True)


def der(path):
    with open(path) as f:
        return ssl.PEM_cert_to_DER_cert(f.read())


def test_certificate_by_name_and_after_reload():
    g = pt.Gateway()
    other = pt.make_certificate(g.directory, "other.postern.test", "other")
    g.settings["tls_certificates"] = ["%s:%s" % g.certificate, "%s:%s" % other]
    with g:
        assert common_name(g.submissions, "mx.postern.test") == der(g.certificate[0])
        assert common_name(g.submissions, "other.postern.test") == der(other[0])
        assert common_name(g.submissions, "unknown.test") == der(g.certificate[0])
        fresh = pt.make_certificate(g.directory, "mx.postern.test", "fresh")
        for new, old in zip(fresh, g.certificate):
            shutil.copyfile(new, old + ".new")
            os.replace(old + ".new", old)
        g.process.send_signal(1)
        pt.poll(lambda: common_name(g.submissions, "mx.postern.test") == der(fresh[0]))


@pytest.mark.parametrize("host,name", [("127.0.0.1", None), ("mail.hop.test", "mail.hop.test")])
def test_the_name_that_a_destination_is_asked_for(tmp_path, host, name):
    """RFC 6066 §3: a host's name, never an address, over which some servers end the handshake."""
    hop = Hop(certificate=pt.make_certificate(str(tmp_path), "mail.hop.test"))
    with pt.Gateway(domains={"acme.test": {"routes": ["%s:%d" % (host, hop.port)], "destination_tls": "encrypt"}},
                    zone="mail.hop.test. A 127.0.0.1\n") as g:
        assert g.client().transact("ann@acme.test").startswith("250")
        g.wait_for_event(event="delivered", recipient="ann@acme.test")
    hop.close()
    assert hop.server_names == [name] and len(hop.bodies) == 1
