"""Clients and destinations that are as slow as they can be hold up nobody but themselves. Nothing here asserts a time: others' mail goes through
while the slow ones are still there."""
import selectors
import socket
import threading

import pytest

import postern_testing as pt

NO_LIMITS = {"max_connections_per_minute": "0", "max_connections_per_hour": "0", "max_messages_per_connection": "0",
             "max_concurrent_connections": "0"}
CROWD, WORKERS, COURIERS, TARPITS = 2000, 4, 4, 40


class Tarpit:
    """Takes connections and never says a word, or says a reply that has no end, a byte a second: the slowest destinations there are.
    With ALLOWED replies it first does what a server does, so often on each connection."""

    def __init__(self, drips=False, allowed=0):
        self.drips, self.allowed, self.ending = drips, allowed, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.port, self.peers = self.listener.getsockname()[1], {}
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        selector = selectors.DefaultSelector()
        selector.register(self.listener, selectors.EVENT_READ)
        while not self.ending.is_set():
            for key, _ in selector.select(1.0):
                if key.fileobj is self.listener:
                    peer, _ = self.listener.accept()
                    self.peers[peer] = 0
                    selector.register(peer, selectors.EVENT_READ)
                    self.answer(peer)
                    continue
                try:
                    gone = not key.fileobj.recv(65536)
                except OSError:
                    gone = True
                if gone:
                    selector.unregister(key.fileobj)
                    self.peers.pop(key.fileobj)
                    key.fileobj.close()
                else:
                    self.answer(key.fileobj)
            for peer in list(self.peers) if self.drips else []:
                try:
                    peer.send(b"2" if self.peers[peer] % 6 == 0 else b"20-x\r\n"[self.peers[peer] % 6 - 1:][:1])
                    self.peers[peer] += 1
                except OSError:
                    pass
        for peer in list(self.peers):
            peer.close()
        self.listener.close()

    def answer(self, peer):
        if self.allowed and self.peers[peer] < self.allowed:
            self.peers[peer] += 1
            peer.send(b"220 tarpit.test\r\n" if self.peers[peer] == 1 else b"250 2.0.0 yes\r\n")

    def stop(self):
        self.ending.set()
        self.thread.join()


def address(i):
    return "127.%d.%d.%d" % (1 + i // 40000, i // 200 % 200, 1 + i % 200)


def raw_client(g, i):
    s = socket.socket()
    s.bind((address(i), 0))
    s.connect(("127.0.0.1", g.mx))
    return s


class Crowd:
    """Clients of three kinds: commands a byte at a time, a message a byte at a time, and requests without end whose replies nobody reads."""

    def __init__(self, gateway, count):
        self.drip, self.ending = [], threading.Event()
        self.sockets = [raw_client(gateway, i) for i in range(count)]
        for i, s in enumerate(self.sockets):
            s.settimeout(pt.PATIENCE)
            assert s.recv(4096).startswith(b"220")
            if i % 3 == 1:
                s.sendall(b"EHLO client.example.test\r\nMAIL FROM:<carol@example.test>\r\nRCPT TO:<slow@acme.test>\r\nDATA\r\n")
                heard = b""
                while b"\r\n354 " not in heard:
                    heard += s.recv(4096)
            s.setblocking(False)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        step = 0
        while not self.ending.wait(0.2):
            for i, s in enumerate(self.sockets):
                try:
                    s.send(b"HELP\r\n" * 1000 if i % 3 == 2 else b"NOOP drip drip drip drip drip\r\n"[step % 31:][:1])
                except OSError:
                    pass  # its buffers are full
            step += 1

    def are_open(self):
        return sum(1 for i, s in enumerate(self.sockets) if i % 3 != 2 and self.is_open(s))

    @staticmethod
    def is_open(s):
        try:
            return s.recv(65536) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def stop(self):
        self.ending.set()
        self.thread.join()
        for s in self.sockets:
            s.close()


def test_dripping_clients():
    with pt.Gateway(settings=dict(NO_LIMITS, workers=WORKERS, idle_timeout="10m")) as g:
        crowd = Crowd(g, CROWD)
        try:
            for i in range(50):
                assert g.client(source="127.99.0.1").transact("swift@acme.test", message=pt.sample(body="x\r\n" * (20000 if i % 10 == 0 else 5))).startswith("250")
            pt.poll(lambda: len(g.sink.messages_for("swift@acme.test")) == 50)
            assert crowd.are_open() == sum(1 for i in range(CROWD) if i % 3 != 2), "the slow ones were there all the time"
            assert not g.sink.messages_for("slow@acme.test")
        finally:
            crowd.stop()

        def all_gone():
            """the sessions of those who left"""
            return g.control(noun="relay", verb="stats")["sessions"] == 0
        pt.poll(all_gone)


SILENT, DRIPPING, LATE = dict(), dict(drips=True), dict(allowed=3)  # LATE: greets, answers EHLO and MAIL, then nothing


@pytest.fixture(params=[SILENT, DRIPPING, LATE], ids=["silent", "dripping", "late"])
def tarpit(request):
    t = Tarpit(**request.param)
    yield t
    t.stop()


def slow_domains(tarpit, **own):
    domains = {"slow%d.test" % i: dict(routes=["127.0.0.1:%d" % tarpit.port], **own) for i in range(TARPITS)}
    return dict(domains, **{"acme.test": {}})


def test_slow_destinations(tarpit):
    """More of them than there may ever be couriers. Who delivers well is served, the slow ones' mail waits, and the end comes all the same."""
    with pt.Gateway(settings=dict(NO_LIMITS, couriers=COURIERS), domains=slow_domains(tarpit)) as g:
        c = g.client()
        assert c.ask("EHLO client.example.test")[-1].startswith("250")
        assert c.transact("ann@acme.test", helo=None).startswith("250")
        pt.poll(lambda: g.sink.messages_for("ann@acme.test"))
        for i in range(TARPITS):
            for n in range(3):
                assert c.transact("ann@slow%d.test" % i, helo=None).startswith("250")

        def held():
            """most couriers in slow destinations' hands"""
            return len(tarpit.peers) >= COURIERS * 6
        pt.poll(held)
        for i in range(10):
            assert c.transact("ann@acme.test", helo=None).startswith("250")
        pt.poll(lambda: len(g.sink.messages_for("ann@acme.test")) == 11)
        assert len(tarpit.peers) >= COURIERS * 6, "the slow ones held on all the time"
        assert g.stop() == 0
        tarpit.stop()
        g.start()
        assert g.control(noun="queue", verb="list", filter={})["total"] == TARPITS * 3, "what waits is kept"


def test_slow_destination_and_cut_through(tarpit):
    """The sender of such mail waits with its destination; as many as there are workers must not stop the others."""
    with pt.Gateway(settings=dict(NO_LIMITS, workers="8"), domains=slow_domains(tarpit, cut_through=True)) as g:
        waiting = []
        for i in range(20):
            c = g.client(source=address(i))
            assert c.ask("EHLO client.example.test")[-1].startswith("250")
            assert c.ask("MAIL FROM:<carol@example.test>")[-1].startswith("250")
            c.send("RCPT TO:<ann@slow%d.test>" % (i % TARPITS))
            waiting.append(c)
        pt.poll(lambda: tarpit.peers)
        for i in range(10):
            assert g.client().transact("ann@acme.test").startswith("250")
        pt.poll(lambda: len(g.sink.messages_for("ann@acme.test")) == 10)
        assert tarpit.peers, "the slow ones held on all the time"
        tarpit.stop()
        for c in waiting:
            c.close()
