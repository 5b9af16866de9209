"""Reputation in the running gateway: what counts as good and bad, for whom, what it is evidence of, and that it outlives restarts and kills."""
import os
import signal

import postern_testing as pt
import pytest

ZONE = "\n".join([
    "2.0.0.127.bl.test. A 127.0.0.2", "9.4.0.127.bl.test. A 127.0.0.4", 'good.test. TXT "v=spf1 ip4:127.0.0.0/8 -all"', 'other.test. TXT "v=spf1 ip4:127.0.0.0/8 -all"',
    "8.4.0.127.in-addr.arpa. PTR mx7.mail.provider.co.uk.", "mx7.mail.provider.co.uk. A 127.0.4.8", "7.4.0.127.in-addr.arpa. PTR forged.bank.com."]) + "\n"
SETTINGS = {"dnsbl": "refuse", "dnsbl_zones": ["bl.test"], "check_ptr": "score", "max_connections_per_minute": "0"}


@pytest.fixture
def gateway():
    domains = {"acme.test": {}, "grey.test": {"greylist": True}, "open.test": {"dnsbl": "off"}}
    with pt.Gateway(settings=SETTINGS, domains=domains, zone=ZONE) as g:
        yield g


def send(g, source, sender="a@good.test", to="ann@acme.test", body="Hello.\r\n"):
    c = g.client(source)
    try:
        return c.transact(to, sender=sender, message=pt.sample(body=body))
    finally:
        c.close()


def shown(g, name):
    return {r["what"]: (r["good"], r["bad"], r["reputation"]) for r in g.control(noun="reputation", verb="show", name=name)["rows"]}


def test_accepted_and_proven_mail_is_good(gateway):
    assert send(gateway, "127.0.4.8", body="See https://www.shop.example.com/ and http://www.acme.test/\r\n").startswith("250")
    assert shown(gateway, "127.0.4.8") == {"address": (1, 0, "unknown"), "network": (1, 0, "unknown")}
    assert shown(gateway, "provider.co.uk") == {"host": (1, 0, "unknown")}
    assert shown(gateway, "good.test") == {"sender": (1, 0, "unknown")}
    assert shown(gateway, "example.com") == {"link": (1, 0, "unknown")} and shown(gateway, "acme.test") == {}
    assert send(gateway, "127.0.4.8", sender="a@unproven.test").startswith("250")
    assert shown(gateway, "127.0.4.8")["address"] == (1, 0, "unknown") and shown(gateway, "unproven.test") == {}
    assert send(gateway, "127.0.4.7").startswith("250")
    assert shown(gateway, "bank.com") == {}, "a PTR that does not lead back proves nothing"


def test_what_is_refused_as_spam_is_bad_once_for_each_attempt(gateway):
    c = gateway.client("127.0.4.9")
    for line in ("EHLO client.good.test", "MAIL FROM:<a@good.test>"):
        c.ask(line)
    for i in range(4):
        assert c.ask("RCPT TO:<u%d@acme.test>" % i)[-1].startswith("550 5.7.1")
    c.close()
    assert shown(gateway, "127.0.4.9") == {"address": (0, 1, "unknown"), "network": (0, 1, "unknown")}
    assert shown(gateway, "good.test") == {"sender": (0, 1, "unknown")}
    assert send(gateway, "127.0.4.9", sender="a@forged.test").startswith("550")
    assert shown(gateway, "forged.test") == {}, "nobody's reputation is spoiled by forging"


def test_it_is_evidence_and_can_be_forgotten(gateway):
    for _ in range(5):
        assert send(gateway, "127.0.4.9").startswith("550")
    assert shown(gateway, "127.0.4.9")["address"] == (0, 5, "poor")
    assert send(gateway, "127.0.4.9", sender="b@third.test", to="ann@open.test").startswith("250"), "by default it only scores"
    row = gateway.wait_for_event(event="accepted", recipient="ann@open.test")[-1]
    assert {"reason": "REPUTATION_POOR", "evidence": "address 127.0.4.9: 5.0 of 5.0 messages were spam"} in row["findings"]
    out = gateway.cli("reputation", "show", "127.0.4.9").stdout
    assert "127.0.4.0/24" in out and "poor" in out
    assert "forgotten: 2" in gateway.cli("reputation", "forget", "127.0.4.9").stdout and shown(gateway, "127.0.4.9") == {}
    assert gateway.cli("reputation", "show", check=False).returncode == 64
    gateway.control(noun="clock", verb="advance", seconds=14 * 24 * 3600)
    assert shown(gateway, "good.test")["sender"][1] in (2.5, 2.51, 2.49)


def test_a_good_name_does_not_wait_and_spam_loses_it(gateway):
    assert send(gateway, "127.0.5.1", to="ann@grey.test").startswith("451 4.7.1")
    for _ in range(5):
        assert send(gateway, "127.0.4.8", sender="a@other.test").startswith("250")
    assert send(gateway, "127.0.6.1", sender="x@other.test", to="ann@grey.test").startswith("250"), "SPF proves the sender"
    assert gateway.wait_for_event(event="accepted", standing="good reputation of sender other.test, 5 messages")
    assert send(gateway, "127.0.4.8", sender="x@new.test", to="ann@grey.test").startswith("250")
    assert gateway.wait_for_event(event="accepted", standing="good reputation of * messages", sender="x@new.test")
    assert send(gateway, "127.0.4.9", sender="a@other.test").startswith("550")
    assert send(gateway, "127.0.7.1", sender="y@other.test", to="ann@grey.test").startswith("451 4.7.1")


def test_it_outlives_a_restart_and_a_kill(gateway):
    assert send(gateway, "127.0.4.8").startswith("250")
    gateway.stop()
    gateway.start()
    assert shown(gateway, "good.test") == {"sender": (1, 0, "unknown")}
    assert send(gateway, "127.0.4.8").startswith("250")
    pt.poll(lambda: gateway.control(noun="relay", verb="stats")["reputation"]["unwritten"] == 0)
    with open(gateway.path("state", "reputation")) as f:
        pt.poll(lambda: " good.test" in f.read() or f.seek(0))
    relay = gateway.children()["relay"][0]
    os.kill(relay, signal.SIGKILL)
    pt.poll(lambda: gateway.children().get("relay", [relay])[0] != relay)

    def asked():
        try:
            return shown(gateway, "good.test")
        except (OSError, KeyError, ValueError):
            return None
    assert pt.poll(asked) == {"sender": (2, 0, "unknown")}
