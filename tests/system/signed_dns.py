"""signed_dns.py: DNS with DNSSEC on loopback: zones that a private Knot signs, and a validating unbound in front that a gateway asks.

And certificates: self-signed ones, an authority of our own and what it signs, and the TLSA records for them.
"""
import atexit
import hashlib
import os
import random
import shutil
import socket
import subprocess
import tempfile

import postern_testing as pt

KNOT, UNBOUND, KEYMGR = "/usr/sbin/knotd", "/usr/sbin/unbound", "/usr/sbin/keymgr"
OTHER_DIGEST = "%064x" % 7


def why_not():
    """Why tests that need all this are skipped, or None."""
    if os.geteuid() != 0:
        return "needs root: port 25, and a private Knot"
    missing = [p for p in (KNOT, UNBOUND, KEYMGR) if not os.path.exists(p)]
    return "%s not installed (script/setup --test)" % ", ".join(missing) if missing else None


def free_address(port=25):
    """An address of 127.0.0.0/8 whose PORT nobody has."""
    while True:
        address = "127.%d.%d.%d" % (random.randrange(1, 255), random.randrange(256), random.randrange(2, 255))
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((address, port))
            except OSError:
                continue
            return address


def open_directory(name):
    """A temporary folder that the gateway's user may read too. None of pytest's: the one above those is closed to others whenever any run begins."""
    path = tempfile.mkdtemp(prefix=name + "-", dir="/tmp")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    os.chmod(path, 0o755)
    return path


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


class Authority:
    """A certificate authority of our own; certificates come with the chain."""

    def __init__(self, directory, name="Test Root"):
        self.directory = directory
        self.cert, self.key = os.path.join(directory, "ca.pem"), os.path.join(directory, "ca.key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=" + name,
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign", "-keyout", self.key, "-out", self.cert)

    def issue(self, *names, stem=None, days=30):
        stem = os.path.join(self.directory, stem or names[0])
        with open(stem + ".ext", "w") as f:
            f.write("subjectAltName=%s\n" % ",".join("DNS:" + n for n in names))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + names[0], "-keyout", stem + ".key",
                "-out", stem + ".csr")
        if days > 0:
            openssl("x509", "-req", "-in", stem + ".csr", "-CA", self.cert, "-CAkey", self.key, "-days", str(days), "-extfile", stem + ".ext",
                    "-out", stem + ".one")
        else:  # expired already: only `openssl ca` can date it back
            with open(stem + ".cnf", "w") as f:
                f.write("[ca]\ndefault_ca=x\n[x]\ndatabase=%s.db\nserial=%s.serial\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
                        % (stem, stem, self.directory))
            open(stem + ".db", "w").close()
            with open(stem + ".serial", "w") as f:
                f.write("77\n")
            openssl("ca", "-batch", "-config", stem + ".cnf", "-cert", self.cert, "-keyfile", self.key, "-in", stem + ".csr", "-extfile",
                    stem + ".ext", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-notext", "-out", stem + ".one")
        with open(stem + ".pem", "w") as out:
            for path in (stem + ".one", self.cert):
                with open(path) as f:
                    out.write(f.read())
        return stem + ".pem", stem + ".key"


def tlsa(certificate, usage=3, selector=1, matching=1):
    """The record's data for the first certificate of a PEM file."""
    if selector:
        data = openssl("pkey", "-pubin", "-outform", "DER", data=openssl("x509", "-in", certificate, "-pubkey", "-noout"))
    else:
        data = openssl("x509", "-in", certificate, "-outform", "DER")
    data = {0: bytes.hex, 1: lambda d: hashlib.sha256(d).hexdigest(), 2: lambda d: hashlib.sha512(d).hexdigest()}[matching](data)
    return "%d %d %d %s" % (usage, selector, matching, data)


class SignedDns:
    """ZONES: by name the records as lines; signed but for those in UNSIGNED. BOGUS: zones whose signatures the resolver cannot make sense of,
    since their trust anchor (or their parent's DS) is somebody else's."""

    def __init__(self, zones, unsigned=(), bogus=()):
        self.directory = tempfile.mkdtemp(prefix="dns-", dir="/tmp")
        os.chmod(self.directory, 0o755)
        self.authority, self.resolver = pt.free_port(), pt.free_port()
        self.processes, self.unsigned = [], unsigned
        for folder in ("zones", "run", "db"):
            os.mkdir(self.path(folder))
        with open(self.path("knot.conf"), "w") as f:
            f.write("server:\n  listen: 127.0.0.1@%d\n  rundir: %s\n  pidfile: %s\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
                    "log:\n  - target: %s\n    any: info\ndatabase:\n  storage: %s\n  journal-db-max-size: 64M\n  kasp-db-max-size: 20M\n"
                    "  timer-db-max-size: 1M\nzone:\n"
                    % (self.authority, self.path("run"), self.path("run", "pid"), self.path("knot.log"), self.path("db")))
            for name in zones:
                f.write("  - domain: %s\n    file: %s\n    dnssec-signing: %s\n    zonefile-load: whole\n    zonefile-sync: -1\n"
                        % (name, self.path("zones", name), "off" if name in unsigned else "on"))
        for name, lines in zones.items():
            with open(self.path("zones", name), "w") as f:
                f.write("$ORIGIN %s.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n%s\n" % (name, "\n".join(lines)))
        self.run([KNOT, "-c", self.path("knot.conf")])
        for name in zones:
            pt.poll(lambda name=name: self.is_served(name))
        anchors = ["".join('  trust-anchor: "%s"\n' % a for a in self.anchors(name, name in bogus)) for name in zones if name not in unsigned]
        with open(self.path("unbound.conf"), "w") as f:
            f.write('server:\n  interface: 127.0.0.1\n  port: %d\n  do-daemonize: no\n  username: ""\n  chroot: ""\n  directory: "%s"\n'
                    '  pidfile: ""\n  use-syslog: no\n  logfile: "%s"\n  val-log-level: 2\n  do-not-query-localhost: no\n  do-ip6: no\n  num-threads: 1\n'
                    '  module-config: "validator iterator"\n  local-zone: "test." transparent\n'
                    '  local-zone: "example.test." static\n  local-data: "example.test. A 192.0.2.1"\n  local-zone: "_dmarc.test." static\n'
                    '  access-control: 127.0.0.0/8 allow\n%s'
                    "remote-control:\n  control-enable: no\n" % (self.resolver, self.directory, self.path("unbound.log"), "".join(anchors)))
            for name in zones:
                f.write('stub-zone:\n  name: "%s"\n  stub-addr: 127.0.0.1@%d\n' % (name, self.authority))
        self.run([UNBOUND, "-d", "-c", self.path("unbound.conf")])
        pt.poll(self.answers)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def run(self, words):
        self.processes.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def ask(self, port, name, kind=6):
        """The raw answer to one question, or b""."""
        question = os.urandom(2) + b"\1\x20\0\1\0\0\0\0\0\1" + b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
        question += bytes([0, kind, 0, 1]) + b"\0\0\x29\4\xd0\0\0\x80\0\0\0"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(1)
            s.connect(("127.0.0.1", port))
            try:
                s.send(question)
                return s.recv(4096)
            except OSError:
                return b""

    def is_served(self, name):
        """a zone of Knot's, signed where it should be"""
        answer = self.ask(self.authority, name)
        return len(answer) > 12 and answer[3] & 15 == 0 and answer[7] == (1 if name in self.unsigned else 2)

    def anchors(self, zone, wrong):
        done = subprocess.run([KEYMGR, "-c", self.path("knot.conf"), zone, "ds"], capture_output=True, text=True, check=True)
        found = [line for line in done.stdout.splitlines() if " DS " in line]
        return [line.rpartition(" ")[0] + " " + "0" * len(line.rpartition(" ")[2]) for line in found] if wrong else found

    def answers(self):
        """the resolver"""
        assert self.processes[-1].poll() is None, open(self.path("unbound.log")).read()
        return len(self.ask(self.resolver, "nowhere.test")) > 12

    def __enter__(self):
        return self

    def __exit__(self, *trouble):
        for process in self.processes:
            process.terminate()
            process.wait(20)
        shutil.rmtree(self.directory, ignore_errors=True)
