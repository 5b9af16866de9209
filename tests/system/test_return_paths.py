"""Return addresses: rewritten where mail is forwarded (SRS), tagged where it is sent (BATV), and read back when something comes to them."""
import re

import postern_testing as pt
import pytest
from scripted_hop import Hop

DAY = 24 * 3600


@pytest.fixture
def rig():
    hop = Hop()
    route = ["127.0.0.1:%d" % hop.port]
    with pt.Gateway(settings={"submission_networks": ["127.0.0.8/32"], "submission_require_tls": False, "deliver": True},
                    domains={"fwd.test": {"routes": route, "srs": True}, "shared.test": {"routes": route, "srs": True, "srs_domain": "fwd.test"},
                             "cut.test": {"routes": route, "srs": True, "cut_through": True}, "plain.test": {"routes": route},
                             "acme.test": {"batv": "yes"}, "soon.test": {"batv": "sign"}}) as g:
        g.hop = hop
        yield g


def senders(g):
    return [re.match(r"MAIL FROM:<([^>]*)>", line).group(1) for line in g.hop.said if line.startswith("MAIL FROM")]


def send(g, sender, recipient, source="127.0.0.9", port=None, body="From: a@b.test\r\n\r\nx\r\n"):
    """The replies to RCPT and to the message."""
    c = g.client(source, port)
    c.ask("EHLO client.example.test")
    c.ask("MAIL FROM:<%s>" % sender)
    rcpt = c.ask("RCPT TO:<%s>" % recipient)[-1]
    if not rcpt.startswith("250"):
        return rcpt, None
    c.ask("DATA")
    return rcpt, c.ask(body + ".")[-1]


def passed_on(g, sender, recipient, **more):
    count = len(senders(g))
    assert send(g, sender, recipient, **more)[1].startswith("250")
    return pt.poll(lambda: senders(g)[count:])[0]


def test_forwarded_mail_has_a_return_address_that_leads_back(rig):
    told = passed_on(rig, "carol@example.test", "ann@fwd.test")
    assert re.fullmatch(r"SRS0=[a-z2-7]{6}=[a-z2-7]{2}=example\.test=carol@fwd\.test", told)
    assert passed_on(rig, "carol@example.test", "ann@shared.test").endswith("=example.test=carol@fwd.test")
    assert passed_on(rig, "carol@example.test", "ann@cut.test").endswith("=example.test=carol@cut.test")
    assert passed_on(rig, "carol@example.test", "ann@plain.test") == "carol@example.test"
    assert passed_on(rig, "", "ann@fwd.test") == ""
    assert passed_on(rig, "bounce-0123456789-0123456789-0123456789@lists.example.test", "ann@fwd.test").startswith("bounce-"), "too long to be rewritten"
    again = passed_on(rig, "SRS0=abcd=ef=x.test=y@first.test", "ann@fwd.test")
    assert re.fullmatch(r"SRS1=[a-z2-7]{6}=first\.test==abcd=ef=x\.test=y@fwd\.test", again)
    for address in (told, told.lower(), told.upper().replace("FWD.TEST", "fwd.test")):
        assert send(rig, "", address)[1].startswith("250")
    assert send(rig, "", again)[1].startswith("250")
    rows = pt.poll(lambda: rig.queue(recipient="*@example.test") if len(rig.queue(recipient="*@example.test")) == 3 else None)
    assert {r["recipient"].lower() for r in rows} == {"carol@example.test"} and all(r["sender"] in ("", "<>") for r in rows)
    assert rig.queue(recipient="SRS0=abcd=ef=x.test=y@first.test")


def test_a_forged_or_old_return_address_leads_nowhere(rig):
    told = passed_on(rig, "carol@example.test", "ann@fwd.test")
    assert send(rig, "", told.replace("=carol", "=eve"))[0].startswith("550 5.1.1")
    assert send(rig, "", "SRS0=aaaaaa=aa=example.test=eve@fwd.test")[0].startswith("550 5.1.1")
    assert send(rig, "", "eve@example.test")[0].startswith("550 5.7.1"), "still no relay"
    assert send(rig, "", "SRS0=aaaaaa=aa=example.test=eve@plain.test")[0].startswith("250"), "an address like any other where srs is off"
    rig.control(noun="clock", verb="advance", seconds=22 * DAY)
    refused = send(rig, "", told)[0]
    assert refused.startswith("550 5.1.1") and "expired" in refused
    assert rig.wait_for_event(reason="DESTINATION_UNKNOWN", recipient="SRS0*")


def test_our_own_senders_are_not_rewritten(rig):
    assert passed_on(rig, "ann@plain.test", "bob@fwd.test", source="127.0.0.8", port=rig.submission) == "ann@plain.test"


def test_outgoing_mail_is_tagged_and_bounces_need_the_tag(rig):
    told = passed_on(rig, "ann@acme.test", "bob@plain.test", source="127.0.0.8", port=rig.submission)
    assert re.fullmatch(r"prvs=0\d{3}[0-9a-f]{6}=ann@acme\.test", told)
    assert passed_on(rig, "ann@acme.test", "bob@plain.test") == "ann@acme.test", "not ours to tag: it came from elsewhere"
    assert send(rig, "", told, body="Subject: bounce\r\nFrom: m@x.test\r\n\r\nx\r\n")[1].startswith("250")
    assert pt.poll(lambda: rig.sink.messages_for("ann@acme.test")), "delivered to the address without its tag"
    assert send(rig, "", "ann@acme.test")[0].startswith("550 5.7.1")
    assert send(rig, "", told.replace("=ann", "=bob"))[0].startswith("550 5.7.1")
    assert send(rig, "carol@example.test", "ann@acme.test")[1].startswith("250"), "no bounce"
    assert send(rig, "carol@example.test", told)[1].startswith("250"), "an answer to the return address"
    rig.control(noun="clock", verb="advance", seconds=8 * DAY)
    assert send(rig, "", told)[0].startswith("550 5.7.1")


def test_signing_alone_refuses_nothing(rig):
    assert passed_on(rig, "ann@soon.test", "bob@plain.test", source="127.0.0.8", port=rig.submission).startswith("prvs=0")
    assert send(rig, "", "ann@soon.test")[1].startswith("250")


def test_the_secret_outlives_a_restart(rig):
    told = passed_on(rig, "carol@example.test", "ann@fwd.test")
    rig.stop()
    rig.start()
    assert send(rig, "", told)[1].startswith("250")
