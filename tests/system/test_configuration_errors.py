"""A wrong configuration as its author meets it: which file, which line, why, and a code that scripts can read (sysexits.h)."""
import os
import shutil
import signal
import socket
import subprocess

import pytest

import postern_testing as pt

EX_NOUSER, EX_UNAVAILABLE, EX_CANTCREAT, EX_CONFIG = 67, 69, 73, 78


@pytest.fixture()
def folder():
    """A gateway's folder and configuration; it is not started."""
    g = pt.Gateway(sink=False, domains={"acme.test": {"routes": ["127.0.0.1:1"]}})
    g.write_config()
    yield g
    shutil.rmtree(g.directory, ignore_errors=True)


def check(g):
    return g.cli("check", check=False)


def start(g):
    """Starts it, and expects that it ends: the code and what it said."""
    done = subprocess.run([pt.binary(), "-c", g.config], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def line_of(g, text):
    with open(g.config) as f:
        return next(number for number, line in enumerate(f, 1) if text in line)


def append(g, text):
    with open(g.config, "a") as f:
        f.write(text)


WRONG = [
    ("max_mesage_size = \"5M\"\n", "no such setting: max_mesage_size; is max_message_size meant?"),
    ("flux_capacitor = \"on\"\n", "no such setting: flux_capacitor"),
    ("# a comment\n\nmax_recipients = \"7\"\n", "max_recipients: 7 is not within 100 … 100000"),
    ("idle_timeout = \"soon\"\n", "idle_timeout: \"soon\" is not a time"),
    ("proxy_networks = {\"10.0.0.0/8\", \"10.0.0.1/8\"}\n", "proxy_networks: \"10.0.0.1/8\" is not a network"),
    ("routes = {\"mx\"}\n", "routes may only stand in a domain"),
    ("domain \"b.test\" {\n  workers = \"3\"\n}\n", "workers holds for the whole gateway"),
    ("domain \"c.test\" {\n  max_line = \"1\"\n", "not closed"),
    ("domain \"d.test\" {\n  routes = {\"mail.d.test:99999\"}\n}\n", "routes: \"mail.d.test:99999\" is not host:port"),
    ("domain \"e.test\" {\n  routes = {\"mx:\"}\n}\n", "routes: \"mx:\" is not host:port"),
]


@pytest.mark.parametrize("address", ["dmarc", "@acme.test", "dmarc@acme", "<dmarc@acme.test>", "a@b.test,c@d.test"])
def test_an_address_that_reports_could_not_come_from(folder, address):
    append(folder, 'dmarc_reports_from = "%s"\n' % address)
    done = check(folder)
    assert done.returncode == EX_CONFIG
    assert 'dmarc_reports_from: "%s" is not an address' % address in done.stderr + done.stdout


@pytest.mark.parametrize("text,why", WRONG, ids=[why.split(":")[0] for _, why in WRONG])
def test_file_line_and_reason(folder, text, why):
    append(folder, text)
    wrong = "domain \"c.test\"" if why == "not closed" else next(line for line in text.splitlines() if line and line[0] not in "#d")
    place = "%s:%d: " % (folder.config, line_of(folder, wrong))
    done = check(folder)
    assert done.returncode == EX_CONFIG and place in done.stderr and why in done.stderr
    code, said = start(folder)
    assert code == EX_CONFIG and place in said and why in said


def test_line_of_an_included_file(folder):
    with open(folder.path("more.conf"), "w") as f:
        f.write("# one\nmax_line = \"abc\"\n")
    append(folder, "include(\"more.conf\")\nmax_recipients = \"7\"\n")
    said = check(folder).stderr
    assert folder.path("more.conf") + ":2: max_line" in said
    assert "%s:%d: max_recipients" % (folder.config, line_of(folder, "max_recipients")) in said


def test_file_that_is_not_there(folder):
    os.unlink(folder.config)
    for code, said in ((check(folder).returncode, check(folder).stderr), start(folder)):
        assert code == EX_CONFIG and folder.config + ": No such file or directory" in said


def test_certificate_that_is_not_there(folder):
    """check says so; a start goes on without TLS, since mail matters more (test_answers.py has the session's 454)."""
    assert check(folder).returncode == 0
    os.unlink(folder.certificate[1])
    done = check(folder)
    assert done.returncode == EX_CONFIG and folder.certificate[1] + ": No such file or directory" in done.stderr
    with folder:
        assert folder.certificate[1] + ": No such file or directory" in folder.said()
        assert folder.client().ask("EHLO client.example.test")[-1].startswith("250")


def test_key_of_another_certificate(folder):
    _, key = pt.make_certificate(folder.directory, stem="other")
    shutil.copy(key, folder.certificate[1])
    done = check(folder)
    assert done.returncode == EX_CONFIG and folder.certificate[1] in done.stderr


def test_list_with_a_wrong_line(folder):
    with open(folder.path("lists", "ip-block"), "w") as f:
        f.write("192.0.2.1\nnonsense\n")
    place = folder.path("lists", "ip-block") + ":2: \"nonsense\""
    done = check(folder)
    assert done.returncode == EX_CONFIG and place in done.stderr
    code, said = start(folder)
    assert code == EX_UNAVAILABLE and place in said and "the gateway does not start" in said


def test_list_that_may_not_be_read(folder):
    if os.geteuid() != 0:
        pytest.skip("only root has processes of another user, who may read less")
    with open(folder.path("lists", "sender-block"), "w") as f:
        f.write("a@b.test\n")
    os.chmod(folder.path("lists", "sender-block"), 0)
    code, said = start(folder)
    assert code == EX_UNAVAILABLE and folder.path("lists", "sender-block") + ": Permission denied" in said


def test_port_in_use(folder):
    with socket.create_server(("127.0.0.1", folder.mx)):
        code, said = start(folder)
    assert code == EX_UNAVAILABLE and "127.0.0.1:%d cannot be listened on: Address already in use" % folder.mx in said


def test_spool_that_is_no_folder(folder):
    os.rmdir(folder.path("spool"))
    with open(folder.path("spool"), "w"):
        pass
    code, said = start(folder)
    assert code == EX_CANTCREAT and folder.path("spool") + " is not a folder" in said


def test_spool_of_somebody_else(folder):
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder of somebody else")
    shutil.chown(folder.path("spool"), "daemon")
    code, said = start(folder)
    assert code == EX_UNAVAILABLE and folder.path("spool") in said and "Permission denied" in said


def test_user_that_is_not_there(folder):
    if os.geteuid() != 0:
        pytest.skip("only root changes users")
    folder.settings["user"] = "nobody-of-that-name"
    folder.write_config()
    code, said = start(folder)
    assert code == EX_NOUSER and "nobody-of-that-name: there is no such user" in said


def test_second_gateway_in_the_same_folders(folder):
    with folder:
        code, said = start(folder)
        assert code == EX_UNAVAILABLE and "another gateway runs here, process %d" % folder.process.pid in said
        assert folder.client().banner[-1].startswith("220"), "the first one is not disturbed"


RELOADS = ["max_mesage_size = \"5M\"\n", "domain \"b.test\" {\n", "max_recipients = \"7\"\n"]


@pytest.mark.parametrize("text", RELOADS)
def test_reload_of_a_wrong_one_keeps_the_old(folder, text):
    with folder as g:
        g.write_config()
        append(g, "max_message_size = \"100K\"\n" + text)
        g.process.send_signal(signal.SIGHUP)
        pt.poll(lambda: "the configuration is not reloaded, the old one stays" in g.said())
        pt.poll(lambda: g.config + ":%d: " % line_of(g, text.strip().split("\n")[0]) in g.said())
        assert "250-SIZE 52428800" in g.client().ask("EHLO client.example.test")
        g.write_config()
        append(g, "max_message_size = \"100K\"\n")
        g.process.send_signal(signal.SIGHUP)
        pt.poll(lambda: "the configuration is reloaded" in g.said())
        assert "250-SIZE 102400" in g.client().ask("EHLO client.example.test")


def test_reload_with_lists_or_keys_that_cannot_be_read_keeps_the_old(folder):
    with folder as g:
        with open(g.path("lists", "ip-block"), "w") as f:
            f.write("127.0.0.9\nnonsense\n")
        g.process.send_signal(signal.SIGHUP)
        pt.poll(lambda: "the old one stays: %s:2: \"nonsense\"" % g.path("lists", "ip-block") in g.said())
        assert g.client().banner[-1].startswith("220"), "no half of it is in force"
        os.unlink(g.path("lists", "ip-block"))
        os.rename(g.certificate[0], g.certificate[0] + ".away")
        g.process.send_signal(signal.SIGHUP)
        pt.poll(lambda: g.certificate[0] + ": No such file or directory" in g.said())
        c = g.client()
        c.ask("EHLO client.example.test")
        assert c.ask("STARTTLS")[-1].startswith("220")


@pytest.mark.parametrize("length", [63, 64, 65, 128, 129, 200])
def test_the_configuration_may_lie_deep(length):
    """Its path was kept in memory that a second reading freed once more, where it was longer than 64 octets."""
    g = pt.Gateway(sink=False, tls=False, domains={"acme.test": {"routes": ["127.0.0.1:1"]}})
    deep = os.path.join(g.directory, "c" * (length - len(g.directory) - 1))
    g.write_config()
    shutil.copyfile(g.config, deep)
    g.stderr, g.mark = open(g.path("stderr"), "ab"), 0
    try:
        assert len(deep) == length
        g.process = subprocess.Popen([pt.binary(), "-c", deep], stderr=g.stderr, env=g.env)
        pt.poll(g.is_up)
    finally:
        g.close()
