"""Destinations that break the protocol: nothing may count as delivered that they did not take, and nothing may be returned in haste."""
import contextlib

import pytest

import postern_testing as pt
from scripted_hop import Hop

TLS = b"250-hop.test\r\n250 STARTTLS\r\n"

# what the hop does, what becomes of the recipient, and with which status
CASES = {
    "says 250 to DATA": (dict(DATA=b"250 2.0.0 sure\r\n"), "deferred", "4.4.2"),
    "greets with 354": (dict(banner=b"354 go on\r\n"), "deferred", "4.4.2"),
    "says 354 to EHLO": (dict(EHLO=b"354 3.1.1 go on\r\n"), "deferred", "4.4.2"),
    "says 354 to MAIL": (dict(MAIL=b"354 3.1.1 go on\r\n"), "deferred", "4.4.2"),
    "says 354 to RCPT": (dict(RCPT=b"354 3.1.1 go on\r\n"), "deferred", "4.4.2"),
    "says 354 to the message": (dict(dot=b"354 3.1.1 go on\r\n"), "deferred", "4.4.2"),
    "greets with 1xx": (dict(banner=b"150 hm\r\n"), "deferred", "4.4.2"),
    "mixes codes in one reply": (dict(RCPT=b"250-ok\r\n550 no\r\n"), "deferred", "4.4.2"),
    "never ends its greeting": (dict(banner=b"220-hm\r\n" * 5000), "deferred", "4.4.2"),
    "greets with one long line": (dict(banner=b"220 " + b"x" * 100000 + b"\r\n"), "deferred", "4.4.2"),
    "is no SMTP server": (dict(banner=b"\x00\xff\r\n"), "deferred", "4.4.2"),
    "closes before the banner": (dict(banner=None), "deferred", "4.4.2"),
    "closes at MAIL": (dict(MAIL=None), "deferred", "4.4.2"),
    "closes at DATA": (dict(DATA=None), "deferred", "4.4.2"),
    "closes behind the message": (dict(dot=None), "deferred", "4.4.2"),
    "leaves at RCPT": (dict(RCPT=b"421 4.3.2 leaving\r\n"), "deferred", "4.3.2"),
    "leaves behind the message": (dict(dot=b"421 4.3.2 leaving\r\n"), "deferred", "4.3.2"),
    "class of the status is wrong": (dict(RCPT=b"550 4.2.2 no\r\n"), "bounced", "5.2.0"),
    "refuses in three lines": (dict(dot=b"550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 three\r\n"), "bounced", "5.7.1"),
    "has STARTTLS, but not now": (dict(EHLO=TLS, STAR=b"454 4.7.0 not now\r\n"), "delivered", "2.0.0"),
    "has STARTTLS, but refuses it": (dict(EHLO=TLS, STAR=b"502 5.5.1 what\r\n"), "delivered", "2.0.0"),
    "answers STARTTLS and goes on in plaintext": (dict(EHLO=TLS, STAR=b"220 go\r\n250 smuggled\r\n"), "delivered", "2.0.0"),
    "ends its lines in LF": (dict(MAIL=b"250 ok\n", RCPT=b"250 ok\n"), "delivered", "2.0.0"),
    "says nothing but the code": (dict(RCPT=b"250\r\n"), "delivered", "2.0.0"),
}


def domain_of(name):
    return name.lower().replace(" ", "-").replace(",", "") + ".test"


@pytest.fixture(scope="module")
def outcomes():
    hops = {name: Hop(**script) for name, (script, _, _) in CASES.items()}
    domains = {domain_of(name): {"routes": ["127.0.0.1:%d" % hop.port]} for name, hop in hops.items()}
    with contextlib.ExitStack() as stack:
        for hop in hops.values():
            stack.callback(hop.close)
        g = stack.enter_context(pt.Gateway(domains=domains, settings={"max_connections_per_minute": "0", "max_concurrent_connections": "0"}))
        client = g.client()
        for name in CASES:
            assert client.transact("ann@" + domain_of(name)).startswith("250")
        yield g, hops


@pytest.mark.parametrize("name", CASES)
def test_a_destination_that(outcomes, name):
    gateway, hops = outcomes
    _, event, status = CASES[name]
    row = gateway.wait_for_event(recipient="ann@" + domain_of(name), event=event)[0]
    assert row["dsn"] == status, row
    if event == "delivered":
        assert len(hops[name].bodies) == 1
    rows = gateway.queue(recipient="ann@" + domain_of(name))
    assert bool(rows) == (event == "deferred"), rows


def test_a_second_route_is_tried_when_the_first_host_turns_us_away():
    first, second = Hop(banner=b"554 5.7.1 not you\r\n"), Hop()
    with pt.Gateway(domains={"acme.test": {"routes": ["127.0.0.1:%d" % first.port, "127.0.0.1:%d" % second.port]}}) as g:
        assert g.client().transact("ann@acme.test").startswith("250")
        g.wait_for_event(event="delivered", recipient="ann@acme.test")
        assert len(second.bodies) == 1
    first.close()
    second.close()


def test_a_host_that_never_takes_mail_speaks_for_the_domain():
    first, second = Hop(banner=b"521 hop.test does not accept mail\r\n"), Hop()
    with pt.Gateway(domains={"acme.test": {"routes": ["127.0.0.1:%d" % first.port, "127.0.0.1:%d" % second.port]}}) as g:
        assert g.client().transact("ann@acme.test").startswith("250")
        assert g.wait_for_event(event="bounced", recipient="ann@acme.test")[0]["dsn"] == "5.1.10"
        assert second.said == []
    first.close()
    second.close()
