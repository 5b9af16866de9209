"""The greylist in the running gateway: what it learns from our own users, that it outlives restarts and kills, and the operator's verbs."""
import os
import signal

import postern_testing as pt

GREY = {"greylist": None, "max_connections_per_minute": "0"}


def attempt(g, sender="carol@sender.test", recipient="ann@acme.test", source="127.0.0.9"):
    c = g.client(source)
    reply = c.transact(recipient, sender=sender)
    c.close()
    return reply


def forward(g, seconds):
    assert g.control(noun="clock", verb="advance", seconds=seconds)["ok"]


def test_it_outlives_a_restart_and_a_kill():
    with pt.Gateway(settings=dict(GREY, greylist_delay="1h")) as g:
        assert attempt(g).startswith("451 4.7.1")
        g.stop()
        g.start()
        forward(g, 3500)
        assert attempt(g).startswith("451 4.7.1")
        assert attempt(g, "dave@sender.test").startswith("451 4.7.1")
        forward(g, 3000)
        assert attempt(g).startswith("250 2.6.0")
        with open(g.path("state", "greylist")) as f:
            pt.poll(lambda: any(line.startswith("+t") and " 1 127.0.0.0/24 carol@" in line for line in f.readlines()) or f.seek(0))
        relay = g.children()["relay"][0]
        os.kill(relay, signal.SIGKILL)
        pt.poll(lambda: g.children().get("relay", [relay])[0] != relay)
        pt.poll(lambda: os.path.exists(g.path("run", "control")) and not reachable(g))
        # known, though the new process begins with a clock that was not turned
        assert attempt(g).startswith("250 2.6.0")
        assert g.wait_for_event(event="accepted", standing="*is known with this sender*")
        assert attempt(g, "dave@sender.test").startswith("451 4.7.1")
        forward(g, 3700)
        assert attempt(g, "dave@sender.test").startswith("250 2.6.0")


def reachable(g):
    """Why the control socket cannot be reached; None when it can."""
    try:
        g.control(noun="relay", verb="stats")
    except OSError as trouble:
        return trouble
    return None


def test_our_correspondents_do_not_wait():
    settings = dict(GREY, submission_networks=["127.0.0.0/8"], submission_require_tls=False)
    with pt.Gateway(settings=settings) as g:
        assert attempt(g, "erin@friend.test").startswith("451 4.7.1")
        c = g.client(port=g.submission)
        assert c.transact("Erin+list@friend.test", sender="ann@acme.test").startswith("250 2.6.0")
        c.close()
        assert attempt(g, "erin@friend.test").startswith("250 2.6.0")
        g.wait_for_event(event="accepted", sender="erin@friend.test", standing="our users write to this sender")
        assert attempt(g, "frank@friend.test").startswith("451 4.7.1")


def test_the_operator_sees_and_forgets():
    with pt.Gateway(settings=GREY) as g:
        assert attempt(g).startswith("451 4.7.1")
        rows = g.control(noun="greylist", verb="list", text="carol")["rows"]
        assert [(r["what"], r["key"]) for r in rows] == [("first contact", "127.0.0.0/24 carol@sender.test acme.test")]
        assert "127.0.0.0/24 carol@sender.test acme.test" in g.cli("greylist", "list").stdout
        assert "carol" not in g.cli("greylist", "list", "elsewhere").stdout
        forward(g, 601)
        assert attempt(g).startswith("250 2.6.0")
        assert g.control(noun="relay", verb="stats")["greylist"]["entries"] == 3  # the triplet, its pair, its network
        assert "forgotten: 3" in g.cli("greylist", "forget", "127.0.0.77").stdout
        assert attempt(g).startswith("451 4.7.1")
        assert g.cli("greylist", "forget", "somebody", check=False).returncode != 0


def test_the_operators_own_list_of_large_senders():
    g = pt.Gateway(settings=GREY, files={"large": "# ours\n127.0.0.8/29\nfriend.test\n"}, sink=False)
    g.settings["large_senders"] = g.path("large")
    with g:
        c = g.client()
        c.ask("EHLO client.example.test")
        c.ask("MAIL FROM:<carol@sender.test>")
        assert c.ask("RCPT TO:<ann@acme.test>")[-1].startswith("250")
        c.close()
        g.wait_for_event(event="incomplete", standing="large sender, by its network")
        assert attempt(g, source="127.0.0.20").startswith("451 4.7.1")
        with open(g.path("large"), "w") as f:
            f.write("friend.test\nno name at all\n")
        done = g.cli("check", check=False)
        assert done.returncode != 0 and "large:2:" in done.stderr + done.stdout
