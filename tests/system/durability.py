"""durability.py: load with unique ids, kill -9 at random moments, restart, and the count of what was promised and what came.

Used by test_durability.py (short) and by script/bench durability (long). A message counts as promised once the client has read 250
behind its end of data. Lost is what was promised and neither reached the sink nor waits in the queue; nothing may be. What the client has no
reply to may come or not. Twice delivered is allowed (RFC 5321 §6.1), and counted.
"""
import fcntl
import os
import random
import re
import signal
import socket
import threading
import time

import postern_testing as pt

MARK = re.compile(rb"^X-Unique: (\S+)\r?$", re.M)


class Load(threading.Thread):
    """One client that sends one message after the other, and reconnects when it is cut off."""

    def __init__(self, gateway, number, big):
        super().__init__(daemon=True)
        self.gateway, self.number, self.big = gateway, number, big
        self.promised, self.ending, self.refused = [], threading.Event(), 0

    def run(self):
        serial = 0
        while not self.ending.is_set():
            try:
                client = self.gateway.client(source="127.0.1.%d" % (1 + self.number), timeout=10)
                while not self.ending.is_set():
                    serial += 1
                    self.one(client, "%d-%d" % (self.number, serial))
            except (OSError, AssertionError, IndexError):
                time.sleep(0.02)  # the gateway is down: knock again

    def one(self, client, unique):
        body = "x" * 70 + "\r\n"
        message = pt.sample(headers="X-Unique: %s\r\n" % unique, body=body * (random.choice((1, 1, 1, 900)) if self.big else 1))
        recipient = random.choice(("ann@acme.test",) * 49 + ("slow-1@acme.test",))  # a destination that takes its time
        reply = client.transact(recipient, message=message)
        if reply.startswith("250"):
            self.promised.append(unique)
        else:
            self.refused += 1
            assert reply.startswith(("4", "")), reply


class Tally:
    def __init__(self, promised, delivered, waiting, refused):
        self.promised, self.refused = len(promised), refused
        self.lost = sorted(set(promised) - set(delivered))
        self.twice = len(delivered) - len(set(delivered))
        self.unpromised = len(set(delivered) - set(promised))
        self.waiting = waiting

    def __str__(self):
        return "promised %d, lost %d, delivered more than once %d, delivered without a promise read %d, refused for now %d, still waiting %d" % (
            self.promised, len(self.lost), self.twice, self.unpromised, self.refused, self.waiting)


def delivered_ids(sink):
    found = []
    for raw in sink.messages():
        match = MARK.search(raw)
        assert match, "a message without its mark: %r" % raw[:200]
        found.append(match.group(1).decode())
    return found


def is_delivering(gateway):
    """a delivery in progress"""
    try:
        return gateway.queue(state="delivering")
    except (OSError, ValueError):
        return False


def kill(gateway, what):
    """WHAT: relay, courier (the relay while a delivery is in progress), scan (one of them), or all, the master included."""
    if what == "courier":
        pt.poll(lambda: is_delivering(gateway), 60)
        what = "relay"
    children = gateway.children()
    if what == "all":
        pids = [gateway.process.pid] + [pid for pids in children.values() for pid in pids]
    else:
        pids = [pid for role, pids in children.items() if role.startswith(what) for pid in pids][:1]
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    if what == "all":
        gateway.process.wait()
        pt.poll(lambda: not any(os.path.exists("/proc/%d" % pid) and state_of(pid) != "Z" for pid in pids))
        pt.poll(lambda: is_free(gateway), 60)  # a child born at that very moment ends by itself
        gateway.start()


def is_free(gateway):
    """nobody left who holds the gateway's ports or its spool"""
    try:
        for port in (gateway.mx, gateway.submission, gateway.submissions, gateway.console):
            socket.create_server(("127.0.0.1", port)).close()
        folder = os.open(gateway.path("spool"), os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(folder)
        return True
    except OSError:
        return False


def state_of(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def serves(gateway):
    """a banner after the kill"""
    try:
        client = gateway.client(source="127.0.2.1", timeout=5)
        client.close()
        return bool(client.banner) and client.banner[-1].startswith("220")
    except OSError:
        return False


def arrived(sink):
    return len(os.listdir(os.path.join(sink.maildir, "new")))


def drain(gateway, stalled_s=120):
    """Until nothing waits, or nothing has arrived for so long: a backlog is no loss, a queue that stands still is one to look at."""
    count, until = -1, time.monotonic() + stalled_s
    while gateway.queue() and time.monotonic() < until:
        if arrived(gateway.sink) != count:
            count, until = arrived(gateway.sink), time.monotonic() + stalled_s
        gateway.control(noun="queue", verb="retry")
        time.sleep(2)


def run(kills, what=("relay", "courier", "all", "scan"), clients=4, most_pause=0.6, seed=None, big=True, say=lambda text: None):
    chance = random.Random(seed)
    with pt.Gateway(settings={"max_connections_per_minute": "0", "max_connections_per_hour": "0", "max_messages_per_connection": "0",
                              "max_concurrent_connections": "0", "connection_cache": "1s", "scanners": "2", "connect_timeout": "2s"},
                    domains={"acme.test": {"retry_schedule": ["2s"]}}) as gateway:
        loads = [Load(gateway, n, big) for n in range(clients)]
        for load in loads:
            load.start()
        for number in range(kills):
            time.sleep(chance.uniform(0.01, most_pause))  # the random moment itself, not a wait for something
            victim = chance.choice(what)
            kill(gateway, victim)
            pt.poll(lambda: serves(gateway), 60)
            if (number + 1) % 10 == 0:
                say("%d kills, %d promised" % (number + 1, sum(len(load.promised) for load in loads)))
        for load in loads:
            load.ending.set()
        for load in loads:
            load.join(30)
        promised = [unique for load in loads for unique in load.promised]
        drain(gateway)
        return Tally(promised, delivered_ids(gateway.sink), len(gateway.queue()), sum(load.refused for load in loads))
