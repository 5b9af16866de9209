"""peers.py: real servers of the distribution beside the gateway: Postfix (sending, or taking in) and Dovecot's LMTP, private instances."""
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

import postern_testing as pt

POSTFIX, DOVECOT, DAEMONS = "/usr/sbin/postfix", "/usr/sbin/dovecot", "/usr/lib/postfix/sbin"

MAIN_CF = """compatibility_level = 3.6
queue_directory = {d}/spool
data_directory = {d}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = {name}
mydestination =
local_recipient_maps =
alias_maps =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_dns_support_level = disabled
smtpd_relay_restrictions = permit_mynetworks, reject
maillog_file = {d}/maillog
maillog_file_prefixes = /
smtpd_tls_cert_file = {d}/cert.pem
smtpd_tls_key_file = {d}/cert.key
smtpd_tls_security_level = may
smtpd_tls_loglevel = 1
smtp_tls_security_level = may
"""


def why_not(program):
    """Why a test that needs PROGRAM is skipped, or None."""
    if os.geteuid() != 0:
        return "needs root to start a private %s" % os.path.basename(program)
    return None if os.path.exists(program) else "%s is not installed (script/setup --test)" % program


class Postfix:
    """EXTRA goes into main.cf. As a destination it keeps mail of its virtual domain in a Maildir; as a sender it has a relayhost."""

    def __init__(self, name, extra="", domain=None):
        self.directory, self.port = tempfile.mkdtemp(prefix="px-", dir="/tmp"), pt.free_port()
        os.chmod(self.directory, 0o755)
        for folder in ("etc", "spool", "data", "mail"):
            os.mkdir(self.path(folder))
        shutil.chown(self.path("data"), "postfix")
        pt.make_certificate(self.directory, name)
        if domain:
            owner = pwd.getpwnam("nobody")
            shutil.chown(self.path("mail"), "nobody")
            with open(self.path("etc", "mailboxes"), "w") as f:
                f.write("ann@%s ann/\nbob@%s bob/\n" % (domain, domain))
            extra += ("virtual_mailbox_domains = %s\nvirtual_mailbox_base = %s\nvirtual_mailbox_maps = texthash:%s\nvirtual_minimum_uid = 1\n"
                      "virtual_uid_maps = static:%d\nvirtual_gid_maps = static:%d\nvirtual_mailbox_limit = 0\n" % (
                          domain, self.path("mail"), self.path("etc", "mailboxes"), owner.pw_uid, owner.pw_gid))
        with open(self.path("etc", "main.cf"), "w") as f:
            f.write(MAIN_CF.format(d=self.directory, name=name) + extra)
        self.write_master()
        done = subprocess.run([POSTFIX, "-c", self.path("etc"), "start"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        pt.poll(self.answers)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write_master(self):
        """The distribution's master.cf, with our port and without chroots, whose files a private queue has not."""
        dist = "/usr/share/postfix/master.cf.dist"
        with open(dist if os.path.exists(dist) else "/etc/postfix/master.cf") as f:
            rows = [line.split() for line in f if line.strip() and not line.startswith(("#", " ", "\t"))]
        with open(self.path("etc", "master.cf"), "w") as f:
            for row in rows:
                if row[:2] == ["smtp", "inet"]:
                    row[0] = str(self.port)
                row[4] = "n"
                f.write("\t".join(row) + "\n")

    def answers(self):
        """Postfix's banner"""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as s:
                s.settimeout(5)
                return s.recv(3) == b"220"
        except OSError:
            return False

    def inject(self, message, sender, *recipients, options=()):
        """As a program on the sending host would: sendmail(1)."""
        subprocess.run(["/usr/sbin/sendmail", "-C", self.path("etc"), "-f", sender, *options, "--", *recipients], input=message.encode(), check=True)

    def log(self):
        with open(self.path("maillog"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def mailbox(self, name):
        folder, found = self.path("mail", name, "new"), []
        for one in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, one), "rb") as f:
                found.append(f.read())
        return found

    def __enter__(self):
        return self

    def __exit__(self, *trouble):
        with open(self.path("spool", "pid", "master.pid")) as f:
            master = int(f.read())
        subprocess.run([POSTFIX, "-c", self.path("etc"), "stop"], stderr=subprocess.DEVNULL)
        pt.poll(lambda: not os.path.exists("/proc/%d" % master))
        shutil.rmtree(self.directory, ignore_errors=True)


class Dovecot:
    """LMTP only: every address has a Maildir; "full" has no room."""

    def __init__(self):
        self.directory, self.port = tempfile.mkdtemp(prefix="dv-", dir="/tmp"), pt.free_port()
        os.chmod(self.directory, 0o755)
        os.mkdir(self.path("mail"))
        shutil.chown(self.path("mail"), "nobody")
        with open(self.path("users"), "w") as f:
            for name in ("ann", "bob"):
                f.write("%s@acme.test:{PLAIN}x::::::\n" % name)
        nobody = pwd.getpwnam("nobody")
        with open(self.path("dovecot.conf"), "w") as f:
            f.write("""base_dir = {d}/run
state_dir = {d}/state
log_path = {d}/log
protocols = lmtp
ssl = no
listen = 127.0.0.1
default_login_user = nobody
default_internal_user = nobody
default_internal_group = nogroup
mail_location = maildir:{d}/mail/%u
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 1
passdb {{
  driver = passwd-file
  args = {d}/users
}}
userdb {{
  driver = passwd-file
  args = {d}/users
  default_fields = uid={uid} gid={gid} home={d}/mail/%u
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
""".format(d=self.directory, uid=nobody.pw_uid, gid=nobody.pw_gid, port=self.port))
        self.process = subprocess.Popen([DOVECOT, "-F", "-c", self.path("dovecot.conf")], stderr=subprocess.DEVNULL)
        pt.poll(self.answers)

    path = Postfix.path

    def answers(self):
        """Dovecot's banner"""
        assert self.process.poll() is None, self.log()
        return Postfix.answers(self)

    def log(self):
        if not os.path.exists(self.path("log")):
            return ""
        with open(self.path("log")) as f:
            return f.read()

    def mailbox(self, address):
        folder, found = self.path("mail", address, "new"), []
        for one in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, one), "rb") as f:
                found.append(f.read())
        return found

    def __enter__(self):
        return self

    def __exit__(self, *trouble):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        shutil.rmtree(self.directory, ignore_errors=True)
