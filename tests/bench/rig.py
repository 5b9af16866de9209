"""rig.py: what the benchmarks share: the gateway and a real Postfix started privately on loopback, a sink, and their CPU time.

Everything runs on this machine's loopback and ends with the program. Figures are only worth something side by side: the peer
runs in the same run, with the same messages, and the generator shares the cores with both.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PORT = int(os.environ.get("BENCH_PORT", "2925"))
SINK_PORT = PORT + 1
DOMAIN = "peer.test"
NO_DNS = 'dns_zone_file = "/dev/null"\ncheck_sender_dns = off\ngreylist = no'


def postern_binary():
    found = os.environ.get("POSTERN_BIN") or os.path.join(ROOT, "build", "src", "postern")
    if not os.path.exists(found):
        sys.exit("no gateway at %s: build it first (script/setup; meson setup build; ninja -C build)" % found)
    return found


def wait_for_banner(port, seconds=30):
    end = time.time() + seconds
    while time.time() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as s:
                s.settimeout(5)
                if s.recv(100).startswith(b"220"):
                    s.sendall(b"QUIT\r\n")
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError("nobody greets at port %d" % port)


def stat_of(pid):
    with open("/proc/%s/stat" % pid) as f:
        return f.read().rpartition(")")[2].split()


def tree_of(pid):
    """pid and all that descend from it, now."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents[int(entry)] = int(stat_of(entry)[1])
            except OSError:
                pass
    found = [pid]
    for one in found:
        found += [p for p, parent in parents.items() if parent == one]
    return found


def cpu_of(pid):
    """CPU seconds of a process tree, children that were waited for included."""
    ticks = 0
    for one in tree_of(pid):
        try:
            ticks += sum(int(x) for x in stat_of(one)[11:15])
        except OSError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_of(pid):
    """Proportional set size of a process tree, in bytes."""
    total = 0
    for one in tree_of(pid):
        try:
            with open("/proc/%d/smaps_rollup" % one) as f:
                total += sum(int(line.split()[1]) * 1024 for line in f if line.startswith("Pss:"))
        except OSError:
            pass
    return total


class Sink:
    """smtp-sink of the Postfix package, counting what it is given."""

    def __init__(self):
        self.count, self.rest = 0, b""
        self.process = subprocess.Popen(["/usr/sbin/smtp-sink", "-u", "nobody", "-c", "127.0.0.1:%d" % SINK_PORT, "4096"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        os.set_blocking(self.process.stdout.fileno(), False)
        wait_for_banner(SINK_PORT)

    def delivered(self):
        while True:
            try:
                piece = os.read(self.process.stdout.fileno(), 65536)
            except BlockingIOError:
                break
            if not piece:
                break
            records = (self.rest + piece).split(b"\r")
            self.rest = records.pop()
            if records:
                self.count = int(records[-1].rsplit(b"=", 1)[1])
        return self.count

    def wait(self, target, seconds=120):
        end = time.time() + seconds
        while self.delivered() < target:
            if time.time() > end:
                raise RuntimeError("only %d of %d messages were delivered" % (self.count, target))
            time.sleep(0.002)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Postern:
    name = "postern"

    def __init__(self, mode, extra="", checks=NO_DNS):
        self.directory = tempfile.mkdtemp(prefix="postern-bench-", dir=os.environ.get("BENCH_DIR"))
        for folder in ("spool", "state", "run", "log", "lists"):
            os.mkdir(os.path.join(self.directory, folder))
        self.config = os.path.join(self.directory, "postern.conf")
        key, cert = os.path.join(self.directory, "key.pem"), os.path.join(self.directory, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                        "-subj", "/CN=mx.postern.test", "-keyout", key, "-out", cert], check=True, stderr=subprocess.DEVNULL)
        shutil.chown(self.directory, "nobody")
        with open(self.config, "w") as f:
            f.write("""host_name = "mx.postern.test"
user = "nobody"
listen_mx = {"127.0.0.1:%(port)d"}
listen_console = {}
tls_certificates = {"%(d)s/cert.pem:%(d)s/key.pem"}
spool_directory = "%(d)s/spool"
state_directory = "%(d)s/state"
run_directory = "%(d)s/run"
log_json = "%(d)s/log/messages.jsonl"
%(asks)s
max_concurrent_connections = 0
max_connections_per_minute = 0
max_connections_per_hour = 0
max_messages_per_connection = 0
max_invalid_recipients_per_hour = 0
deliver = %(deliver)s
%(extra)s
domain "%(domain)s" {
  routes = {"127.0.0.1:%(sink)d"}
  %(checks)s
}
""" % dict(port=PORT, d=self.directory, deliver="no" if mode == "accept" else "yes", extra=extra, asks=checks, domain=DOMAIN, sink=SINK_PORT,
           # the generator's own messages: no Date, its HELO is a bare name
           checks="check_greeting = off\n  check_header_count = off\n  max_destination_connections = 50"))
        for base, folders, files in os.walk(self.directory):
            for one in folders + files:
                shutil.chown(os.path.join(base, one), "nobody")
        os.chmod(self.directory, 0o755)
        self.log = open(os.path.join(self.directory, "stderr"), "wb")
        self.process = subprocess.Popen([postern_binary(), "-c", self.config], stderr=self.log)
        self.pid = self.process.pid
        wait_for_banner(PORT)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Postfix:
    name = "postfix"

    def __init__(self, mode, extra=""):
        self.directory = tempfile.mkdtemp(prefix="postfix-bench-", dir=os.environ.get("BENCH_DIR"))
        self.conf, self.spool, self.data = (os.path.join(self.directory, x) for x in ("etc", "spool", "data"))
        os.makedirs(self.conf)
        os.makedirs(self.spool)
        os.makedirs(self.data)
        os.chmod(self.directory, 0o755)
        shutil.chown(self.data, "postfix")
        hold = "smtpd_recipient_restrictions = check_client_access static:HOLD, permit\nin_flow_delay = 0s\n" if mode == "accept" else ""
        with open(os.path.join(self.conf, "main.cf"), "w") as f:
            f.write("""compatibility_level = 3.6
queue_directory = %s
data_directory = %s
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.postfix.test
mydestination =
local_recipient_maps =
alias_maps =
mynetworks = %s
relayhost = [127.0.0.1]:%d
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_dns_support_level = disabled
smtpd_relay_restrictions = permit_mynetworks, reject
maillog_file = %s/maillog
maillog_file_prefixes = /
default_process_limit = 120
%s%s""" % (self.spool, self.data, "127.0.0.2/32" if mode == "reject" else "127.0.0.0/8", SINK_PORT, self.directory, hold, extra))
        with open("/usr/share/postfix/master.cf.dist" if os.path.exists("/usr/share/postfix/master.cf.dist") else "/etc/postfix/master.cf") as f:
            lines = f.read().splitlines()
        with open(os.path.join(self.conf, "master.cf"), "w") as f:
            for line in lines:
                words = line.split()
                if len(words) >= 8 and not line.startswith(("#", " ", "\t")):
                    if words[0] == "smtp" and words[1] == "inet":
                        words[0] = str(PORT)
                    words[4] = "n"  # no chroot: the private spool has none of the files it would want
                    line = "\t".join(words)
                f.write(line + "\n")
        done = subprocess.run(["/usr/sbin/postfix", "-c", self.conf, "start"], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError("postfix: " + done.stderr)
        wait_for_banner(PORT)
        with open(os.path.join(self.spool, "pid", "master.pid")) as f:
            self.pid = int(f.read())

    def stop(self):
        subprocess.run(["/usr/sbin/postfix", "-c", self.conf, "stop"], stderr=subprocess.DEVNULL)
        end = time.time() + 20
        while os.path.exists("/proc/%d" % self.pid) and time.time() < end:
            time.sleep(0.1)
        shutil.rmtree(self.directory, ignore_errors=True)


PEERS = {"postern": Postern, "postfix": Postfix}


def load(*words):
    """Runs bench-load against what listens at PORT: its figures. An answer that was not expected is a failure of the run."""
    program = os.environ.get("BENCH_LOAD") or os.path.join(ROOT, "build-release", "tests", "bench", "bench-load")
    command = [program, words[0], str(PORT)] + [str(w) for w in words[1:]]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-300:])
    result = json.loads(done.stdout)
    if result["errors"]:
        raise RuntimeError("%d errors: %s" % (result["errors"], done.stderr.strip()[-300:]))
    return result


def emit(**row):
    print(json.dumps(row), flush=True)
