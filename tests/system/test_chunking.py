"""BDAT (RFC 3030): its own counter, BINARYMIME, and everything a client can get wrong with it."""
import hashlib
import os

import pytest

import postern_testing as pt


@pytest.fixture(scope="module")
def gateway():
    with pt.Gateway(settings={"max_connections_per_minute": "0"}) as g:
        yield g


@pytest.fixture()
def client(gateway):
    c = gateway.client()
    assert any(line[4:] == "CHUNKING" for line in c.ask("EHLO client.example.test"))
    yield c
    c.close()


def begin(c, recipient="ann@acme.test", parameters=""):
    assert c.ask("MAIL FROM:<carol@example.test>" + parameters)[-1].startswith("250")
    assert c.ask("RCPT TO:<%s>" % recipient)[-1].startswith("250")


def chunk(c, data, last=False):
    c.raw(b"BDAT %d%s\r\n" % (len(data), b" LAST" if last else b"") + data)
    return c.reply()[-1]


def test_in_pieces(gateway, client):
    text = pt.sample(body="one\r\n.\r\ntwo\r\n").encode()
    begin(client, "pieces@acme.test")
    for i in range(0, len(text), 17):
        assert chunk(client, text[i:i + 17]).startswith("250")
    assert chunk(client, b"", last=True).startswith("250 2.6.0"), "BDAT 0 LAST ends the message"
    assert b"one\r\n.\r\ntwo\r\n" in pt.poll(lambda: gateway.sink.messages_for("pieces@acme.test"))[0], "a lone dot means nothing to BDAT"


def test_pipelined_transactions(gateway, client):
    text = pt.sample().encode()
    one = b"MAIL FROM:<carol@example.test>\r\nRCPT TO:<lined@acme.test>\r\nBDAT %d LAST\r\n" % len(text) + text
    client.raw(one * 3)
    assert [client.reply()[-1][:9] for _ in range(9)] == ["250 2.1.0", "250 2.1.5", "250 2.6.0"] * 3
    pt.poll(lambda: len(gateway.sink.messages_for("lined@acme.test")) == 3)


def test_binarymime(gateway, client):
    """To a destination that does not take it, it goes as something that one takes, or comes back; bare line ends never travel in DATA."""
    begin(client, "binary@acme.test", " BODY=BINARYMIME")
    blob = os.urandom(2000) + b"\n\r\0" + b"x" * 2000  # a run without line ends is no long line (RFC 3030 §3)
    head = pt.sample(headers="MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n", body="")
    assert chunk(client, head.encode() + blob, last=True).startswith("250 2.6.0")
    row = pt.poll(lambda: [r for r in gateway.events(recipient="binary@acme.test") if r["event"] in ("delivered", "bounced")])[0]
    if row["event"] == "delivered":
        raw = gateway.sink.messages_for("binary@acme.test")[0]
        assert hashlib.sha256(blob).digest() == hashlib.sha256(raw[-len(blob):]).digest()
    else:
        assert row["reason"] == "DELIVERY_NEEDS_EXTENSION"


@pytest.mark.parametrize("line", ["BDAT", "BDAT x", "BDAT -1", "BDAT 10 FIRST", "BDAT 99999999999999999999 LAST", "BDAT 1.5", "BDAT 0x10"])
def test_wrong_sizes(client, line):
    begin(client)
    assert client.ask(line)[-1].startswith(("501 5.5.4", "552 5.3.4"))


def test_data_behind_bdat(gateway, client):
    begin(client)
    assert chunk(client, b"Subject: x\r\n").startswith("250")
    assert client.ask("DATA")[-1].startswith("503")


def test_bdat_without_transaction(client):
    assert chunk(client, b"MAIL FROM:<evil@example.test>\r\n", last=True).startswith("503")
    assert client.ask("NOOP")[-1].startswith("250"), "the chunk was read past, not taken for commands"


def test_reset_between_chunks(gateway, client):
    begin(client, "reset@acme.test")
    assert chunk(client, b"Subject: first\r\n").startswith("250")
    assert client.ask("RSET")[-1].startswith("250")
    begin(client, "reset@acme.test")
    assert chunk(client, pt.sample(subject="second").encode(), last=True).startswith("250")
    found = pt.poll(lambda: gateway.sink.messages_for("reset@acme.test"))
    assert len(found) == 1 and b"first" not in found[0]


def test_too_large(gateway):
    with pt.Gateway(settings={"max_message_size": "65536"}) as g:
        c = g.client()
        c.ask("EHLO client.example.test")
        begin(c)
        assert chunk(c, b"Subject: x\r\n\r\n").startswith("250")
        assert chunk(c, b"y" * 70000).startswith("552 5.3.4")
        assert c.ask("NOOP")[-1].startswith("250")


def test_cut_off_in_a_chunk(gateway):
    c = gateway.client()
    c.ask("EHLO client.example.test")
    begin(c, "cut@acme.test")
    c.raw(b"BDAT 1000 LAST\r\nSubject: half")
    c.close()
    assert gateway.wait_for_event(event="incomplete", recipient="cut@acme.test")
    assert gateway.sink.messages_for("cut@acme.test") == []
