"""A message that scan does not survive: its sender keeps it, the operator gets a copy the second time, and other mail goes on."""
import json
import os
import signal

import postern_testing as pt

OPEN = {"scan_timeout": "500ms", "max_connections_per_minute": "0", "max_messages_per_connection": "0", "max_concurrent_connections": "0"}


def say(gateway, message):
    client = gateway.client(source="127.0.3.1")
    try:
        return client.transact(["ann@acme.test", "bob@acme.test"], sender="carol@example.test", message=message)
    finally:
        client.close()


def harm(gateway, message):
    """The one scan process hangs on it, as it does in a parser that never ends."""
    [before] = pt.poll(lambda: gateway.children().get("scan"))
    os.kill(before, signal.SIGSTOP)
    reply = say(gateway, message)
    pt.poll(lambda: gateway.children().get("scan", [before]) != [before] and gateway.control(noun="relay", verb="stats")["scanners"] == 1)
    return reply


def test_what_harms_scan_twice_is_kept_aside():
    poison, other = pt.sample(subject="poison"), pt.sample(subject="other")
    with pt.Gateway(settings=OPEN) as g:
        assert "Nothing" in g.cli("aside", "list").stdout
        assert harm(g, poison).startswith("451 4.3.0")
        assert json.loads(g.cli("aside", "list", "--json").stdout) == []  # once says little
        assert harm(g, poison).startswith("451 4.3.0")

        [kept] = json.loads(g.cli("aside", "list", "--json").stdout)
        assert kept["from"] == "carol@example.test" and kept["to"] == ["ann@acme.test", "bob@acme.test"] and kept["times"] == 2
        assert kept["client"].startswith("127.0.3.1")
        with open(kept["file"], "rb") as f:
            assert f.read().rstrip() == poison.encode()
        assert os.stat(kept["file"]).st_mode & 0o077 == 0
        assert kept["reference"] in g.cli("aside", "show", kept["reference"]).stdout
        assert "kept aside" in str(g.wait_for_event(reference=kept["reference"])[0])

        [scan] = g.children()["scan"]
        assert say(g, poison).startswith("451 4.3.0")  # not read again now: nothing dies
        assert say(g, other).startswith("250")
        assert g.children()["scan"] == [scan]

        g.cli("clock", "advance", "3601")
        assert say(g, poison).startswith("250")  # a better scan, or it was innocent: it gets through
        pt.poll(lambda: len(g.sink.messages_for("ann@acme.test")) == 2)

        g.cli("aside", "delete", kept["reference"])
        assert os.listdir(os.path.dirname(kept["file"])) == []
        assert g.cli("aside", "show", kept["reference"], check=False).returncode != 0
        assert g.cli("aside", "show", "../x", check=False).returncode != 0


def test_no_more_than_the_ceiling_is_kept_aside():
    with pt.Gateway(settings=dict(OPEN, max_aside="2")) as g:
        for i in range(3):
            poison = pt.sample(subject="poison %d" % i)
            for _ in range(2):
                harm(g, poison)
        kept = json.loads(g.cli("aside", "list", "--json").stdout)
        assert len(kept) == 2
        texts = [open(k["file"], encoding="ascii").read() for k in kept]
        assert not any("poison 0" in t for t in texts)
        assert len(os.listdir(os.path.dirname(kept[0]["file"]))) == 4
