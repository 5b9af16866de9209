"""What accounts and their identities may send: windows at their edges with a turned clock, over a restart and a kill, by settings at every level."""
import os
import re
import signal

import pytest

import postern_testing as pt

PASSWORD = "correct horse"


def gateway(settings=None, **domain):
    g = pt.Gateway(settings=dict({"max_connections_per_minute": "0", "max_concurrent_connections": "0", "max_date_skew_days": "0"}, **(settings or {})), domains={"acme.test": domain})
    g.account("add", "ann@acme.test", password=PASSWORD)
    return g


def log_in(g, login="ann@acme.test", password=PASSWORD):
    client = g.client(port=g.submission)
    assert client.log_in(login, password).startswith("235")
    return client


def send(client, sender="ann@acme.test", recipients=("bob@acme.test",), headers=""):
    return client.transact(list(recipients), sender=sender, helo=None, message=pt.sample(sender=sender or "ann@acme.test", headers=headers))


def turn(g, seconds):
    assert g.control(noun="clock", verb="advance", seconds=seconds)["ok"]


@pytest.mark.parametrize("window, seconds", [("minute", 60), ("hour", 3600), ("day", 86400), ("week", 7 * 86400), ("month", 30 * 86400)])
def test_a_window_to_its_edge(window, seconds):
    settings = {"outgoing_per_" + w: "" for w in ("minute", "hour", "day", "week", "month")}
    settings.update({"outgoing_per_" + window: "3", "idle_timeout": "1h", "session_timeout": "24h"})
    with gateway(settings) as g:
        client = log_in(g)
        for _ in range(3):
            assert send(client).startswith("250")
        refused = send(client)
        assert refused.startswith("451 4.7.1") and "3 messages in a%s %s; come again in" % ("n" if window == "hour" else "", window) in refused
        wait = int(refused.split("come again in ")[1].split()[0])
        assert seconds - 30 < wait <= seconds
        row = g.wait_for_event(reason="RATE_MESSAGES", account="ann@acme.test")[0]
        assert row["next_try"] and row["status"] == "delayed"
        turn(g, wait - 25 if window == "minute" else wait - 40)
        client = log_in(g)  # the old one is cut off by its timeouts
        assert send(client).startswith("451")
        turn(g, 40)
        assert send(client).startswith("250")


def test_what_was_sent_is_known_after_a_restart_and_after_a_kill():
    with gateway({"outgoing_per_day": "4"}) as g:
        client = log_in(g)
        for _ in range(2):
            assert send(client).startswith("250")
        g.stop()
        g.start()
        client = log_in(g)
        for _ in range(2):
            assert send(client).startswith("250")
        assert send(client).startswith("451 4.7.1")
        relay = g.children()["relay"][0]
        os.kill(relay, signal.SIGKILL)
        pt.poll(lambda: g.children().get("relay") not in (None, [], [relay]))
        client = pt.poll(lambda: reachable(g))
        assert client.log_in("ann@acme.test", PASSWORD).startswith("235")
        assert send(client).startswith("451 4.7.1")


def reachable(g):
    try:
        return g.client(port=g.submission)
    except OSError:
        return None


def test_a_message_that_is_refused_takes_no_room():
    with gateway({"outgoing_per_day": "1", "check_subject": "refuse"}) as g:
        client = log_in(g)
        for _ in range(3):
            assert client.transact(["bob@acme.test"], sender="ann@acme.test", helo=None, message=pt.sample(headers="Subject: twice\r\n")).startswith("550")
        assert send(client).startswith("250")
        assert send(client).startswith("451 4.7.1")


def test_levels_from_the_operator_down_to_the_account():
    with gateway({"outgoing_per_day": "1"}, outgoing_per_day="2") as g:
        client = log_in(g)
        assert send(client).startswith("250") and send(client).startswith("250")
        assert "2 messages in a day" in send(client)
        g.account("limits", "ann@acme.test", "outgoing_per_day=3")
        assert send(client).startswith("250")
        assert "3 messages in a day" in send(client)
        g.account("limits", "ann@acme.test", "outgoing_per_day=")  # no limit
        assert send(client).startswith("250")
        g.account("limits", "ann@acme.test", "outgoing_per_day=0")  # none
        assert "0 messages in a day" in send(client)
        rows = {r["name"]: r for r in __import__("json").loads(g.cli("account", "limits", "ann@acme.test", "--json").stdout)}
        assert rows["outgoing_per_day"] == {"name": "outgoing_per_day", "value": 0, "set": "here"} and rows["outgoing_per_hour"]["set"] == "inherited"
        g.account("limits", "ann@acme.test", "outgoing_per_day=inherit")
        assert "2 messages in a day" in send(client)
        done = g.cli("account", "limits", "ann@acme.test", "outgoing_per_day=many", check=False)
        assert done.returncode == 65 and "is not a number" in done.stderr
        assert g.cli("account", "limits", "ann@acme.test", "routes=mx", check=False).returncode == 65


def test_recipients_count_each():
    with gateway({"outgoing_recipients_per_day": "3"}) as g:
        client = log_in(g)
        assert send(client, recipients=("bob@acme.test", "eve@acme.test")).startswith("250")
        assert "3 recipients in a day" in send(client, recipients=("bob@acme.test", "eve@acme.test"))
        assert send(client).startswith("250")


def test_who_guesses_addresses_has_to_wait():
    with gateway({"outgoing_invalid_percent": "50"}, local_recipients=["bob"]) as g:
        client = log_in(g)
        for _ in range(3):
            assert client.ask("MAIL FROM:<ann@acme.test>")[-1].startswith("250")
            for i in range(7):
                assert client.ask("RCPT TO:<guess%d@acme.test>" % i)[-1].startswith("550 5.1.1")
            assert client.ask("RSET")[-1].startswith("250")
        assert "more than 50 % of the recipients" in send(client)


def test_messages_of_one_session():
    with gateway({"outgoing_per_connection": "2"}) as g:
        client = log_in(g)
        assert send(client).startswith("250") and send(client).startswith("250")
        assert "2 messages in a session" in send(client)
        assert send(log_in(g)).startswith("250")


@pytest.mark.parametrize("identity, pattern, of", [("sender", "", lambda who: dict(sender=who + "@acme.test")),
                                                   ("header:X-User", "uid=([a-z]+)", lambda who: dict(headers="X-User: client/uid=%s/9\r\n" % who.upper())),
                                                   ("header:X-User", "^[a-z]+", lambda who: dict(headers="X-User: %s 17\r\n" % who))])
def test_each_identity_has_limits_of_its_own(identity, pattern, of):
    with gateway({"identity": identity, "identity_pattern": pattern, "identity_per_hour": "1", "outgoing_per_hour": "3"}) as g:
        client = log_in(g)
        assert send(client, **of("ann")).startswith("250")
        assert "1 message in an hour" in send(client, **of("ann"))
        assert send(client, **of("bob")).startswith("250")
        assert send(client, **of("eve")).startswith("250")
        assert "3 messages in an hour" in send(client, **of("joe"))
        names = {r["identity"] for r in g.wait_for_event(3, event="accepted")}
        assert {n.split("@")[0] for n in names} == {"ann", "bob", "eve"}


def test_dkim_signs_for_the_accounts_own_domains_alone():
    g = pt.Gateway(domains={"acme.test": {}, "other.test": {}})
    g.settings["dkim_directory"] = g.path("dkim")
    g.account("add", "ann@acme.test", password=PASSWORD)
    for domain in ("acme.test", "other.test"):
        g.write_config()
        g.cli("dkim", "new", domain, "--type", "ed25519", "--directory", g.path("dkim"))
    with g:
        client = log_in(g)
        for domain in ("acme.test", "other.test"):
            assert client.transact(["%s@acme.test" % domain.split(".")[0]], sender="ann@acme.test", helo=None, message=pt.sample(sender="ann@" + domain)).startswith("250")
        assert b"\r\nDKIM-Signature: " in b"\r\n" + pt.poll(lambda: g.sink.messages_for("acme@acme.test"))[0]
        assert b"\r\nDKIM-Signature: " not in b"\r\n" + pt.poll(lambda: g.sink.messages_for("other@acme.test"))[0]


def test_what_is_added_is_signed_and_what_is_there_stays():
    g = pt.Gateway()
    g.settings["dkim_directory"] = g.path("dkim")
    g.account("add", "ann@acme.test", password=PASSWORD)
    record = g.cli("dkim", "new", "acme.test", "--type", "ed25519", "--selector", "s1", "--directory", g.path("dkim")).stdout
    with g:
        client = log_in(g)
        bare = "From: <ann@acme.test>\r\nSubject: bare\r\n\r\nHello.\r\n"
        assert client.transact(["bob@acme.test"], sender="ann@acme.test", helo=None, message=bare).startswith("250")
        whole = "Message-ID: <mine@acme.test>\r\n" + bare.replace("bare", "whole")
        assert client.transact(["eve@acme.test"], sender="ann@acme.test", helo=None, message=whole).startswith("250")
        # from another server such mail stays as it is
        assert g.client().transact(["joe@acme.test"], sender="ann@other.test", message=bare.replace("acme", "other")).startswith("250")
        bob, eve, joe = (pt.poll(lambda: g.sink.messages_for(who + "@acme.test"))[0] for who in ("bob", "eve", "joe"))
    assert b"\r\nMessage-ID: <mine@acme.test>\r\n" in eve and eve.count(b"\r\nMessage-ID:") == 1 and b"\r\nDate: " in eve
    header = joe.split(b"\r\n\r\n")[0]
    assert b"\r\nMessage-ID:" not in header and b"\r\nDate:" not in header
    dkim = pytest.importorskip("dkim")
    key = "".join(re.findall('"([^"]*)"', record)).encode()
    for message in (bob, eve):
        message = message[message.index(b"DKIM-Signature:"):]
        assert b"date" in re.search(rb"\bh=([^;]*)", message).group(1).lower()
        assert dkim.verify(message, dnsfunc=lambda name, timeout=5: key)
