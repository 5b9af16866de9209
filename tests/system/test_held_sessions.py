"""Sessions that are held, dripped, half begun or not read from: they cost their own client and nobody else, and no descriptor."""
import os
import socket
import stat
import subprocess

import pytest

import postern_testing as pt

NO_LIMITS = {"max_connections_per_minute": "0", "max_connections_per_hour": "0", "max_messages_per_connection": "0",
             "max_concurrent_connections": "0"}


def address(i):
    return "127.%d.%d.%d" % (1 + i // 40000, i // 200 % 200, 1 + i % 200)


def open_descriptors(gateway):
    return len(os.listdir("/proc/%d/fd" % gateway.children()["relay"][0]))


@pytest.fixture()
def gateway():
    with pt.Gateway(settings=dict(NO_LIMITS, submission_networks=["127.0.0.0/8"], proxy_networks=["127.77.0.0/16"], workers="4")) as g:
        yield g


@pytest.fixture()
def few_descriptors(tmp_path, monkeypatch):
    """A gateway that gets 200 of them, whatever rights it has."""
    drop = "setpriv --bounding-set=-sys_resource " if os.geteuid() == 0 else ""
    program = tmp_path / "postern-with-few"
    program.write_text("#!/bin/sh\nulimit -n 200\nexec %s%s \"$@\"\n" % (drop, pt.binary()))
    program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    os.chmod(tmp_path, 0o755)
    sink = pt.Sink(str(tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSTERN_BIN", str(program))
        with pt.Gateway(settings=dict(NO_LIMITS, proxy_networks=["127.77.0.0/16"]), domains={"acme.test": {"routes": ["127.0.0.1:%d" % sink.port]}},
                        sink=False) as g:
            g.sink = sink
            yield g


def test_descriptors_run_out(few_descriptors):
    g = few_descriptors
    assert "max_sessions is 20000, but the limit of 200 descriptors" in g.said()
    greeted, shed = [], 0
    for i in range(300):
        c = g.client(source=address(i))
        assert c.banner[-1][:3] in ("220", "421"), "every client gets an answer"
        if c.banner[-1].startswith("220"):
            greeted.append(c)
        else:
            shed += 1
            assert c.is_closed()
            c.close()
    assert len(greeted) >= 90 and shed >= 100, (len(greeted), shed)
    assert open_descriptors(g) < 200
    with pytest.raises((AssertionError, OSError)):
        g.client(source="127.77.0.1").ask("PROXY TCP4 192.0.2.1 192.0.2.2 1000 25")  # not even the header is waited for
        raise OSError("421")
    assert greeted[0].transact("ann@acme.test").startswith("250"), "who is in is served"
    pt.poll(lambda: g.sink.messages_for("ann@acme.test"))  # and what was taken is delivered
    for c in greeted[50:]:
        c.close()

    def room_again():
        """a banner for a new client"""
        c = g.client(source="127.0.9.9")
        c.close()
        return c.banner[-1].startswith("220")
    pt.poll(room_again)


def mixed_session(g, i):
    """One of several kinds, by number; all of them leave."""
    kind = i % 8
    if kind == 7:
        with socket.create_connection(("127.0.0.1", g.submissions)) as s:
            s.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        return
    c = g.client(source=address(i), port=g.submissions if kind == 6 else None, tls=kind == 6)
    if kind == 0:
        assert c.transact("ann@acme.test", message=pt.sample(body="x" * 70 + "\r\n" * (5000 if i % 400 == 0 else 1))).startswith("250")
    elif kind == 1:
        c.raw(b"EHLO client.example.test\r\nQUIT\r\n")
        assert c.is_closed()
    elif kind == 2:
        c.ask("EHLO client.example.test")
        c.ask("STARTTLS")
        if i % 16 < 8:
            c.start_tls()
            c.ask("EHLO client.example.test")
    elif kind == 3:
        for line in ("EHLO client.example.test", "MAIL FROM:<carol@example.test>", "RCPT TO:<ann@acme.test>", "DATA"):
            c.ask(line)
        c.raw(b"never ended\r\n" * (40000 if i % 400 == 3 else 10))
    elif kind == 4:
        c.ask("EHLO client.example.test")
        c.ask("MAIL FROM:<carol@example.test>")
        c.ask("RCPT TO:<ann@elsewhere.test>")
    elif kind == 5:
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        c.raw(b"EHLO clie")
    c.close()


def test_no_descriptor_is_left_behind(gateway):
    assert gateway.client().transact("warm@acme.test").startswith("250")  # what the first message opens for good is open now
    pt.poll(lambda: gateway.sink.messages_for("warm@acme.test"))
    gateway.control(noun="relay", verb="stats")

    def at_rest():
        """no session and no delivery left"""
        return gateway.control(noun="relay", verb="stats")["sessions"] == 0 and not gateway.queue()
    pt.poll(at_rest)
    pt.poll(lambda: gateway.control(noun="clock", verb="advance", seconds=10)["ok"])
    before = open_descriptors(gateway)
    for i in range(2000):
        mixed_session(gateway, i)
    pt.poll(at_rest)

    def as_before():
        """as many descriptors as before"""
        return open_descriptors(gateway) <= before
    pt.poll(as_before)
    assert len(gateway.sink.messages_for("ann@acme.test")) == 250


def test_proxy_header_in_pieces(gateway):
    c = gateway.client(source="127.77.0.1", banner=False)
    for piece in (b"PRO", b"XY TCP4 192.0.2.7 192.0.2.8 ", b"1000 25\r", b"\nEHLO client.example.test\r\n"):
        c.raw(piece)
        gateway.control(noun="relay", verb="stats")
    assert c.reply()[-1].startswith(("220", "554")), "the header is taken; what follows it too early is the client's own affair"
    c.close()


def test_half_a_proxy_header_ends(gateway):
    """Its timeout comes although the half that is there makes the socket readable for ever."""
    c = gateway.client(source="127.77.0.1", banner=False)
    c.raw(b"PROXY TCP4 192.0.2.7")
    assert c.is_closed()
    c.close()


def test_key_updates_are_followed(gateway, tmp_path):
    heard = tmp_path / "heard"
    with open(heard, "wb") as out:
        peer = subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % gateway.submissions, "-crlf", "-tls1_3"],
                                stdin=subprocess.PIPE, stdout=out, stderr=out)

    def say(line, answer, count):
        peer.stdin.write(line + b"\n")
        peer.stdin.flush()

        def is_heard():
            return heard.read_bytes().count(answer) >= count
        is_heard.__doc__ = "%r times %d" % (answer, count)
        pt.poll(is_heard)
    try:
        say(b"EHLO client.example.test", b"250 ", 1)
        for i in range(1, 11):
            say(b"K" if i % 2 else b"k", b"KEYUPDATE", i)  # K asks the gateway for one too
            say(b"NOOP", b"250 2.0.0", i)
        say(b"quit", b"221 ", 1)
    finally:
        peer.kill()
        peer.wait()


def test_slow_reader_gets_every_reply(gateway):
    """It asks for 20 MB of replies before it reads one, and says QUIT behind them."""
    c = gateway.client()
    c.ask("EHLO client.example.test")
    text = pt.sample().encode()
    one = b"MAIL FROM:<carol@example.test>\r\nRCPT TO:<slow@acme.test>\r\nBDAT %d LAST\r\n%s" % (len(text), text)
    many, few = 200000, 400
    asked, wanted = b"HELP\r\n" * many + one + b"HELP\r\n" * few + b"QUIT\r\n", many + 3 + few + 1
    c.raw(asked)
    replies = [c.reply() for _ in range(wanted)]
    assert replies[-1] and replies[-1][-1].startswith("221"), sum(bool(r) for r in replies)
    assert replies[many + 2][-1].startswith("250 2.6.0"), replies[many + 2]
    c.close()
