"""Everything at once: the gateway under mixed load, with the operator at work, and with a sanitizer's eyes where it is built with one.

script/test runs this file with the gateway built under ThreadSanitizer and under AddressSanitizer too; a report of either, from any process of
the gateway, fails it. What was promised must arrive once, or wait in the queue.
"""
import glob
import os
import random
import signal
import threading

import durability
import postern_testing as pt

CLIENTS, ROUNDS, HELD = 12, int(os.environ.get("LOAD_ROUNDS", "20")), 40
NO_LIMITS = {"max_connections_per_minute": "0", "max_connections_per_hour": "0", "max_messages_per_connection": "0",
             "max_concurrent_connections": "0", "max_invalid_recipients_per_hour": "0"}


class Talk:
    """One client's rounds: each a session of another kind. `promised` holds the ids of what was answered 250."""

    def __init__(self, gateway, number):
        self.gateway, self.number, self.serial, self.promised = gateway, number, 0, []
        self.chance, self.trouble = random.Random(number), None

    def run(self):
        kinds = [self.plain, self.pipelined, self.starttls, self.submissions, self.chunks, self.large, self.refused, self.smuggled, self.lost,
                 self.silent, self.cut_through, self.deferred, self.errors]
        try:
            for i in range(ROUNDS):
                kinds[(self.number + i) % len(kinds)]()
        except Exception as e:  # handed to the test's own thread
            self.trouble = e

    def client(self, **options):
        return self.gateway.client(source="127.0.1.%d" % (1 + self.number), **options)

    def message(self, lines=3):
        self.serial += 1
        unique = "%d-%d" % (self.number, self.serial)
        return unique, pt.sample(headers="X-Unique: %s\r\n" % unique, body="a line of the body, not a short one\r\n" * lines)

    def note(self, unique, reply):
        """A 451 is allowed: the scan process may have been killed with the message in it."""
        assert reply.startswith(("250", "451")), reply
        if reply.startswith("250"):
            self.promised.append(unique)

    def send(self, client, recipient="ann@acme.test", lines=3, **options):
        unique, text = self.message(lines)
        self.note(unique, client.transact(recipient, message=text, **options))

    def plain(self):
        c = self.client()
        self.send(c)
        self.send(c, helo=None)
        assert c.ask("QUIT")[-1].startswith("221")
        c.close()

    def pipelined(self):
        c = self.client()
        assert c.ask("EHLO client.example.test")[-1].startswith("250")
        sent = [self.message() for _ in range(5)]
        c.raw(b"".join(b"MAIL FROM:<carol@example.test>\r\nRCPT TO:<ann@acme.test>\r\nBDAT %d LAST\r\n%s" % (len(t), t.encode()) for _, t in sent))
        for unique, _ in sent:
            assert [c.reply()[-1][:3] for _ in range(2)] == ["250", "250"]
            self.note(unique, c.reply()[-1])
        c.raw(b"NOOP\r\n" * 500 + b"QUIT\r\n")
        assert [c.reply()[-1][:3] for _ in range(501)] == ["250"] * 500 + ["221"]
        c.close()

    def starttls(self):
        c = self.client()
        c.ask("EHLO client.example.test")
        assert c.ask("STARTTLS")[-1].startswith("220")
        c.start_tls()
        self.send(c)
        c.close()

    def submissions(self):
        c = self.client(port=self.gateway.submissions, tls=True)
        self.send(c, lines=2000)
        c.send("QUIT")
        c.close()

    def chunks(self):
        c = self.client()
        assert c.ask("EHLO client.example.test")[-1].startswith("250")
        assert c.ask("MAIL FROM:<carol@example.test>")[-1].startswith("250")
        assert c.ask("RCPT TO:<ann@acme.test>")[-1].startswith("250")
        unique, text = self.message(200)
        data, reply = text.encode(), ""
        for at in range(0, len(data), 3000):
            last = at + 3000 >= len(data)
            c.raw(b"BDAT %d%s\r\n" % (len(data[at:at + 3000]), b" LAST" if last else b"") + data[at:at + 3000])
            reply = c.reply()[-1]
        self.note(unique, reply)
        c.close()

    def large(self):
        c = self.client()
        self.send(c, lines=12000)  # past 256 KB: received into a file
        c.close()

    def refused(self):
        c = self.client()
        c.ask("EHLO client.example.test")
        c.ask("MAIL FROM:<carol@example.test>")
        assert c.ask("RCPT TO:<ann@elsewhere.test>")[-1].startswith("5")
        assert c.ask("RCPT TO:<nobody@few.test>")[-1].startswith("5")
        assert c.ask("DATA")[-1].startswith("5")
        c.close()

    def smuggled(self):
        c = self.client()
        reply = c.transact("ann@acme.test", message=pt.sample(body="a\n.\nMAIL FROM:<x@y.test>"))
        assert reply.startswith("550"), reply
        assert c.is_closed()
        c.close()

    def lost(self):
        """Goes away in the middle: of a command, a TLS handshake, a message."""
        c = self.client()
        c.raw(b"EHLO cli")
        c.close()
        c = self.client()
        c.ask("EHLO client.example.test")
        c.ask("STARTTLS")
        c.raw(b"\x16\x03\x01\x02\x00")
        c.close()
        c = self.client()
        for line in ("EHLO client.example.test", "MAIL FROM:<carol@example.test>", "RCPT TO:<ann@acme.test>", "DATA"):
            c.ask(line)
        c.raw(b"Subject: never whole\r\n" * 2000)
        c.close()

    def silent(self):
        """Says nothing more and lets the gateway end it."""
        c = self.client()
        c.ask("EHLO client.example.test")
        assert c.reply()[-1].startswith("421")
        assert c.is_closed()
        c.close()

    def cut_through(self):
        c = self.client()
        self.send(c, "ann@direct.test")
        c.close()

    def deferred(self):
        c = self.client()
        self.send(c, self.chance.choice(["ann@down.test", "defer-once@acme.test"]))
        c.close()

    def errors(self):
        c = self.client()
        replies = [c.ask(line) for line in ("NONSENSE", "VRFY ann", "RCPT TO:<ann@acme.test>", "EXPN list", "MAIL FROM:bad", "x" * 3000)]
        assert all(r and r[-1][:1] in "245" for r in replies[:3])
        c.close()


class Operator:
    """The control socket, reloads, and a scan process killed, over and over."""

    def __init__(self, gateway):
        self.gateway, self.ending, self.trouble, self.reloads, self.kills = gateway, threading.Event(), None, 0, 0

    def run(self):
        step = 0
        try:
            while not self.ending.wait(0.05):
                step += 1
                self.queue()
                if step % 10 == 3:
                    self.reload()
                if step % 25 == 7 and self.kills < 3:
                    durability.kill(self.gateway, "scan")
                    self.kills += 1
        except Exception as e:  # handed to the test's own thread
            self.trouble = e

    def queue(self):
        ask = self.gateway.control
        assert ask(noun="relay", verb="stats")["ok"] and ask(noun="queue", verb="top")["ok"] and ask(noun="queue", verb="stats")["ok"]
        assert ask(noun="queue", verb="hold", filter={"domain": "down.test"})["ok"]
        assert ask(noun="queue", verb="list", filter={})["ok"]
        assert ask(noun="queue", verb="release", filter={"state": "held"})["ok"]
        assert ask(noun="queue", verb="retry", filter={})["ok"]
        assert ask(noun="log", verb="flush")["ok"]

    def reload(self):
        self.reloads += 1
        self.gateway.settings["max_hops"] = str(50 + self.reloads % 10)
        self.gateway.settings["scan_memory"] = "%dM" % (256 + 16 * (self.reloads // 3 % 2))  # every third replaces the scan processes
        self.gateway.write_config()
        self.gateway.process.send_signal(signal.SIGHUP)


def start_all(parts):
    threads = [threading.Thread(target=p.run, daemon=True) for p in parts]
    for t in threads:
        t.start()
    return threads


def wait_all(threads, parts):
    for t, part in zip(threads, parts):
        t.join(240)
        assert not t.is_alive(), "%s is stuck" % type(part).__name__
        if part.trouble:
            raise part.trouble


def sanitizer_options(directory):
    """Reports go into files: standard error is shared by all processes, and a report must not hide in it."""
    own = "log_path=%s/log/report:halt_on_error=0" % directory
    return {name: ":".join(filter(None, [os.environ.get(name), own])) for name in ("TSAN_OPTIONS", "ASAN_OPTIONS", "UBSAN_OPTIONS")}


def reports_of(gateway):
    found = []
    for path in glob.glob(gateway.path("log", "report.*")):
        with open(path, errors="replace") as f:
            found.append(f.read())
    return found


def test_everything_at_once():
    down = pt.free_port()
    gateway = pt.Gateway(settings=dict(NO_LIMITS, scanners="2", idle_timeout="2s", connection_cache="300ms", connect_timeout="2s",
                                       submission_networks=["127.0.0.0/8"], couriers="16", workers="32"),
                         domains={"acme.test": {"retry_schedule": ["2s"]}, "direct.test": {"cut_through": True},
                                  "few.test": {"local_recipients": ["ann"]}, "down.test": {"routes": ["127.0.0.1:%d" % down]}})
    gateway.env.update(sanitizer_options(gateway.directory))
    with gateway:
        talks, operator = [Talk(gateway, n) for n in range(CLIENTS)], Operator(gateway)
        held = [gateway.client(source="127.0.3.%d" % (1 + n)) for n in range(HELD)]  # at rest until idle_timeout
        by_operator, by_clients = start_all([operator]), start_all(talks)
        wait_all(by_clients, talks)
        operator.ending.set()
        wait_all(by_operator, [operator])
        assert operator.reloads and operator.kills
        assert all(c.reply()[-1].startswith("421") for c in held)
        gateway.control(noun="queue", verb="release", filter={"state": "held"})
        promised = [unique for talk in talks for unique in talk.promised]
        assert len(promised) > CLIENTS * ROUNDS / 2

        def all_there():
            """every promised message at the sink or in the queue for the domain that is down"""
            gateway.control(noun="queue", verb="retry", filter={"domain": "acme.test"})
            waiting = gateway.queue()
            return all(r["recipient"].endswith("@down.test") for r in waiting) and \
                len(set(durability.delivered_ids(gateway.sink)) & set(promised)) + len(waiting) >= len(promised)
        pt.poll(all_there, 60, every=0.2)
        left = [gateway.client(source="127.0.4.%d" % (1 + n)) for n in range(HELD)]
        assert gateway.stop() == 0
        assert all(c.reply()[-1].startswith("421") for c in left), "sessions are told of the end"
        delivered = durability.delivered_ids(gateway.sink)
        assert len(delivered) == len(set(delivered)), "nothing comes twice"
        assert not reports_of(gateway), "\n".join(reports_of(gateway))[:8000]
