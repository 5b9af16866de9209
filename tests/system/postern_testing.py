"""postern_testing.py: a gateway of its own for a test: configuration, start, stop, its log, its destination, and a plain SMTP client.

Everything listens on loopback, in a folder of its own, and ends with the test. Nothing sleeps: what is waited for is polled.
"""
import base64
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATIENCE = 30.0


def binary():
    return os.environ.get("POSTERN_BIN") or os.path.join(ROOT, "build", "src", "postern")


def conformance(*path):
    """A file of the public test material, or None where it is not at hand."""
    base = os.environ.get("POSTERN_CONFORMANCE") or os.path.join(ROOT, "..", "shared", "conformance")
    found = os.path.join(base, *path)
    return found if os.path.exists(found) else None


def poll(what, seconds=PATIENCE, every=0.02):
    """Calls WHAT until it gives something true, and returns that; fails after SECONDS."""
    end = time.monotonic() + seconds
    while True:
        result = what()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError("waited in vain for %s" % (getattr(what, "__doc__", None) or what))
        time.sleep(every)


PORTS_PER_WORKER, given_ports = 2700, set()


def free_port(address="127.0.0.1"):
    """A port below those that the kernel gives to clients, that no other worker of this run is given and that was not given before: nobody takes it between our look
    and our bind."""
    first = 10000 + int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % 8 * PORTS_PER_WORKER
    if len(given_ports) > PORTS_PER_WORKER // 2:
        given_ports.clear()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    while True:
        port = random.randrange(first, first + PORTS_PER_WORKER)
        if port in given_ports:
            continue
        with socket.socket(family) as s, contextlib.suppress(OSError):
            s.bind((address, port))
            given_ports.add(port)
            return port


def to_conf(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return "{%s}" % ", ".join('"%s"' % str(v).replace("\\", "\\\\").replace('"', '\\"') for v in value)
    return '"%s"' % str(value).replace("\\", "\\\\").replace('"', '\\"')


def make_certificate(directory, name="mx.postern.test", stem="cert"):
    cert, key = os.path.join(directory, stem + ".pem"), os.path.join(directory, stem + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                    "/CN=" + name, "-addext", "subjectAltName=DNS:" + name, "-keyout", key, "-out", cert], check=True, stderr=subprocess.DEVNULL)
    return cert, key


class Sink:
    """The gateway's own `postern sink` as destination."""

    def __init__(self, directory, lmtp=False, port=None):
        self.maildir = os.path.join(directory, "maildir%s" % ("-lmtp" if lmtp else ""))
        self.port, self.lmtp, self.process = port or free_port(), lmtp, None
        self.start()

    def start(self):
        self.process = subprocess.Popen([binary(), "sink", "--listen", "127.0.0.1:%d" % self.port, "--maildir", self.maildir, "--quiet"] +
                                        (["--lmtp"] if self.lmtp else []))
        poll(self.answers)

    def answers(self):
        """the sink's banner"""
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", self.port), 2) as s:
                return s.recv(3) == b"220"

    def messages(self):
        folder = os.path.join(self.maildir, "new")
        found = []
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, name), "rb") as f:
                found.append(f.read())
        return found

    def messages_for(self, recipient):
        mark = ("X-Sink-Rcpt-To: <%s>" % recipient).encode()
        return [m for m in self.messages() if any(line.startswith(mark) for line in m.split(b"\r\n\r\n")[0].split(b"\r\n"))]

    def stop(self):
        self.process.kill()
        self.process.wait()


class Gateway:
    def __init__(self, settings=None, domains=None, lists=None, zone="", sink=True, tls=True, env=None, files=None):
        self.directory = tempfile.mkdtemp(prefix="pt-", dir="/tmp")
        os.chmod(self.directory, 0o755)
        for folder in ("spool", "state", "run", "log", "lists"):
            os.mkdir(os.path.join(self.directory, folder))
        self.mx, self.submission, self.submissions, self.console = (free_port() for _ in range(4))
        self.sink = Sink(self.directory) if sink else None
        self.settings, self.domains, self.lists, self.zone = dict(settings or {}), dict(domains or {}), dict(lists or {}), zone
        self.env, self.process = dict(os.environ, **(env or {})), None
        self.certificate = make_certificate(self.directory) if tls else None
        for name, text in (files or {}).items():
            with open(self.path(name), "w") as f:
                f.write(text)
        if not self.domains:
            self.domains = {"acme.test": {}}

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    @property
    def config(self):
        return self.path("postern.conf")

    def write_config(self):
        values = dict(host_name="mx.postern.test", listen_mx=["127.0.0.1:%d" % self.mx], listen_submission=["127.0.0.1:%d" % self.submission],
                      listen_console=["127.0.0.1:%d" % self.console], why_url="https://mx.postern.test/why", spool_directory=self.path("spool"),
                      state_directory=self.path("state"), run_directory=self.path("run"), lists_directory=self.path("lists"),
                      log_json=self.path("log", "messages.jsonl"), log_text=self.path("log", "mail.log"), dns_zone_file=self.path("zone"),
                      test_clock=True, banner_delay="0", spool_free_floor="1M", scanners=1,
                      # what the zone would have to know of every sender: tests of these rows say otherwise (None: the default)
                      check_sender_dns="off", check_ptr="off", greylist=False)
        if os.geteuid() == 0:
            values["user"] = "nobody"
        if self.certificate:
            values["tls_certificates"] = ["%s:%s" % self.certificate]
            values["listen_submissions"] = ["127.0.0.1:%d" % self.submissions]
        values.update(self.settings)
        values = {name: value for name, value in values.items() if value is not None}
        with open(self.config, "w") as f:
            for name, value in values.items():
                f.write("%s = %s\n" % (name, to_conf(value)))
            for domain, own in self.domains.items():
                own = dict(own)
                if "routes" not in own and self.sink:
                    own["routes"] = ["127.0.0.1:%d" % self.sink.port]
                f.write('domain "%s" {\n%s}\n' % (domain, "".join("  %s = %s\n" % (k, to_conf(v)) for k, v in own.items())))
        for name, text in self.lists.items():
            with open(self.path("lists", name), "w") as f:
                f.write(text)
        with open(self.path("zone"), "w") as f:
            f.write(self.zone)
        if os.geteuid() == 0:
            for folder in ("spool", "state", "run", "log"):
                shutil.chown(self.path(folder), "nobody")

    def start(self, wait=True):
        self.write_config()
        self.stderr = open(self.path("stderr"), "ab")
        self.mark = os.path.getsize(self.path("stderr"))
        self.process = subprocess.Popen([binary(), "-c", self.config], stderr=self.stderr, env=self.env)
        if wait:
            poll(self.is_up)
        return self

    def said(self):
        with open(self.path("stderr"), "rb") as f:
            f.seek(self.mark)
            return f.read().decode(errors="replace")

    def is_up(self):
        """the gateway's start"""
        if self.process.poll() is not None:
            raise AssertionError("the gateway ended with code %d: %s" % (self.process.returncode, self.said()[-3000:]))
        return "the gateway is up" in self.said()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode if self.process else None

    def close(self):
        self.stop()
        if self.sink:
            self.sink.stop()
        trouble = [line for line in self.said().splitlines() if "Sanitizer" in line or "runtime error" in line or "bug at" in line] \
            if self.process else []
        shutil.rmtree(self.directory, ignore_errors=True)
        assert not trouble, trouble[:5]

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            if self.process:
                self.process.kill()
            if self.sink:
                self.sink.stop()
            raise

    def __exit__(self, *trouble):
        self.close()

    def children(self):
        """pid by role of the master's children."""
        found = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            with contextlib.suppress(OSError):
                with open("/proc/%s/stat" % entry) as f:
                    parent = int(f.read().rpartition(")")[2].split()[1])
                if parent == self.process.pid:
                    with open("/proc/%s/cmdline" % entry) as f:
                        words = f.read().split("\0")
                    role = next((w[1:] for w in words if w.startswith("@")), None)
                    if role:
                        found.setdefault(role, []).append(int(entry))
        return found

    def events(self, **wanted):
        """Rows of the message log whose fields match (globs)."""
        rows = []
        with contextlib.suppress(FileNotFoundError), open(self.path("log", "messages.jsonl"), encoding="utf-8") as f:
            for line in f:
                if line.endswith("\n"):
                    rows.append(json.loads(line))
        return [r for r in rows if all(glob(value, str(r.get(key, ""))) for key, value in wanted.items())]

    def wait_for_event(self, count=1, seconds=PATIENCE, **wanted):
        def enough():
            found = self.events(**wanted)
            return found if len(found) >= count else None
        enough.__doc__ = "%d event(s) %r" % (count, wanted)
        return poll(enough, seconds)

    def control(self, **request):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.path("run", "control"))
            s.sendall(json.dumps(request).encode() + b"\n")
            answer = b""
            while True:
                piece = s.recv(65536)
                if not piece:
                    return json.loads(answer)
                answer += piece

    def cli(self, *words, check=True):
        done = subprocess.run([binary(), *words, "--config", self.config], capture_output=True, text=True, timeout=60)
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def account(self, verb, login, *words, password=None):
        """`postern account VERB LOGIN …`; works before the gateway's start, too."""
        if not os.path.exists(self.config):
            self.write_config()
        done = subprocess.run([binary(), "account", verb, login, *words, "--config", self.config], input=(password or "") + "\n", capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def rule(self, owner, name, definition):
        """A custom rule in the store, behind those of the same OWNER ("operator", or a domain); works before the gateway's start, too."""
        path = self.path("state", "store.db")
        if not os.path.exists(path):
            if not os.path.exists(self.config):
                self.write_config()
            subprocess.run([binary(), "account", "list", "--config", self.config], check=True, capture_output=True, timeout=60)  # it makes the store
        db = sqlite3.connect(path, timeout=10, isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        number = db.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM rule").fetchone()[0]
        domain = 0
        if owner != "operator":
            db.execute("INSERT INTO domain(id, name, created_ms) SELECT COALESCE(MAX(id), 0) + 1, ?, 0 FROM domain WHERE true ON CONFLICT(name) DO NOTHING", (owner,))
            domain = db.execute("SELECT id FROM domain WHERE name = ?", (owner,)).fetchone()[0]
        db.execute("INSERT INTO rule(id, level, owner, position, name, is_on, definition, created_ms, changed_ms) VALUES(?, ?, ?, ?, ?, 1, ?, 0, 0)",
                   (number, "d" if domain else "s", domain, number, name, json.dumps(definition)))
        db.execute("INSERT INTO meta(name, value) VALUES('revision', '1') ON CONFLICT(name) DO UPDATE SET value = CAST(value AS INTEGER) + 1")
        db.execute("COMMIT")
        db.close()
        return number

    def client(self, source="127.0.0.9", port=None, **options):
        return Client(("127.0.0.1", port or self.mx), source, **options)

    def queue(self, **filters):
        return self.control(noun="queue", verb="list", filter=filters)["rows"]


def glob(pattern, text):
    return re.fullmatch(".*".join(re.escape(p) for p in str(pattern).split("*")), text, re.S) is not None


class Client:
    """An SMTP client that says exactly what it is told."""

    def __init__(self, address, source=None, tls=False, banner=True, timeout=PATIENCE):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(timeout)
        if source and family == socket.AF_INET:
            self.socket.bind((source, 0))
        self.socket.connect(address)
        self.rest = b""
        if tls:
            self.start_tls()
        self.banner = self.reply() if banner else None

    def start_tls(self, name="mx.postern.test"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self.rest = b""

    def send(self, line):
        self.raw(line.encode() + b"\r\n")

    def raw(self, data):
        self.socket.sendall(data)

    def reply(self):
        """All lines of one reply; an empty list when the server closed."""
        lines = []
        while True:
            while b"\n" not in self.rest:
                try:
                    piece = self.socket.recv(65536)
                except (ConnectionResetError, BrokenPipeError):
                    piece = b""
                if not piece:
                    return lines
                self.rest += piece
            line, self.rest = self.rest.split(b"\n", 1)
            lines.append(line.rstrip(b"\r").decode(errors="replace"))
            if lines[-1][3:4] != "-":
                return lines

    def ask(self, line):
        self.send(line)
        return self.reply()

    def is_closed(self):
        """The server closes (what it still says is dropped)."""
        try:
            while True:
                piece = self.socket.recv(65536)
                if not piece:
                    return True
        except (ConnectionResetError, BrokenPipeError):
            return True
        except OSError:
            return False

    def close(self):
        self.socket.close()

    def log_in(self, login, password, helo="laptop"):
        """STARTTLS where it is not on, then AUTH PLAIN; the reply's last line."""
        assert self.ask("EHLO " + helo)[-1].startswith("250")
        if not isinstance(self.socket, ssl.SSLSocket):
            assert self.ask("STARTTLS")[-1].startswith("220")
            self.start_tls()
            assert self.ask("EHLO " + helo)[-1].startswith("250")
        return self.ask("AUTH PLAIN " + base64.b64encode(("\0%s\0%s" % (login, password)).encode()).decode())[-1]

    def transact(self, recipients, sender="carol@example.test", message=None, helo="client.example.test"):
        """A whole transaction; the last reply's last line."""
        if isinstance(recipients, str):
            recipients = [recipients]
        if helo:
            assert self.ask("EHLO " + helo)[-1].startswith("250")
        reply = self.ask("MAIL FROM:<%s>" % sender)[-1]
        if not reply.startswith("250"):
            return reply
        replies = [self.ask("RCPT TO:<%s>" % r)[-1] for r in recipients]
        if not any(r.startswith("250") for r in replies):
            return replies[-1]
        reply = self.ask("DATA")[-1]
        if not reply.startswith("354"):
            return reply
        self.raw((message or sample()).encode() + b"\r\n.\r\n")
        return self.reply()[-1]


def sample(subject="test", body="Hello.", headers="", sender="carol@example.test", to="ann@acme.test"):
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
    return "Date: %s\r\nFrom: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nMessage-ID: <%d@client.example.test>\r\n%s\r\n%s" % (
        date, sender, to, subject, time.monotonic_ns(), headers, body)
